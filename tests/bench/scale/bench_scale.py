#!/usr/bin/env python3
"""Index files and stowage-fuse with far more of them than any node has.

  bench_scale.py BIN-DIR [--json FILE] [--views N] [--objects N] [--rounds N]

To be run in the sandbox of scripts/lib/sandbox.sh, as ./scripts/bench does. A made-up store path of 5,000 entries is indexed
from a warm cache, against `find` printing the same attributes; then OBJECTS index files of it (1,000: 5 million entries) and
VIEWS views of 1,000 of them each are shown by stowage-fuse. The baselines of the other rows are their aims (docs/benchmarks.md).
Memory is the worker's resident set: what it keeps to itself, and the mapped index files.
"""

import argparse
import contextlib
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, f"{ROOT}/tests/integration")
sys.path.insert(0, f"{ROOT}/tests/bench")

from bench_program import say, write_rows  # noqa: E402
from commands import run, wait_until  # noqa: E402

BASE_NAME = f"{0:032d}-made-up-0"
DIRECTORIES, FILES = 50, 99
SLOTS = 1000  # store paths of a view
WALKED, STEP = 20, 500  # views that are walked, and every how manieth of their store paths
AIM_ENTRY_BYTES, AIM_VIEW_MS, AIM_RESIDENT_MB = 4e6 / 50000, 5, 100


def make_store_path(store):
    """5,000 entries with names as long as those of packages."""
    os.makedirs(f"{store}/{BASE_NAME}")
    for directory in range(DIRECTORIES):
        os.mkdir(f"{store}/{BASE_NAME}/directory-{directory:02d}")
        for file in range(FILES):
            open(f"{store}/{BASE_NAME}/directory-{directory:02d}/file-number-{file:02d}.py", "wb").close()


def find_cpu_seconds(store):
    """What `find` takes to read names and attributes of the store path."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["find", f"{store}/{BASE_NAME}", "-printf", "%p %y %m %s %l\\n"], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Indexes:
    """A state directory that write_indexes fills."""

    def __init__(self, bin_directory, scratch):
        self._program = f"{bin_directory}/write_indexes"
        self.store, self.state = f"{scratch}/store", f"{scratch}/state"
        for directory in (f"{self.state}/objects", f"{self.state}/views"):
            os.makedirs(directory)
        make_store_path(self.store)

    def objects(self, first, count):
        """(entries, CPU seconds)"""
        return self._write("objects", self.store, BASE_NAME, self.state, first, count)[:2]

    def views(self, first, count, objects):
        """Wall seconds."""
        return self._write("views", self.state, first, count, SLOTS, objects)[2]

    def _write(self, *words):
        return [float(word) for word in run([self._program, *map(str, words)], seconds=300).stdout.split()]


@contextlib.contextmanager
def stowage_fuse(bin_directory, state, scratch):
    """The mountpoint and the worker's PID while it runs."""
    mountpoint, output = f"{scratch}/fs", f"{scratch}/fuse.log"
    os.mkdir(mountpoint)
    with open(output, "wb") as log:
        process = subprocess.Popen([f"{bin_directory}/stowage-fuse", f"--state={state}", f"--mountpoint={mountpoint}"],
                                   stdout=log, stderr=log)
    try:
        wait_until(lambda: os.path.ismount(mountpoint), 20, f"a mount at {mountpoint}")
        with open(output, encoding="utf-8") as log:
            worker = re.search(r"worker_started pid=(\d+)", log.read())
        yield mountpoint, int(worker[1])
    finally:
        subprocess.run(["umount", mountpoint], check=False)  # which ends it
        process.wait(timeout=20)


def resident_mb(pid):
    """{kind: MB}, by the kernel's count."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        sizes = dict(re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", file.read(), re.MULTILINE))
    return {kind: int(size) / 1000 for kind, size in sizes.items()}


def walk(directory):
    """Entries below it, each looked up and asked for its attributes."""
    count = 0
    for where, directories, files in os.walk(directory):
        for name in directories + files:
            os.lstat(f"{where}/{name}")
            count += 1
    return count


def row(name, value, baseline):
    return {"row": name, "value": value, "baseline": baseline, "ratio": value / baseline}


def measure_indexes(indexes, arguments):
    """Rows of what stowaged does; the index files are there afterwards."""
    rates, finds = [], []
    for _ in range(arguments.rounds):
        entries, cpu = indexes.objects(1, 10)
        rates.append(entries / cpu / 1000)
        finds.append(entries / 10 / find_cpu_seconds(indexes.store) / 1000)
    entry_bytes = os.path.getsize(f"{indexes.state}/objects/1") / (entries / 10)
    say(f"writing {arguments.objects} indexes of {entries / 10:.0f} entries")
    indexes.objects(1, arguments.objects)
    took = [indexes.views(1 + number, 1, arguments.objects) * 1000 for number in range(10)]
    indexes.views(1, arguments.views, arguments.objects)
    return [row("index of a store path: thousand entries per CPU s, against find", statistics.median(rates),
                statistics.median(finds)),
            row("index file: bytes per entry, against the aim", entry_bytes, AIM_ENTRY_BYTES),
            row(f"view of {SLOTS} indexed paths: ms, against the aim", statistics.median(took), AIM_VIEW_MS)]


def measure_memory(arguments, state, scratch):
    """Rows of what stowage-fuse holds."""
    rows = []
    with stowage_fuse(arguments.bin_directory, state, scratch) as (mountpoint, worker):
        def take(when):
            for kind, what in (("VmRSS", "all"), ("RssAnon", "its own")):
                rows.append(row(f"resident MB {when}, {what}, against the aim", resident_mb(worker)[kind], AIM_RESIDENT_MB))
        take("at the start")
        views = os.listdir(mountpoint)
        say(f"listing {len(views)} views")
        for view in views:
            os.listdir(f"{mountpoint}/{view}/nix/store")
        take(f"after all {len(views)} views were listed")
        began, entries = time.monotonic(), 0
        for view in views[:WALKED]:
            for name in os.listdir(f"{mountpoint}/{view}/nix/store")[::STEP]:
                entries += walk(f"{mountpoint}/{view}/nix/store/{name}")
        say(f"walked {entries} entries in {time.monotonic() - began:.0f} s")
        take(f"after walking {entries} entries of {WALKED} views")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where write_indexes and stowage-fuse are")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--views", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as scratch:
        indexes = Indexes(arguments.bin_directory, scratch)
        rows = measure_indexes(indexes, arguments)
        rows += measure_memory(arguments, indexes.state, scratch)
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
