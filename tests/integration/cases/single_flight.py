"""Clients that want the same uncached image share one Nix run, which goes on when its client leaves."""

import os
import signal
import subprocess
import time

from commands import expect_equal, wait_until

BUILD_SECONDS = 4
OVERLAY = """self: super: {
  slowly = super.runCommand "slowly-NAME" { } ''
    echo started >> DIR/started
    sleep %d
    mkdir $out
    echo done >> DIR/done
  '';
}
""" % BUILD_SECONDS


def main(case):
    for name, meanwhile in (("together", _two_clients), ("abandoned", _client_leaves)):
        directory = f"{case.scratch}/{name}"
        os.makedirs(f"{directory}/programs")
        overlay = OVERLAY.replace("DIR", directory).replace("NAME", case.namespace.replace(".", "-") + name)
        for program in ("nix-instantiate", "nix-store"):
            _counting_program(directory, program)
        node = case.node(name=f"node-{name}", package_set=case.set_with(overlay),
                         config={"nix": {"program_directory": f"{directory}/programs"}})
        node.start_fuse()
        node.start_stowaged()
        node.stowage("resolve", "nix/hello", seconds=120)  # so that what only the first run does is done
        meanwhile(case, node, directory)
        expect_equal(_lines(f"{directory}/started"), 1, f"{name}: runs of the builder")
        expect_equal(_lines(f"{directory}/done"), 1, f"{name}: finished runs of the builder")
        expect_equal(_realisations(directory), 1, f"{name}: calls of nix-store --realise")


def _counting_program(directory, program):
    """A stand-in that writes down each call and passes it on."""
    path = f"{directory}/programs/{program}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho \"$*\" >> {directory}/{program}.calls\nexec /usr/bin/{program} \"$@\"\n")
    os.chmod(path, 0o755)


def _realisations(directory):
    with open(f"{directory}/nix-store.calls", encoding="utf-8") as file:
        return sum("--realise" in line for line in file)


def _lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as file:
        return len(file.readlines())


def _resolve(case, node):
    return subprocess.Popen([f"{case.bin_directory}/stowage", "--socket", node.control_socket, "resolve", "nix/slowly"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _two_clients(case, node, _directory):
    first, second = _resolve(case, node), _resolve(case, node)
    # the third asks as docker would
    digest = node.registry_config_digest("slowly")
    expect_equal((first.wait(60), second.wait(60)), (0, 0), "exit statuses of two clients")
    expect_equal(node.registry_config_digest("slowly"), digest, "image ID, asked again")


def _client_leaves(case, node, directory):
    first = _resolve(case, node)
    wait_until(lambda: _lines(f"{directory}/started"), 30, "the start of the build")
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(1)
    expect_equal(_resolve(case, node).wait(60), 0, "exit status of the retry")
