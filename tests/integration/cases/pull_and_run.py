"""stowage pull and run: programs of several packages work in one container, a server is reached."""

import urllib.request

from commands import expect_equal, expect_in, run, wait_until


def main(case):
    node = case.started_node()
    node.stowage("pull", "nix/shell/git/python3", seconds=120)
    image = "nix/shell/git/python3:latest"

    checks = "git --version && python3 -c 'import ssl, json; print(json.dumps(ssl.OPENSSL_VERSION))' && ls /nix/store"
    output = node.run_container(image, "programs", "bash", "-ec", checks).stdout
    expect_in("git version 2.", output, "git in the container")
    expect_in('"OpenSSL ', output, "python's ssl and json")
    shown = {f"/nix/store/{line}" for line in output.splitlines() if "-" in line and line[:32].isalnum()}
    wanted = case.closure(*(case.store_path(name) for name in (
        "bashInteractive", "coreutils", "moreutils", "nano", "git", "python3", "cacert", "iana-etc")))
    expect_equal(sorted(shown), sorted(wanted), "store paths that the container sees")

    # root may write anything in the container; it stays there
    written = node.run_container(image, "writes", "bash", "-ec",
                                 "echo mine > /etc/mine; cat /etc/mine; echo broken > $(realpath /bin/git)")
    expect_equal(written.stdout, "mine\n", "a file written in the container")
    run(["nix-store", "--verify-path", case.store_path("git")])
    expect_in("git version 2.", node.run_container(image, "next", "git", "--version").stdout, "the next container")

    command = node.stowage("run", "--with", "ctr", "--rm", "nix/hello", "hello")
    expect_in("Hello, world!", command.stdout, "stowage run")
    status = node.stowage("run", "--with", "ctr", "--rm", "nix/shell", "bash", "-c", "exit 42", check=False)
    expect_equal(status.returncode, 42, "exit status of the container's command")

    port = case.free_port()
    node.ctr("run", "--detach", "--net-host", "--snapshotter", "stowage", image, "server",
             "python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "/etc", str(port))

    def answer():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/passwd", timeout=5) as response:
                return response.read().decode()
        except OSError:
            return None
    expect_in("root:", wait_until(answer, 20, "an answer of the server in the container"), "its /etc/passwd")
    node.ctr("task", "kill", "--signal", "9", "server")
