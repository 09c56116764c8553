"""`ctr images pull` from the endpoint downloads real layers without any label; `stowage pull` of the same follows."""

from commands import expect, expect_equal, expect_in, run


def main(case):
    node = case.started_node()
    name = f"{node.registry}/nix/hello:latest"
    node.ctr("images", "pull", "--plain-http", "--snapshotter", "stowage", name, seconds=120)
    expect_in("Hello, world!", node.run_container(name, "downloaded", "hello").stdout, "the downloaded image")

    # what was downloaded is the store's content, byte for byte
    hello = case.store_path("hello")
    listing = "cd $0 && find . -type f | sort | xargs sha256sum && find . -printf '%P %y %m %l\\n' | sort"
    # hello has neither find nor sha256sum: the container's root is looked at from outside
    key = "inspect"
    node.ctr("snapshots", "--snapshotter", "stowage", "prepare", key, _top_chain_id(node))
    target = f"{case.scratch}/root"
    run(["mkdir", target])
    run(["sh", "-c", node.ctr("snapshots", "--snapshotter", "stowage", "mounts", target, key).stdout])
    got = run(["sh", "-c", listing, f"{target}{hello}"]).stdout
    run(["umount", target])
    expect_equal(got, run(["sh", "-c", listing, hello]).stdout, "files of hello in the downloaded image")

    pulled = node.stowage("pull", "nix/hello", seconds=60)
    expect_in("Hello, world!", node.run_container("nix/hello:latest", "after", "hello").stdout, "after stowage pull")
    expect(pulled.stdout or pulled.stderr, "stowage pull says nothing")
    expect_equal(node.image_config_digest("nix/hello:latest"), node.image_config_digest(name), "image ID")


def _top_chain_id(node):
    """The committed snapshot that no other has as its parent."""
    rows = [line.split() for line in node.ctr("snapshots", "--snapshotter", "stowage", "list").stdout.splitlines()[1:]]
    committed = {row[0] for row in rows if row[-1] == "Committed"}
    parents = {row[1] for row in rows if len(row) == 3}
    tops = committed - parents
    expect_equal(len(tops), 1, f"topmost snapshots among {rows}")
    return tops.pop()
