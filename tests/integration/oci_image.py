"""Ordinary OCI images made from nothing, and a registry that serves them: no network, no Stowage."""

import hashlib
import http.server
import io
import json
import os
import shutil
import tarfile
import threading

from commands import Skip

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


def tar_layer(files):
    """A layer of {path: bytes (mode 0755), str (symlink) or None (directory)}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def chain_ids(diff_ids):
    """The chain ID of every layer (image-spec, config.md), bottom first."""
    chains = []
    for diff_id in diff_ids:
        text = f"{chains[-1]} {diff_id}" if chains else None
        chains.append("sha256:" + hashlib.sha256(text.encode()).hexdigest() if text else diff_id)
    return chains


def busybox_program():
    """The path of a busybox that needs no libraries."""
    program = shutil.which("busybox")
    if program is None:
        raise Skip("not installed: busybox-static")
    return program


def busybox_layers():
    """Two layers: busybox with /etc/first and /etc/second; a whiteout of /etc/second and a new /etc/third."""
    with open(busybox_program(), "rb") as file:
        busybox = file.read()
    applets = {f"bin/{name}": "busybox" for name in ("sh", "cat", "ls", "id", "touch", "rm", "wc", "mkdir")}
    base = {"bin": None, "bin/busybox": busybox, **applets, "etc": None, "etc/first": b"one\n", "etc/second": b"two\n",
            "proc": None, "sys": None, "dev": None, "tmp": None}
    return [tar_layer(base), tar_layer({"etc/.wh.second": b"", "etc/third": b"three\n"})]


class OciImage:
    """An image with all its blobs: blobs {digest: bytes}, diff_ids, manifest (bytes) and its digest."""

    def __init__(self, layers, command=("sh",)):
        self.blobs = {}
        self.diff_ids = diff_ids = [self._add(layer) for layer in layers]
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
        self.config_digest = self._add(config)
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": self.config_digest, "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": len(layer)}
                       for digest, layer in zip(diff_ids, layers)]}).encode()
        self.manifest_digest = self._add(self.manifest)

    def _add(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    def write_archive(self, path, name):
        """An OCI image layout as a tar file, for `ctr images import`."""
        index = {"schemaVersion": 2, "manifests": [{
            "mediaType": MANIFEST_TYPE, "digest": self.manifest_digest, "size": len(self.manifest),
            "annotations": {"io.containerd.image.name": name}}]}
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
        files |= {f"blobs/sha256/{digest.removeprefix('sha256:')}": data for digest, data in self.blobs.items()}
        with open(path, "wb") as file:
            file.write(tar_layer(files))


class StaticRegistry:
    """Serves images {"repository:tag": OciImage} on a free port of 127.0.0.1; requests is the list of paths asked."""

    def __init__(self, images):
        self.requests = []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                registry.requests.append(f"{self.command} {self.path}")
                found = _look_up(images, self.path.split("?")[0])
                body, media_type = found or (b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "application/json")
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_words):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


def _look_up(images, path):
    if path == "/v2/":
        return b"{}", "application/json"
    repository, kind, wanted = (path.removeprefix("/v2/").rsplit("/", 2) + ["", ""])[:3]
    for name, image in images.items():
        if name.rpartition(":")[0] != repository:
            continue
        if kind == "manifests" and wanted in (name.rpartition(":")[2], image.manifest_digest):
            return image.manifest, MANIFEST_TYPE
        if kind == "blobs" and wanted in image.blobs:
            return image.blobs[wanted], "application/octet-stream"
    return None


def read_layout(directory):
    """(manifest, {digest: file name}) of the one image of an OCI layout on disk."""
    with open(f"{directory}/index.json", encoding="utf-8") as file:
        descriptor = json.load(file)["manifests"][0]
    blobs = {f"sha256:{name}": f"{directory}/blobs/sha256/{name}" for name in os.listdir(f"{directory}/blobs/sha256")}
    with open(blobs[descriptor["digest"]], encoding="utf-8") as file:
        return json.load(file), blobs
