"""The same image as a container's root, shown in different ways. All have an empty writable upper directory on top."""

import contextlib
import functools
import hashlib
import itertools
import json
import os

from commands import run
from system_calls import bind_mount, detach, mount_overlay

SLEEP = ("/bin/busybox", "sleep", "100000")


class RootFileSystem:
    """One way to show an image on a node.

    mount(directory) and unmount(directory): a root to look at. run(...): a container, from start to exit.
    start() and stop(name): a container that does nothing; start() returns its name and the pid of its process.
    """

    def __init__(self, name, node):
        self.name, self.node = name, node
        self._numbers = itertools.count()

    def _new_name(self):
        return f"{self.name.replace(' ', '-')}-{next(self._numbers)}"

    def daemons(self):
        """Pids of the processes of Stowage that it needs."""
        return []

    def start(self):
        name = self._new_name()
        self._start(name)
        tasks = self.node.ctr("tasks", "list").stdout.splitlines()
        return name, int(next(line.split()[1] for line in tasks if line.split()[0] == name))

    def stop(self, name):
        self.node.ctr("tasks", "delete", "--force", name)
        self.node.ctr("containers", "delete", name)


class Snapshots(RootFileSystem):
    """What a snapshotter of the node's containerd shows of an image that containerd has."""

    def __init__(self, name, node, snapshotter, image):
        super().__init__(name, node)
        self.snapshotter, self.image = snapshotter, image
        config = self.node.ctr("content", "get", self.node.image_config_digest(image)).stdout
        self.chain_id = chain_id(json.loads(config)["rootfs"]["diff_ids"])

    def daemons(self):
        if self.snapshotter == "overlayfs":
            return []
        fuse = [pid for role in ("keeper", "worker") for pid in self.node.fuse_processes(role)]
        return [self.node.processes["stowaged"].pid, *fuse]

    def mount(self, directory):
        self._snapshots("prepare", directory, self.chain_id)
        # mount -t overlay overlay DIRECTORY -o OPTIONS
        mount_overlay(directory, self._snapshots("mounts", directory, directory).stdout.split()[-1])

    def unmount(self, directory):
        detach(directory)
        self._snapshots("remove", directory)

    def _snapshots(self, *words):
        return self.node.ctr("snapshots", "--snapshotter", self.snapshotter, *words)

    def run(self, *command):
        self.node.run_container(self.image, self._new_name(), *command, snapshotter=self.snapshotter)

    def _start(self, name):
        self.node.ctr("run", "--detach", "--snapshotter", self.snapshotter, self.image, name, *SLEEP)


class BindMounts(RootFileSystem):
    """A bind mount of each store path over an empty directory, as nix-snapshotter has containerd's shim make them."""

    def __init__(self, name, node, image_root, scratch):
        """image_root: where another way shows the image; scratch: an empty directory"""
        super().__init__(name, node)
        self.scratch, self.lower = scratch, f"{scratch}/lower"
        os.makedirs(self.lower)
        self.paths = sorted(os.listdir(f"{image_root}/nix/store"))
        run(["sh", "-c", 'cd "$1" && tar -c --one-file-system --exclude=./nix/store --exclude=./tmp/* . | tar -x -C "$2"', "sh",
             image_root, self.lower])
        for path in self.paths:
            point = f"{self.lower}/nix/store/{path}"
            os.makedirs(point if os.path.isdir(f"/nix/store/{path}") else os.path.dirname(point), exist_ok=True)
            with contextlib.suppress(IsADirectoryError), open(point, "a", encoding="utf-8"):
                pass

    def mount(self, directory):
        upper, work = (f"{self.scratch}/{self._new_name()}" for _ in range(2))
        os.mkdir(upper)
        os.mkdir(work)
        mount_overlay(directory, f"index=off,lowerdir={self.lower},upperdir={upper},workdir={work}")
        for path in self.paths:
            bind_mount(f"/nix/store/{path}", f"{directory}/nix/store/{path}")

    def unmount(self, directory):
        detach(directory)

    def run(self, *command):
        name = self._new_name()
        directory = self._mounted(name)
        self.node.ctr("run", "--rm", "--rootfs", directory, name, *command)
        self.unmount(directory)

    def _mounted(self, name):
        directory = f"{self.scratch}/root-{name}"
        os.mkdir(directory)
        self.mount(directory)
        return directory

    def _start(self, name):
        self.node.ctr("run", "--detach", "--rootfs", self._mounted(name), name, *SLEEP)

    def stop(self, name):
        super().stop(name)
        self.unmount(f"{self.scratch}/root-{name}")


def chain_id(diff_ids):
    """Name of the snapshot of all layers (OCI image specification, config.md, "Layer ChainID")."""
    return functools.reduce(lambda parent, diff_id: f"sha256:{hashlib.sha256(f'{parent} {diff_id}'.encode()).hexdigest()}",
                            diff_ids)


def pull_for_overlayfs(node, reference):
    """Has containerd's overlayfs unpack an image from the node's own endpoint. Returns its name."""
    image = f"{node.registry}/{reference}:latest"
    node.ctr("images", "pull", "--plain-http", "--snapshotter", "overlayfs", image, seconds=600)
    return image


def pull(node, reference):
    """Has Stowage make an image. Returns its name."""
    node.stowage("pull", reference, seconds=600)
    return f"{reference}:latest"
