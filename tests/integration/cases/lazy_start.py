"""An image whose store paths are gone starts before they are fetched; readers wait for what they touch, whoever dies meanwhile."""

import hashlib
import itertools
import os
import signal
import time

from commands import expect, expect_equal, expect_in, run, wait_until
from lazy_image import LazyImage

BULK_MIB = 48
RATE = 12 << 20  # bytes per second
PATIENCE_SECONDS = 3
FETCH_SECONDS = 4
READER_SECONDS = 30


def main(case):
    image = LazyImage(case, ["bulk", "busybox", "damaged", "hello", "lost", "other", "stuck"],
                      {"bulk": BULK_MIB, "damaged": 1, "lost": 1, "other": 1, "stuck": 1}, "fuse", RATE)
    image.node.fuse_options = [f"--stowaged-patience={PATIENCE_SECONDS}"]
    image.node.start()
    image.make()
    with open(f"{image.paths['bulk']}/share/lazy/bulk.bytes", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    image.forget()
    _build_again(image, "other")
    image.collect()

    whole_seconds, whole_bytes = _fetch_whole(image)
    image.collect()
    image.cache.damage(image.paths["damaged"])
    image.cache.remove(image.paths["lost"])
    image.cache.hold_back(image.paths["bulk"])
    image.cache.hold_back(image.paths["stuck"])

    # what the command does not need cannot come, so a start that waited for it would not end
    lazy_seconds, lazy_bytes = _start_lazily(image)
    print(f"whole fetch {whole_seconds:.1f} s, {whole_bytes} bytes; "
          f"lazy pull and start {lazy_seconds:.1f} s, {lazy_bytes} bytes")
    expect(lazy_bytes < whole_bytes / 2, "the lazy start fetched more than half of all")
    _readers_survive_deaths(image, digest)
    _collection_takes_nothing(image)
    _what_cannot_be_had(case, image)
    _nobody_to_ask(image)
    _cache_that_says_nothing(image)
    expect(not any(path.endswith(".ls") for path in image.cache.requests), "an unsigned listing was asked for")
    image.cache.close()


def _build_again(image, package):
    """The cache's path gets other bytes, as an honest cache may have them of a build that is not reproducible."""
    expect_equal(image.build(package), image.paths[package], "the store path, built again")
    image.cache.add(image.paths[package])


def _fetch_whole(image):
    options = [word for setting in image.cache.settings for word in ("--option", *setting.split("=", 1))]
    served, begin = image.cache.served_bytes, time.monotonic()
    run(["nix-store", "--realise", *options, *image.paths.values()], seconds=120)
    return time.monotonic() - begin, image.cache.served_bytes - served


def _start_lazily(image):
    served, begin = image.cache.served_bytes, time.monotonic()
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect_in("store paths come when they are needed", pulled.stdout, "what pull says")
    said = image.node.run_container(image.reference, "first", "hello", seconds=60).stdout
    seconds, fetched = time.monotonic() - begin, image.cache.served_bytes - served
    expect_equal(said, "Hello, world!\n", "the first container")
    expect(not os.path.exists(image.paths["bulk"]), "the start waited for what the command does not need")
    expect_in("stowage.lazy=true", image.node.ctr("images", "list").stdout, "labels of the image")
    expect_in("store paths are there", image.node.stowage("status").stdout, "stowage status")
    return seconds, fetched


def _readers_survive_deaths(image, digest):
    node = image.node
    image.start("running")
    reader = image.begin("running", "bulk", "busybox", "sha256sum", "/share/lazy/bulk.bytes")
    wait_until(lambda: image.paths["bulk"] in _lines(node, "Fetching"), 20, "a fetch of what the reader wants")
    # whoever asks for something else meanwhile is answered
    expect_equal(image.execute("running", "beside", "hello"), (0, "Hello, world!\n"), "another reader")
    node.kill_at_once(node.fuse_processes("worker"))
    expect_equal(image.execute("running", "after", "hello"), (0, "Hello, world!\n"), "a reader of the next worker")
    reader.expect_waiting("the reader whose worker was killed")
    node.stop_daemon("stowaged", signal.SIGKILL)
    time.sleep(0.5)
    reader.expect_waiting("the reader whose stowaged was killed")
    node.start_stowaged()
    wait_until(lambda: image.paths["bulk"] in _lines(node, "Fetching"), 20, "the next stowaged's fetch")
    reader.expect_waiting("the reader with the next stowaged")
    image.cache.release(image.paths["bulk"])
    expect_equal(reader.result(), (0, f"{digest}  /share/lazy/bulk.bytes\n"), "what the reader read")


def _lines(node, label):
    return "\n".join(line for line in node.stowage("status").stdout.splitlines() if line.startswith(label))


def _collection_takes_nothing(image):
    """Roots are made with the promises: of what has been fetched since, and of what is still to come."""
    run(["nix-store", "--gc"])
    there = [name for name in ("bulk", "busybox", "hello") if os.path.exists(image.paths[name])]
    expect_equal(there, ["bulk", "busybox", "hello"], "fetched store paths after a collection")
    roots = {link for _, _, links in os.walk(image.node.gc_roots) for link in links}
    expect_in(os.path.basename(image.paths["lost"]), roots, "roots")


def _what_cannot_be_had(case, image):
    node, paths = image.node, image.paths
    for name, reason in (("lost", "no binary cache has it"), ("damaged", "damaged"), ("other", "narHash")):
        status, error = image.execute("running", name, "busybox", "cat", f"/share/lazy/{name}")
        expect(status != 0, f"{name} was read")
        expect_in("Input/output error", error, f"reading {name}")
        expect_equal(image.execute("running", f"{name}-beside", "hello")[0], 0, f"another program beside {name}")
        failures = [line for line in _lines(node, "Not fetched").splitlines() if paths[name] in line]
        expect_in(reason, failures[0] if failures else "", f"stowage status about {name}")
    with open(f"{case.logs}/{node.name}-stowaged", encoding="utf-8") as file:
        lines = [line for line in file if "path_not_fetched" in line]
    for name in ("lost", "damaged", "other"):
        expect(any(paths[name] in line for line in lines), f"the log does not name {paths[name]}:\n{''.join(lines)}")


def _nobody_to_ask(image):
    """Without stowaged a reader gets EIO in a bounded time, or dies at once when it is killed."""
    node = image.node
    node.stop_daemon("stowaged")
    killed = image.begin("running", "killed", "busybox", "cat", "/share/lazy/lost")
    time.sleep(1)
    node.ctr("tasks", "kill", "--exec-id", "killed", "--signal", "9", "running")
    expect_in(killed.result(READER_SECONDS)[0], (1, 137), "exit status of a killed reader")
    status, error = image.execute("running", "alone", "busybox", "cat", "/share/lazy/lost")
    expect(status != 0 and "Input/output error" in error, f"without stowaged: {status} {error}")

    # what could not be had is there later
    image.cache.put_back(image.paths["lost"])
    node.config["images"]["fetch_timeout"] = f"{FETCH_SECONDS}s"
    node.write_config()
    node.start_stowaged()
    attempts = itertools.count()  # one may come right after the background's
    wait_until(lambda: image.execute("running", f"found-{next(attempts)}", "busybox", "cat", "/share/lazy/lost")
               == (0, "lost\n"), 30, "the path that the cache has again")


def _cache_that_says_nothing(image):
    """images.fetch_timeout bounds the wait for a cache that neither serves nor refuses; a reader later gets its path."""
    begin = time.monotonic()
    status, error = image.execute("running", "stuck", "busybox", "cat", "/share/lazy/stuck")
    expect(status != 0 and "Input/output error" in error, f"with a cache that says nothing: {status} {error}")
    expect(time.monotonic() - begin < FETCH_SECONDS + READER_SECONDS, "the reader waited too long")
    expect_in(image.paths["stuck"], _lines(image.node, "Not fetched"), "stowage status")
    image.cache.release(image.paths["stuck"])
    attempts = itertools.count()
    wait_until(lambda: image.execute("running", f"freed-{next(attempts)}", "busybox", "cat", "/share/lazy/stuck")
               == (0, "stuck\n"), 30, "the path that the cache serves at last")
