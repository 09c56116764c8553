#!/usr/bin/env python3
"""`stowage pull` and a container from start to exit where a slow binary cache has the store paths: lazily, against fetched whole.

  bench_lazy.py BIN-DIR [--json FILE] [--mebibytes N,...] [--rate MIB] [--rounds N]

To be run in the sandbox of scripts/lib/sandbox.sh, as ./scripts/bench does; needs build/pkgset. The image has hello, which is
run, and N MiB of data that it does not need. The node has made it before and has only the records left. Rows of an image,
medians over all rounds; in each, both are measured in turn:

  pull, start to exit         seconds; the baseline is `stowage pull` without --lazy, which fetches all store paths first
  fetched by then             MiB that the cache has sent when the container ends; a lazy image's other store paths come in the
                              background from the pull on
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, f"{ROOT}/tests/integration")
sys.path.insert(0, f"{ROOT}/tests/bench")

from bench_program import say, write_rows  # noqa: E402
from case import Case  # noqa: E402
from commands import Failure, expect, run, wait_until  # noqa: E402
from lazy_image import LazyImage  # noqa: E402

MIB = 1 << 20
FETCH_SECONDS = 600


class Image:
    """Of one size, with a node, a store and a cache of its own."""

    def __init__(self, case, mebibytes, rate):
        self.image = LazyImage(case, ["bulk", "busybox", "hello"], {"bulk": mebibytes}, "fuse", rate * MIB)
        self.image.node.start()
        self.image.make()
        self.lazy, self.whole = [], []  # (seconds, MiB)
        self._containers = 0

    def round(self):
        self.lazy.append(self._measure("--lazy"))
        expect(not os.path.exists(self.image.paths["bulk"]), "the lazy start waited for all: the image is too small, the cache too fast")
        self.whole.append(self._measure("--no-lazy"))

    def _measure(self, option):
        node, cache = self.image.node, self.image.cache
        self._await_whole()
        self.image.forget()
        self._containers += 1
        served, begin = cache.served_bytes, time.monotonic()
        node.stowage("pull", option, self.image.name, seconds=FETCH_SECONDS)
        node.run_container(self.image.reference, f"bench{self._containers}", "hello", seconds=FETCH_SECONDS)
        return time.monotonic() - begin, (cache.served_bytes - served) / MIB

    def _await_whole(self):
        wait_until(lambda: "Lazy image" not in self.image.node.stowage("status").stdout, FETCH_SECONDS, "an image that is whole")

    def rows(self, label):
        for column, name in enumerate(("pull, start to exit, s", "fetched by then, MiB")):
            value, baseline = (statistics.median(pair[column] for pair in pairs) for pairs in (self.lazy, self.whole))
            yield {"row": f"{label}: {name}", "value": value, "baseline": baseline, "ratio": value / baseline}


def measure(arguments, scratch, mebibytes):
    """Rows of one image."""
    os.environ["STOWAGE_SCRATCH"] = f"{scratch}/{mebibytes}"
    os.makedirs(os.environ["STOWAGE_SCRATCH"])
    case = Case(f"lazy-{mebibytes}", arguments.bin_directory, f"{ROOT}/build/pkgset", f"{ROOT}/build/bench/logs")
    try:
        say(f"{mebibytes} MiB: making the image")
        image = Image(case, mebibytes, arguments.rate)
        for number in range(arguments.rounds):
            say(f"{mebibytes} MiB: round {number + 1} of {arguments.rounds}")
            image.round()
        image.image.cache.close()
    except (Failure, subprocess.SubprocessError):
        case.show_logs()
        raise
    finally:
        case.close()
    run(["umount", "--lazy", "/nix"])  # LazyImage's private store
    return list(image.rows(f"{mebibytes} MiB not needed"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where stowaged, stowage-fuse and stowage are")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--mebibytes", default="64,256,1024", metavar="N,...", help="data that the command does not need")
    parser.add_argument("--rate", type=int, default=25, metavar="MIB", help="what the cache sends in a second")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if "STOWAGE_SCRATCH" not in os.environ:
        parser.error("not in the sandbox: run ./scripts/bench lazy")
    scratch = os.environ["STOWAGE_SCRATCH"]
    try:
        rows = [row for word in arguments.mebibytes.split(",") for row in measure(arguments, scratch, int(word))]
    except (Failure, subprocess.SubprocessError) as failure:
        sys.exit(f"bench_lazy.py: {failure}")
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
