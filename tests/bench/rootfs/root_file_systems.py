"""The same files as a container's root, shown in different ways. All have an empty writable upper directory on top."""

import os
import subprocess

from commands import run


class RootFileSystem:
    """One way to show an image. mount(directory) shows it there; mounts are removed with unmount(directory)."""

    def __init__(self, name, scratch):
        self.name = name
        self.scratch = f"{scratch}/{name}"
        self._mounted = 0
        os.makedirs(self.scratch)

    def mount(self, directory):
        raise NotImplementedError

    def overlay(self, lower, directory):
        """An overlay with an upper directory of its own."""
        self._mounted += 1
        upper, work = (f"{self.scratch}/{self._mounted}.{part}" for part in ("upper", "work"))
        os.makedirs(upper)
        os.makedirs(work)
        run(["mount", "-t", "overlay", "overlay", "-o", f"index=off,lowerdir={lower},upperdir={upper},workdir={work}", directory])

    @staticmethod
    def unmount(directory):
        run(["umount", "--recursive", directory])


class Unpacked(RootFileSystem):
    """What containerd's overlayfs snapshotter shows: an ordinary directory that everything was unpacked into."""

    def __init__(self, scratch, image_root):
        super().__init__("overlayfs", scratch)
        self.lower = f"{self.scratch}/lower"
        run(["cp", "-a", "-x", "--reflink=never", image_root, self.lower], seconds=600)

    def mount(self, directory):
        self.overlay(self.lower, directory)


class BindMounts(RootFileSystem):
    """A bind mount of each store path, as nix-snapshotter makes them."""

    def __init__(self, scratch, image_root):
        super().__init__("bind mounts", scratch)
        self.lower = f"{self.scratch}/lower"
        self.paths = sorted(os.listdir(f"{image_root}/nix/store"))
        run(["sh", "-c", 'cd "$1" && tar -c --one-file-system --exclude=./nix/store . | tar -x -C "$2"', "sh", image_root,
             self._made(self.lower)])
        for name in self.paths:
            point = f"{self.lower}/nix/store/{name}"
            if os.path.isdir(f"/nix/store/{name}"):
                os.makedirs(point)
            else:
                os.makedirs(os.path.dirname(point), exist_ok=True)
                with open(point, "x", encoding="utf-8"):
                    pass

    @staticmethod
    def _made(directory):
        os.makedirs(directory)
        return directory

    def mount(self, directory):
        self.overlay(self.lower, directory)
        for name in self.paths:
            subprocess.run(["mount", "--bind", f"/nix/store/{name}", f"{directory}/nix/store/{name}"], check=True)


class Stowage(RootFileSystem):
    """Snapshots of a node, mounted as its snapshotter says."""

    def __init__(self, scratch, name, node, reference):
        super().__init__(name, scratch)
        self.node = node
        node.stowage("pull", reference, seconds=600)
        self.image = f"nix/{reference.removeprefix('nix/')}:latest"
        self.chain_id = node.ctr("snapshots", "--snapshotter", "stowage", "list").stdout.splitlines()[1].split()[0]

    def mount(self, directory):
        self._mounted += 1
        key = f"bench-{self._mounted}"
        snapshots = ["snapshots", "--snapshotter", "stowage"]
        self.node.ctr(*snapshots, "prepare", key, self.chain_id)
        command = self.node.ctr(*snapshots, "mounts", directory, key).stdout
        run(["sh", "-e", "-c", command])
