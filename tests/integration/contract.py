"""What one containerd does with snapshots besides pulling and running: images that are mounted, diffs, commits, copies that
were unpacked without labels, unusual keys and labels. Results are compared with those of containerd's own overlayfs."""

import os

from commands import expect, expect_equal, expect_in, run, wait_until
from containerd import Containerd
from file_tree import read_tar, read_tree
from grpc_api import GrpcApi
from nerdctl_pull import NerdctlPull

IMAGE = "nix/busybox/hello:latest"
HELLO = "Hello, world!\n"
MAX_LABEL_BYTES = 4096  # containerd: of a label's name and value together

# Everything that a layer can say: files and directories added, changed, deleted and replaced by each other, in the Nix
# store (where {hello} is a store path) and elsewhere.
CHANGES = """
b() {{ busybox "$@"; }}
echo added > /etc/added; b ln /etc/added /etc/linked; b mkdir -p /srv/a/b; echo deep > /srv/a/b/deep
echo more >> /etc/passwd; b chmod 0700 /etc/group; b ln -sf /nowhere /etc/pointer
b rm /etc/services
echo more >> {hello}/bin/hello; b rm -r {hello}/share/locale
b rm -r {hello}/share/doc; b mkdir {hello}/share/doc; echo new > {hello}/share/doc/new
b mkdir /nix/store/made; echo made > /nix/store/made/file
b rm -r /nix/store/{gone}
b rm -r /var/tmp; echo file > /var/tmp
b rm -r /tmp; b mkdir /tmp; echo only > /tmp/only
"""


def run_column(case, suite):
    """Runs everything with the containerd of a Debian suite."""
    node = case.started_node(containerd=Containerd(suite, with_cri=True))
    node.write_hosts("nix", node.registry)
    _copy_is_replaced(node)
    _shared_chain(node)
    _unusual_names(node)
    _pull_for_overlayfs(node)
    _mounted_image(case, node)
    _changes(case, node)


# --- a copy that was unpacked without labels

def _copy_is_replaced(node):
    _pull_without_labels(node, "stowage")
    node.ctr("run", "--detach", "--snapshotter", "stowage", IMAGE, "user", "busybox", "sleep", "1000")
    noticed = node.stowage("pull", IMAGE, seconds=120)
    expect_in("pull with --replace", noticed.stderr, "stowage pull beside an unpacked copy")
    kept = _snapshots(node)

    refused = node.stowage("pull", "--replace", IMAGE, check=False)
    expect_equal(refused.returncode, 1, f"exit status of pull --replace of a copy in use: {refused.stderr}")
    expect_in("it is used by container 'user'", refused.stderr, "pull --replace of a copy in use")
    expect_equal(_snapshots(node), kept, "snapshots after pull --replace of a copy in use")
    node.ctr("tasks", "exec", "--exec-id", "look", "user", "hello")

    _remove_container(node, "user")
    replaced = node.stowage("pull", "--replace", IMAGE)
    expect_in("Replaced:", replaced.stdout, "stowage pull --replace")
    expect_equal(node.run_container(IMAGE, "after", "hello").stdout, HELLO, "the image after pull --replace")
    # containerd's garbage collection takes the rest of the copy, and with it all of its files
    node.ctr("content", "prune", "references")
    wait_until(lambda: len(_snapshots(node)) == 1, 10, "nothing but the snapshot of all layers")
    wait_until(lambda: not _snapshot_directories(node), 10, "no directory of an ordinary snapshot")
    again = node.stowage("pull", IMAGE)
    expect_equal(again.stderr.count("--replace"), 0, f"what the next pull says: {again.stderr}")
    _remove_images(node)


def _pull_without_labels(node, snapshotter):
    local = ("--local",) if node.containerd.major > 1 else ()
    node.ctr("images", "pull", *local, "--hosts-dir", node.hosts_directory, "--snapshotter", snapshotter, IMAGE,
             seconds=120)


# --- one chain in two namespaces, as one snapshot of all layers and layer by layer

def _shared_chain(node):
    node.write_hosts("nix.local", node.registry)
    by_layers, of_other = f"nix.local/{IMAGE.removeprefix('nix/')}", "other"
    node.stowage("pull", IMAGE)
    NerdctlPull(node, of_other).pull(by_layers)
    expect_equal(len(_snapshots(node)), 1, "snapshots of the namespace of stowage pull")
    expect(len(_snapshots(node, namespace=of_other)) > 3, "the other namespace has no snapshot for each layer")
    node.stowage("pull", IMAGE, namespace=of_other)  # the same chain on the empty parent: containerd has it by layers
    expect_equal(_snapshot_directories(node), [], "directories of layers that are in the Nix store")
    expect_equal(node.run_container(by_layers, "one", "hello", namespace=of_other).stdout, HELLO, "by layers")
    _remove_images(node)
    expect_equal(_snapshots(node), [], "snapshots of the namespace whose image is gone")
    expect_equal(node.run_container(by_layers, "two", "hello", namespace=of_other).stdout, HELLO, "without the other")
    _remove_images(node, namespace=of_other)
    wait_until(lambda: not _snapshots(node, namespace=of_other), 10, "no snapshots of the other namespace")


# --- keys, labels, namespaces

def _unusual_names(node):
    keys = ("a/b c:d", "k8s.io/7/extract-1 sha256:ab", "../../up", "/", "käse\u2603")
    for key in keys:
        _ctr_snapshots(node, "prepare", key)
    expect_equal(_snapshots(node), sorted(keys), "snapshots with unusual keys")
    longest = "long=" + "x" * (MAX_LABEL_BYTES - len("long"))
    _ctr_snapshots(node, "label", "a/b c:d", longest)
    expect_in(longest.partition("=")[2], _ctr_snapshots(node, "info", "a/b c:d").stdout, "the longest label")
    refused = _ctr_snapshots(node, "label", "a/b c:d", longest + "x", check=False)
    expect(refused.returncode != 0, "containerd takes a longer label")
    for key in keys:
        _ctr_snapshots(node, "remove", key)

    # a namespace that nobody has used is empty, and is made by using it
    expect_equal(_snapshots(node, namespace="nobody"), [], "snapshots of an unknown namespace")
    for command in ("info", "usage", "remove", "mounts /tmp"):
        refused = node.ctr("snapshots", "--snapshotter", "stowage", *command.split(), "key", namespace="nobody", check=False)
        expect_in("not found", refused.stderr, f"ctr snapshots {command} in an unknown namespace")
    node.ctr("snapshots", "--snapshotter", "stowage", "prepare", "key", namespace="nobody")
    expect_equal(_snapshots(node, namespace="nobody"), ["key"], "snapshots of a new namespace")
    expect_equal(_snapshots(node), [], "snapshots of the other namespace")
    node.ctr("snapshots", "--snapshotter", "stowage", "remove", "key", namespace="nobody")


# --- the same image in both snapshotters

def _pull_for_overlayfs(node):
    _pull_without_labels(node, "overlayfs")
    node.stowage("pull", IMAGE)


def _mounted_image(case, node):
    trees = {}
    for snapshotter in ("stowage", "overlayfs"):
        target = f"{case.scratch}/image-{snapshotter}"
        os.mkdir(target)
        node.ctr("images", "mount", "--snapshotter", snapshotter, IMAGE, target)
        trees[snapshotter] = read_tree(target)
        refused = run(["touch", f"{target}/new"], check=False)
        expect_in("Read-only file system", refused.stderr, f"writing to the image mounted with {snapshotter}")
        node.ctr("images", "unmount", "--rm", "--snapshotter", snapshotter, target)
    expect_equal(_difference(trees), "", "the mounted image, against overlayfs")
    expect(len(trees["stowage"]) > 100, f"the image has only {sorted(trees['stowage'])}")
    # containerd collects what the cases before have left when it comes to it
    wait_until(lambda: len(_snapshots(node)) == 1, 10, "nothing but the snapshot of all layers after unmounting")


def _changes(case, node):
    hello = case.store_path("hello")
    gone = os.path.basename(case.store_path("iana-etc"))
    script = "set -e\n" + CHANGES.format(hello=hello, gone=gone)
    diffs, committed_diffs, trees = {}, {}, {}
    for snapshotter in ("stowage", "overlayfs"):
        node.ctr("run", "--snapshotter", snapshotter, IMAGE, f"changer-{snapshotter}", "busybox", "sh", "-ec", script)
        diffs[snapshotter] = _diff(case, node, snapshotter, f"changer-{snapshotter}")
        node.ctr("snapshots", "--snapshotter", snapshotter, "commit", "changed", f"changer-{snapshotter}")
        committed_diffs[snapshotter] = _diff(case, node, snapshotter, "changed")
        trees[snapshotter] = _tree(case, node, snapshotter, "changed")
    expect_equal(_difference(diffs), "", "the changes of a container, against overlayfs")
    expect_equal(_difference(committed_diffs), "", "the same committed, against overlayfs")
    expect_equal(_difference(trees), "", "the committed snapshot, against overlayfs")
    store = hello.removeprefix("/")
    expect_equal(_files(diffs["stowage"]), sorted([
        "etc/added", "etc/group", "etc/linked", "etc/passwd", "etc/pointer", "etc/.wh.services", f"{store}/bin/hello",
        f"{store}/share/.wh.locale", f"{store}/share/doc/.wh.hello", f"{store}/share/doc/new", "nix/store/made/file", f"nix/store/.wh.{gone}", "srv/a/b/deep",
        "tmp/only", "var/tmp"]), "files of the diff")
    expect_equal(_files(committed_diffs["stowage"]), _files(diffs["stowage"]), "files of the diff when committed")


def _diff(case, node, snapshotter, key):
    """The entries of the layer that a snapshot adds to its parent."""
    tar = f"{case.scratch}/diff-{snapshotter}-{key}.tar"
    run(["sh", "-ec", 'exec "$@" > "$0"', tar, "ctr", "--address", node.containerd_socket, "--namespace", node.namespace,
         "snapshots", "--snapshotter", snapshotter, "diff", "--media-type", "application/vnd.oci.image.layer.v1.tar", key],
        env=node.containerd.environment)
    return read_tar(tar)


def _tree(case, node, snapshotter, name):
    """The tree of a committed snapshot. Not by `ctr snapshots view`, whose snapshot may be collected at once."""
    target = f"{case.scratch}/tree-{snapshotter}"
    os.mkdir(target)
    node.ctr("snapshots", "--snapshotter", snapshotter, "prepare", "look", name)
    mounts = node.ctr("snapshots", "--snapshotter", snapshotter, "mounts", target, "look").stdout
    run(["sh", "-ec", mounts])
    tree = read_tree(target)
    run(["umount", target])
    node.ctr("snapshots", "--snapshotter", snapshotter, "remove", "look")
    return tree


def _files(entries):
    return sorted(path for path, entry in entries.items() if entry.kind != "directory")


def _difference(both):
    """What differs between {"stowage": ..., "overlayfs": ...}, a line for each path; "" if nothing does."""
    ours, theirs = both["stowage"], both["overlayfs"]
    return "\n".join(f"{path}: {ours.get(path)}, overlayfs: {theirs.get(path)}"
                     for path in sorted(ours.keys() | theirs.keys()) if ours.get(path) != theirs.get(path))


# --- the node

def _ctr_snapshots(node, *words, **options):
    return node.ctr("snapshots", "--snapshotter", "stowage", *words, **options)


def _snapshots(node, namespace=None):
    """The names of all snapshots; they may have blanks in them, between which ctr's columns cannot be found."""
    api = GrpcApi(node.case.scratch, node.containerd_socket, (("containerd-namespace", namespace or node.namespace),))
    blocks = api.service("proto/containerd/snapshots", "Snapshots").stream("List", snapshotter="stowage")
    api.close()
    return sorted(info.name for block in blocks for info in block.info)


def _snapshot_directories(node):
    return [name for name in os.listdir(f"{node.state}/snapshots") if name.isdigit()]


def _remove_container(node, name):
    node.ctr("tasks", "kill", "--signal", "9", name)
    wait_until(lambda: "STOPPED" in node.ctr("tasks", "list").stdout, 10, f"the end of {name}")
    node.ctr("tasks", "delete", name, check=False)  # exits with the container's status
    node.ctr("containers", "delete", name)


def _remove_images(node, namespace=None):
    node.ctr("images", "remove", "--sync", IMAGE, f"nix.local/{IMAGE.removeprefix('nix/')}", namespace=namespace)
