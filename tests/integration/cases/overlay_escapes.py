"""Whatever a container of the kernel alone may do, and its layers hold, it sees no store path but its image's."""

import os
import shutil
import signal

from commands import expect, expect_equal, run
from containerd import Containerd
from hostile_layers import HostileImage, leading_attributes
from nerdctl_pull import NerdctlPull
from user_namespace import flags, let_other_ids_in

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = "busybox/python3"
IMAGE = f"nix/{REFERENCE}:latest"
FOREIGN = "00000000000000000000000000000000-foreign"
FORBIDDEN = (FOREIGN, "foreign-file", "beside-the-store", "came-while-down")
# How a container is started, and what it must have been let do for the rest of what it tried to mean something.
CONTAINERS = {
    "unprivileged": ((), {"mkdir", "rename"}),
    "privileged": (("--privileged",), {"mkdir", "rename", "redirect", "tmpfs", "overlay", "bind"}),
    "mapped": (flags(100000), {"mkdir", "rename"}),
    "mapped-admin": ((*flags(100000), "--cap-add", "CAP_SYS_ADMIN"), {"mkdir", "rename", "tmpfs", "overlay", "bind"}),
}


def main(case):
    case.driver = "overlay"
    case.need_driver()
    node = case.node(containerd=Containerd(with_cri=True))
    let_other_ids_in(node)
    try:
        _make_forbidden()
        node.start()
        node.stowage("pull", f"nix/{REFERENCE}", seconds=120)
        secret = _secret_name(node)
        _the_closure_is_all(case, node)
        for name in CONTAINERS:
            _tries_in_vain(case, node, name, secret)
        _a_hostile_layer_shows_nothing(node, secret)
        _names_that_came_while_down_are_hidden(node, secret)
    finally:  # the store and its parent are all cases'
        for name in (f"store/{FOREIGN}", *FORBIDDEN[2:]):
            shutil.rmtree(f"/nix/{name}", ignore_errors=True)


def _make_forbidden():
    for directory in (f"/nix/store/{FOREIGN}", "/nix/beside-the-store"):
        _make_foreign(directory)


def _make_foreign(directory):
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/foreign-file", "w", encoding="utf-8") as file:
        file.write("somebody else's\n")


def _secret_name(node):
    """What nobody in a container can know; these know it all the same."""
    with open(f"{node.state}/overlay/current/generation", encoding="utf-8") as file:
        secret = file.read().splitlines()[2]
    expect(secret.startswith(".x-"), f"{secret!r} is not the secret name")
    return secret


def _program(how, secret):
    with open(f"{HERE}/../escape_attempts.py", encoding="utf-8") as file:
        return "python3", "-c", file.read(), how, secret, *FORBIDDEN


def _expect_nothing_seen(output, what):
    lines = output.splitlines()
    expect_equal([line for line in lines if line.startswith("saw")], [], f"{what}: what it saw")
    expect_equal(lines[-1:], ["done"], f"{what}: its last line of {output}")
    return {line.removeprefix("did ") for line in lines if line.startswith("did ")}


def _the_closure_is_all(case, node):
    shown = node.run_container(IMAGE, "list", "busybox", "ls", "/nix/store").stdout.split()
    closure = case.closure(*map(case.store_path, ("busybox", "python3", "cacert", "iana-etc")))
    expect_equal(sorted(shown), sorted(map(os.path.basename, closure)), "store paths in a container")


def _tries_in_vain(case, node, name, secret):
    """Twice in one container: at its second start the kernel reads what the first run has written."""
    words, must_do = CONTAINERS[name]
    output = node.output_file(name)
    started = node.ctr("run", "--snapshotter", "stowage", *output.flags, *words, IMAGE, name, *_program("try", secret),
                       check=False)
    did = _expect_nothing_seen(output.take() + started.stderr, name)
    expect(must_do <= did, f"{name} could only {sorted(did)}: more must be tried")
    node.ctr("tasks", "start", *output.flags, name)
    _expect_nothing_seen(output.take(), f"{name}, started again")

    # and as a layer: what it wrote is read by root in a container of its own
    node.ctr("snapshots", "--snapshotter", "stowage", "commit", f"{name}-layer", name)
    target = f"{case.scratch}/{name}"
    os.mkdir(target)
    run(["sh", "-ec", node.ctr("snapshots", "--snapshotter", "stowage", "prepare", "--target", target,
                               f"{name}-next", f"{name}-layer").stdout])
    run(["mount", "-t", "proc", "proc", f"{target}/proc"])
    looked = run(["chroot", target, "/bin/python3", *_program("look", secret)[1:]])
    run(["umount", f"{target}/proc", target])
    _expect_nothing_seen(looked.stdout, f"{name}, as a layer")
    node.ctr("snapshots", "--snapshotter", "stowage", "remove", f"{name}-next")


def _a_hostile_layer_shows_nothing(node, secret):
    before = set(_layer_directories(node))
    image = HostileImage(node, REFERENCE, secret, FOREIGN)
    NerdctlPull(node, node.namespace).pull(image.name)
    layers = [directory for directory in _layer_directories(node) if directory not in before]
    expect_equal(len(layers), 1, "ordinary layers of the image")
    expect_equal(leading_attributes(layers[0]), [], "attributes that containerd has unpacked")
    for how in ("unpacked", "planted"):
        if how == "planted":
            image.plant(layers[0])
        for name, (words, _) in CONTAINERS.items():
            output = node.run_container(image.name, "hostile", *_program("look", secret), flags=words).stdout
            _expect_nothing_seen(output, f"{name}, of the hostile image, {how}")


def _layer_directories(node):
    return [f"{node.state}/snapshots/{name}/fs" for name in os.listdir(f"{node.state}/snapshots") if name.isdigit()]


def _names_that_came_while_down_are_hidden(node, secret):
    """In containers that run, unless they have looked for them before, and in later ones."""
    node.ctr("run", "--detach", "--snapshotter", "stowage", IMAGE, "waits", "busybox", "sleep", "1000")
    node.stop_daemon("stowaged", signal.SIGKILL)
    _make_foreign("/nix/came-while-down")
    node.start_stowaged()
    node.await_snapshotter()
    output = node.output_file("look")
    node.ctr("tasks", "exec", "--exec-id", "look", *output.flags, "waits", *_program("look", secret))
    _expect_nothing_seen(output.take(), "a container that ran while stowaged did not")
    _expect_nothing_seen(node.run_container(IMAGE, "later", *_program("look", secret)).stdout, "a later container")
