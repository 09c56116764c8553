#!/usr/bin/env python3
"""Manifest GET and blob GET of our endpoint against nginx serving the same bytes.

Needs wrk, nginx (Debian: wrk, nginx-light) and the registry_bench_server built for release.
Every row is measured on both servers in turn, several rounds, and the median is shown.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

MANIFEST_BYTES = 2000
HASH = "0" * 32
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Row:
    def __init__(self, name, path, connections, units, nginx_path):
        self.name, self.path, self.connections = name, path, connections
        self.units, self.nginx_path = units, nginx_path


def make_store(root, name, size_bytes, files):
    """A store directory whose single path holds `files` files of together about size_bytes."""
    path = root / name / f"{HASH}-{name}"
    path.mkdir(parents=True)
    block = os.urandom(1 << 20)
    for number in range(files):
        with open(path / f"file{number}", "wb") as file:
            left = size_bytes // files
            while left > 0:
                file.write(block[: min(left, len(block))])
                left -= len(block)
    return root / name


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def cpu_seconds(pids):
    """Of all threads, in the scheduler's nanoseconds: ticks are too coarse for short runs."""
    tasks = [task for pid in pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@contextlib.contextmanager
def ours(binary, threads, manifest, stores):
    process = subprocess.Popen([binary, str(threads), manifest, *map(str, stores)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        manifest_digest = process.stdout.readline().strip()
        layers = [process.stdout.readline().split()[0] for _ in stores]
        yield port, [process.pid], manifest_digest, layers
    finally:
        process.stdin.close()
        process.wait(timeout=20)


@contextlib.contextmanager
def nginx(root, workers):
    port = free_port()
    config = root / "nginx.conf"
    # As root, like the endpoint: the files lie below a directory for root only.
    config.write_text(f"""
user root;
worker_processes {workers};
daemon off;
pid {root}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=100;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  default_type application/octet-stream;
  server {{ listen 127.0.0.1:{port} reuseport; root {root}/www; }}
}}
""")
    process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(root)])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port, children(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=20)


def wrk(port, path, connections, seconds):
    """Requests per second and bytes transferred per second."""
    output = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
         f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, text=True).stdout
    requests = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    number, unit = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", output).groups()
    if re.search(r"Non-2xx|Socket errors", output):
        raise RuntimeError(f"wrk reports errors on {path}:\n{output}")
    return requests, float(number) * UNITS[unit]


def measure(port, pids, path, connections, seconds):
    cpu_before, start = cpu_seconds(pids), time.monotonic()
    requests, transferred = wrk(port, path, connections, seconds)
    elapsed = time.monotonic() - start
    cpu = cpu_seconds(pids) - cpu_before
    return {"requests/s": requests, "MB/s": transferred / 1e6,
            "us CPU/request": cpu / max(1.0, requests * elapsed) * 1e6,
            "CPU s/GB": cpu / (transferred * elapsed / 1e9)}


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where registry_bench_server is")
    parser.add_argument("--json", help="write a list of {row, value, baseline, ratio} here")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="I/O threads and nginx workers")
    parser.add_argument("--large-mb", type=int, default=200)
    arguments = parser.parse_args()

    results = []
    with tempfile.TemporaryDirectory(prefix="bench-registry-") as directory:
        root = pathlib.Path(directory)
        www = root / "www"
        www.mkdir()
        manifest = root / "manifest"
        manifest.write_bytes(b'{"x":"' + b"m" * (MANIFEST_BYTES - 8) + b'"}')
        (www / "manifest").write_bytes(manifest.read_bytes())
        shapes = [("1MB", 1_000_000, 1), (f"{arguments.large_mb}MB", arguments.large_mb * 1_000_000, 4),
                  (f"{arguments.large_mb}MB of 16 KB files", arguments.large_mb * 1_000_000,
                   arguments.large_mb * 1_000_000 // 16384)]
        stores = [make_store(root, f"store{i}", size, files)
                  for i, (_, size, files) in enumerate(shapes)]
        with ours(f"{arguments.bin_directory}/registry_bench_server", arguments.threads, str(manifest), stores) as (
                port, pids, manifest_digest, layers), nginx(root, arguments.threads) as (
                nginx_port, nginx_pids):
            rows = []
            for connections in (1, 32):
                for name, reference in (("tag", "latest"), ("digest", manifest_digest)):
                    rows.append(Row(f"manifest by {name} c={connections}",
                                    f"/v2/nix/git/manifests/{reference}", connections,
                                    ["requests/s", "us CPU/request"], "/manifest"))
            for (name, _, _), layer in zip(shapes, layers):
                target = f"/v2/nix/git/blobs/{layer}"
                # nginx gets exactly our bytes, as one file.
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}") as response, open(
                        www / layer, "wb") as file:
                    while piece := response.read(1 << 20):
                        file.write(piece)
                for connections in (1, 8):
                    # Requests of a large blob end too seldom within a measurement to be counted.
                    units = ["requests/s"] if name == "1MB" else ["MB/s"]
                    rows.append(Row(f"blob {name} c={connections}", target, connections,
                                    [*units, "CPU s/GB"], f"/{layer}"))
            for row in rows:
                samples, baseline = [], []
                for _ in range(arguments.rounds):
                    samples.append(measure(port, pids, row.path, row.connections,
                                           arguments.seconds))
                    baseline.append(measure(nginx_port, nginx_pids, row.nginx_path,
                                            row.connections, arguments.seconds))
                for unit in row.units:
                    value, base = median(samples, unit), median(baseline, unit)
                    results.append({"row": f"{row.name}: {unit}", "value": value,
                                    "baseline": base, "ratio": value / base if base else None})

    print(f"{'row':48} {'ours':>12} {'nginx':>12} {'ratio':>7}")
    for result in results:
        ratio = "-" if result["ratio"] is None else f"{result['ratio']:.2f}"
        print(f"{result['row']:48} {result['value']:12.3f} {result['baseline']:12.3f} {ratio:>7}")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
