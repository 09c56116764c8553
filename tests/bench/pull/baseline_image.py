"""Store paths as an ordinary image of gzip layers, to be served by tests/integration/oci_image.StaticRegistry."""

import gzip
import hashlib
import io
import json
import tarfile

from oci_image import CONFIG_TYPE, MANIFEST_TYPE

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
COMPRESSION = 6  # gzip's default
MAX_STORE_LAYERS = 90


class BaselineImage:
    """The attributes that StaticRegistry asks of an image: blobs {digest: bytes}, manifest (bytes), manifest_digest.

    store_paths go round robin into at most 90 layers; one more holds base_paths and the links {path: target}.
    """

    def __init__(self, store_paths, base_paths, links):
        self.blobs = {}
        count = min(len(store_paths), MAX_STORE_LAYERS)
        layers = [self._add_layer(store_paths[number::count], {}) for number in range(count)]
        layers.append(self._add_layer(base_paths, links))
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _ in layers]}}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": self._add(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": len(self.blobs[digest])}
                       for _, digest in layers]}).encode()
        self.manifest_digest = self._add(self.manifest)
        self.layer_count = len(layers)

    def _add_layer(self, paths, links):
        """(diff_id, digest) of a new layer."""
        tar = _tar(paths, links)
        return _digest(tar), self._add(gzip.compress(tar, COMPRESSION, mtime=0))

    def _add(self, data):
        digest = _digest(data)
        self.blobs[digest] = data
        return digest


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _tar(paths, links):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for directory in ("nix", "nix/store", "bin"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path in paths:
            tar.add(path)
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()
