"""An ordinary layer that tries to lead overlayfs to what no layer has, and the image that holds it."""

import io
import os
import tarfile

from matrix_images import blobs_of_endpoint
from oci_image import OciImage, StaticRegistry

LEADING = ("trusted.overlay.redirect", "trusted.overlay.metacopy")


class HostileImage:
    """An image with the layers of one of Stowage and a hostile layer above them.

    secret: overlayfs's name for the store, which nobody who makes images can know. foreign: a name in the store.
    name: how ctr pulls the image.
    """

    name = "hostile.test/hostile:1"

    def __init__(self, node, reference, secret, foreign):
        self._secret, self._foreign = secret, foreign
        image = OciImage([*blobs_of_endpoint(node.registry, reference).values(), self._layer()])
        node.write_hosts("hostile.test", StaticRegistry({"hostile:1": image}).address)

    def plant(self, directory):
        """The same attributes in the layer's directory, past the client: as if an unpacker had kept them."""
        os.unlink(f"{directory}/{self._secret}")  # the whiteout
        for name, target in ((self._secret, "/store"), *self._directories()):
            os.makedirs(f"{directory}/{name}", exist_ok=True)
            os.setxattr(f"{directory}/{name}", "trusted.overlay.redirect", target.encode())

    def _directories(self):
        targets = (f"/{self._secret}", f"/{self._secret}/{self._foreign}", "/store", f"/store/{self._foreign}",
                   f"/nix/store/{self._foreign}", "/nix", "/var")
        for number, target in enumerate(targets):
            yield f"hostile-{number}", target
            yield f"nix/store/hostile-{number}", target

    def _layer(self):
        """As a client gets it: overlayfs's attributes, and whiteouts of what hides the store, by name and by device."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, target in self._directories():
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                entry.pax_headers = {"SCHILY.xattr.trusted.overlay.redirect": target,
                                     "SCHILY.xattr.trusted.overlay.opaque": "y"}
                tar.addfile(entry)
            for name in (f".wh.{self._secret}", ".wh.store", ".wh..wh..opq"):
                tar.addfile(tarfile.TarInfo(name))
            device = tarfile.TarInfo("whiteout")
            device.type = tarfile.CHRTYPE
            tar.addfile(device)
        return buffer.getvalue()


def leading_attributes(directory):
    """Those of overlayfs's attributes in a layer's directory that lead elsewhere, with the names of their files."""
    paths = [f"{folder}/{name}" for folder, folders, files in os.walk(directory) for name in folders + files]
    return [f"{path}: {name}" for path in paths
            for name in os.listxattr(path, follow_symlinks=False) if name in LEADING]
