"""An image of which nobody has a record starts by what its binary cache says, which may lie, know nothing or be a stranger's."""

import json
import os
import signal
import time
import urllib.error
import urllib.request

from commands import expect, expect_equal, expect_in, run, wait_until
from lazy_image import LazyImage

BULK_MIB = 48
RATE = 12 << 20  # bytes per second
MADE = {"bulk": BULK_MIB, "liar": 1, "unlisted": 1, "nonsense": 1, "unsigned": 1}
BOTH = ("busybox", "hello")  # of each image


def main(case):
    image = LazyImage(case, ["bulk", *BOTH], MADE, "fuse", RATE, listings=True)
    image.paths = {name: image.build(name) for name in (*MADE, *BOTH, "cacert", "iana-etc")}
    image.cache.add(*image.paths.values())
    image.collect()
    image.node.start()

    image_id = _starts_before_it_is_there(image)
    _is_nobody_elses(image)
    _is_the_same_again(image, image_id)
    _container_reads_on(image)
    _becomes_the_image(image, image_id)
    _wrong_listing(image)
    _fetched_whole(image)
    image.cache.close()


def _name(package):
    return "nix/" + "/".join(sorted((package, *BOTH)))


def _pull(image, package, *flags):
    return image.node.stowage("pull", *(flags or ["--lazy"]), _name(package), seconds=120)


def _starts_before_it_is_there(image):
    image.cache.hold_back(image.paths["bulk"])
    served, begin = image.cache.served_bytes, time.monotonic()
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect_in("store paths come when they are needed", pulled.stdout, "what pull says")
    expect_in("provisional", pulled.stdout, "what pull says of the image ID")
    expect_in("warning: provisional: ", pulled.stderr, "what pull warns of")
    said = image.node.run_container(image.reference, "first", "hello", seconds=60).stdout
    print(f"provisional pull and start of an image of {BULK_MIB} MiB that was never here: {time.monotonic() - begin:.1f} s, "
          f"{image.cache.served_bytes - served} bytes")
    expect_equal(said, "Hello, world!\n", "the first container")
    expect(not os.path.exists(image.paths["bulk"]), "the start waited for what the command does not need")
    listed = image.node.ctr("images", "list").stdout
    expect_in("stowage.provisional=true", listed, "labels of the image")
    expect_in("store paths are there", image.node.stowage("status").stdout, "stowage status")
    linked = image.node.run_container(image.reference, "linked", "busybox", "readlink", "/share/lazy").stdout.strip()
    expect_equal(linked, f"{image.paths['bulk']}/share/lazy", "a link of the profile into what is not there")
    return image.node.image_config_digest(image.reference)


def _is_nobody_elses(image):
    """What only this node can check is served to nobody."""
    lines = image.node.ctr("images", "list").stdout.splitlines()
    digest = next(line.split()[2] for line in lines if line.split()[0] == image.reference)
    manifest = json.loads(image.node.ctr("content", "get", digest).stdout)
    layers = [layer["digest"] for layer in manifest["layers"][:-1]]
    for target in (f"manifests/{digest}", f"blobs/{manifest['config']['digest']}", *(f"blobs/{layer}" for layer in layers)):
        for method in ("GET", "HEAD"):
            expect_equal(_status(image.node, method, f"{image.name}/{target}"), 404, f"answer to {method} {target}")


def _status(node, method, target):
    request = urllib.request.Request(f"http://{node.registry}/v2/{target}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def _is_the_same_again(image, image_id):
    """As long as it is not whole, after a crash too; the cache is not asked again."""
    image.node.stop_daemon("stowaged", signal.SIGKILL)
    image.node.start_stowaged()
    image.node.await_snapshotter()
    image.cache.requests.clear()
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect_in("store paths come when they are needed", pulled.stdout, "what the second pull says")
    expect_equal(image.node.image_config_digest(image.reference), image_id, "image ID of the second pull")
    expect(not any(path.endswith(".ls") for path in image.cache.requests), "a known image was asked for again")


def _container_reads_on(image):
    image.start("running")
    reader = image.begin("running", "reader", "busybox", "cat", "/share/lazy/bulk")
    time.sleep(1)
    reader.expect_waiting("a reader of what the cache holds back")
    image.cache.release(image.paths["bulk"])
    expect_equal(reader.result(), (0, "bulk\n"), "a reader of what came late")


def _becomes_the_image(image, provisional_id):
    """The one that every node has; the container made before goes on."""
    wait_until(lambda: "Lazy image" not in image.node.stowage("status").stdout, 60, "a whole image")
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect("provisional" not in pulled.stdout + pulled.stderr, f"a whole image is provisional: {pulled.stdout}")
    image_id = image.node.image_config_digest(image.reference)
    expect(image_id != provisional_id, "the image ID is still the provisional one")
    expect_equal(image.node.registry_config_digest(image.name.removeprefix("nix/")), image_id, "image ID that is served")
    listed = image.node.ctr("images", "list").stdout
    expect("stowage.provisional" not in listed and "stowage.lazy" not in listed, f"labels are still there: {listed}")
    expect_equal(image.execute("running", "again", "hello"), (0, "Hello, world!\n"), "the container that was made before")
    said = image.node.run_container(image.reference, "whole", "busybox", "cat", "/share/lazy/bulk").stdout
    expect_equal(said, "bulk\n", "a container of the whole image")
    run(["nix-store", "--gc"])
    expect(os.path.exists(image.paths["bulk"]), "a collection took what the images need")


def _wrong_listing(image):
    """A path with other files than listed is an I/O error, and nothing else is."""
    path = image.paths["liar"]
    with open(image.cache.listing(path), encoding="utf-8") as file:
        listing = json.load(file)
    program = {"type": "regular", "size": 9, "executable": True, "narOffset": 400}
    listing["root"]["entries"]["bin"] = {"type": "directory", "entries": {"liar": program}}
    with open(image.cache.listing(path), "w", encoding="utf-8") as file:
        json.dump(listing, file)
    expect("fetched whole" not in _pull(image, "liar").stderr, "an image with a wrong listing was fetched whole")
    reference = f"{_name('liar')}:latest"
    image.node.ctr("run", "--detach", "--snapshotter", "stowage", reference, "liar", "busybox", "sleep", "1000")
    for attempt in ("first", "second"):
        status, error = image.execute("liar", attempt, "busybox", "cat", "/share/lazy/liar")
        expect(status != 0 and "Input/output error" in error, f"reading what is not as listed: {status} {error}")
    expect_equal(image.execute("liar", "beside", "hello"), (0, "Hello, world!\n"), "another program beside it")
    failures = [line for line in image.node.stowage("status").stdout.splitlines() if line.startswith("Not fetched")]
    expect(any(path in line and "listed" in line for line in failures), f"stowage status: {failures}")
    _pull(image, "liar", "--no-lazy")
    said = image.node.run_container(reference, "truth", "busybox", "ls", "/bin/liar", check=False)
    expect(said.returncode != 0, "the image that was made of what there is has what was listed")
    expect_equal(image.execute("liar", "healed", "busybox", "cat", "/share/lazy/liar"), (0, "liar\n"), "after a whole pull")


def _fetched_whole(image):
    os.remove(image.cache.listing(image.paths["unlisted"]))
    expect_in("does not list what is in its store paths", _expect_whole(image, "unlisted"), "why, without a listing")
    with open(image.cache.listing(image.paths["nonsense"]), "w", encoding="utf-8") as file:
        file.write('{"version":1,"root":{"type":"directory","entries":{"../x":{"type":"regular","size":1}}}}')
    expect_in("'../x' is no file name", _expect_whole(image, "nonsense"), "why, with a listing that is none")
    image.cache.unsign(image.paths["unsigned"])
    expect_in("not all of it is signed", _expect_whole(image, "unsigned"), "why, without a signature")


def _expect_whole(image, package):
    pulled = _pull(image, package)
    expect_in("fetched whole: ", pulled.stderr, f"what pull says about {package}")
    expect("Promised" not in pulled.stdout, f"{package} was not fetched whole: {pulled.stdout}")
    said = image.node.run_container(f"{_name(package)}:latest", package, "busybox", "cat", f"/share/lazy/{package}").stdout
    expect_equal(said, f"{package}\n", f"a container of {package}")
    return pulled.stderr
