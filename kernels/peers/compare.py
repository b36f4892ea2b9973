"""Runs Foci's kernels and their rivals in turn and prints a table; see run.sh.

Every side is a process of its own that waits for its turn, so that none takes the other's time. One unrecorded run
each, then ROUNDS rounds in which everybody runs once, a slow rival in fewer of them. The least times are compared.
"by work" is the same ratio of processor time, or on a GPU of the time by the clock; "floor" is how long a copy takes of the bytes that the case has to read
and write at the least.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

import gpu
import rivals

# Foci's time over that of the best rival, as issue 5 asks for it.
TARGETS = {
    "trilinear": 0.10, "trilinear-kept": 0.10, "chain": 0.10, "cubic": 0.05, "window": 0.14, "window-kept": 0.14,
    "labels-sparse": 0.06, "labels-busy": 0.12, "measure": 0.01, "nms": 0.01, "blend": 0.10, "slide": 0.10,
}
GPU_TARGETS = dict.fromkeys(("preprocess", "upload", "gather", "scatter"), 0.2)
# A rival's runs of one case together take no longer than about this.
MOST_MS = 8000


class Side:
    """A process that runs one case when asked."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args}: ended with {self.process.wait()}")
        return line.strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.read()

    def run(self, line):
        """Milliseconds by the clock and of the processor."""
        ms, worked_ms = map(float, self.ask(line).split())
        return ms, worked_ms

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("cases", nargs="*")
    wanted = parser.parse_intermixed_args()
    # Cargo runs a bench in its package's folder.
    wanted.folder = wanted.folder.resolve()
    started = time.time()

    module, bench, targets = (gpu, "gpu", GPU_TARGETS) if wanted.gpu else (rivals, "rivals", TARGETS)
    foci = Side("cargo", "bench", "--quiet", "-p", "kernels", "--bench", bench, "--", "serve", str(wanted.folder))
    cases = {}
    while (line := foci.read()).startswith("case "):
        _, name, moved = line.split()
        cases[name] = int(moved)
    what, _, where = line.partition(" ")
    if what != "ready":
        sys.exit(print(line))

    foci.run("run copy")
    copies, rows = [], []
    for case, moved in cases.items():
        if case == "copy" or wanted.cases and case not in wanted.cases:
            continue
        ours, theirs, sides = [], {}, {}
        for name in module.CASES.get(case, {}):
            sides[name] = Side(sys.executable, module.__file__, str(wanted.folder), case, name)
            assert sides[name].read() == "ready"
            theirs[name] = []
        foci.run(f"run {case}")
        rounds = {name: max(1, min(wanted.rounds, int(MOST_MS / side.run("run")[0]))) for name, side in sides.items()}
        for at in range(wanted.rounds):
            copies.append(foci.run("run copy")[0])
            ours.append(foci.run(f"run {case}"))
            for name, side in sides.items():
                if at < rounds[name]:
                    theirs[name].append(side.run("run"))
        foci.ask(f"write {case}")
        differences = {name: side.ask("compare") for name, side in sides.items()}
        for side in sides.values():
            side.end()
        rows.append((case, moved, ours, theirs, differences))
        print(f"{case}: {time.time() - started:.0f} s", file=sys.stderr)
    foci.end()

    # Bytes read and written in a millisecond by a copy.
    fastest = cases["copy"] / min(copies)
    print(f"{where}; a copy reads and writes {fastest / 1e6:.1f} GB/s "
          f"(median {cases['copy'] / statistics.median(copies) / 1e6:.1f})\n")
    print("| case | rival | rival, ms | foci, ms | foci / rival | asked for | by work | floor, ms | they differ by |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case, moved, ours, theirs, differences in rows:
        if not theirs:
            print(f"| {case} | | | {least(ours):.2f} | | | | {moved / fastest:.2f} | |")
        for rank, name in enumerate(sorted(theirs, key=lambda name: least(theirs[name]))):
            # What is said of the case stands in its first line, beside the best rival.
            first = (lambda text: text) if rank == 0 else lambda _: ""
            ratio, by_work = least(ours) / least(theirs[name]), work(ours) / work(theirs[name])
            cells = [first(case), name, f"{least(theirs[name]):.1f}", first(f"{least(ours):.2f}"), f"{ratio:.3f}",
                     first(targets.get(case, "")), f"{by_work:.3f}", first(f"{moved / fastest:.2f}"), differences[name]]
            print("|", " | ".join(map(str, cells)), "|")
    print(f"\n{time.time() - started:.0f} s")


def least(runs):
    """The least time: the machine may do other things as well."""
    return min(ms for ms, _ in runs)


def work(runs):
    """The mean: the system counts a processor's time by the tick."""
    return statistics.mean(worked_ms for _, worked_ms in runs) or 1e-9


main()
