"""The clients of the matrix. Each has a title, the kind of names it takes, a containerd namespace, and pulls, runs and
removes an image of a started node."""

from commands import run, wait_until
from containerd import PAUSE_IMAGE
from cri import Cri
from nerdctl_pull import NerdctlPull

LISTED_SECONDS = 10


class StowagePull:
    """`stowage pull`, which needs no registry, and `ctr run`."""
    title = "`stowage pull`, `ctr run`"
    names = "ctr"

    def __init__(self, node):
        self.node = node
        self.namespace = node.namespace
        self._containers = 0

    def takes(self, image):
        return set(image.layers.values()) == {"nix"}

    def pull(self, name):
        self.node.stowage("pull", name, seconds=120)

    def run(self, name, command):
        self._containers += 1
        identifier = f"{type(self).__name__}{self._containers}"
        return self.node.run_container(name, identifier, *command).stdout

    def remove(self, name):
        self.node.ctr("images", "remove", "--sync", name, f"nix.local/{name.removeprefix('nix/')}")


class CtrPull(StowagePull):
    """`ctr images pull`, which downloads and unpacks in its own process."""
    title = "`ctr images pull` (`--local` with containerd 2), `ctr run`"
    flags = ()

    def __init__(self, node):
        super().__init__(node)
        if node.containerd.major > 1:
            self.flags = ("--local",)

    def takes(self, image):
        return True

    def pull(self, name):
        self.node.ctr("images", "pull", *self.flags, "--hosts-dir", self.node.hosts_directory, "--snapshotter", "stowage",
                      name)

    def remove(self, name):
        self.node.ctr("images", "remove", "--sync", name)


class TransferPull(CtrPull):
    """`ctr images pull` of containerd 2, where the daemon downloads and unpacks."""
    title = "`ctr images pull` (transfer service), `ctr run`"

    def __init__(self, node):
        super().__init__(node)
        self.flags = ()


class NerdctlSequence(CtrPull):
    """What nerdctl asks for, without nerdctl."""
    title = "nerdctl's requests, `ctr run`"
    names = "cri"

    def pull(self, name):
        NerdctlPull(self.node, self.namespace).pull(name)


class Nerdctl(NerdctlSequence):
    """nerdctl itself, whose rows are those of its requests."""

    def pull(self, name):
        self._nerdctl("pull", "--quiet", name, seconds=120)

    def run(self, name, command):
        return self._nerdctl("run", "--rm", "--net=host", f"--cgroup-parent=/{self.namespace}", name, *command).stdout

    def remove(self, name):
        self._nerdctl("rmi", name)

    def _nerdctl(self, *words, **options):
        node = self.node
        return run(["nerdctl", f"--address={node.containerd_socket}", f"--namespace={self.namespace}",
                    "--snapshotter=stowage", f"--hosts-dir={node.hosts_directory}", "--cgroup-manager=cgroupfs",
                    f"--data-root={node.directory}/nerdctl", f"--cni-netconfpath={node.directory}/nerdctl-cni", *words],
                   env=node.containerd.environment, **options)


class CriPod:
    """CRI, as a kubelet uses it."""
    title = "CRI: image pulled, container run in a pod"
    names = "cri"

    def __init__(self, node):
        self._cri = Cri(node)
        self.namespace = Cri.namespace
        self.run = self._cri.run
        self._cri.pull(PAUSE_IMAGE)  # would else come with the first pod

    def takes(self, _image):
        return True

    def pull(self, name):
        self._cri.pull(name)

    def remove(self, name):
        self._cri.remove(name)


class StowagePullForCri(CriPod):
    """An image that CRI did not pull: `stowage pull` wrote it into CRI's namespace."""
    title = "`stowage pull --namespace k8s.io`, CRI: container run in a pod"

    def __init__(self, node):
        super().__init__(node)
        self._node = node

    def takes(self, image):
        return image.names[self.names].startswith("nix.local/")

    def pull(self, name):
        self._node.stowage("pull", name, namespace=self.namespace)
        wait_until(lambda: name in self._cri.names(), LISTED_SECONDS, f"CRI lists {name}")


def clients_of(node):
    """The clients that a node's containerd has."""
    transfer = [TransferPull] if node.containerd.major > 1 else []
    return [client(node) for client in (StowagePull, CtrPull, *transfer, NerdctlSequence, CriPod, StowagePullForCri)]
