"""The images of the chaos test's readers, which all have the same store paths, and what a reader must see in them."""

import hashlib
import io
import json
import os
import random
import tarfile

from matrix_images import blobs_of_endpoint
from oci_image import OciImage, StaticRegistry, busybox_layers, tar_layer

REFERENCE = "busybox/hello/python3"
HELLO = "Hello, world!\n"
FILES, DIRECTORIES, APPENDED = 300, 60, 60
MOST_BYTES = 1 << 20


def make(case, node):
    """Gives containerd the images; returns {reader: image name} and the archive of a small ordinary image.

    "nix" comes by `stowage pull`, "mixed" has an ordinary layer above those of Nix, "ordinary" is one layer with all
    the files.
    """
    node.stowage("pull", f"nix/{REFERENCE}", seconds=280)
    layers = list(blobs_of_endpoint(node.registry, REFERENCE).values())
    registry = StaticRegistry({"mixed:1": OciImage([*layers, tar_layer({"etc/first": b"one\n"})])})
    node.write_hosts("test.local", registry.address)
    node.ctr("images", "pull", "--hosts-dir", node.hosts_directory, "--snapshotter", "stowage", "test.local/mixed:1")
    archive = f"{case.scratch}/ordinary.tar"
    OciImage([_flattened(layers)]).write_archive(archive, "test.local/ordinary:1")
    node.ctr("images", "import", "--snapshotter", "stowage", archive)
    os.unlink(archive)
    small = f"{case.scratch}/box.tar"
    OciImage(busybox_layers()).write_archive(small, "test.local/box:churn")
    return {"nix": f"nix/{REFERENCE}:latest", "mixed": "test.local/mixed:1", "ordinary": "test.local/ordinary:1"}, small


def write_expected(case, directory, seed):
    """Writes expected.json for reader.py; returns the store paths that it is about, which must not be collected."""
    paths = case.closure(*(case.store_path(name) for name in (*REFERENCE.split("/"), "cacert", "iana-etc")))
    files, directories = [], {}
    for path in sorted(paths):
        for folder, folders, names in os.walk(path):
            directories[folder] = sorted(folders + names)
            files += [f"{folder}/{name}" for name in names if _is_readable(f"{folder}/{name}")]
    choice = random.Random(f"files {seed}")
    plain = [path for path in files if not os.access(path, os.X_OK) and "python" not in path and ".so" not in path]
    appended = choice.sample(plain, min(APPENDED, len(plain) // 2))
    read = choice.sample(sorted(set(files) - set(appended)), FILES)
    with open(f"{directory}/expected.json", "w", encoding="utf-8") as file:
        json.dump({"files": {path: _sha256(path) for path in read}, "appended": appended,
                   "directories": {path: directories[path] for path in choice.sample(sorted(directories), DIRECTORIES)},
                   "programs": {f"{case.store_path('hello')}/bin/hello": HELLO}}, file)
    return sorted(paths)


def _is_readable(path):
    return os.path.isfile(path) and not os.path.islink(path) and 0 < os.path.getsize(path) <= MOST_BYTES


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _flattened(layers):
    """One layer with everything that these have, none of which hides anything of another."""
    buffer, seen = io.BytesIO(), set()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as merged:
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for entry in tar:
                    if entry.name not in seen:
                        seen.add(entry.name)
                        merged.addfile(entry, tar.extractfile(entry) if entry.isreg() else None)
    return buffer.getvalue()
