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

    # Bytes read and written in a second by a copy, on all threads.
    foci.run("run copy")
    copied = [cases["copy"] / foci.run("run copy")[0] / 1e6 for _ in range(wanted.rounds)]
    print(f"{where}; a copy reads and writes {max(copied):.1f} GB/s (median {statistics.median(copied):.1f})\n")
    print("| case | rival | rival, ms | foci, ms | foci / rival | asked for | by work | floor, ms | they differ by |")
    print("|---|---|---|---|---|---|---|---|---|")
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
            ours.append(foci.run(f"run {case}"))
            for name, side in sides.items():
                if at < rounds[name]:
                    theirs[name].append(side.run("run"))
        foci.ask(f"write {case}")
        # The least of each, since the machine may do other things as well; the processors' work tells it too.
        least = lambda runs: min(ms for ms, _ in runs)
        work = lambda runs: min(worked_ms for _, worked_ms in runs)
        floor = moved / max(copied) / 1e6
        ranked = sorted(theirs, key=lambda name: least(theirs[name]))
        for name in ranked:
            best = name == ranked[0]
            row = [case if best else "", name, f"{least(theirs[name]):.1f}", f"{least(ours):.2f}" if best else "",
                   f"{least(ours) / least(theirs[name]):.4f}", targets.get(case, "") if best else "",
                   f"{work(ours) / work(theirs[name]):.4f}" if work(theirs[name]) else "", f"{floor:.2f}" if best else "",
                   sides[name].ask("compare")]
            print("|", " | ".join(map(str, row)), "|", flush=True)
        if not theirs:
            print(f"| {case} | | | {least(ours):.2f} | | | | {floor:.2f} | |", flush=True)
        for side in sides.values():
            side.end()
    foci.end()
    print(f"\n{time.time() - started:.0f} s")


main()
