"""podman pulls from the endpoint and runs the image; its image ID is ours."""

import json

from commands import Skip, expect_equal, expect_in, run


def main(case):
    case.need_program("podman")
    node = case.node()
    node.start_fuse()
    node.start_stowaged()
    podman = ["podman", f"--root={case.scratch}/podman", f"--runroot={case.scratch}/podman-run", "--storage-driver=vfs",
              "--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime=runc",
              f"--tmpdir={case.scratch}/podman-tmp"]
    info = run([*podman, "info"], check=False)
    if info.returncode != 0:
        raise Skip(f"podman does not work here: {info.stderr.strip()}")

    image = f"{node.registry}/hello"
    pulled = run([*podman, "pull", "--quiet", "--tls-verify=false", image], seconds=120).stdout.strip()
    resolved = json.loads(node.stowage("resolve", "--json", "nix/hello").stdout)
    expect_equal(f"sha256:{pulled}", resolved["image_id"], "image ID in podman")
    output = run([*podman, "run", "--rm", "--network=none", f"--cgroup-parent=/{case.namespace}", "--log-driver=none",
                  image, "hello"]).stdout
    expect_in("Hello, world!", output, "podman run")
