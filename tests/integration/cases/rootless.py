"""An ordinary user's stowaged, stowage-fuse and containerd in a user namespace run images of Nix and ordinary ones."""

import json
import os
import signal
import tarfile
import time

from commands import expect, expect_equal, expect_in, is_mounted, run, wait_until
from oci_image import OciImage, busybox_layers
from rootless_node import NO_CGROUP, UID, RootlessNode, let_users_open_fuse, make_user

IMAGE = "nix/busybox/hello:latest"
HELLO = "Hello, world!\n"
ORDINARY = "test.local/box:1"
CHANGE = "echo new > /etc/first; rm /etc/third; mkdir /made; busybox chown 5:6 /made; cat /etc/first; ls -A /etc"


def main(case):
    case.need_program("newuidmap", "runc", "setpriv", "nsenter")
    make_user(f"{case.scratch}/etc")
    let_users_open_fuse(case.scratch)
    case.private_store()
    run(["chown", "-R", f"{UID}:{UID}", f"{case.scratch}/nix"])
    node = case.add_node(RootlessNode(case))
    node.enter()
    _says_what_is_missing(node)
    node.start()
    _chose_fuse(node)
    _is_found(node)
    node.stowage("pull", IMAGE, seconds=200)
    expect_equal(node.run_container(IMAGE, "hello", "hello").stdout, HELLO, "a container of an image of Nix")
    _sees_files_of_root(node)
    _ordinary_image_as_with_overlayfs(case, node)
    _deaths_are_not_felt(node)
    _garbage_is_collected(node)
    namespaces = node.processes["namespaces"].pid
    expect(is_mounted(node.mountpoint, namespaces), f"no mount at {node.mountpoint}")
    for name in ("containerd", "stowaged", "stowage-fuse"):
        expect_equal(node.stop_daemon(name), 0, f"exit status of {name}")
    expect(not is_mounted(node.mountpoint, namespaces), "the mount is left")


def _says_what_is_missing(node):
    for program in ("stowaged", "stowage-fuse"):
        command = [f"{node.directory}/bin/{program}", "--rootless"]
        outside = run([*node.as_user(), *command], check=False, env=node.environment, cwd="/")
        expect(outside.returncode != 0, f"{program} started outside of a user namespace")
        expect_in(f"nsenter -- {program} --rootless", outside.stderr, "what it says")
        without = {name: value for name, value in node.environment.items() if name != "XDG_RUNTIME_DIR"}
        refused = run(node.inside(command), check=False, env=without, cwd="/")
        expect(refused.returncode != 0, f"{program} started without XDG_RUNTIME_DIR")
        expect_in("export XDG_RUNTIME_DIR", refused.stderr, "what it says")
    no_stowaged = run([*node.as_user(), *node.stowage_command("status")], check=False, env=node.environment, cwd="/")
    expect(no_stowaged.returncode != 0, "a status without stowaged")
    expect_in("start this user's own ('stowaged --rootless'), or ask root's with sudo", no_stowaged.stderr, "what it says")
    labelled = run(node.inside([*node.fuse_command(), "--selinux-context=system_u:object_r:container_ro_file_t:s0",
                                "--state=/tmp"]), check=False, env=node.environment, cwd="/")
    expect(labelled.returncode != 0, "an SELinux context in a user namespace")
    expect_in("in a user namespace the kernel takes none for FUSE", labelled.stderr, "what stowage-fuse says")
    passthrough = run(node.inside([*node.fuse_command(), "--data=passthrough", "--state=/tmp"]), check=False,
                      env=node.environment, cwd="/")
    expect(passthrough.returncode != 0, "passthrough in a user namespace")
    expect_in("user namespace", passthrough.stderr, "what stowage-fuse says")


def _chose_fuse(node):
    status = json.loads(node.stowage("status", "--json").stdout)
    expect_equal((status["driver"], status["fuse_mounted"]), ("fuse", True), "the driver")
    expect_in("user namespace", status["driver_reason"], "why")


def _is_found(node):
    """By the command line on both sides of the namespaces."""
    outside = run([*node.as_user(), *node.stowage_command("status", "--json")], env=node.environment, cwd="/")
    expect_equal(json.loads(outside.stdout)["snapshotter_socket"], node.snapshotter_socket, "the user's stowaged")
    doctor = node.stowage("doctor", "--json", "--address", node.containerd_socket, "--config",
                          f"{node.directory}/containerd.toml", check=False)
    findings = json.loads(doctor.stdout)["findings"]
    expect_equal([finding for finding in findings if finding["severity"] == "error"], [], "what does not work")
    expect_in("view-driver", [finding["id"] for finding in findings], "what is said of the driver")
    setup = node.stowage("setup", "containerd", "--dry-run", "--containerd-version", "1.6.20", "--config",
                         f"{node.directory}/none.toml").stdout
    expect_in(f'address = "{node.snapshotter_socket}"', setup, "what containerd would be told")
    expect("remap-ids" not in setup, "ids would be mapped, which only root of the machine can do")


def _sees_files_of_root(node):
    """Of the namespace's root, from the store too, and a container can write beside and over them."""
    output = node.run_container(IMAGE, "owners", "busybox", "sh", "-ec",
                                "busybox find / -xdev -user 65534 ! -path /proc ! -path /sys; busybox stat -L -c %u:%g /bin/hello; "
                                "busybox touch -h /etc/services; echo written > /etc/mine; busybox cat /etc/mine").stdout
    expect_equal(output, "0:0\nwritten\n", "owners, and what was written")


def _ordinary_image_as_with_overlayfs(case, node):
    """What a container shows and what containerd makes of its changes, before and after a commit."""
    archive = f"{case.scratch}/image.tar"
    OciImage(busybox_layers()).write_archive(archive, ORDINARY)
    os.chmod(archive, 0o644)
    shown, active, committed = {}, {}, {}
    for snapshotter in ("stowage", "overlayfs"):
        node.ctr("images", "import", "--snapshotter", snapshotter, archive)
        name = f"changes-{snapshotter}"
        output = node.output_file(name)
        node.ctr("run", *NO_CGROUP, *output.flags, "--snapshotter", snapshotter, ORDINARY, name, "sh", "-ec", CHANGE)
        shown[snapshotter] = output.take()
        active[snapshotter] = _diff(node, snapshotter, name)
        node.ctr("snapshots", "--snapshotter", snapshotter, "usage", name)
        node.ctr("snapshots", "--snapshotter", snapshotter, "commit", f"{name}-done", name)
        node.ctr("containers", "delete", "--keep-snapshot", name)
        committed[snapshotter] = _diff(node, snapshotter, f"{name}-done")
        node.ctr("snapshots", "--snapshotter", snapshotter, "remove", f"{name}-done")
        node.ctr("images", "remove", "--sync", ORDINARY)
    expect_equal(shown["stowage"], shown["overlayfs"], "what the container shows")
    expect_equal(active["stowage"], active["overlayfs"], "diff of an active snapshot")
    expect_equal(committed["stowage"], committed["overlayfs"], "diff of a committed snapshot")
    expect_equal([entry for entry in committed["stowage"] if entry[0] in ("made", "etc/.wh.third", "etc/first")],
                 [("etc/.wh.third", b"0", 0, 0, 0), ("etc/first", b"0", 0, 0, 4), ("made", b"5", 5, 6, 0)], "the changes")


def _diff(node, snapshotter, name):
    """Entries of the layer that containerd makes of a snapshot: (name, type, uid, gid, size)."""
    archive = f"{node.directory}/{name}.tar"
    node.run_inside("sh", "-c", 'exec "$@" > "$0"', archive, "ctr", "--address", node.containerd_socket, "--namespace",
                    node.namespace, "snapshots", "--snapshotter", snapshotter, "diff", name)
    with tarfile.open(archive) as tar:
        return sorted((entry.name, entry.type, entry.uid, entry.gid, entry.size) for entry in tar)


def _deaths_are_not_felt(node):
    node.ctr("run", "--detach", *NO_CGROUP, "--snapshotter", "stowage", IMAGE, "running", "busybox", "sleep", "1000")
    workers = node.fuse_processes("worker")
    expect_equal(len(workers), 1, "workers of the mount")
    os.kill(workers[0], signal.SIGKILL)
    wait_until(lambda: node.fuse_processes("worker") not in ([], workers), 10, "a new worker")
    expect_equal(_in_running(node, "after-worker"), HELLO, "a container whose worker was killed")
    node.stop_daemon("stowaged", signal.SIGKILL)
    expect_equal(_in_running(node, "without-stowaged"), HELLO, "a container without stowaged")
    node.start_stowaged()
    node.await_snapshotter()
    expect_equal(node.run_container(IMAGE, "again", "hello").stdout, HELLO, "a container after the deaths")


def _in_running(node, name):
    output = node.output_file(name)
    node.ctr("tasks", "exec", "--exec-id", name, *output.flags, "running", "hello")
    return output.take()


def _garbage_is_collected(node):
    """The user's Nix keeps what a container needs, and takes it when nothing does any longer."""
    needed = set(node.run_inside("nix-store", "-qR", *_roots(node)).stdout.split())
    expect(len(needed) > 2, f"roots of {needed}")
    node.ctr("images", "remove", "--sync", IMAGE, f"nix.local/{IMAGE.removeprefix('nix/')}")
    time.sleep(11)  # images.hold
    node.run_inside("nix-store", "--gc")
    expect(needed <= _store_paths(), "a store path of a running container was collected")
    expect_equal(_in_running(node, "after-gc"), HELLO, "a container after a collection")
    node.ctr("tasks", "kill", "--signal", "9", "running")
    wait_until(lambda: "STOPPED" in node.ctr("tasks", "list").stdout, 10, "the container's end")
    node.ctr("tasks", "delete", "running", check=False)  # exits with the container's status
    node.ctr("containers", "delete", "running")
    wait_until(lambda: not _roots(node), 20, "no roots")
    node.run_inside("nix-store", "--gc")
    expect_equal(sorted(needed & _store_paths()), [], "store paths that nothing needs")


def _roots(node):
    """The store paths that this node's roots name."""
    roots = [os.path.join(folder, name) for folder, folders, files in os.walk(node.gc_roots) for name in folders + files]
    return {os.readlink(root) for root in roots if os.path.islink(root)}


def _store_paths():
    return {f"/nix/store/{name}" for name in os.listdir("/nix/store")}
