#!/usr/bin/env python3
"""Programs and file accesses in a container's root, by each of the ways to show the same image.

  bench_rootfs.py BIN-DIR [--json FILE] [--report FILE] [--quick] [--rounds N] [--rows REGEX] [--containers N] [--paths N,...]

To be run in the sandbox of scripts/lib/sandbox.sh, as ./scripts/bench does; needs build/pkgset. The image has python3, git,
busybox, a file of 512 MiB and a directory of 5,000 small files. Every row is a workload, warm (done once before, not
measured) or cold (after dropping the kernel's caches); in each round it is done on all file systems in turn, in an order that
rotates. Values are medians over all rounds, the baseline is containerd's overlayfs, which has unpacked the same image.
Afterwards: what many containers cost, programs beside them (in rounds of the same kind), and images of other sizes. The report
is the result with date and machine; write_docs.py makes docs/performance.md of it.
"""

import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, f"{ROOT}/tests/integration")
sys.path.insert(0, f"{ROOT}/tests/bench")

from bench_program import private_store, say, write_rows  # noqa: E402
from case import Case  # noqa: E402
from closure_sizes import make_closures, measure_closure  # noqa: E402
from commands import Failure, run  # noqa: E402
from machine import describe_machine  # noqa: E402
from many_containers import measure_beside, measure_costs, measure_page_cache  # noqa: E402
from samples import Samples  # noqa: E402
from setting import BASELINE, CONTROL, Setting  # noqa: E402
from workloads import OVERLAY, REFERENCE, WORKLOADS, Image  # noqa: E402


class Bench:
    """The file systems, mounted, and what was measured on them."""

    def __init__(self, case, arguments):
        self.case, self.arguments = case, arguments
        self.samples = Samples()
        package_set = case.set_with(OVERLAY)
        if arguments.paths:
            say("writing made-up closures")
            make_closures(ROOT, arguments.paths, package_set)
        self.setting = Setting(case, package_set)
        say("building and pulling the image")
        self.file_systems = self.setting.show(REFERENCE)
        self.roots = {file_system: self._mount(file_system) for file_system in self.file_systems}
        self.image = Image(self.roots[self.file_systems[0]], f"{arguments.bin_directory}/rootfs_probe")
        for root in self.roots.values():
            self.image.make_repository(root)

    def _mount(self, file_system):
        root = f"{self.case.scratch}/root-of-{file_system.name.replace(' ', '-')}"
        os.makedirs(root)
        file_system.mount(root)
        os.makedirs(f"{root}/dev", exist_ok=True)
        run(["mount", "--bind", "/dev", f"{root}/dev"])
        return root

    def run_all(self):
        if self.arguments.containers:  # first, as what was read before decides which pages stowage-fuse keeps
            for file_system in self.file_systems:
                measure_page_cache(file_system, self.image, self.roots[file_system], self.samples)
        for order in self._orders("round"):
            for workload in WORKLOADS:
                if self.arguments.rows.search(workload.name):
                    self._measure(workload, order)
        if self.arguments.containers:
            self._measure_many_containers()
        for size in self.arguments.paths:
            measure_closure(size, self.arguments.rounds, self.setting, self.image, self.samples)

    def _orders(self, what):
        """The order of each round: another one begins each time."""
        for number in range(self.arguments.rounds):
            say(f"{what} {number + 1} of {self.arguments.rounds}")
            turn = number % len(self.file_systems)
            yield self.file_systems[turn:] + self.file_systems[:turn]

    def _measure_many_containers(self):
        for file_system in self.file_systems:
            say(f"what {self.arguments.containers} containers cost: {file_system.name}")
            measure_costs(self.arguments.containers, file_system, self.image, self.samples)
        for order in self._orders(f"beside {self.arguments.containers} containers, round"):
            for file_system in order:
                measure_beside(self.arguments.containers, file_system, self.image, self.roots[file_system], self.samples)

    def _measure(self, workload, order):
        for file_system in order:
            self.image.measure(workload, file_system, self.roots[file_system])
        for _ in range(workload.repeats):
            for file_system in order:
                self._add("warm", workload, file_system, cold=False)
        for file_system in order:
            self._add("cold", workload, file_system, cold=True)

    def _add(self, group, workload, file_system, cold):
        value = self.image.measure(workload, file_system, self.roots[file_system], cold)
        self.samples.add(group, workload.name, workload.unit, file_system.name, value)

    def close(self):
        for file_system, root in self.roots.items():
            file_system.unmount(root)


def numbers(text):
    return [int(number) for number in text.split(",") if number]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where stowaged, stowage-fuse, stowage and rootfs_probe are")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--report", metavar="FILE", default=f"{ROOT}/build/bench/rootfs-report.json")
    parser.add_argument("--quick", action="store_true", help="one round, few containers, small closures: does it work?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=re.compile, default="", metavar="REGEX", help="only workloads with such names")
    parser.add_argument("--containers", type=int, default=64, help="at the same time, of each file system; 0: none")
    parser.add_argument("--paths", type=numbers, default="10,100,1000,5000", metavar="N,...", help="sizes of the closures")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.containers, arguments.paths = 1, 4, [10, 100]
    if "STOWAGE_SCRATCH" not in os.environ:
        parser.error("not in the sandbox: run ./scripts/bench rootfs")
    return arguments


def main():
    arguments = parse_arguments()
    private_store(os.environ["STOWAGE_SCRATCH"])
    case = Case("rootfs", arguments.bin_directory, f"{ROOT}/build/pkgset", f"{ROOT}/build/bench/logs")
    machine = describe_machine(case.scratch, ROOT)
    try:
        bench = Bench(case, arguments)
        bench.run_all()
        bench.close()
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        case.show_logs()
        sys.exit(f"bench_rootfs.py: {failure}")
    finally:
        case.close()
    rows = bench.samples.rows(BASELINE)
    with open(arguments.report, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "baseline": BASELINE, "control": CONTROL, "rounds": arguments.rounds, "rows": rows},
                  file, indent=1)
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
