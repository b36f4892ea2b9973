#!/usr/bin/env bash
# How fast a study of 300 slices comes in: ours with every promise kept, beside dcmtk and Orthanc without.
#
#   cargo build --release && server/benches/receive.sh target/release/foci [RUNS]
#
# The same sender (dcmtk storescu, PDUs of 128 KiB) stores 300 slices of 512 x 512 x 16 bits in each receiver in
# turn, RUNS times (default 5), each time in an empty folder. Foci answers a slice only when its file, its
# folder and its row are on the disk; storescp and Orthanc answer when they have handed it to the system.
# Prints one line for each run, then the medians and by what factor ours is quicker. The folder is made in
# $TMPDIR: it must be on the disk that is to be measured.
#
# dcmtk and Orthanc listen on every address of the machine, so everything runs in a network of its own.
set -euo pipefail

if [ -z "${FOCI_BENCH_INSIDE:-}" ]; then
    [ $# -ge 1 ] || { echo "usage: $0 FOCI [RUNS]" >&2; exit 2; }
    for program in /usr/bin/storescu /usr/bin/storescp /usr/sbin/Orthanc; do
        [ -x "$program" ] || { echo "missing: $program: run .ci/peers" >&2; exit 2; }
    done
    export FOCI_BENCH_INSIDE=yes
    exec unshare --net --map-root-user "$0" "$(realpath "$1")" "${2:-5}"
fi
foci="$1" runs="$2"
export PATH="$PATH:/usr/sbin:/sbin"
export TCP_NODELAY=1 # dcmtk and Orthanc wait 40 ms on each answer without it
ip link set lo up

work="$(mktemp -d)"
receiver=
finish() {
    [ -z "$receiver" ] || { kill "$receiver" && wait "$receiver"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

"$foci" phantom "$work/study" --size 512x512x300 --spacing 0.7x0.7x1 > /dev/null
find "$work/study" -type f ! -name '*.dcm' -delete
bytes=$(du -sb "$work/study" | cut -f1)

cat > "$work/foci.toml" <<TOML
data = "$work/sink"
[dicom]
listen = "127.0.0.1:11112"
[http]
listen = "127.0.0.1:8099"
[studies]
stable_s = 3600
[[peer]]
name = "bench"
ae_title = "BENCH"
addresses = ["127.0.0.1"]
TOML
cat > "$work/orthanc.json" <<JSON
{"Name": "BENCH", "StorageDirectory": "$work/sink", "IndexDirectory": "$work/sink", "DicomAet": "SINK",
 "DicomPort": 11112, "HttpPort": 8099, "DicomAlwaysAllowStore": true, "AuthenticationEnabled": false}
JSON

start() {
    # Nothing is removed between runs: a file system that has just removed many files is slow in making new ones,
    # and whoever comes next would pay for it.
    rm -f "$work/sink"
    mkdir "$work/sink-$1-$run"
    ln -s "$work/sink-$1-$run" "$work/sink"
    case "$1" in
        foci) "$foci" serve --config "$work/foci.toml" > /dev/null 2> "$work/log" & ;;
        storescp) /usr/bin/storescp -aet SINK -od "$work/sink" +xa -pdu 131072 11112 > "$work/log" 2>&1 & ;;
        orthanc) /usr/sbin/Orthanc "$work/orthanc.json" > "$work/log" 2>&1 & ;;
    esac
    receiver=$!
    for _ in $(seq 200); do
        /usr/bin/echoscu -aet BENCH -aec "$2" 127.0.0.1 11112 2> /dev/null && return
        kill -0 "$receiver" || { cat "$work/log" >&2; exit 1; }
        sleep 0.05
    done
    echo "$1 does not answer" >&2
    exit 1
}

cpu() { awk '{ print ($14 + $15) / 100 }' "/proc/$receiver/stat"; }

for run in $(seq "$runs"); do
    for name in storescp orthanc foci; do
        title=SINK
        [ "$name" = foci ] && title=FOCI
        start "$name" "$title"
        sync
        before=$(cpu) begun=$(date +%s%N)
        /usr/bin/storescu -pdu 131072 -aet BENCH -aec "$title" +sd 127.0.0.1 11112 "$work/study"
        took=$(($(date +%s%N) - begun)) after=$(cpu)
        echo "$name $took" >> "$work/times"
        awk -v name="$name" -v run="$run" -v ns="$took" -v bytes="$bytes" -v cpu="$(echo "$after - $before" | awk '{print $1 - $3}')" \
            -v load="$(cut -d' ' -f1 /proc/loadavg)" 'BEGIN {
                s = ns / 1e9
                printf "%-9s run %d  %6.3f s  %6.1f MB/s  receiver cpu %.2f s  load %s\n", name, run, s, bytes / 1e6 / s, cpu, load }'
        kill "$receiver"
        wait "$receiver" 2> /dev/null || true
        receiver=
    done
done

awk -v runs="$runs" '{ times[$1, ++count[$1]] = $2 / 1e9 }
    function median(name,    i, j, n, t) {
        n = count[name]
        for (i = 1; i <= n; i++) sorted[i] = times[name, i]
        for (i = 2; i <= n; i++) { t = sorted[i]; for (j = i - 1; j > 0 && sorted[j] > t; j--) sorted[j + 1] = sorted[j]; sorted[j + 1] = t }
        return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
    }
    END {
        ours = median("foci"); dcmtk = median("storescp"); orthanc = median("orthanc")
        printf "median of %d: foci %.3f s, storescp %.3f s (%.2fx), Orthanc %.3f s (%.2fx)\n", runs, ours, dcmtk, dcmtk / ours, orthanc, orthanc / ours
    }' "$work/times"
