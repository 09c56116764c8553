#!/usr/bin/env python3
"""`stowage pull` and start of closures that are in the store, against pull + unpack + start of the same content by overlayfs.

  bench_pull.py BIN-DIR [--json FILE] [--paths N,...] [--rounds N] [--repeats N]

To be run in the sandbox of scripts/lib/sandbox.sh, as ./scripts/bench does; needs build/pkgset. Every round has a fresh node:
containerd, stowaged and stowage-fuse without any state. For each closure both sides are measured in turn; medians over
all rounds are kept. All values are seconds. Rows of a closure:

  first pull                  nothing is hashed. Baseline: `ctr images pull` of the same content as at most 90 + 1 gzip layers
                              from a registry on loopback into overlayfs
  pull, layers hashed         another evaluation result with the same store paths, image not in containerd: everything but
                              hashing is done again
  pull, image known           only the evaluation is done again; image not in containerd
  pull, new containerd        the same with a containerd that has no state
  start to exit               `ctr run --rm IMAGE busybox true`. Baseline: the same by overlayfs
  pull and start, ...         sums of medians
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, f"{ROOT}/tests/integration")
sys.path.insert(0, f"{ROOT}/tests/bench")

from baseline_image import BaselineImage  # noqa: E402
from bench_program import private_store, say, write_rows  # noqa: E402
from case import Case  # noqa: E402
from commands import Failure, expect, run  # noqa: E402
from oci_image import StaticRegistry  # noqa: E402
from timed_pull import ORDER, Pull  # noqa: E402

PROGRAM = ("busybox", "true")
PULL_SECONDS = 600
PULLS = ("first pull", "pull, layers hashed", "pull, image known", "pull, new containerd")
FIRST, HASHED, KNOWN, NEW_CONTAINERD = PULLS
START = "start to exit"
# Another mainProgram is another evaluation result, and so another image to stowaged, of the same store paths.
OVERLAY = """self: super: {{
  synth = builtins.mapAttrs (name: package: package // {{ meta.mainProgram = "none-{number}"; }}) super.synth;
}}
"""


class Bench:
    """Package set, baseline images and results; the node is another one in every round."""

    def __init__(self, case, sizes, repeats):
        self.case, self.sizes, self.repeats = case, sizes, repeats
        self.ours, self.baselines = {}, {}  # {(size, row): [seconds]}
        self.package_set = case.set_with("self: super: { }")
        self.evaluation = 0
        self.containers = 0
        counts = ",".join(map(str, sizes))
        run([sys.executable, "-B", f"{ROOT}/tests/pkgset/synth.py", "--paths", counts, "--set", self.package_set],
            seconds=600)
        self.images = {f"synth:{size}": self._baseline_image(size) for size in sizes}
        self.registry = StaticRegistry(self.images)
        self.node = None

    def _store_path(self, attribute):
        command = ["nix-build", self.package_set, "--no-out-link", "-A", attribute]
        return run(command, seconds=300).stdout.split()[-1]

    def _baseline_image(self, size):
        busybox = self._store_path("busybox")
        base = self.case.closure(busybox)
        paths = self.case.closure(self._store_path(f"synth.n{size}")) - base
        say(f"{size} paths: packing the baseline's layers")
        return BaselineImage(sorted(paths), sorted(base), {"bin/busybox": f"{busybox}/bin/busybox"})

    def round(self, number):
        node = self.node = self.case.node(f"round{number}", package_set=self.package_set,
                                          config={"packages": {"always": []}})
        node.start()
        for size in self.sizes:
            say(f"round {number}: {size} paths")
            self._measure(size)
        for daemon in ("containerd", "stowaged", "stowage-fuse"):
            node.stop_daemon(daemon)

    def _measure(self, size):
        node, theirs = self.node, f"{self.registry.address}/synth:{size}"
        self._pull(size, FIRST, known=False)
        start = time.monotonic()
        node.ctr("images", "pull", "--plain-http", "--snapshotter", "overlayfs", theirs, seconds=PULL_SECONDS)
        self._add(self.baselines, size, FIRST, time.monotonic() - start)
        for _ in range(self.repeats):
            self._add(self.ours, size, START, self._start(f"nix/busybox/synth.n{size}:latest", "stowage"))
            self._add(self.baselines, size, START, self._start(theirs, "overlayfs"))
        node.ctr("images", "remove", "--sync", theirs, seconds=PULL_SECONDS)
        for _ in range(self.repeats):
            self._remove(size)
            self._evaluate_differently()
            self._pull(size, HASHED, known=False)
            self._remove(size)
            self._pull(size, KNOWN, known=True)
        self._new_containerd()
        self._pull(size, NEW_CONTAINERD, known=True)
        self._remove(size)

    def _pull(self, size, row, known):
        pull = Pull(self.node, f"nix/busybox/synth.n{size}")
        expect(pull.known == known, f"{size} paths, {row}: stowaged {'knew' if pull.known else 'did not know'} the image")
        hashed = "hash" in pull.phases
        expect(hashed == (row == FIRST), f"{size} paths, {row}: layers were {'' if hashed else 'not '}hashed")
        self._add(self.ours, size, row, pull.seconds)
        for phase, seconds in pull.phases.items():
            self._add(self.ours, size, f"{row}: {phase}", seconds)

    def _start(self, image, snapshotter):
        self.containers += 1
        start = time.monotonic()
        self.node.run_container(image, f"bench{self.containers}", *PROGRAM, snapshotter=snapshotter)
        return time.monotonic() - start

    def _remove(self, size):
        names = [name for name in self.node.ctr("images", "list", "--quiet").stdout.split() if f"synth.n{size}:" in name]
        expect(names, f"{size} paths: containerd has no image")
        self.node.ctr("images", "remove", "--sync", *names)

    def _evaluate_differently(self):
        self.evaluation += 1
        with open(f"{self.package_set}/overlay.nix", "w", encoding="utf-8") as file:
            file.write(OVERLAY.format(number=self.evaluation))

    def _new_containerd(self):
        self.node.stop_daemon("containerd")
        shutil.rmtree(f"{self.node.directory}/containerd")
        self.node.start_containerd()

    @staticmethod
    def _add(results, size, row, seconds):
        results.setdefault((size, row), []).append(seconds)

    # --- results

    def rows(self):
        return [row for size in self.sizes for row in self._rows_of(size)]

    def _rows_of(self, size):
        ours = {row: statistics.median(values) for (of, row), values in self.ours.items() if of == size}
        theirs = {row: statistics.median(values) for (of, row), values in self.baselines.items() if of == size}
        rows = []

        def add(label, value, baseline=None):
            rows.append({"row": f"{size} paths, {label}", "value": value, "baseline": baseline,
                         "ratio": value / baseline if baseline else None})

        for pull in PULLS:
            add(pull, ours[pull], theirs[FIRST])
            for phase in ORDER:
                if f"{pull}: {phase}" in ours:
                    add(f"{pull}: {phase}", ours[f"{pull}: {phase}"])
        add(START, ours[START], theirs[START])
        for pull in PULLS[:3]:
            add(f"pull and start, {pull.removeprefix('pull, ')}", ours[pull] + ours[START], theirs[FIRST] + theirs[START])
        return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where stowaged, stowage-fuse and stowage are")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--paths", default="10,100,1000,5000", metavar="N,...", help="sizes of the closures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5,
                        help="of each round: container starts, pulls with layers hashed, pulls of the known image")
    arguments = parser.parse_args()
    if "STOWAGE_SCRATCH" not in os.environ:
        parser.error("not in the sandbox: run ./scripts/bench pull")
    private_store(os.environ["STOWAGE_SCRATCH"])
    case = Case("pull", arguments.bin_directory, f"{ROOT}/build/pkgset", f"{ROOT}/build/bench/logs")
    try:
        bench = Bench(case, [int(word) for word in arguments.paths.split(",")], arguments.repeats)
        for number in range(arguments.rounds):
            bench.round(number)
    except (Failure, subprocess.SubprocessError) as failure:
        case.show_logs()
        sys.exit(f"bench_pull.py: {failure}")
    finally:
        case.close()
    write_rows(bench.rows(), arguments.json)


if __name__ == "__main__":
    main()
