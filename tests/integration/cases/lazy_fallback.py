"""Whatever keeps an image from being promised has it fetched whole, and `stowage pull` says why; no pull fails by it."""

import contextlib
import os

from commands import expect, expect_equal, expect_in
from lazy_image import LazyImage


def main(case):
    image = LazyImage(case, ["busybox", "hello", "made"], {"made": 1}, "fuse")
    image.node.start()
    image.make()
    image_id = image.node.image_config_digest(image.reference)
    image.forget()

    with _replaced_by_file(f"{image.node.state}/promises"):
        _expect_whole(image, "/promises/")
    expect_equal(image.node.image_config_digest(image.reference), image_id, "image ID where no promise could be made")
    image.forget()

    for record in os.scandir(f"{image.node.state}/profile_records"):
        os.remove(record)
    _expect_whole(image, "this node has no record of it")
    expect_equal(image.node.image_config_digest(image.reference), image_id, "image ID after its profile's record was lost")
    image.forget()

    expect_equal(image.build("made"), image.paths["made"], "the store path, built again")  # random bytes are in it
    _expect_whole(image, "with other contents")
    expect(image.node.image_config_digest(image.reference) != image_id, "the image was taken for that of other contents")
    image.forget()

    # nothing of it stays: the image of now, whose store paths differ from those in the cache
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect_in("store paths come when they are needed", pulled.stdout, "what pull says when nothing is in the way")
    said = image.node.run_container(image.reference, "lazy", "hello").stdout
    expect_equal(said, "Hello, world!\n", "a container of an image that is not whole")
    image.cache.close()


@contextlib.contextmanager
def _replaced_by_file(directory):
    """While it is held nothing can be made in the directory, not by root either."""
    os.rename(directory, f"{directory}.away")
    with open(directory, "x", encoding="utf-8"):
        pass
    yield
    os.remove(directory)
    os.rename(f"{directory}.away", directory)


def _expect_whole(image, reason):
    pulled = image.node.stowage("pull", "--lazy", image.name, seconds=120)
    expect_in("fetched whole: ", pulled.stderr, "what pull says")
    expect_in(reason, pulled.stderr, "why it was fetched whole")
    expect("come when they are needed" not in pulled.stdout, f"the image was promised all the same: {pulled.stdout}")
    expect(all(map(os.path.exists, image.paths.values())), "not all of the image is there")
    said = image.node.run_container(image.reference, "whole", "busybox", "cat", "/share/lazy/made").stdout
    expect_equal(said, "made\n", "a container of an image that was fetched whole")
