"""All processes killed at once, and nobody who keeps descriptors: the loss is said, can be removed, and new containers work."""

from commands import expect, expect_equal, expect_in, wait_until

IMAGE = "nix/busybox/hello:latest"
HELLO = "Hello, world!\n"


def main(case):
    node = case.started_node()
    node.stowage("pull", IMAGE, seconds=120)
    node.ctr("run", "--detach", "--snapshotter", "stowage", IMAGE, "lost", "busybox", "sleep", "1000")
    keeper, worker = node.processes.pop("stowage-fuse"), node.fuse_processes("worker")
    expect_equal(len(worker), 1, "workers")
    node.kill_at_once([node.processes["stowaged"].pid, keeper.pid, *worker])
    keeper.wait()
    node.processes.pop("stowaged").wait()
    wait_until(lambda: not node.fuse_processes("keeper") + node.fuse_processes("worker"), 5, "no stowage-fuse")
    refused = node.run_container(IMAGE, "refused", "hello", check=False)
    expect(refused.returncode != 0, "a container was started by nobody")

    node.start_fuse()
    node.start_stowaged()
    node.await_snapshotter()
    with open(f"{case.logs}/node-stowage-fuse", encoding="utf-8") as file:
        log = file.read()
    expect_in("dead_mount_detached", log, "what stowage-fuse says")
    expect_in("containers_lost count=1 ", log, "what stowage-fuse says")

    expect_equal(node.run_container(IMAGE, "new", "hello").stdout, HELLO, "a new container")
    lost = node.ctr("tasks", "exec", "--exec-id", "look", "lost", "busybox", "cat", "/etc/services", check=False)
    expect(lost.returncode != 0, "the lost container still shows files that nobody serves")
    node.ctr("tasks", "delete", "--force", "lost", check=False)  # exits with the container's status
    node.ctr("containers", "delete", "lost")
    node.ctr("images", "remove", "--sync", IMAGE, f"nix.local/{IMAGE.removeprefix('nix/')}")
    left = node.ctr("snapshots", "--snapshotter", "stowage", "list").stdout.splitlines()[1:]
    expect_equal(left, [], "snapshots after all is removed")
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        expect(sum(node.directory in line for line in file) == 1, "mounts besides that of stowage-fuse")
