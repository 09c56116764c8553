"""An image whose store paths are gone starts before they are fetched; readers wait for what they touch, whoever dies meanwhile."""

import hashlib
import itertools
import os
import signal
import subprocess
import time

from binary_cache import BinaryCache
from commands import expect, expect_equal, expect_in, run, wait_until

IMAGE = "nix/bulk/busybox/damaged/hello/lost/other"
BULK_MIB = 48
RATE = 12 << 20  # bytes per second
HOLD_SECONDS = 10  # the shortest that the configuration takes
PATIENCE_SECONDS = 3
OVERLAY = """self: super: builtins.listToAttrs (map (name: { inherit name; value = super.runCommand "lazy-${name}" { } ''
  mkdir -p $out/share/lazy
  echo ${name} > $out/share/lazy/${name}
  dd if=/dev/urandom of=$out/share/lazy/${name}.bytes bs=1048576 count=${if name == "bulk" then "%d" else "1"}
''; }) [ "bulk" "damaged" "lost" "other" ])
""" % BULK_MIB


def main(case):
    case.private_store()
    cache = BinaryCache(f"{case.scratch}/cache", RATE)
    package_set = case.set_with(OVERLAY)
    node = case.node(package_set=package_set, config={"images": {"hold": f"{HOLD_SECONDS}s"}})
    node.config["nix"]["settings"] = ["build-users-group=", "sandbox=false", *cache.settings]
    node.write_config()
    node.fuse_options = [f"--stowaged-patience={PATIENCE_SECONDS}"]
    node.start()

    node.stowage("pull", IMAGE, seconds=120)
    pulled_at = time.monotonic()
    paths = {name: _build(package_set, name) for name in
             ("busybox", "hello", "bulk", "damaged", "lost", "other", "cacert", "iana-etc")}
    digest = _digest(f"{paths['bulk']}/share/lazy/bulk.bytes")
    cache.add(*paths.values())
    time.sleep(max(0, pulled_at + HOLD_SECONDS + 1 - time.monotonic()))
    node.ctr("images", "remove", "--sync", f"{IMAGE}:latest", f"nix.local/{IMAGE.removeprefix('nix/')}:latest")
    wait_until(lambda: not os.listdir(f"{node.gc_roots}/layers"), 20, "no roots")
    _build_again(cache, package_set, paths["other"])
    run(["nix-store", "--gc"])
    expect(not any(map(os.path.exists, paths.values())), "store paths are still there")

    whole_seconds = _fetch_whole(cache, paths)
    run(["nix-store", "--gc"])
    cache.damage(paths["damaged"])
    cache.remove(paths["lost"])

    lazy_seconds = _start_lazily(node, paths)
    print(f"whole fetch {whole_seconds:.1f} s, lazy pull and start {lazy_seconds:.1f} s")
    expect(lazy_seconds < whole_seconds / 2, "the lazy start took longer than half of the whole fetch")
    _readers_survive_deaths(node, digest)
    _what_cannot_be_had(case, node, paths)
    _nobody_to_ask(node, cache, paths)
    cache.close()


def _build(package_set, attribute):
    return run(["nix-build", package_set, "--no-out-link", "-A", attribute]).stdout.split()[-1]


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _options(settings):
    return [word for setting in settings for word in ("--option", *setting.split("=", 1))]


def _fetch_whole(cache, paths):
    begin = time.monotonic()
    run(["nix-store", "--realise", *_options(cache.settings), *paths.values()], seconds=120)
    return time.monotonic() - begin


def _build_again(cache, package_set, path):
    """The cache's path gets other bytes, as an honest cache may have them of a build that is not reproducible."""
    run(["nix-store", "--delete", path])
    expect_equal(_build(package_set, "other"), path, "the store path, built again")
    cache.add(path)


def _start_lazily(node, paths):
    begin = time.monotonic()
    node.stowage("pull", "--lazy", IMAGE)
    said = node.run_container(f"{IMAGE}:latest", "first", "hello").stdout
    seconds = time.monotonic() - begin
    expect_equal(said, "Hello, world!\n", "the first container")
    expect(not os.path.exists(paths["lost"]), f"{paths['lost']} is there")
    expect_in("store paths are there", node.stowage("status").stdout, "stowage status")
    return seconds


def _exec(node, name, *command):
    """A process in the running container."""
    return subprocess.Popen(["ctr", "--address", node.containerd_socket, "--namespace", node.namespace, "tasks", "exec",
                             "--exec-id", name, "running", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=node.containerd.environment)


def _result(process, seconds=30):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def _readers_survive_deaths(node, digest):
    node.ctr("run", "--detach", "--snapshotter", "stowage", f"{IMAGE}:latest", "running", "busybox", "sleep", "1000")
    reader = _exec(node, "bulk", "busybox", "sha256sum", "/share/lazy/bulk.bytes")
    time.sleep(1)
    expect(reader.poll() is None, f"the reader did not wait: {_ended(reader)}")
    # whoever asks for something else meanwhile is answered
    expect_equal(_result(_exec(node, "beside", "hello"))[:2], (0, "Hello, world!\n"), "another reader")
    node.kill_at_once(node.fuse_processes("worker"))
    expect_equal(_result(_exec(node, "after", "hello"))[:2], (0, "Hello, world!\n"), "a reader of the next worker")
    node.stop_daemon("stowaged", signal.SIGKILL)
    time.sleep(0.5)
    expect(reader.poll() is None, f"the reader did not wait for the next stowaged: {_ended(reader)}")
    node.start_stowaged()
    expect_equal(_result(reader)[:2], (0, f"{digest}  /share/lazy/bulk.bytes\n"), "what the reader read")


def _ended(process):
    return None if process.poll() is None else _result(process)


def _what_cannot_be_had(case, node, paths):
    for name, reason in (("lost", "lost"), ("damaged", "damaged"), ("other", "narHash")):
        status, _, error = _result(_exec(node, name, "busybox", "cat", f"/share/lazy/{name}"))
        expect(status != 0, f"{name} was read")
        expect_in("Input/output error", error, f"reading {name}")
        expect_equal(_result(_exec(node, f"{name}-beside", "hello"))[0], 0, f"another program beside {name}")
        shown = node.stowage("status").stdout
        line = next((line for line in shown.splitlines() if paths[name] in line and "Not fetched" in line), "")
        expect_in(reason, line, f"stowage status about {name}:\n{shown}")
    with open(f"{case.logs}/{node.name}-stowaged", encoding="utf-8") as file:
        lines = [line for line in file if "path_not_fetched" in line]
    for name in ("lost", "damaged", "other"):
        expect(any(paths[name] in line for line in lines), f"the log does not name {paths[name]}:\n{''.join(lines)}")


def _nobody_to_ask(node, cache, paths):
    """Without stowaged a reader gets EIO in a bounded time, or dies at once when it is killed."""
    node.stop_daemon("stowaged")
    killed = _exec(node, "killed", "busybox", "cat", "/share/lazy/lost")
    time.sleep(1)
    node.ctr("tasks", "kill", "--exec-id", "killed", "--signal", "9", "running")
    begin = time.monotonic()
    _result(killed, 10)
    expect(time.monotonic() - begin < PATIENCE_SECONDS - 1, "a killed reader waited on")
    begin = time.monotonic()
    status, _, error = _result(_exec(node, "alone", "busybox", "cat", "/share/lazy/lost"))
    expect(status != 0 and "Input/output error" in error, f"without stowaged: {status} {error}")
    expect(time.monotonic() - begin < 3 * PATIENCE_SECONDS, "a reader waited too long for a stowaged that is not there")

    # what could not be had is there later
    cache.put_back(paths["lost"])
    node.start_stowaged()
    attempts = itertools.count()  # one may come right after the background's
    wait_until(lambda: _result(_exec(node, f"found-{next(attempts)}", "busybox", "cat", "/share/lazy/lost"))[:2]
               == (0, "lost\n"), 15, "the path that the cache has again")
