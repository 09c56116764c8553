"""What is done on each root file system, and how long it takes."""

import dataclasses
import json
import os
import random
import time

from commands import run
from kernel_figures import drop_caches

BIG_MIB, SMALL_FILES = 512, 5000
REFERENCE = "nix/busybox/bench.python3/git/bench.data"
# Python with its library compiled, as Nixpkgs has it: otherwise each start would write what it compiles into the upper directory, and
# the next one would read that instead of the image. All of it anew (-f): what Python itself has compiled (-B) is invalid once Nix has
# changed the files' times.
OVERLAY = """self: super: {
  bench.python3 = super.runCommand "bench-python3" { } ''
    cp -r ${super.python3} $out
    chmod -R u+w $out
    $out/bin/python3 -B -m compileall -q -f --invalidation-mode unchecked-hash $out/lib > log || { cat log; false; }
  '';
  bench.data = super.runCommand "bench-data" { } ''
    mkdir -p $out/share/bench/small
    head -c BIG_MIBM /dev/urandom > $out/share/bench/big
    for i in $(seq SMALL_FILES); do echo "small file number $i" > $out/share/bench/small/$i; done
  '';
}
""".replace("BIG_MIB", str(BIG_MIB)).replace("SMALL_FILES", str(SMALL_FILES))
MAKE_REPOSITORY = ("git init -q /tmp/repository && cd /tmp/repository && for i in $(busybox seq 200); do echo $i > $i; done "
                   "&& git add . && git -c user.name=bench -c user.email=bench@localhost commit -q -m all")
ENVIRONMENT = {"PATH": "/bin", "HOME": "/tmp"}  # of the programs in the root
FIO = ("fio", "--name=random", "--thread", "--readonly", "--rw=randread", "--bs=4k", "--ioengine=psync", "--invalidate=0",
       "--norandommap", "--randseed=1", "--output-format=json")


@dataclasses.dataclass(frozen=True)
class Workload:
    """One row, measured warm and cold.

    operation: "container" (a container that runs the program), "fio", or one of rootfs_probe.
    files: which of the image's files it is told, "small" or "big". repeats: warm measurements in a round.
    """
    name: str
    unit: str
    operation: str
    files: str = ""
    program: tuple = ()
    repeats: int = 5


CONTAINER = Workload("container start to exit", "ms", "container", program=("/bin/busybox", "true"), repeats=2)
PYTHON = Workload("python3 start", "ms", "run", program=("/bin/python3", "-c", "import json, ssl, email"), repeats=8)
OPEN = Workload("open + close, 5,000 files", "ms", "open", "small", repeats=8)
READ_BIG = Workload("read 512 MiB", "ms", "read", "big")
WORKLOADS = (
    CONTAINER,
    PYTHON,
    Workload("git status", "ms", "run", program=("/bin/git", "-C", "/tmp/repository", "status", "--short"), repeats=8),
    OPEN,
    Workload("lstat, 5,000 files", "ms", "lstat", "small", repeats=8),
    Workload("walk of the whole root", "ms", "walk", repeats=3),
    Workload("read 5,000 small files", "ms", "read", "small"),
    READ_BIG,
    Workload("mmap + touch 512 MiB", "ms", "mmap", "big"),
    Workload("fio, 4 KiB random read", "us", "fio", "big", repeats=2),
)


class Image:
    """The files of the image that workloads need."""

    def __init__(self, image_root, probe):
        """image_root: where it can be seen; probe: the program rootfs_probe"""
        base = next(name for name in os.listdir(f"{image_root}/nix/store") if name.endswith("-bench-data"))
        self.probe = probe
        self.big = f"nix/store/{base}/share/bench/big"
        small = [f"nix/store/{base}/share/bench/small/{number}" for number in range(1, SMALL_FILES + 1)]
        random.Random(1).shuffle(small)
        self.names = {"": [], "big": [self.big], "small": small}

    def make_repository(self, root):
        """A repository in the writable directory, to look at with the git of the image."""
        run([self.probe, "run", root, "/bin/busybox", "sh", "-ec", MAKE_REPOSITORY], input="", env=ENVIRONMENT)

    def measure(self, workload, file_system, root, cold=False):
        """One measurement in the workload's unit. root: where the file system is mounted; cold: after drop_caches()"""
        if cold:
            drop_caches()
        if workload.operation == "container":
            begin = time.monotonic()
            file_system.run(*workload.program)
            return (time.monotonic() - begin) * 1000
        if workload.operation == "fio":
            reads = 4000 if cold else 40000
            done = run([*FIO, f"--filename={root}/{self.big}", f"--number_ios={reads}"], seconds=300)
            return json.loads(done.stdout)["jobs"][0]["read"]["lat_ns"]["mean"] / 1000
        return self.probe_milliseconds(workload.operation, root, self.names[workload.files], *workload.program)

    def probe_milliseconds(self, operation, root, names, *program):
        done = run([self.probe, operation, root, *program], seconds=600, env=ENVIRONMENT,
                   input="".join(f"{name}\n" for name in names))
        return float(done.stdout) * 1000
