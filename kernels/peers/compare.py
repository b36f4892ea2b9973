"""Runs Foci's kernels and their rivals in turn and prints a table; see run.sh.

Every side is a process of its own that waits for its turn, so that none takes the other's time. One unrecorded run
each, then ROUNDS rounds in which everybody runs once. A rival that takes seconds runs in fewer rounds.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

import rivals

# Foci's time over that of the best rival, as issue 5 asks for it.
TARGETS = {"trilinear": 0.10, "chain": 0.10, "cubic": 0.05, "window": 0.14, "labels-sparse": 0.06, "labels-busy": 0.12,
           "measure": 0.01, "nms": 0.01, "blend": 0.10}
SLOW_MS = 1500


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


def busy_ms():
    """What all processors of the machine have worked so far."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return 1e3 * (sum(fields[:3]) + sum(fields[5:8])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("cases", nargs="*")
    wanted = parser.parse_args()
    # Cargo runs a bench in its package's folder.
    wanted.folder = wanted.folder.resolve()
    started, busy_before, worked = time.time(), busy_ms(), 0.0

    foci = Side("cargo", "bench", "--quiet", "-p", "kernels", "--bench", "rivals", "--", "serve", str(wanted.folder))
    cases = {}
    while (line := foci.read()).startswith("case "):
        _, name, moved = line.split()
        cases[name] = int(moved)
    threads = line.split()[1]

    # Bytes read and written in a second by a copy, on all threads.
    foci.run("run copy")
    copied = [cases["copy"] / foci.run("run copy")[0] / 1e6 for _ in range(wanted.rounds)]
    print(f"{threads} threads; a copy reads and writes {max(copied):.1f} GB/s (median {statistics.median(copied):.1f})\n")
    print("| case | rival | rival, ms | foci, ms | foci / rival | by least times | asked for | floor, ms | agreement |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case, moved in cases.items():
        if case == "copy" or wanted.cases and case not in wanted.cases:
            continue
        ours, theirs, sides = [], {}, {}
        for name in rivals.CASES.get(case, {}):
            sides[name] = Side(sys.executable, rivals.__file__, str(wanted.folder), case, name)
            assert sides[name].read() == "ready"
            theirs[name] = []
        foci.run(f"run {case}")
        slow = {name for name, side in sides.items() if side.run("run")[0] > SLOW_MS}
        for round in range(wanted.rounds):
            ours.append(foci.run(f"run {case}"))
            for name, side in sides.items():
                if name not in slow or round < 2:
                    theirs[name].append(side.run("run"))
        foci.ask(f"write {case}")
        median = lambda runs: statistics.median(ms for ms, _ in runs)
        least = lambda runs: min(ms for ms, _ in runs)
        floor = moved / max(copied) / 1e6
        best = min(theirs, key=lambda name: least(theirs[name]), default=None)
        for name in sorted(theirs, key=lambda name: least(theirs[name])):
            runs = theirs[name]
            first = name == best
            print(f"| {case if first else ''} | {name} | {median(runs):.1f} | {median(ours) if first else 0:.2f} "
                  f"| {median(ours) / median(runs):.3f} | {least(ours) / least(runs):.3f} "
                  f"| {TARGETS.get(case, '') if first else ''} | {f'{floor:.2f}' if first else ''} "
                  f"| {sides[name].ask('compare')} |", flush=True)
        if not theirs:
            print(f"| {case} | | | {median(ours):.2f} | | | | {floor:.2f} | |", flush=True)
        for side in sides.values():
            side.end()
        worked += sum(worked for runs in (ours, *theirs.values()) for _, worked in runs)
    foci.end()
    print(f"\n{time.time() - started:.0f} s")


main()
