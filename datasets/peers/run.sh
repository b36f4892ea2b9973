#!/bin/sh
# Foci beside the same job in Python, on one series, cold, two threads: prints a table for docs/BENCHMARKS.md.
#
#   datasets/peers/run.sh [SERIES]
#
# Without SERIES a phantom of 300 slices of 512 x 512 is written and used. RUNS (default 5) is how often each side
# runs, in turn. FOCI is the binary (default: target/release/foci, built if need be), WORK the folder for the Python
# environment, the phantom and the results (default: target/peers).
set -eu
cd "$(dirname "$0")/../.."
foci=${FOCI:-target/release/foci}
work=${WORK:-target/peers}
mkdir -p "$work"

[ -x "$foci" ] || cargo build --release
if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --requirement datasets/peers/requirements.txt
fi
if [ $# -eq 0 ]; then
    [ -d "$work/phantom" ] || "$foci" phantom "$work/phantom" --seed 1 --size 512x512x300 --spacing 0.7x0.7x1.2
    set -- "$work/phantom"
fi
"$foci" models --fetch >&2
exec "$work/venv/bin/python" datasets/peers/compare.py "$foci" "$1" "$work/results" --runs "${RUNS:-5}"
