"""Containers in user namespaces of their own, with one containerd: the cases user_namespace_SUITE."""

import json
import os
import re
import signal
import tarfile

from commands import expect, expect_equal, expect_in, run
from containerd import Containerd
from cri import Cri
from matrix_images import MatrixImages

ROOT, OTHER_ROOT = 100000, 300000  # the host's ids of the containers' root
LOOK = ("echo text > /etc/mine; busybox head -n 1 /proc/self/uid_map; busybox stat -c '%u:%g %n' / /etc /etc/mine; "
        "busybox find $(busybox ls -d /* | busybox grep -v -E '^/(proc|sys|dev|etc)$') -user 65534")


def run_case(case, suite):
    node = case.node(containerd=Containerd(suite, with_cri=True))
    let_other_ids_in(node)
    _let_pods_have_a_network(node)
    node.start()
    images = _images(node)
    for title, image in images.items():
        _sees_its_own_ids(node, title, image)
    if _pods_have_user_namespaces(node):
        _pod_sees_its_own_ids(node, images["Nix"])
    first, second = _Container(node, "first", images["Nix"], ROOT), _Container(node, "second", images["Nix"], OTHER_ROOT)
    for container in (first, second):
        container.writes_with_its_ids()
    expect_equal(len(_mappings(node)), 2, "mappings with mounts while two are in use")
    second.remove()
    expect_equal(len(_mappings(node)), 1, "mappings with mounts when one container is gone")
    _deaths_are_not_felt(node, first, images["Nix"])
    _same_diffs_as_overlayfs(node, images["ordinary"])
    if case.driver != "overlay":
        _mounted_anew_is_shown_anew(node, images["Nix"])
    first.remove()
    expect_equal(_mappings(node), [], "mappings with mounts when no container is left")
    expect_equal(_mounts_below(f"{node.state}/idmapped"), [], "mounts that are left")


def let_other_ids_in(node):
    """A container's root enters its directories below the node's with an id of its own."""
    os.makedirs(f"{node.directory}/containerd")
    for directory in (node.directory, f"{node.directory}/containerd"):
        os.chmod(directory, 0o711)


def _let_pods_have_a_network(node):
    """CNI plugins that do nothing but answer: a pod with a user namespace cannot have the node's network."""
    directory = f"{node.directory}/containerd/cni"
    os.makedirs(directory)
    for plugin in ("none", "loopback"):
        with open(f"{directory}/{plugin}", "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n[ \"$CNI_COMMAND\" = DEL ] || echo "
                       "'{\"cniVersion\": \"0.4.0\", \"supportedVersions\": [\"0.3.1\", \"0.4.0\", \"1.0.0\"], "
                       "\"ips\": [{\"version\": \"4\", \"address\": \"192.0.2.2/32\"}]}'\n")
        os.chmod(f"{directory}/{plugin}", 0o755)
    with open(f"{directory}/pods.conflist", "w", encoding="utf-8") as file:
        json.dump({"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "none"}]}, file)


def _images(node):
    """{title: ctr's name} of images that containerd has unpacked."""
    known = {image.title: image.names["ctr"] for image in MatrixImages(node).images if "ctr" in image.names}
    node.stowage("pull", known["Nix"].removesuffix(":latest"), seconds=120)
    for title, name in known.items():
        if title != "Nix":
            node.ctr("images", "pull", *_local(node), "--hosts-dir", node.hosts_directory, "--snapshotter", "stowage", name)
    return known


def _local(node):
    return ["--local"] if node.containerd.major > 1 else []


def flags(root):
    """The words of `ctr run` for a container whose root is the host's user `root`."""
    return "--uidmap", f"0:{root}:65536", "--gidmap", f"0:{root}:65536", "--remap-labels"


def _sees_its_own_ids(node, title, image):
    output = node.run_container(image, "look", "busybox", "sh", "-ec", LOOK, flags=flags(ROOT)).stdout
    _expect_own_ids(title, output)


def _pods_have_user_namespaces(node):
    """CRI has them from 1.7 on; containerd 2 wants a runc (1.2) that maps the ids of what it mounts into pods, too."""
    if node.containerd.major > 1:
        extensions = json.loads(run(["runc", "features"]).stdout)["linux"].get("mountExtensions", {})
        return extensions.get("idmap", {}).get("enabled", False)
    return not node.containerd.version.startswith("1.6.")


def _pod_sees_its_own_ids(node, image):
    node.stowage("pull", image.removesuffix(":latest"), namespace=Cri.namespace)
    _expect_own_ids("in a pod", Cri(node).run(image.replace("nix/", "nix.local/"), ["busybox", "sh", "-ec", LOOK], ROOT))


def _expect_own_ids(title, output):
    lines = output.splitlines()
    expect_equal(lines[0].split(), ["0", str(ROOT), "65536"], f"{title}: user namespace of the container")
    expect_equal(lines[1:], ["0:0 /", "0:0 /etc", "0:0 /etc/mine"], f"{title}: owners, and files of nobody")


class _Container:
    """A running container of an image of Nix."""

    def __init__(self, node, name, image, root):
        self._node, self._name, self._root, self._looks = node, name, root, 0
        node.ctr("run", "--detach", "--snapshotter", "stowage", *flags(root), image, name, "busybox", "sleep", "1000")

    def run(self, script):
        self._looks += 1
        return self._node.ctr("tasks", "exec", "--exec-id", f"look-{self._looks}", self._name,
                              "busybox", "sh", "-ec", script).stdout

    def mounts(self):
        return self._node.ctr("snapshots", "--snapshotter", "stowage", "mounts", "/target", self._name).stdout

    def writes_with_its_ids(self):
        output = self.run("echo text > /made; busybox chown 5:6 /made; busybox stat -c %u:%g /made; "
                          "busybox touch -h /etc/passwd; busybox stat -c %u:%g /etc")
        expect_equal(output, "5:6\n0:0\n", f"{self._name}: owners of what it wrote")
        upper = re.search(r"upperdir=([^,\s]*)", self.mounts())
        expect(upper is not None, f"no upper directory in {self.mounts()}")
        status = os.stat(f"{upper[1]}/made")
        expect_equal((status.st_uid, status.st_gid), (self._root + 5, self._root + 6), "its owner on the host")
        status = os.stat(f"{upper[1]}/etc")
        expect_equal((status.st_uid, status.st_gid), (self._root, self._root), "owner of a copied directory on the host")
        expect(not os.path.exists(f"{upper[1]}/nix"), f"{self._name}: store paths were copied to {upper[1]}")

    def remove(self):
        self._node.ctr("tasks", "kill", "--signal", "9", self._name)
        self._node.ctr("tasks", "delete", self._name, check=False)
        self._node.ctr("containers", "delete", self._name)
        self._node.ctr("content", "prune", "references")  # collects garbage, snapshots among it


def _deaths_are_not_felt(node, container, image):
    """The container goes on with stowaged and stowage-fuse killed, and others start when they are back."""
    before = container.mounts()
    node.stop_daemon("stowaged", signal.SIGKILL)
    expect_in("0:0 /etc/mine", container.run(LOOK), "a container without stowaged")
    node.start_stowaged()
    node.await_snapshotter()
    expect_equal(container.mounts(), before, "mounts after a restart of stowaged")
    if "stowage-fuse" in node.processes:
        node.stop_daemon("stowage-fuse", signal.SIGKILL)  # the keeper; the worker starts another
        expect_in("Hello", container.run("hello"), "a container whose keeper was killed")
    _sees_its_own_ids(node, "after the deaths", image)


def _mounted_anew_is_shown_anew(node, image):
    """Keeper and worker lost at once take the mount with them; mounts with mapped ids show the next one."""
    while processes := _processes_of("stowage-fuse"):
        for process in processes:
            os.kill(process, signal.SIGKILL)
    node.start_fuse()
    _sees_its_own_ids(node, "after stowage-fuse has mounted anew", image)


def _processes_of(program):
    """In the sandbox, which has a PID namespace of its own."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{name}/exe")) == program:
                found.append(int(name))
        except OSError:  # gone, or a thread of the kernel
            continue
    return found


def _same_diffs_as_overlayfs(node, image):
    """What a container changed, compared with the parent by containerd: as with overlayfs, before and after a commit."""
    # before 1.7 nobody else maps the ids of these containers
    theirs = [] if node.containerd.version.startswith("1.6.") else ["overlayfs"]
    active, committed = {}, {}
    for snapshotter in ("stowage", *theirs):
        node.ctr("images", "pull", *_local(node), "--hosts-dir", node.hosts_directory, "--snapshotter", snapshotter, image)
        name = f"changes-{snapshotter}"
        node.ctr("run", "--snapshotter", snapshotter, *flags(ROOT), image, name, "busybox", "sh", "-ec",
                 "echo new > /etc/first; busybox rm /etc/third; busybox mkdir /made; busybox chown 5:6 /made")
        active[snapshotter] = _diff(node, snapshotter, name)
        node.ctr("snapshots", "--snapshotter", snapshotter, "commit", f"{name}-done", name)
        node.ctr("containers", "delete", "--keep-snapshot", name)
        committed[snapshotter] = _diff(node, snapshotter, f"{name}-done")
        node.ctr("snapshots", "--snapshotter", snapshotter, "remove", f"{name}-done")
    if node.containerd.major > 1:
        # its files all have other owners than the parent's, which containerd looks at without a mapping;
        # 1.7 compares overlayfs' snapshot with the copy that it has made
        expect_equal([entry[0] for entry in active["stowage"]], [entry[0] for entry in active["overlayfs"]],
                     "files in the diff of an active snapshot")
    for snapshotter in theirs:
        expect_equal(committed["stowage"], committed[snapshotter], f"diff of a committed snapshot, against {snapshotter}")
    expect_equal([entry for entry in committed["stowage"] if entry[0] != "run"],  # which runc makes
                 [("etc", b"5", ROOT, ROOT, 0), ("etc/.wh.third", b"0", 0, 0, 0), ("etc/first", b"0", ROOT, ROOT, 4),
                  ("made", b"5", ROOT + 5, ROOT + 6, 0)], "exactly the changes")


def _diff(node, snapshotter, name):
    """Entries of the layer that containerd makes of a snapshot: (name, type, uid, gid, size)."""
    archive = f"{node.directory}/{name}.tar"
    run(["sh", "-c", 'exec "$@" > "$0"', archive, "ctr", "--address", node.containerd_socket, "--namespace", node.namespace,
         "snapshots", "--snapshotter", snapshotter, "diff", name], env=node.containerd.environment)
    with tarfile.open(archive) as tar:
        return sorted((entry.name, entry.type, entry.uid, entry.gid, entry.size) for entry in tar)


def _mappings(node):
    return os.listdir(f"{node.state}/idmapped")


def _mounts_below(directory):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        places = [line.split()[4] for line in file]
    return [place for place in places if place.startswith(f"{directory}/")]
