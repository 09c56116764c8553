"""nerdctl's pull, call by call: it fetches and unpacks in its own process and gives containerd finished parts.

Followed: containerd's client library 1.6 as nerdctl uses it for a snapshotter whose name it does not know. Registries come
from certs.d; layers are offered to the snapshotter first, with the label containerd.io/snapshot.ref and without those of
CRI. What it says to containerd when it runs an image is what ctr says.
"""

import json
import tomllib
import urllib.request
import uuid

import grpc
from commands import expect, expect_equal
from grpc_api import GrpcApi, RpcFailure
from oci_image import chain_ids

CHUNK_BYTES = 1 << 20
SNAPSHOT_REF = "containerd.io/snapshot.ref"


class NerdctlPull:
    """Pulls into a namespace of a started node."""

    def __init__(self, node, namespace):
        lease = f"nerdctl-{uuid.uuid4()}"
        api = GrpcApi(node.case.scratch, node.containerd_socket,
                      (("containerd-namespace", namespace), ("containerd-lease", lease)))
        self._lease = lease
        self._hosts_directory = node.hosts_directory
        self._leases = api.service("proto/containerd/leases", "Leases")
        self._content = api.service("proto/containerd/content", "Content")
        self._snapshots = api.service("proto/containerd/snapshots", "Snapshots")
        self._images = api.service("proto/containerd/images", "Images")
        self._diff = api.service("tests/integration/proto/diff", "Diff")

    def pull(self, name):
        """name: with host and tag, as nerdctl completes it."""
        self._leases.call("Create", id=self._lease)
        try:
            registry = _Registry(self._hosts_directory, name)
            digest = registry.resolve()
            raw_manifest = registry.get("manifests", digest)
            manifest = json.loads(raw_manifest)
            descriptor = {"media_type": manifest["mediaType"], "digest": digest, "size": len(raw_manifest)}
            self._write(descriptor, raw_manifest, _child_labels(manifest))
            raw_config = registry.get("blobs", manifest["config"]["digest"])
            chain = self._unpack(registry, manifest["layers"], json.loads(raw_config)["rootfs"]["diff_ids"])
            self._write(_descriptor(manifest["config"]), raw_config, {"containerd.io/gc.ref.snapshot.stowage": chain})
            self._images.call("Create", image={"name": name, "target": descriptor})
        finally:
            self._leases.call("Delete", id=self._lease, sync=True)

    def _unpack(self, registry, layers, diff_ids):
        """Returns the chain ID of the top layer."""
        parent, fetching = "", False
        for layer, diff_id, chain in zip(layers, diff_ids, chain_ids(diff_ids)):
            key = f"extract-{uuid.uuid4()} {chain}"
            labels = {name: value for name, value in layer.get("annotations", {}).items()
                      if name.startswith("containerd.io/snapshot/")} | {SNAPSHOT_REF: chain}
            mounts = self._prepare(key, parent, labels)
            # after the first layer that must be fetched, the client library fetches all others at once
            fetching = fetching or mounts is not None
            if fetching:
                self._write(_descriptor(layer), registry.get("blobs", layer["digest"]), {})
            if mounts is not None:
                applied = self._diff.call("Apply", diff=_descriptor(layer), mounts=mounts).applied.digest
                expect_equal(applied, diff_id, "digest of the layer that containerd unpacked")
                self._snapshots.call("Commit", snapshotter="stowage", name=chain, key=key, labels=labels)
            parent = chain
        return parent

    def _prepare(self, key, parent, labels):
        """The mounts to unpack a layer in; None if the snapshotter has it."""
        try:
            return self._snapshots.call("Prepare", snapshotter="stowage", key=key, parent=parent, labels=labels).mounts
        except RpcFailure as failure:
            if failure.code != grpc.StatusCode.ALREADY_EXISTS:
                raise
        self._snapshots.call("Stat", snapshotter="stowage", key=labels[SNAPSHOT_REF])
        return None

    def _write(self, descriptor, data, labels):
        common = {"ref": descriptor["digest"], "total": len(data), "expected": descriptor["digest"]}
        chunks = [{"action": 1, "offset": start, "data": data[start:start + CHUNK_BYTES], **common}
                  for start in range(0, len(data), CHUNK_BYTES)]
        try:
            self._content.exchange("Write", [*chunks, {"action": 2, "offset": len(data), "labels": labels, **common}])
        except RpcFailure as failure:
            if failure.code != grpc.StatusCode.ALREADY_EXISTS:
                raise


class _Registry:
    """The host that certs.d names for an image, asked as containerd's resolver asks."""

    def __init__(self, hosts_directory, name):
        self._host, _, path = name.partition("/")
        self._repository, _, self._tag = path.rpartition(":")
        with open(f"{hosts_directory}/{self._host}/hosts.toml", "rb") as file:
            hosts = tomllib.load(file)["host"]
        self._address = next(address for address, keys in hosts.items() if "pull" in keys["capabilities"])

    def resolve(self):
        with self._open("HEAD", "manifests", self._tag) as response:
            digest = response.headers["Docker-Content-Digest"]
        expect(digest, f"{self._address} names no digest for {self._repository}:{self._tag}")
        return digest

    def get(self, kind, digest):
        with self._open("GET", kind, digest) as response:
            return response.read()

    def _open(self, method, kind, reference):
        url = f"{self._address}/v2/{self._repository}/{kind}/{reference}?ns={self._host}"
        return urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60)


def _descriptor(document):
    """A descriptor of a manifest, as containerd's API has it."""
    return {"media_type": document["mediaType"], "digest": document["digest"], "size": document["size"]}


def _child_labels(manifest):
    """What keeps a manifest's children from containerd's garbage collection."""
    layers = {f"containerd.io/gc.ref.content.l.{number}": layer["digest"]
              for number, layer in enumerate(manifest["layers"])}
    return {"containerd.io/gc.ref.content.config": manifest["config"]["digest"]} | layers
