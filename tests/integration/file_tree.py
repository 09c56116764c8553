"""Trees of files and layers as dictionaries {path: Entry}, to be compared."""

import dataclasses
import hashlib
import os
import stat
import tarfile

STORE_TIME = 1  # mtime of everything in a Nix store, and in our layers
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


@dataclasses.dataclass
class Entry:
    """content: SHA-256 of a file, target of a link. old: whether its time is that of the Nix store, which no file has
    that was written since."""
    kind: str
    mode: int
    owner: tuple
    old: bool
    content: str


def read_tree(root):
    """Every file below a directory; not the directory itself, whose time is that of its mount."""
    paths = [os.path.join(folder, name) for folder, folders, files in os.walk(root) for name in folders + files]
    return {os.path.relpath(path, root): _read_entry(path) for path in paths}


def _read_entry(path):
    status = os.lstat(path)
    kind = KINDS.get(stat.S_IFMT(status.st_mode), "other")
    content = ""
    if kind == "symlink":
        content = os.readlink(path)
    elif kind == "file":
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), status.st_mtime == STORE_TIME, content)


def read_tar(path):
    """The entries of a layer."""
    kinds = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hard link"}
    entries = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            content = member.linkname
            if member.isreg():
                content = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
            entries[member.name] = Entry(kinds.get(member.type, "other"), member.mode, (member.uid, member.gid),
                                         member.mtime == STORE_TIME, content)
    return entries
