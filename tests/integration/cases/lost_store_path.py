"""A store path deleted by force is an error that names it before a container is made, and no broken container later."""

import os

from commands import expect, expect_equal, expect_in

IMAGE, OTHER = "nix/busybox/hello:latest", "nix/busybox:latest"


def main(case):
    case.private_store()
    node = case.started_node()
    for image in (IMAGE, OTHER):
        node.stowage("pull", image, seconds=120)
    lost, aside = case.store_path("hello"), "/nix/aside"
    os.rename(lost, aside)
    refused = node.run_container(IMAGE, "refused", "busybox", "true", check=False)
    expect(refused.returncode != 0, "a container without one of its store paths was started")
    expect_in(lost, refused.stderr, "the message of ctr")
    expect_in("nix-store --verify --repair", refused.stderr, "the message of ctr")
    node.run_container(OTHER, "other", "busybox", "true")  # does not need it

    os.rename(aside, lost)
    expect_equal(node.run_container(IMAGE, "again", "hello").stdout, "Hello, world!\n", "once it is there again")
