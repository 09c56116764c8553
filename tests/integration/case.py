"""What a case works with: a scratch directory, nodes, package sets of its own."""

import contextlib
import os
import random
import re
import shutil
import socket

from commands import Failure, Skip, run
from containerd import Containerd
from node import Node

__all__ = ["Case", "Failure", "Skip"]

LOG_LINES_SHOWN = 30
# The driver fuse with these keys of [fuse].
FUSE_SETTINGS = {"passthrough": {"data": "passthrough"}, "noxattr": {"extended_attributes": False}}


class Case:
    """One run of a case. close() ends its nodes; the sandbox ends whatever else it started."""

    def __init__(self, name, bin_directory, package_set, log_directory, driver="fuse"):
        """driver: snapshotter.driver of its nodes, or a key of FUSE_SETTINGS."""
        self.name = name
        self.driver = "fuse" if driver in FUSE_SETTINGS else driver
        self.fuse_settings = FUSE_SETTINGS.get(driver, {})
        self.bin_directory = bin_directory
        self.package_set = package_set
        self.scratch = os.environ["STOWAGE_SCRATCH"]
        self.namespace = os.environ["STOWAGE_NAMESPACE"]
        self.logs = f"{log_directory}/{name}"
        self._nodes = []
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)

    def node(self, name="node", package_set=None, config=None, containerd=None):
        """A node that is not started yet.

        config: {table: {key: value}} laid over what scripts/lib/stowage.toml says.
        containerd: the installed one unless given.
        """
        return self.add_node(Node(self, name, package_set or self.package_set, config or {}, containerd or Containerd()))

    def add_node(self, node):
        """Has it stopped at the end."""
        self._nodes.append(node)
        return node

    def started_node(self, **options):
        """A node with all its daemons running."""
        node = self.node(**options)
        node.start()
        return node

    def set_with(self, overlay):
        """A copy of the package set with an overlay (the text of overlay.nix, `self: super: { ... }`)."""
        directory = f"{self.scratch}/set-{len(os.listdir(self.scratch))}"
        shutil.copytree(self.package_set, directory, copy_function=_link_or_copy)
        with open(f"{directory}/overlay.nix", "w", encoding="utf-8") as file:
            file.write(overlay)
        return directory

    def private_store(self):
        """An empty Nix store of this case's own, in the sandbox's mount namespace, instead of the cases' common one."""
        os.makedirs(f"{self.scratch}/nix/store")
        run(["mount", "--bind", f"{self.scratch}/nix", "/nix"])

    def need_program(self, *names):
        """Skips the case unless the programs are installed."""
        missing = [name for name in names if not shutil.which(name)]
        if missing:
            raise Skip(f"not installed: {', '.join(missing)}")

    def need_driver(self):
        """Skips the case where the kernel cannot show the store to containers so."""
        if self.fuse_settings.get("data") == "passthrough":
            kernel = tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups()))
            store = run(["stat", "--file-system", "--format=%T", "/nix"]).stdout.strip()
            if kernel < (6, 9) or store == "overlayfs":
                raise Skip(f"no FUSE passthrough on Linux {os.uname().release} and {store}")
        if self.driver == "overlay" and os.stat(self.scratch).st_dev != os.stat("/nix").st_dev:
            raise Skip(f"{self.scratch} and the tests' store are on different file systems: set TMPDIR")

    def free_port(self):
        """A port that no client on this machine is given for its own end (ip_local_port_range) while a daemon restarts."""
        while True:
            port = random.randrange(20000, 32000)
            with socket.socket() as listener, contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                return port

    def store_path(self, attribute):
        """The output of a package of the set, built if need be."""
        return run(["nix-build", self.package_set, "--no-out-link", "-A", attribute]).stdout.split()[-1]

    def closure(self, *paths):
        """All store paths that the given ones refer to, themselves included."""
        return set(run(["nix-store", "-qR", *paths]).stdout.split())

    def show_logs(self):
        """Prints the end of every daemon's log."""
        for name in sorted(os.listdir(self.logs)):
            with open(f"{self.logs}/{name}", encoding="utf-8", errors="replace") as file:
                lines = file.readlines()[-LOG_LINES_SHOWN:]
            print(f"--- {self.logs}/{name}\n{''.join(lines)}", end="")

    def close(self):
        for node in reversed(self._nodes):
            node.stop()


def _link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
