#!/usr/bin/env python3
"""Programs and file accesses in a container's root, by each of the ways to show the same image.

  bench_rootfs.py BIN-DIR [--json FILE] [--rounds N] [--rows REGEX] [--mounts N]

To be run in the sandbox of scripts/lib/sandbox.sh, as ./scripts/bench does; needs build/pkgset. The image has python3, git,
busybox, a file of 512 MiB and a directory of 5,000 small files. Every row is a workload, warm (done once before, not
measured) or cold (after dropping the kernel's caches); in each round it is done on all file systems in turn, in an order that
rotates. Values are medians over all rounds in milliseconds, the baseline is containerd's overlayfs over an unpacked copy.
"""

import argparse
import collections
import os
import random
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, f"{ROOT}/tests/integration")
sys.path.insert(0, f"{ROOT}/tests/bench")

from bench_program import private_store, say, write_rows  # noqa: E402
from case import Case, Skip  # noqa: E402
from commands import Failure, run  # noqa: E402
from root_file_systems import BindMounts, Stowage, Unpacked  # noqa: E402

REFERENCE = "nix/busybox/python3/git/bench.data"
BIG_MIB, SMALL_FILES = 512, 5000
OVERLAY = """self: super: {
  bench.data = super.runCommand "bench-data" { } ''
    mkdir -p $out/share/bench/small
    head -c BIG_MIBM /dev/urandom > $out/share/bench/big
    for i in $(seq SMALL_FILES); do echo "small file number $i" > $out/share/bench/small/$i; done
  '';
}
""".replace("BIG_MIB", str(BIG_MIB)).replace("SMALL_FILES", str(SMALL_FILES))

# row: operation, which files (a key of Names), program and arguments
WORKLOADS = {
    "start of busybox true": ("run", "none", ("/bin/busybox", "true")),
    "start of python3 with three modules": ("run", "none", ("/bin/python3", "-c", "import json, ssl, email")),
    "git status": ("run", "none", ("/bin/git", "-C", "/tmp/repository", "status", "--short")),
    "open and close of 5,000 files": ("open", "small", ()),
    "lstat of 5,000 files": ("lstat", "small", ()),
    "read of 5,000 small files": ("read", "small", ()),
    "walk of the whole root": ("walk", "none", ()),
    "read of 512 MiB": ("read", "big", ()),
    "mmap and touch of 512 MiB": ("mmap", "big", ()),
    "20,000 random reads of 4 KiB": ("random", "big", ()),
}
ENVIRONMENT = {"PATH": "/bin", "HOME": "/tmp"}  # of the programs in the root
# The page cache does not keep it all; cold, they measure the disk and not the file system.
WARM_ONLY = ("20,000 random reads of 4 KiB",)


class Bench:
    """The file systems, mounted, and what was measured on them."""

    def __init__(self, case, arguments):
        self.case, self.arguments = case, arguments
        self.probe = f"{arguments.bin_directory}/rootfs_probe"
        self.samples = collections.defaultdict(list)  # {(row, file system): [seconds]}
        self.directories = {}  # file system: where it is mounted
        package_set = case.set_with(OVERLAY)
        node = case.node("node", package_set=package_set, config={"packages": {"always": []}})
        node.start()
        say("building and pulling the image")
        fuse = Stowage(case.scratch, "fuse", node, REFERENCE)
        image_root = self._mount(fuse)
        self.names = self._choose_names(image_root)
        say("making the copy of the baseline")
        self.baseline = Unpacked(case.scratch, image_root)
        redirect = Stowage(case.scratch, "overlay redirect", self._overlay_node(package_set), REFERENCE)
        self.file_systems = [self.baseline, fuse, redirect, BindMounts(case.scratch, image_root)]
        for file_system in self.file_systems:
            if file_system not in self.directories:
                self._mount(file_system)
            self._make_repository(self.directories[file_system])

    def _overlay_node(self, package_set):
        """A node whose store the kernel alone shows."""
        self.case.driver = "overlay"
        self.case.need_driver()
        node = self.case.node("kernel", package_set=package_set, config={"packages": {"always": []}})
        node.start()
        return node

    def _mount(self, file_system):
        directory = self.directories[file_system] = f"{self.case.scratch}/root-{len(self.directories)}"
        os.makedirs(directory)
        file_system.mount(directory)
        os.makedirs(f"{directory}/dev", exist_ok=True)
        run(["mount", "--bind", "/dev", f"{directory}/dev"])
        return directory

    def _choose_names(self, image_root):
        base = next(name for name in os.listdir(f"{image_root}/nix/store") if name.endswith("-bench-data"))
        data = f"nix/store/{base}/share/bench"
        small = [f"{data}/small/{number}" for number in range(1, SMALL_FILES + 1)]
        random.Random(1).shuffle(small)
        return {"none": [], "small": small, "big": [f"{data}/big"]}

    def _make_repository(self, root):
        """A repository in the writable directory, to look at with the git of the image."""
        script = ("git init -q /tmp/repository && cd /tmp/repository && for i in $(busybox seq 200); do echo $i > $i; done "
                  "&& git add . && git -c user.name=bench -c user.email=bench@localhost commit -q -m all")
        run([self.probe, "run", root, "/bin/busybox", "sh", "-ec", script], input="", env=ENVIRONMENT)

    # --- measuring

    def run_all(self):
        for number in range(self.arguments.rounds):
            say(f"round {number}")
            turn = number % len(self.file_systems)
            order = self.file_systems[turn:] + self.file_systems[:turn]
            for row in filter(self.arguments.rows.search, WORKLOADS):
                for file_system in order:
                    self._once(row, file_system)
                for file_system in order:
                    self._add(f"{row}, warm", file_system, self._once(row, file_system))
                if row in WARM_ONLY:
                    continue
                for file_system in order:
                    drop_caches()
                    self._add(f"{row}, cold", file_system, self._once(row, file_system))
        for file_system in self.file_systems:
            self._measure_copies(file_system)
            self._measure_mounts(file_system)

    def _add(self, row, file_system, value):
        self.samples[row, file_system].append(value)

    def _once(self, row, file_system):
        """Milliseconds of a workload."""
        operation, names, program = WORKLOADS[row]
        command = [self.probe, operation, self.directories[file_system], *program]
        done = run(command, seconds=600, input="".join(f"{name}\n" for name in self.names[names]),
                   env=ENVIRONMENT)
        return float(done.stdout) * 1000

    def _measure_copies(self, file_system):
        drop_caches()
        before = cached_bytes()
        self._once("read of 512 MiB", file_system)
        self._add("copies of a file in the page cache", file_system, (cached_bytes() - before) / (BIG_MIB << 20))

    def _measure_mounts(self, file_system):
        """What further containers of the same image cost."""
        count = self.arguments.mounts
        directories = [f"{self.case.scratch}/more-{number}" for number in range(count)]
        mounts_before, memory_before = count_mounts(), kernel_memory()
        for directory in directories:
            os.makedirs(directory)
            file_system.mount(directory)
            run([self.probe, "walk", directory], input="")
        self._add("mounts of a container", file_system, (count_mounts() - mounts_before) / count)
        self._add("slab memory of a container that has looked at every file, KiB", file_system,
                  (kernel_memory() - memory_before) / count)
        for row in ("start of python3 with three modules", "open and close of 5,000 files"):
            self._once(row, file_system)
            samples = [self._once(row, file_system) for _ in range(self.arguments.rounds)]
            self._add(f"{row}, warm, {count} more containers", file_system, statistics.median(samples))
        for directory in directories:
            file_system.unmount(directory)
            os.rmdir(directory)

    # --- results

    def rows(self):
        rows = []
        for name in dict.fromkeys(row for row, _ in self.samples):
            baseline = statistics.median(self.samples[name, self.baseline])
            for file_system in self.file_systems:
                if file_system is self.baseline:
                    continue
                value = statistics.median(self.samples[name, file_system])
                rows.append({"row": f"{name}: {file_system.name}", "value": value, "baseline": baseline,
                             "ratio": value / baseline if baseline else None})
        return rows

    def close(self):
        for file_system, directory in self.directories.items():
            file_system.unmount(directory)


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="utf-8") as file:
        file.write("3")


def meminfo(*fields):
    """The sum of some fields of /proc/meminfo, KiB."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        values = dict(line.split(":") for line in file)
    return sum(int(values[field].split()[0]) for field in fields)


def cached_bytes():
    return meminfo("Cached") * 1024


def kernel_memory():
    return meminfo("Slab")


def count_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return len(file.readlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where stowaged, stowage-fuse, stowage and rootfs_probe are")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=re.compile, default="", metavar="REGEX", help="only workloads with such names")
    parser.add_argument("--mounts", type=int, default=64, help="further containers of the image, for the last rows")
    arguments = parser.parse_args()
    if "STOWAGE_SCRATCH" not in os.environ:
        parser.error("not in the sandbox: run ./scripts/bench rootfs")
    private_store(os.environ["STOWAGE_SCRATCH"])
    case = Case("rootfs", arguments.bin_directory, f"{ROOT}/build/pkgset", f"{ROOT}/build/bench/logs")
    try:
        bench = Bench(case, arguments)
        bench.run_all()
        bench.close()
    except (Failure, Skip, subprocess.SubprocessError) as failure:
        case.show_logs()
        sys.exit(f"bench_rootfs.py: {failure}")
    finally:
        case.close()
    write_rows(bench.rows(), arguments.json)


if __name__ == "__main__":
    main()
