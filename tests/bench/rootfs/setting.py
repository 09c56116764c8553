"""The nodes of the bench, one for each way in which Stowage shows store paths, and an image in all of these ways."""

import os

from bench_program import say
from commands import Failure
from root_file_systems import BindMounts, Snapshots, pull, pull_for_overlayfs

BASELINE, CONTROL = "overlayfs", "overlayfs again"
# name in the tables, what the node's configuration says; one that the machine refuses is left out
DRIVERS = (
    ("fuse cached", {"snapshotter": {"driver": "fuse"}}),
    ("fuse cached without xattr", {"snapshotter": {"driver": "fuse"}, "fuse": {"extended_attributes": False}}),
    ("fuse passthrough", {"snapshotter": {"driver": "fuse"}, "fuse": {"data": "passthrough"}}),
    ("overlay redirect", {"snapshotter": {"driver": "overlay"}}),
)


class Setting:
    def __init__(self, case, package_set):
        self.case = case
        self.nodes = {}
        self.images = 0
        for name, config in DRIVERS:
            node = case.node(name.replace(" ", "-"), package_set=package_set, config={"packages": {"always": []}, **config})
            try:
                node.start()
            except Failure as failure:
                say(f"{name}: not measured: {failure}: {self._last_words(node)}")
                node.stop()
            else:
                self.nodes[name] = node
        if not self.nodes:
            raise Failure("no driver can be measured here")

    def _last_words(self, node):
        for daemon in ("stowaged", "stowage-fuse"):
            log = f"{self.case.logs}/{node.name}-{daemon}"
            if os.path.exists(log):
                with open(log, encoding="utf-8", errors="replace") as file:
                    return (file.read().splitlines() or [""])[-1]
        return "no log"

    def show(self, reference):
        """The image as root file systems: the baseline, the control, Stowage's, bind mounts.

        The control is the baseline mounted once more: what differs between these two is the noise of the run.
        """
        self.images += 1
        ours = [Snapshots(name, node, "stowage", pull(node, reference)) for name, node in self.nodes.items()]
        node = ours[0].node
        unpacked = pull_for_overlayfs(node, reference)
        baseline, control = (Snapshots(name, node, "overlayfs", unpacked) for name in (BASELINE, CONTROL))
        directory = f"{self.case.scratch}/image-{self.images}"
        os.makedirs(f"{directory}/root")
        os.makedirs(f"{directory}/bind-mounts")
        baseline.mount(f"{directory}/root")
        bind_mounts = BindMounts("bind mounts", node, f"{directory}/root", f"{directory}/bind-mounts")
        baseline.unmount(f"{directory}/root")
        return [baseline, control, *ours, bind_mounts]
