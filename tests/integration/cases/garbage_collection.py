"""Removed images give their store paths free, through CRI and through ctr; nix-store --gc takes these and no others."""

import os
import time

from commands import expect, expect_equal, run, wait_until
from containerd import Containerd
from cri import Cri

HOLD_SECONDS = 10  # the shortest that the configuration takes
COLLECT_SECONDS = 20
CRI_IMAGE, CTR_IMAGE = "nix.local/jq:latest", "nix/busybox/hello:latest"


def main(case):
    case.private_store()
    node = case.started_node(containerd=Containerd(with_cri=True), config={"images": {"hold": f"{HOLD_SECONDS}s"}})
    node.write_hosts("nix.local", node.registry)
    cri = Cri(node)
    node.stowage("pull", CTR_IMAGE, seconds=120)
    cri.pull(CRI_IMAGE)
    image_needs = case.closure(*map(case.store_path, ("busybox", "hello", "cacert", "iana-etc")))
    only_cri_needs = case.closure(case.store_path("jq")) - image_needs
    expect(only_cri_needs and image_needs <= _rooted(node), f"roots {_rooted(node)}")
    node.ctr("run", "--detach", "--snapshotter", "stowage", CTR_IMAGE, "running", "busybox", "sleep", "1000")
    time.sleep(HOLD_SECONDS + 1)

    # nobody removed anything: nothing goes, hold or not
    _collect_garbage()
    expect(only_cri_needs | image_needs <= _valid_paths(), "a store path of an image was collected")

    cri.remove(CRI_IMAGE)
    wait_until(lambda: _rooted(node) == image_needs, COLLECT_SECONDS, "roots of the other image only")
    before, of_image = _bytes("/nix/store"), _bytes(*only_cri_needs)
    _collect_garbage()
    expect_equal(sorted(only_cri_needs & _valid_paths()), [], "store paths of the image removed by CRI")
    expect(before - _bytes("/nix/store") >= of_image > 0, f"of {of_image} bytes not all were freed")

    # a container's snapshot needs what its image needed
    _remove_image(node)
    time.sleep(2)  # for a collection that must not happen
    expect_equal(_rooted(node), image_needs, "roots of a container whose image is gone")
    _collect_garbage()
    expect(image_needs <= _valid_paths(), "a store path of a running container was collected")
    node.ctr("tasks", "exec", "--exec-id", "look", "running", "hello")

    node.ctr("tasks", "kill", "--signal", "9", "running")
    wait_until(lambda: "STOPPED" in node.ctr("tasks", "list").stdout, 10, "the container's end")
    node.ctr("tasks", "delete", "running", check=False)  # exits with the container's status
    node.ctr("containers", "delete", "running")
    wait_until(lambda: not _rooted(node), COLLECT_SECONDS, "no roots")
    _collect_garbage()
    expect_equal(sorted(image_needs & _valid_paths()), [], "store paths of the removed image and container")
    expect_equal(os.listdir(f"{node.state}/profiles"), [], "profiles of removed images")

    # and it all comes again
    node.stowage("pull", CTR_IMAGE, seconds=120)
    expect_equal(node.run_container(CTR_IMAGE, "again", "hello").stdout, "Hello, world!\n", "the image, pulled again")


def _remove_image(node):
    node.ctr("images", "remove", "--sync", CTR_IMAGE, f"nix.local/{CTR_IMAGE.removeprefix('nix/')}")


def _collect_garbage():
    run(["nix-store", "--gc"])


def _valid_paths():
    return {f"/nix/store/{name}" for name in os.listdir("/nix/store")}


def _rooted(node):
    """The store paths that this node's roots keep."""
    roots = [os.path.join(folder, name) for folder, folders, files in os.walk(node.gc_roots) for name in folders + files]
    targets = {os.readlink(root) for root in roots if os.path.islink(root)}
    return set(run(["nix-store", "-qR", *targets]).stdout.split()) if targets else set()


def _bytes(*paths):
    return int(run(["du", "--summarize", "--block-size=1", "--total", *paths]).stdout.splitlines()[-1].split()[0])
