"""Runs `foci analyze` and e2e.py on the same series in turn, cold processes, and prints a table (Markdown).

    python compare.py FOCI SERIES OUT [--runs N]

Every process gets the same two cores. Wall time and peak memory are taken from outside, for both in the same way;
stages are what each program says of itself. Medians over the runs; the share of the two cores that other processes
took meanwhile is shown, because figures from a busy machine mean little.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))[:2]
HERE = Path(__file__).resolve().parent


def busy():
    """Seconds of CPU time that the machine has spent working."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def cold(command, out):
    """One run: wall seconds, peak MB, CPU seconds, noise, and what it printed."""
    shutil.rmtree(out, ignore_errors=True)
    before, start = busy(), time.perf_counter()
    with open(f"{out}.stdout", "w+") as stdout, open(f"{out}.stderr", "w+") as stderr:
        child = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, preexec_fn=lambda: os.sched_setaffinity(0, CORES)
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        for stream in (stdout, stderr):
            stream.seek(0)
        said = stdout.read() + stderr.read()
    if child.returncode:
        sys.exit(f"{command[0]} failed:\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    stages = next(json.loads(line) for line in reversed(said.splitlines()) if line.startswith("{"))
    return {
        "wall": wall,
        "peak": usage.ru_maxrss / 1024,
        "cpu": cpu,
        "noise": max(0.0, busy() - before - cpu) / wall / len(CORES),
        "stages": stages.get("stages", stages),
    }


def network_seconds(stages):
    """What the networks took, their graphs made ready to run included."""
    return sum(s for name, s in stages.items() if name in ("compile", "inference") or name.endswith(": network"))


def table(runs):
    median = lambda side, value: statistics.median(value(run) for run in runs[side])
    rows = [
        ("wall, s", lambda run: run["wall"]),
        ("networks, s", lambda run: network_seconds(run["stages"])),
        ("everything else, s", lambda run: run["wall"] - network_seconds(run["stages"])),
        ("CPU, s", lambda run: run["cpu"]),
        ("peak memory, MB", lambda run: run["peak"]),
    ]
    yield "| median | foci | Python | foci / Python |"
    yield "|---|---|---|---|"
    for name, value in rows:
        foci, python = median("foci", value), median("python", value)
        digits = 0 if name.endswith("MB") else 2
        yield f"| {name} | {foci:.{digits}f} | {python:.{digits}f} | {foci / python:.2f} |"
    for side in runs:
        walls = ", ".join(f"{run['wall']:.1f}" for run in runs[side])
        noise = ", ".join(f"{run['noise']:.0%}" for run in runs[side])
        yield f"\n{side}: wall {walls} s; other processes took {noise} of the cores\n"
        yield "| stage | s |"
        yield "|---|---|"
        for stage in runs[side][0]["stages"]:
            yield f"| {stage} | {median(side, lambda run: run['stages'].get(stage, 0.0)):.2f} |"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("foci", type=Path)
    arguments.add_argument("series", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    cache = os.environ.get("FOCI_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foci"
    series, foci, python = str(given.series), str(given.out / "foci"), str(given.out / "python")
    commands = {
        "foci": ([str(given.foci), "analyze", series, "-o", foci, "--threads", "2", "--timings"], foci),
        "python": ([sys.executable, str(HERE / "e2e.py"), series, python, "--weights", str(cache)], python),
    }
    # Once unrecorded, so that both find the series and their libraries in the file cache.
    for command, out in commands.values():
        cold(command, out)
    runs = {side: [] for side in commands}
    for _ in range(given.runs):
        for side, (command, out) in commands.items():
            runs[side].append(cold(command, out))
            print(f"{side}: {runs[side][-1]['wall']:.1f} s", file=sys.stderr)
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    packages = ["SimpleITK", "openvino", "numpy", "scipy", "connected-components-3d", "highdicom", "pydicom"]
    print(f"{cpu}, two cores; Python {platform.python_version()}, {', '.join(f'{p} {version(p)}' for p in packages)}\n")
    print("\n".join(table(runs)))


main()
