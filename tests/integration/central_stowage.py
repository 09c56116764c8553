"""A Stowage that only serves, with a Nix store of its own, behind a front of TLS and a password that can be made to lie."""

import base64
import hashlib
import http.server
import json
import os
import ssl
import threading
import urllib.error
import urllib.request

from commands import run

USER = "node:secret"


class CentralStowage:
    """Its store is a copy of what /nix holds when it is made. close() ends the front; the case ends the daemon."""

    def __init__(self, case, package_set, nix_settings):
        self.node = case.node("central", package_set=package_set,
                              config={"snapshotter": {"socket": ""}, "nix": {"settings": nix_settings}})
        store = f"{case.scratch}/central-nix"
        run(["cp", "--archive", "/nix", store], seconds=120)
        self.node.stowaged_prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                                     'mount --bind "$0" /nix; exec "$@"', store]
        self.node.start_stowaged()
        self.lies = {}  # bodies by path; None: not found
        self.requests = []  # paths
        directory = f"{case.scratch}/front"
        os.makedirs(directory)
        self.ca_file = _certificate(directory, "front")
        self.other_ca_file = _certificate(directory, "other")
        handler = type("Handler", (_Handler,), {"central": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, f"{directory}/front.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self._server.server_port}"

    def make(self, name):
        """Has it make an image; returns the image ID."""
        self.node.stowage("resolve", name, seconds=120)
        return self.json(f"/v2/{name}/manifests/latest")["config"]["digest"]

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.node.registry}{path}", timeout=60) as answer:
            return answer.read()

    def json(self, path):
        return json.loads(self.get(path))

    def lie(self, name, change):
        """Serves other documents of an image, which agree with each other: change(manifest, config, closure)."""
        manifest = self.json(f"/v2/{name}/manifests/latest")
        config = self.json(f"/v2/{name}/blobs/{manifest['config']['digest']}")
        closure = self.json(f"/v2/{name}/blobs/{manifest['annotations']['io.stowage.closure']}")
        change(manifest, config, closure)
        body = _encode(config)
        manifest["config"].update(digest=_digest(body), size=len(body))
        self.lies[f"/v2/{name}/blobs/{_digest(body)}"] = body
        body = _encode(closure)
        manifest["annotations"]["io.stowage.closure"] = _digest(body)
        self.lies[f"/v2/{name}/blobs/{_digest(body)}"] = body
        self.lies[f"/v2/{name}/manifests/latest"] = _encode(manifest)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def _encode(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(body):
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _certificate(directory, name):
    file = f"{directory}/{name}.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{directory}/{name}.key", "-out", file,
         "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"])
    return file


class _Handler(http.server.BaseHTTPRequestHandler):
    central = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.central.requests.append(self.path)
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(USER.encode()).decode()}":
            return self._send(401, b"")
        if self.path in self.central.lies:
            body = self.central.lies[self.path]
            return self._send(404, b"") if body is None else self._send(200, body)
        try:
            return self._send(200, self.central.get(self.path))
        except urllib.error.HTTPError as error:
            return self._send(error.code, b"")

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass
