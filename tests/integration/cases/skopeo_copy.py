"""A client without Stowage gets the store's files: every path of the closure, file by file."""

import hashlib
import os
import stat
import tarfile

from commands import expect, expect_equal, run
from oci_image import read_layout


def main(case):
    node = case.node()
    node.start_fuse()
    node.start_stowaged()
    layout = f"{case.scratch}/layout"
    run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{node.registry}/shell/git/tests.special",
         f"oci:{layout}:image"], seconds=120)
    root = f"{case.scratch}/root"
    manifest, blobs = read_layout(layout)
    expect(len(manifest["layers"]) > 1, "the image has only one layer")
    for layer in manifest["layers"]:
        with tarfile.open(blobs[layer["digest"]]) as tar:
            tar.extractall(root)

    wanted = case.closure(*(case.store_path(name) for name in (
        "bashInteractive", "coreutils", "moreutils", "nano", "git", "tests.special", "cacert", "iana-etc")))
    got = {f"/nix/store/{name}" for name in os.listdir(f"{root}/nix/store")}
    expect_equal(sorted(got), sorted(wanted), "store paths in the image")
    for path in sorted(wanted):
        expect_equal(_tree(root + path), _tree(path), f"files of {path}")
    expect_equal(oct(os.stat(f"{root}/tmp").st_mode & 0o7777), "0o1777", "mode of /tmp")


def _tree(path):
    """{relative path: what it is}, for directories, files with their hash, and symlinks."""
    found = {}
    todo = [os.fsencode(path)]
    while todo:
        name = todo.pop()
        status = os.lstat(name)
        relative = os.path.relpath(name, os.fsencode(path))
        if stat.S_ISLNK(status.st_mode):
            found[relative] = ("link", os.readlink(name))
        elif stat.S_ISDIR(status.st_mode):
            found[relative] = ("directory", stat.S_IMODE(status.st_mode))
            todo += [os.path.join(name, child) for child in os.listdir(name)]
        else:
            with open(name, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            found[relative] = ("file", stat.S_IMODE(status.st_mode), int(status.st_mtime), content)
    return found
