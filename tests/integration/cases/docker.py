"""dockerd pulls from the endpoint and runs the image; its image ID is ours."""

import json

from commands import expect_equal, expect_in, run, wait_until


def main(case):
    case.need_program("dockerd", "docker")
    node = case.node()
    node.start_fuse()
    node.start_stowaged()
    node.start_containerd()
    directory = f"{case.scratch}/docker"
    socket = f"unix://{directory}.sock"
    node.spawn("dockerd", ["dockerd", "--host", socket, "--data-root", directory, "--exec-root", f"{directory}-run",
                           "--pidfile", f"{directory}.pid", "--containerd", node.containerd_socket, "--bridge=none",
                           "--iptables=false", "--ip6tables=false", "--storage-driver=vfs",
                           f"--cgroup-parent=/{case.namespace}"])
    docker = ["docker", "--host", socket]
    wait_until(lambda: run([*docker, "version"], check=False).returncode == 0, 30, "an answering dockerd")

    image = f"{node.registry}/hello"
    run([*docker, "pull", "--quiet", image], seconds=120)
    resolved = json.loads(node.stowage("resolve", "--json", "nix/hello").stdout)
    image_id = run([*docker, "image", "inspect", "--format", "{{.Id}}", image]).stdout.strip()
    expect_equal(image_id, resolved["image_id"], "image ID in docker")
    expect_in("Hello, world!", run([*docker, "run", "--rm", "--network=none", image, "hello"]).stdout, "docker run")
