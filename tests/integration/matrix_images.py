"""The images of the matrix: one of Nix, an ordinary one, and mixtures of the layers of both."""

import collections
import dataclasses
import json
import re
import urllib.request

from commands import expect
from containerd import PAUSE_IMAGE
from oci_image import OciImage, StaticRegistry, busybox_layers, busybox_program, tar_layer

NIX_REFERENCE = "busybox/hello"
HELLO = "Hello, world!\n"


@dataclasses.dataclass
class MatrixImage:
    """names: {"ctr" or "cri": how these clients write it}; layers: {digest: "nix" or "ordinary"}, base first;
    command and output: what shows that all layers are there."""
    title: str
    names: dict
    layers: dict
    command: tuple
    output: str


class MatrixImages:
    """Makes the images, and makes them known to a started node. `images` is the list of MatrixImage."""

    def __init__(self, node):
        node.stowage("resolve", f"nix/{NIX_REFERENCE}", seconds=120)
        self._endpoint_log = f"{node.case.logs}/{node.name}-stowaged"
        nix = blobs_of_endpoint(node.registry, NIX_REFERENCE)
        ordinary = busybox_layers()
        marker = tar_layer({"etc/first": b"one\n", "etc/.wh.services": b""})
        # what "around" has on top hides a file of its base, with the layers of Nix between
        mixed = {"above": OciImage([*nix.values(), marker]), "around": OciImage([ordinary[0], *nix.values(), ordinary[1]])}
        box = OciImage(ordinary)
        pause_name, pause_tag = PAUSE_IMAGE.partition("/")[2].split(":")
        self._registry = StaticRegistry({
            "box:1": box, "mixed:above": mixed["above"], "mixed:around": mixed["around"],
            f"{pause_name}:{pause_tag}": _pause_image()})
        for host in ("nix", "nix.local", "docker.io"):
            node.write_hosts(host, node.registry)
        for host in ("test.local", PAUSE_IMAGE.partition("/")[0]):
            node.write_hosts(host, self._registry.address)

        def kinds(image):
            return {digest: "nix" if digest in nix else "ordinary" for digest in image.diff_ids}
        hello = _shell("hello; echo mine > /etc/mine; busybox cat /etc/mine")
        nix_layers = dict.fromkeys(nix, "nix")
        self.images = [
            MatrixImage("Nix", {"ctr": f"nix/{NIX_REFERENCE}:latest", "cri": f"nix.local/{NIX_REFERENCE}:latest"},
                        nix_layers, hello, HELLO + "mine\n"),
            MatrixImage("Nix, by a name of docker.io", {"cri": f"docker.io/nix/{NIX_REFERENCE}:latest"},
                        nix_layers, hello, HELLO + "mine\n"),
            _registry_image("ordinary", "box:1", kinds(box), "busybox cat /etc/first /etc/third; test ! -e /etc/second",
                            "one\nthree\n"),
            _registry_image("mixed: an ordinary layer above those of Nix", "mixed:above", kinds(mixed["above"]),
                            "hello; busybox cat /etc/first; test ! -e /etc/services", HELLO + "one\n"),
            _registry_image("mixed: those of Nix between ordinary ones", "mixed:around", kinds(mixed["around"]),
                            "hello; busybox cat /etc/first /etc/third; test ! -e /etc/second; test -e /etc/services",
                            HELLO + "one\nthree\n"),
        ]

    def fetched(self):
        """How often each blob was asked for since the start, at the endpoint and at the other registry: a Counter."""
        with open(self._endpoint_log, encoding="utf-8") as file:
            requests = [*re.findall(r"method=GET target=(\S+)", file.read()), *self._registry.requests]
        found = [re.search(r"/blobs/(sha256:[0-9a-f]{64})", request) for request in requests]
        return collections.Counter(match[1] for match in found if match)


def _registry_image(title, name, layers, command, output):
    name = f"test.local/{name}"
    return MatrixImage(title, {"ctr": name, "cri": name}, layers, _shell(command), output)


def _shell(script):
    return "busybox", "sh", "-ec", script


def _pause_image():
    """What a pod's sandbox runs. It shares no layer with other images, which would then not be fetched."""
    with open(busybox_program(), "rb") as file:
        return OciImage([tar_layer({"bin": None, "bin/sleep": file.read()})], ("sleep", "1000000"))


def blobs_of_endpoint(address, repository):
    """{digest: bytes} of an image's layers, base first."""
    def get(path):
        with urllib.request.urlopen(f"http://{address}/v2/{repository}/{path}", timeout=60) as response:
            return response.read()
    layers = [layer["digest"] for layer in json.loads(get("manifests/latest"))["layers"]]
    expect(len(layers) > 2, f"{repository} has only {len(layers)} layers")
    return {digest: get(f"blobs/{digest}") for digest in layers}
