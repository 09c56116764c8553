"""stowage resolve, containerd's record and a client of the endpoint agree on the image ID, also after a restart."""

import json

from commands import expect, expect_equal


def main(case):
    node = case.started_node()
    resolved = json.loads(node.stowage("resolve", "--json", "nix/shell/hello", seconds=120).stdout)
    node.stowage("pull", "nix/shell/hello")
    want = resolved["image_id"]
    expect(want.startswith("sha256:"), f"image ID {want}")
    expect_equal(node.image_config_digest("nix/shell/hello:latest"), want, "image ID in containerd")
    expect_equal(node.image_config_digest("nix.local/shell/hello:latest"), want, "image ID under the CRI name")
    expect_equal(node.registry_config_digest("shell/hello"), want, "image ID at the endpoint")
    expect_equal(node.registry_config_digest("nix/shell/hello"), want, "image ID at the endpoint, with nix/")
    expect_equal(node.registry_config_digest("jq/hello"), node.registry_config_digest("hello/jq"),
                 "image ID with the packages in another order")

    # neither a restart nor another node's empty state changes it
    expect_equal(node.stop_daemon("stowaged"), 0, "exit status of stowaged after SIGTERM")
    node.start_stowaged()
    expect_equal(node.registry_config_digest("shell/hello"), want, "image ID after a restart")
    other = case.node(name="other")
    other.start_fuse()
    other.start_stowaged()
    expect_equal(other.registry_config_digest("shell/hello"), want, "image ID of a second node")
