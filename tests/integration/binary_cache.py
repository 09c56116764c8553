"""A signed binary cache of one's own, served over HTTP as fast as one says."""

import http.server
import os
import re
import threading
import time

from commands import run

CHUNK_BYTES = 64 << 10


class BinaryCache:
    """Below a directory that is made. close() ends the server."""

    def __init__(self, directory, bytes_per_second, listings=False):
        """listings: what is in a store path is listed beside its NAR, which nobody signs."""
        self.directory = directory
        self._listings = listings
        self.requests = []  # paths asked for
        self.served_bytes = 0
        self.held = {}  # by URL of a NAR that is not served yet
        os.makedirs(directory)
        self._secret = f"{directory}.secret"
        run(["nix-store", "--generate-binary-cache-key", "tests-1", self._secret, f"{directory}.public"])
        with open(f"{directory}.public", encoding="utf-8") as file:
            self.public_key = file.read().strip()
        handler = type("Handler", (_Handler,), {"cache": self})
        self.pace = _Pace(bytes_per_second)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self):
        """What Nix is to be told to use this cache and no other."""
        return [f"substituters=http://127.0.0.1:{self._server.server_port}", f"trusted-public-keys={self.public_key}"]

    def add(self, *paths):
        """The paths and what they refer to; one that is there already is replaced."""
        for path in paths:
            self.remove(path)
        run(["nix", "--extra-experimental-features", "nix-command", "copy", "--to",
             f"file://{self.directory}?compression=none&secret-key={self._secret}"
             f"&write-nar-listing={str(self._listings).lower()}", *paths], seconds=120)

    def remove(self, path):
        """Does without the path from now on, until add() or put_back()."""
        if os.path.exists(self._narinfo(path)):
            os.rename(self._narinfo(path), f"{self._narinfo(path)}.removed")

    def put_back(self, path):
        os.rename(f"{self._narinfo(path)}.removed", self._narinfo(path))

    def damage(self, path):
        """Changes one byte in the middle of the path's NAR."""
        with open(f"{self.directory}/{self.nar(path)}", "r+b") as file:
            file.seek(os.path.getsize(file.name) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    def hold_back(self, path):
        """Whoever asks for the path's NAR gets nothing, not even an error, until release()."""
        self.held[f"/{self.nar(path)}"] = threading.Event()

    def release(self, path):
        self.held.pop(f"/{self.nar(path)}").set()

    def nar(self, path):
        """The NAR's URL below that of the cache."""
        with open(self._narinfo(path), encoding="utf-8") as file:
            return re.search(r"^URL: (.*)$", file.read(), re.MULTILINE).group(1)

    def listing(self, path):
        """The file that lists what is in the path."""
        return f"{self.directory}/{os.path.basename(path)[:32]}.ls"

    def unsign(self, path):
        with open(self._narinfo(path), encoding="utf-8") as file:
            lines = file.readlines()
        with open(self._narinfo(path), "w", encoding="utf-8") as file:
            file.writelines(line for line in lines if not line.startswith("Sig:"))

    def close(self):
        for held in self.held.values():
            held.set()
        self._server.shutdown()
        self._server.server_close()

    def _narinfo(self, path):
        return f"{self.directory}/{os.path.basename(path)[:32]}.narinfo"


class _Pace:
    """Bytes per second of all connections together."""

    def __init__(self, bytes_per_second):
        self._bytes_per_second = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def wait(self, size):
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / self._bytes_per_second
            until = self._free_at
        time.sleep(max(0, until - time.monotonic()))


class _Handler(http.server.BaseHTTPRequestHandler):
    cache = None
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        self.cache.requests.append(self.path)
        held = self.cache.held.get(self.path)
        if held:
            held.wait()
        try:
            self._send(f"{self.cache.directory}{self.path}", with_body)
        except OSError:  # the client was killed
            self.close_connection = True

    def _send(self, file_name, with_body):
        if not os.path.isfile(file_name):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(os.path.getsize(file_name)))
        self.end_headers()
        if not with_body:
            return
        with open(file_name, "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self.cache.pace.wait(len(chunk))
                self.cache.served_bytes += len(chunk)
                self.wfile.write(chunk)

    def log_message(self, *_arguments):
        pass
