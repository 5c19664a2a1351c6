"""Enters a lock many times from several processes, and counts the overlaps: there must be none.

    python tests/tools/lock_stress.py --entries 100000 --processes 4

Inside the lock, a process makes a file that must not exist, and removes it again. Every process has
two threads.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from kseq import locks

THREADS = 2


def main():
    """Runs the processes and prints their counts; exits with 1 if there was an overlap."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", type=int, default=100_000, help="in all processes together")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--folder", help=argparse.SUPPRESS)  # of a process that takes the lock
    options = parser.parse_args()
    if options.folder:
        return enter_often(pathlib.Path(options.folder), options.entries)
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        entries, overlaps = run(pathlib.Path(folder), options.entries, options.processes)
        seconds = time.monotonic() - start
        left = os.listdir(folder)
    print(f"{entries:,} entries by {options.processes} processes in {seconds:.0f} s")
    print(f"{overlaps} overlaps; files left behind: {', '.join(left) or 'none'}")
    return int(overlaps > 0 or bool(left))


def run(folder, entries, processes):
    """Lets several processes enter a lock; returns the numbers of entries and of overlaps."""
    share = str(-(-entries // processes))
    command = [sys.executable, __file__, "--folder", str(folder), "--entries", share]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    outputs = [child.communicate()[0] for child in children]
    if any(child.returncode for child in children):
        raise RuntimeError("a process failed")
    return tuple(map(sum, zip(*(map(int, output.split()) for output in outputs))))


def enter_often(folder, entries):
    """Enters the lock `entries` times with several threads, and prints entries and overlaps."""
    share = -(-entries // THREADS)
    counts = []
    threads = [
        threading.Thread(target=lambda: counts.append(enter(folder, share))) for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*map(sum, zip(*counts)))


def enter(folder, entries):
    """Enters the lock `entries` times; returns the numbers of entries and of overlaps."""
    overlaps = done = 0
    occupied = folder / "occupied"
    while done < entries:
        try:
            with locks.lock(folder / "place"):
                done += 1
                try:
                    os.close(os.open(occupied, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    overlaps += 1
                else:
                    os.unlink(occupied)
        except locks.Occupied:
            os.sched_yield()
    return done, overlaps


if __name__ == "__main__":
    sys.exit(main())
