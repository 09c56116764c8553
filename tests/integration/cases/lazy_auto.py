"""With snapshotter.driver = "auto" stowage-fuse shows an image until it is whole, then the kernel alone; "overlay" fetches whole."""

import os

from commands import expect, expect_equal, expect_in, wait_until
from lazy_image import LazyImage


def main(case):
    case.driver = "overlay"
    case.need_driver()
    image = LazyImage(case, ["busybox", "hello", "late"], {"late": 1}, "auto")
    node = image.node
    node.start()
    image.make()
    image.forget()
    image.cache.hold_back(image.paths["late"])

    node.stowage("pull", "--lazy", image.name)
    image.start("early")
    expect_in(f"{node.mountpoint}/", _mounts(case, node, "early"), "mounts of an image that is not whole")
    reader = image.begin("early", "late", "busybox", "cat", "/share/lazy/late")
    expect_equal(image.execute("early", "hello", "hello"), (0, "Hello, world!\n"), "a program that is there")
    reader.expect_waiting("the reader of what is held back")
    image.cache.release(image.paths["late"])
    expect_equal(reader.result(), (0, "late\n"), "what the reader read")

    wait_until(lambda: "Lazy image" not in node.stowage("status").stdout, 60, "an image that is whole")
    image.start("later")
    expect_in("redirect_dir=follow", _mounts(case, node, "later"), "mounts of an image that is whole")
    expect_equal(image.execute("later", "again", "busybox", "cat", "/share/lazy/late"), (0, "late\n"), "by the kernel")
    expect_in(f"{node.mountpoint}/", _mounts(case, node, "early"), "mounts of the container of before")
    expect_equal(image.execute("early", "again", "busybox", "cat", "/share/lazy/late"), (0, "late\n"), "by FUSE")

    _kernel_alone(image)
    image.cache.close()


def _kernel_alone(image):
    node = image.node
    for name in ("early", "later"):
        node.ctr("tasks", "kill", "--signal", "9", name)
        wait_until(lambda name=name: node.ctr("containers", "remove", name, check=False).returncode == 0, 20, f"{name} gone")
    image.forget()
    expect_equal(node.stop_daemon("stowaged"), 0, "exit status of stowaged")
    node.config["snapshotter"]["driver"] = "overlay"
    node.write_config()
    node.start_stowaged()
    node.await_snapshotter()
    pulled = node.stowage("pull", "--lazy", image.name, seconds=120)
    expect_in("fetched whole", pulled.stderr, "what pull says with the driver overlay")
    expect(all(map(os.path.exists, image.paths.values())), "not all of the image is there")
    expect_in("Hello", node.run_container(image.reference, "last", "hello").stdout, "a container of the kernel alone")


def _mounts(case, node, name):
    return node.ctr("snapshots", "--snapshotter", "stowage", "mounts", f"{case.scratch}/target", name).stdout
