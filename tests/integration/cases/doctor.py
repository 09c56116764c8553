"""doctor finds nothing wrong with a node that setup has made, and each thing that is broken then."""

import json
import os

from commands import expect_equal, run, wait_until
from containerd import Containerd


def main(case):
    node = case.node(containerd=Containerd(with_cri=True))
    config = f"{node.directory}/containerd.toml"
    run([f"{case.bin_directory}/stowage", "setup", "containerd", "--config", config, "--stowage-config",
         node.config_file, "--containerd-version", node.containerd.version])
    # what setup says to do by hand before containerd 1.7.16
    image_directory = f"{node.directory}/containerd/root/io.containerd.snapshotter.v1.stowage"
    os.makedirs(os.path.dirname(image_directory), exist_ok=True)
    os.symlink(node.state, image_directory)
    node.start()
    expect_equal(_wrong(node), {}, "what is wrong with a node that setup has made")

    os.unlink(f"{node.hosts_directory}/nix.local/hosts.toml")
    expect_equal(_wrong(node), {"hosts-missing": "danger"}, "without a hosts.toml")
    node.stowage("setup", "containerd", "--config", config, "--stowage-config", node.config_file,
                 "--address", node.containerd_socket)
    expect_equal(_wrong(node), {}, "after another setup")

    node.stop_daemon("stowaged")
    expect_equal(set(_wrong(node)), {"stowaged-unreachable", "snapshotter-socket", "endpoint-unreachable"},
                 "without stowaged")
    node.start_stowaged()

    os.utime(config, (2**31, 2**31))
    expect_equal(_wrong(node), {"containerd-not-restarted": "warning"}, "with a younger configuration")
    os.utime(config, (0, 0))

    node.stop_daemon("containerd")
    _start_containerd_apart(node)
    expect_equal(_wrong(node), {"mount-namespace": "error"}, "with a containerd that does not see our mount")
    node.stop_daemon("containerd")
    node.start_containerd()

    with open(config, "a", encoding="utf-8") as file:
        file.write("[plugins]\nbroken = \n")
    os.utime(config, (0, 0))
    expect_equal(_wrong(node), {"config-unreadable": "error"}, "with a configuration that is not TOML")


def _wrong(node):
    """{id: severity} of what doctor finds, notes left out."""
    done = run([f"{node.case.bin_directory}/stowage", "--json", "--socket", node.control_socket, "doctor",
                "--address", node.containerd_socket, "--stowage-config", node.config_file], check=False)
    report = json.loads(done.stdout)
    wrong = {finding["id"]: finding["severity"] for finding in report["findings"] if finding["severity"] != "note"}
    expect_equal((done.returncode, report["ok"]), (1 if wrong else 0, not wrong), "exit status and \"ok\"")
    return wrong


def _start_containerd_apart(node):
    """containerd in a mount namespace that is without the mount in which lower directories are."""
    command = f"umount {node.lower if node.case.driver == 'overlay' else node.mountpoint} && exec containerd --config {node.directory}/containerd.toml"
    node.spawn("containerd", ["unshare", "--mount", "--propagation", "private", "sh", "-c", command],
               env=node.containerd.environment)
    wait_until(lambda: node.ctr("version", check=False).returncode == 0, 20, "an answering containerd")
