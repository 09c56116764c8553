"""No name that is ours reaches a registry of others, with `stowage setup containerd --short-names` and a real containerd.

The stranger's registry stands behind docker.io and has what is asked; every attempt to reach nix
or nix.local by the network arrives at a listener. So what comes to either was sent there by containerd.
"""

import contextlib
import http.server
import json
import os
import socket
import threading

from commands import Failure, expect, expect_equal, expect_in, run, wait_until
from containerd import Containerd
from cri import Cri
from oci_image import OciImage, StaticRegistry, tar_layer

FAILURES = (404, 403, 500, 503, 401, 429)
NETWORK = "127.66.0.1"  # of this machine, where nothing else listens
RECONNECT_SECONDS = 60
OWN_HOSTS = ("nix", "nix.local")


def check(case, suite):
    """Runs everything with the containerd of a Debian suite."""
    node = case.node(containerd=Containerd(suite, with_cri=True))
    stranger = _Stranger()
    _write_hosts(node, stranger)
    _catch_network(case)
    with _Listener() as network:
        _set_up(node, stranger)
        _stays_here_when_we_fail(node, stranger, network)
        _short_names_are_ours_while_we_are_up(case, node, stranger, network)
        _doctor_says_what_happens_when_we_are_down(node, stranger)


def _write_hosts(node, stranger):
    """What an administrator has: a mirror of docker.io, and the same for whatever has no directory."""
    for host in ("docker.io", "_default"):
        os.makedirs(f"{node.hosts_directory}/{host}")
        with open(f"{node.hosts_directory}/{host}/hosts.toml", "w", encoding="utf-8") as file:
            file.write(f'server = "http://{stranger.address}"\n[host."http://{stranger.address}"]\n')


def _catch_network(case):
    """Whoever looks up our hosts, or Docker Hub, is sent to NETWORK. Mounts are private to the sandbox."""
    path = f"{case.scratch}/hosts"
    with open(path, "w", encoding="utf-8") as file:
        file.write("127.0.0.1 localhost\n")
        file.writelines(f"{NETWORK} {host}\n" for host in (*OWN_HOSTS, "docker.io", "registry-1.docker.io"))
    run(["mount", "--bind", path, "/etc/hosts"])


def _set_up(node, stranger):
    config = f"{node.directory}/containerd.toml"
    words = ("setup", "containerd", "--short-names", "--config", config, "--stowage-config", node.config_file,
             "--containerd-version", node.containerd.version)
    node.stowage(*words)
    with open(f"{node.hosts_directory}/docker.io/hosts.toml", encoding="utf-8") as file:
        text = file.read()
    expect(text.index(node.registry) < text.index(f'[host."http://{stranger.address}'),
           f"we are not the first host of docker.io:\n{text}")
    again = json.loads(run([f"{node.case.bin_directory}/stowage", "--json", *words]).stdout)
    expect_equal((again["changes"], again["by_hand"]), ([], []), "what a second setup would do")


def _stays_here_when_we_fail(node, stranger, network):
    """Whatever the endpoint answers, and when nothing answers there."""
    node.start_containerd()
    cri = Cri(node)
    for status in (*FAILURES, None):
        with _endpoint(node.registry, status) as requests:
            _refused(node, cri, "nix.local/git:latest", "nix/git:latest", "nix/shell/git:v1")
        expect(status is None or requests, f"nothing asked the endpoint that answers {status}")
        expect_equal(stranger.requests, [], f"requests to the stranger when we answer {status}")
        expect_equal(network.connections, 0, f"connections to the network when we answer {status}")


def _short_names_are_ours_while_we_are_up(case, node, stranger, network):
    """Failures of every kind stay here; what is not ours still comes from docker.io."""
    node.start_fuse()
    node.start_stowaged()
    cri = Cri(node)
    for name in ("nosuchpackage", "tests.buildfailure", "tests.evalthrow", "tests.string", "hello:nosuchtag"):
        image = f"docker.io/nix/{name}" if ":" in name else f"docker.io/nix/{name}:latest"
        _pull_fails(cri, image)
        _pull_fails(cri, image.replace("docker.io/nix", "nix.local"))
    # containerd was there before the snapshotter, and takes its time to call it again
    wait_until(lambda: _pulls(cri, "docker.io/nix/hello:latest"), RECONNECT_SECONDS, "a pull of docker.io/nix/hello")
    expect_equal(stranger.requests, [], "requests to the stranger while stowaged is up")
    cri.pull("docker.io/library/something:latest")
    expect_in("/v2/library/something/manifests/latest", "\n".join(stranger.requests), "requests to the stranger")
    expect_equal(network.connections, 0, "connections to the network")
    report = _doctor(node)
    expect_in("short-names-on", report, "findings")
    wrong = {name for name, severity in report.items() if severity == "danger"}
    expect_equal(wrong, set(), "dangers while stowaged is up")


def _doctor_says_what_happens_when_we_are_down(node, stranger):
    node.stop_daemon("stowaged")
    expect_equal(_doctor(node).get("short-names-down"), "danger", "severity of short-names-down")
    asked = len(stranger.requests)
    _pull_fails(Cri(node), "docker.io/nix/fallen:latest")  # the stranger has it, but nothing unpacks it
    expect_in("/v2/nix/fallen/manifests/latest", "\n".join(stranger.requests[asked:]), "requests when we are down")
    asked = len(stranger.requests)
    _refused(node, Cri(node), "nix.local/git:latest", "nix/git:latest")
    expect_equal(stranger.requests[asked:], [], "requests for names of our own hosts when we are down")


def _refused(node, cri, of_cri, *of_ctr):
    _pull_fails(cri, of_cri)
    for name in of_ctr:
        pulled = node.ctr("images", "pull", "--hosts-dir", node.hosts_directory, "--snapshotter", "stowage", name,
                          check=False)
        expect(pulled.returncode != 0, f"ctr images pull {name} succeeded:\n{pulled.stdout}")


def _pulls(cri, image):
    try:
        cri.pull(image)
    except Failure:
        return False
    return True


def _pull_fails(cri, image):
    expect(not _pulls(cri, image), f"CRI pulled {image}")


def _doctor(node):
    """{id: severity} of what doctor finds."""
    found = run([f"{node.case.bin_directory}/stowage", "--json", "--socket", node.control_socket, "doctor",
                 "--address", node.containerd_socket, "--stowage-config", node.config_file], check=False)
    return {finding["id"]: finding["severity"] for finding in json.loads(found.stdout)["findings"]}


class _Stranger(StaticRegistry):
    """Has an image for whatever is asked below."""

    def __init__(self):
        image = OciImage([tar_layer({"etc": None, "etc/evil": b"evil\n"})])

        names = ("library/something", "nix/fallen", "nix/git", "git", "shell/git", "nix/hello")
        super().__init__({f"{name}:{tag}": image for name in names for tag in ("latest", "v1")})


class _Listener:
    """Takes connections at NETWORK, where https and http would go, and closes them."""

    def __enter__(self):
        self.connections = 0
        self._sockets = [socket.create_server((NETWORK, port)) for port in (443, 80)]
        for listener in self._sockets:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        return self

    def _serve(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                self.connections += 1
                connection.close()

    def __exit__(self, *_error):
        for listener in self._sockets:
            listener.close()


@contextlib.contextmanager
def _endpoint(address, status):
    """Something at our endpoint's address that gives every request this status; None: nothing listens. Yields the requests."""
    requests = []
    if status is None:
        yield requests
        return

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_words):
            pass

    host, _, port = address.partition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield requests
    finally:
        server.shutdown()
        server.server_close()
