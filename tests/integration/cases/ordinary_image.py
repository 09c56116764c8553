"""An ordinary image works through our snapshotter as it does through overlayfs: imported, pulled, run, removed."""

from commands import expect_equal, expect_in
from oci_image import OciImage, StaticRegistry, busybox_layers

LOOK = ("sh", "-ec",
        "cat /etc/first /etc/third; ls /etc; echo new > /etc/first; rm /etc/third; cat /etc/first; ls -A /etc")


def main(case):
    node = case.started_node()
    image = OciImage(busybox_layers())

    archive = f"{case.scratch}/image.tar"
    image.write_archive(archive, "test.local/box:imported")
    node.ctr("images", "import", "--snapshotter", "stowage", archive)
    ours = node.run_container("test.local/box:imported", "ours", *LOOK)

    registry = StaticRegistry({"box:1": image})
    name = f"{registry.address}/box:1"
    node.ctr("images", "pull", "--plain-http", "--snapshotter", "stowage", name)
    node.ctr("images", "pull", "--plain-http", "--snapshotter", "overlayfs", name)
    pulled = node.run_container(name, "pulled", *LOOK)
    theirs = node.run_container(name, "theirs", *LOOK, snapshotter="overlayfs")
    expect_equal(ours.stdout, theirs.stdout, "imported image, against overlayfs")
    expect_equal(pulled.stdout, theirs.stdout, "pulled image, against overlayfs")
    expect_in("one\nthree\nfirst\nthird\nnew\n", theirs.stdout, "the image's content")

    # beside it, an image of ours
    node.stowage("pull", "nix/hello", seconds=120)
    expect_in("Hello, world!", node.run_container("nix/hello:latest", "hello", "hello").stdout, "nix/hello beside it")

    for gone in ("test.local/box:imported", name, "nix/hello:latest", "nix.local/hello:latest"):
        node.ctr("images", "remove", "--sync", gone, check=False)
    left = node.ctr("snapshots", "--snapshotter", "stowage", "list").stdout.splitlines()[1:]
    expect_equal(left, [], "snapshots after all images are removed")
