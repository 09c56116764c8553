"""A wrong configuration or machine is told clearly, says what to do, and leaves nothing half-written."""

import errno
import itertools
import os

from commands import expect, expect_equal, expect_in, run, wait_until


def main(case):
    _unknown_key(case)
    _unreachable_channel(case)
    _full_disk(case)
    _vanished_store_path(case)
    _no_fuse_device(case)
    _no_containerd(case)
    _mount_that_containerd_cannot_see(case)


def _unknown_key(case):
    node = case.node(name="unknown-key", config={"registry": {"adress": "127.0.0.1:1"}})
    for flags in (["--check-config"], []):
        refused = run([f"{case.bin_directory}/stowaged", "--config", node.config_file, *flags], check=False, seconds=20)
        expect(refused.returncode != 0, "stowaged takes an unknown key")
        expect_in("adress", refused.stderr, "message about an unknown key")
        expect_in(node.config_file, refused.stderr, "message about an unknown key")
        expect_in("address", refused.stderr, "message about an unknown key: the keys that exist")
    expect_equal(os.listdir(node.state), [], "state after a refused configuration")


def _unreachable_channel(case):
    node = case.node(name="channel", config={
        "source": {"kind": "channel", "location": "nixos-24.11", "base_url": f"http://127.0.0.1:{case.free_port()}"}})
    node.start_fuse()
    node.start_stowaged()
    refused = node.stowage("resolve", "nix/hello", check=False)
    expect_equal(refused.returncode, 4, f"exit status with an unreachable channel: {refused.stderr}")
    expect_in("nixos-24.11", refused.stderr, "message about an unreachable channel")
    node.stop()


def _full_disk(case):
    node = case.node(name="full-disk")
    run(["mount", "-t", "tmpfs", "-o", "size=16m", "small", node.state])
    node.start()
    _fill(f"{node.state}/filler")
    refused = node.stowage("pull", "nix/shell/git", check=False, seconds=60)
    expect(refused.returncode != 0, "a pull succeeded on a full disk")
    told = "No space left" in refused.stderr or "disk is full" in refused.stderr  # the second is SQLite's word
    expect(told, f"message about a full disk: {refused.stderr}")
    expect_equal(node.ctr("images", "list", "--quiet").stdout, "", "images after a pull on a full disk")
    # space again: the same command works, with nothing to repair
    os.unlink(f"{node.state}/filler")
    run(["mount", "-o", "remount,size=64m", node.state])
    node.stowage("pull", "nix/shell/hello", seconds=60)
    expect_in("Hello", node.run_container("nix/shell/hello:latest", "again", "hello").stdout, "after making space")
    node.stop()


def _fill(path):
    """Writes a file until the disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except OSError as error:
        expect_equal(error.errno, errno.ENOSPC, f"what ends writing {path}")
    finally:
        os.close(descriptor)


def _vanished_store_path(case):
    overlay = ("self: super: { vanishing = super.writeTextFile { name = \"vanishing-%s\"; text = \"x\"; "
               "destination = \"/share/x\"; }; }" % case.namespace.replace(".", "-"))
    node = case.started_node(name="vanished", package_set=case.set_with(overlay))
    node.stowage("pull", "nix/shell/vanishing", seconds=60)
    image = "nix/shell/vanishing:latest"
    path = os.path.realpath(node.run_container(image, "before", "readlink", "-f", "/share/x").stdout.strip())
    path = "/".join(path.split("/")[:4])
    snapshots = ("snapshots", "--snapshotter", "stowage")
    top = node.ctr(*snapshots, "list").stdout.splitlines()[1].split()[0]
    node.ctr(*snapshots, "prepare", "kept", top)
    run(["mv", path, f"{case.scratch}/moved-away"])
    # told by Prepare and by Mounts: no container is made that would be broken
    for words in (("run", "--rm", "--snapshotter", "stowage", image, "after", "cat", "/share/x"),
                  (*snapshots, "prepare", "new", top), (*snapshots, "mounts", case.scratch, "kept")):
        refused = node.ctr(*words, check=False)
        expect(refused.returncode != 0, f"ctr {words[0]} with {path}, which is gone, succeeded")
        expect_in(path, refused.stderr, f"what ctr {words} says about a lost store path")
    # made again where Nix can, without a restart of anything
    run(["mv", f"{case.scratch}/moved-away", path])
    expect_equal(node.run_container(image, "restored", "cat", "/share/x").stdout, "x", "after the path came back")
    _changed_store_path(case, node, image, path, top)
    node.stop()


def _changed_store_path(case, node, image, path, top):
    """Somebody writes into a store path: found by stowaged, which looks at what is in use, and told from then on."""
    with open(f"{path}/share/x", "w", encoding="utf-8") as file:
        file.write("y")
    node.stop_daemon("stowaged")  # it would not look again for some seconds
    node.start_stowaged()
    node.await_snapshotter()
    snapshots = ("snapshots", "--snapshotter", "stowage")
    numbers = itertools.count()

    def refused():
        done = node.ctr(*snapshots, "prepare", f"changed{next(numbers)}", top, check=False)
        return done.stderr if done.returncode != 0 else None
    said = wait_until(refused, 10, f"a refusal of the changed {path}")
    expect_in(f"{path}/share/x was changed", said, "what Prepare says about a changed store path")
    mounts = node.ctr(*snapshots, "mounts", case.scratch, "kept", check=False)
    expect_in(f"'nix-store --repair-path {path}'", mounts.stderr, "what Mounts says about a changed store path")
    with open(f"{path}/share/x", "w", encoding="utf-8") as file:
        file.write("x")
    os.utime(f"{path}/share/x", (1, 1))
    expect_equal(node.run_container(image, "repaired", "cat", "/share/x").stdout, "x", "after the repair")


def _no_fuse_device(case):
    node = case.node(name="no-device")
    masked = f"mount -t tmpfs dev /dev && mknod -m 666 /dev/null c 1 3 && " \
             f"exec {case.bin_directory}/stowage-fuse --state {node.state} --mountpoint {node.mountpoint}"
    refused = run(["unshare", "--mount", "--propagation", "private", "sh", "-c", masked], check=False, seconds=20)
    expect(refused.returncode != 0, "stowage-fuse runs without /dev/fuse")
    expect_in("/dev/fuse: No such file", refused.stderr, "message about a missing /dev/fuse")


def _no_containerd(case):
    node = case.node(name="no-containerd")
    node.start_fuse()
    node.start_stowaged()
    refused = node.stowage("pull", "nix/hello", check=False, seconds=60)
    expect_equal(refused.returncode, 4, f"exit status without containerd: {refused.stderr}")
    expect_in(node.containerd_socket, refused.stderr, "message about a missing containerd")
    node.stop()


def _mount_that_containerd_cannot_see(case):
    node = case.node(name="apart")
    command = f"{case.bin_directory}/stowage-fuse --state {node.state} --mountpoint {node.mountpoint} & " \
              f"exec {case.bin_directory}/stowaged --config {node.config_file}"
    node.spawn("stowaged", ["unshare", "--mount", "--propagation", "private", "sh", "-c", command])
    wait_until(lambda: node.stowage("status", check=False).returncode == 0, 20, "an answering stowaged")
    node.start_containerd()
    refused = node.stowage("pull", "nix/hello", check=False, seconds=60)
    expect(refused.returncode != 0, "a pull succeeded although containerd cannot see the mount")
    expect_in(node.mountpoint, refused.stderr, "message about a mount that containerd cannot see")
    expect_in("mount namespace", refused.stderr, "message about a mount that containerd cannot see")
