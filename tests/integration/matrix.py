"""One column of the table in docs/compatibility.md: every client of one containerd with every kind of image.

Each cell pulls the image, looks which layers were asked for, runs a container that looks at the content, removes the image
and sees that nothing of it is left in containerd.
"""

import compatibility
from commands import Failure, expect_equal, wait_until
from containerd import Containerd
from matrix_clients import CtrPull, Nerdctl, clients_of
from matrix_images import MatrixImages

GONE_SECONDS = 10
FAILS = "**fails**"


def run_column(case, suite):
    """Runs everything with the containerd of a Debian suite; a Failure if the committed table says something else."""
    node = case.started_node(containerd=Containerd(suite, with_cri=True))
    column = _cells(node, clients_of)
    compatibility.save_column(suite, node.containerd.version, column)
    compatibility.expect_as_committed(suite, column)


def run_nerdctl(case, suite):
    """The rows of nerdctl's requests with the nerdctl that is installed."""
    node = case.started_node(name=suite, containerd=Containerd(suite, with_cri=True))
    compatibility.expect_as_committed(suite, _cells(node, lambda started: [Nerdctl(started)]), only_client=Nerdctl.title)
    node.stop()


def _cells(node, make_clients):
    """What the table shows: {(client, image): text}."""
    images = MatrixImages(node)  # first: clients pull
    return {(client.title, image.title): _cell(node, images, client, image)
            for client in make_clients(node) for image in images.images
            if client.takes(image) and client.names in image.names}


def _cell(node, images, client, image):
    """What the table shows for a client and an image."""
    name = image.names[client.names]
    before = _kept_by_containerd(node, client.namespace)
    try:
        fetched = _pull_and_run(images, client, image)
        cell = _fetched_words(image, fetched)
        if type(client) is not CtrPull and set(image.layers.values()) == {"nix"}:
            expect_equal(cell, "none", f"layers of {name} that were fetched")
    except Failure as failure:
        print(f"{client.title}, {image.title}: {failure}")
        cell = FAILS
    try:
        client.remove(name)
        wait_until(lambda: _kept_by_containerd(node, client.namespace) == before, GONE_SECONDS,
                   f"nothing is left of {name} in namespace {client.namespace}")
    except Failure as failure:
        print(f"{client.title}, {image.title}, removing it: {failure}")
        cell = FAILS
    return cell


def _pull_and_run(images, client, image):
    """The digests of the blobs that were asked for."""
    name = image.names[client.names]
    asked_before = images.fetched()
    client.pull(name)
    expect_equal(client.run(name, image.command), image.output, f"output of {name}")
    return set(images.fetched() - asked_before)


def _kept_by_containerd(node, namespace):
    """The names of all snapshots and blobs of a namespace."""
    snapshots = node.ctr("snapshots", "--snapshotter", "stowage", "list", namespace=namespace).stdout.splitlines()[1:]
    blobs = node.ctr("content", "list", "--quiet", namespace=namespace).stdout.split()
    return {line.split()[0] for line in snapshots} | set(blobs)


def _fetched_words(image, asked):
    fetched = asked & set(image.layers)
    if not fetched:
        return "none"
    if fetched == set(image.layers):
        return "all"
    ordinary = {digest for digest, kind in image.layers.items() if kind == "ordinary"}
    expect_equal(sorted(fetched), sorted(ordinary), f"layers of {image.title} that were fetched")
    return "the ordinary one"
