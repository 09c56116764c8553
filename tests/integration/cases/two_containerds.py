"""Two containerds, each with a stowaged of its own, take nothing from each other; a second one on one socket is refused."""

from commands import expect, expect_equal, expect_in
from oci_image import OciImage, busybox_layers

IMAGE = "nix/hello:latest"
HELLO = "Hello, world!\n"


def main(case):
    first, second = (case.started_node(name=name) for name in ("first", "second"))
    archive = f"{case.scratch}/box.tar"
    OciImage(busybox_layers()).write_archive(archive, "test.local/box:1")
    for node in (first, second):
        node.stowage("pull", "nix/hello", seconds=120)
        node.ctr("images", "import", "--snapshotter", "stowage", archive)
    _collects_its_own_only(first, second)
    _second_peer(case, second)


def _collects_its_own_only(first, second):
    second.ctr("run", "--detach", "--snapshotter", "stowage", "test.local/box:1", "running", "busybox", "sleep", "1000")
    kept = _snapshots(second)
    expect(len(kept) > 3, f"only {kept} before the other's garbage collection")
    first.ctr("images", "remove", "--sync", IMAGE, "nix.local/hello:latest", "test.local/box:1")
    expect_equal(_snapshots(first), [], "snapshots of the containerd whose images are gone")
    expect_equal(_snapshots(second), kept, "snapshots of the other containerd")
    second.ctr("tasks", "exec", "--exec-id", "look", "running", "cat", "/etc/first")
    expect_equal(second.run_container(IMAGE, "hello", "hello").stdout, HELLO, "the other's image")


def _second_peer(case, owner):
    """A containerd whose configuration names the socket that another one uses."""
    intruder = case.node(name="intruder")
    config = f"{intruder.directory}/containerd.toml"
    with open(config, encoding="utf-8") as file:
        text = file.read().replace(intruder.snapshotter_socket, owner.snapshotter_socket)
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    kept = _snapshots(owner)
    intruder.start_containerd()
    refused = intruder.ctr("snapshots", "--snapshotter", "stowage", "prepare", "key", check=False)
    expect(refused.returncode != 0, "a second containerd on one socket could prepare a snapshot")
    expect_in(f"process {intruder.processes['containerd'].pid} shares this snapshotter socket with process "
              f"{owner.processes['containerd'].pid}", refused.stderr, "message to the second containerd")
    # garbage collection of what this containerd never knew: everything of the other's
    archive = f"{case.scratch}/box.tar"
    intruder.ctr("images", "import", "--snapshotter", "stowage", archive, check=False)
    intruder.ctr("images", "remove", "--sync", "test.local/box:1", check=False)
    expect_equal(_snapshots(owner), kept, "snapshots after the second containerd's garbage collection")
    intruder.stop()

    owner.stop_daemon("containerd")
    owner.start_containerd()
    expect_equal(owner.run_container(IMAGE, "again", "hello").stdout, HELLO, "after a restart of the first containerd")
    expect_equal(_snapshots(owner), kept, "snapshots after a restart of the first containerd")


def _snapshots(node):
    """What the snapshotter has for a containerd, as that one sees it, by name."""
    listed = node.ctr("snapshots", "--snapshotter", "stowage", "list").stdout.splitlines()[1:]
    return sorted(line.split()[0] for line in listed)
