"""A node and an image that it has made before, of which only the records and a binary cache are left."""

import os
import subprocess
import time

from binary_cache import BinaryCache
from commands import expect, run, wait_until

HOLD_SECONDS = 10  # the shortest that the configuration takes
PACKAGES = """self: super: builtins.mapAttrs (name: mebibytes: super.runCommand "lazy-${name}" { inherit mebibytes; } ''
  mkdir -p $out/share/lazy
  echo ${name} > $out/share/lazy/${name}
  dd if=/dev/urandom of=$out/share/lazy/${name}.bytes bs=1048576 count=$mebibytes
'') { %s }
"""


class LazyImage:
    """After forget() none of its store paths is there, and all of them are in the cache. close() ends the cache."""

    def __init__(self, case, packages, mebibytes, driver, bytes_per_second=1 << 30, listings=False):
        """packages: of the image. mebibytes: sizes of those of them that are made here, by name. listings: of BinaryCache"""
        case.private_store()
        self.name = "nix/" + "/".join(packages)
        self.reference = f"{self.name}:latest"
        self.cache = BinaryCache(f"{case.scratch}/cache", bytes_per_second, listings)
        sizes = " ".join(f"{name} = {size};" for name, size in mebibytes.items())
        self.package_set = case.set_with(PACKAGES % sizes)
        self.node = case.node(package_set=self.package_set, config={
            "images": {"hold": f"{HOLD_SECONDS}s"}, "snapshotter": {"driver": driver},
            "nix": {"settings": ["build-users-group=", "sandbox=false", *self.cache.settings]}})
        self.packages = packages
        self.paths = {}  # store paths by package, of those that every image has too

    def make(self):
        """Has the node make the image, and the cache its store paths."""
        self.node.stowage("pull", self.name, seconds=120)
        self.paths = {name: self.build(name) for name in (*self.packages, "cacert", "iana-etc")}
        self.cache.add(*self.paths.values())

    def build(self, package):
        return run(["nix-build", self.package_set, "--no-out-link", "-A", package]).stdout.split()[-1]

    def forget(self):
        """Removes it from containerd, waits until nothing holds it, and collects its store paths."""
        time.sleep(HOLD_SECONDS + 1)
        self.node.ctr("images", "remove", "--sync", self.reference, f"nix.local/{self.reference.removeprefix('nix/')}")
        wait_until(lambda: not os.listdir(f"{self.node.gc_roots}/layers"), 20, "no roots")
        self.collect()

    def collect(self):
        run(["nix-store", "--gc"])
        expect(not any(map(os.path.exists, self.paths.values())), "store paths are still there")

    def start(self, name):
        """A container that stays."""
        self.node.ctr("run", "--detach", "--snapshotter", "stowage", self.reference, name, "busybox", "sleep", "1000")

    def begin(self, container, exec_id, *command):
        """A process in a running container."""
        return Execution(self.node, container, exec_id, command)

    def execute(self, container, exec_id, *command):
        return self.begin(container, exec_id, *command).result()


class Execution:
    """`ctr tasks exec`, which ends when the process does. The image needs busybox.

    One stream: containerd 1.6's shim closes the file when the first one ends, and what the other still says is lost.
    """

    def __init__(self, node, container, exec_id, command):
        self._output = node.output_file(exec_id)
        self._process = subprocess.Popen(["ctr", "--address", node.containerd_socket, "--namespace", node.namespace,
                                          "tasks", "exec", "--exec-id", exec_id, *self._output.flags, container,
                                          "busybox", "sh", "-c", 'exec "$@" 2>&1', "sh", *command],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=node.containerd.environment)

    def result(self, seconds=60):
        """Exit status, and all that it wrote, to whichever stream."""
        return self._process.wait(seconds), self._output.take()

    def expect_waiting(self, what):
        expect(self._process.poll() is None, f"{what} did not wait: {self._process.returncode}")
