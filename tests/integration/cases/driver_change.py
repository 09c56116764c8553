"""Containers keep their files when snapshotter.driver changes; a name of the host's /nix never shows in one."""

import os
import time

from commands import expect, expect_equal, expect_in, is_mounted, run

IMAGE = "nix/shell/busybox:latest"
HIDDEN_SECONDS = 2


def main(case):
    case.driver = "overlay"
    case.need_driver()
    node = case.node(config={"snapshotter": {"driver": "fuse"}})
    node.start()
    node.stowage("pull", "nix/shell/busybox", seconds=120)
    expect_in("fuse (configured)", node.stowage("status").stdout, "status with FUSE")
    _start(node, "by-fuse")
    before = _mounts(case, node, "by-fuse")
    expect_in(f"{node.mountpoint}/", before, "mounts by FUSE")

    _restart(node, "auto")
    expect_in("overlay (auto: the kernel was tried at start)", node.stowage("status").stdout, "status with auto")
    expect_equal(_mounts(case, node, "by-fuse"), before, "mounts of a container made by FUSE")
    _start(node, "by-kernel")
    by_kernel = _mounts(case, node, "by-kernel")
    expect_in("redirect_dir=follow", by_kernel, "mounts by the kernel alone")
    _expect_alive(node, "by-fuse", "by-kernel")

    # nothing of the host's /nix but the image's store paths, later ones included
    os.mkdir("/nix/newcomer")
    time.sleep(HIDDEN_SECONDS)
    names = _exec(node, "by-kernel", "ls", "-A", "/").split()
    os.rmdir("/nix/newcomer")
    expect("store" not in names and "newcomer" not in names and not any(name.startswith(".x-") for name in names),
           f"the container's root has {names}")
    shown = {f"/nix/store/{name}" for name in _exec(node, "by-kernel", "ls", "/nix/store").split()}
    closure = case.closure(*map(case.store_path, (
        "busybox", "bashInteractive", "coreutils", "moreutils", "nano", "cacert", "iana-etc")))
    expect_equal(sorted(shown), sorted(closure), "store paths in a container")

    # killed without warning, and back to FUSE
    node.stop_daemon("stowaged", 9)
    _expect_alive(node, "by-fuse", "by-kernel")
    node.config["snapshotter"]["driver"] = "fuse"
    node.write_config()
    node.start_stowaged()
    node.await_snapshotter()
    expect_equal(_mounts(case, node, "by-kernel"), by_kernel, "mounts of a container made by the kernel alone")
    _start(node, "again-by-fuse")
    _expect_alive(node, "by-fuse", "by-kernel", "again-by-fuse")

    # stowage-fuse away: the kernel alone needs it no more
    expect(is_mounted(node.mountpoint), "no FUSE mount to take away")
    node.stop_daemon("stowage-fuse")
    expect(not is_mounted(node.mountpoint), "the FUSE mount is still there")
    _restart(node, "overlay")
    _expect_alive(node, "by-kernel")
    expect_in("busybox", node.run_container(IMAGE, "last", "busybox", "--help").stdout, "a container without FUSE")
    _nothing_is_refused_silently(case, node)


def _nothing_is_refused_silently(case, node):
    """A store on a mount of its own: the reason is told, and FUSE is used with auto."""
    node.stop_daemon("containerd")
    node.stop_daemon("stowaged")
    run(["mount", "-t", "tmpfs", "tmpfs", "/nix/store"])
    refused = run([f"{case.bin_directory}/stowaged", "--config", node.config_file], check=False)
    expect_equal(refused.returncode, 1, "exit status with a store that overlayfs cannot see")
    expect_in("/nix/store is a mount of its own", refused.stderr, "why it does not start")
    node.config["snapshotter"]["driver"] = "auto"
    node.write_config()
    node.start_stowaged()
    expect_in("fuse (auto: the kernel alone does not do: /nix/store is a mount of its own",
              node.stowage("status").stdout, "status with auto")


def _restart(node, driver):
    expect_equal(node.stop_daemon("stowaged"), 0, "exit status of stowaged")
    node.config["snapshotter"]["driver"] = driver
    node.write_config()
    node.start_stowaged()
    node.await_snapshotter()


def _start(node, name):
    node.ctr("run", "--detach", "--snapshotter", "stowage", IMAGE, name, "busybox", "sleep", "1000")


def _mounts(case, node, name):
    return node.ctr("snapshots", "--snapshotter", "stowage", "mounts", f"{case.scratch}/target", name).stdout


def _exec(node, name, *command):
    return node.ctr("tasks", "exec", "--exec-id", f"look-{time.monotonic_ns()}", name, *command).stdout


def _expect_alive(node, *names):
    for name in names:
        expect_in("coreutils", _exec(node, name, "ls", "--version"), f"a program in container {name}")
