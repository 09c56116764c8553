#!/usr/bin/env python3
"""Calls of the snapshotter against containerd's overlayfs snapshotter behind the same kind of socket.

  bench_snapshotter.py BIN-DIR [--json FILE] [--present N,...] [--workers N,...] [--rounds N] [--repeats N]

Both are asked by containerd's own client (snapshotter_bench.go), in turn, on one file system, with so many snapshots there
already. Rows are milliseconds of a call at the 50th and 99th percentile; medians over all repeats are kept. Containers and
layers stand on a chain of ten layers; nothing is mounted. Several workers are measured three times: "mixed", each at a call
of its own as fast as it is answered; "steady", the same at one rate for both servers, as containers start and end on a node;
and "alone", all at the same kind of call, so that none waits for slower kinds.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
GOCODE = "/usr/share/gocode"
CALLS = ("Prepare (layer)", "Commit", "Prepare (container)", "Mounts", "Stat", "Usage", "Remove (container)", "Remove (layer)",
         "List")


def build_client(directory):
    """Compiles snapshotter_bench.go against Debian's copy of containerd."""
    source = directory / "src/snapshotter_bench"
    source.mkdir(parents=True)
    shutil.copy(HERE / "snapshotter_bench.go", source)
    environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOPATH=f"{directory}:{GOCODE}",
                       GOCACHE=os.environ.get("GOCACHE", f"{directory}/cache"))
    program = directory / "snapshotter_bench"
    subprocess.run(["go", "build", "-o", program, "."], cwd=source, env=environment, check=True)
    return str(program)


@contextlib.contextmanager
def server(socket, command, stop):
    """Runs a server until the block ends; `stop` ends it."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while not os.path.exists(socket):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not serve {socket}")
            time.sleep(0.05)
        yield
    finally:
        stop(process)
        process.wait(timeout=60)


def measure(client, socket, present, workers, rounds, order):
    done = subprocess.run([client, "measure", socket, str(present), str(workers), str(rounds), order], check=True,
                          stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def rows(samples, present, workers):
    """samples: [(ours, theirs)]; workers: as the row says it"""
    for call in CALLS:
        for percentile in ("p50", "p99"):
            value, baseline = (statistics.median(pair[side][call][percentile] for pair in samples) for side in (0, 1))
            yield {"row": f"{call}, {present} present, {workers}: {percentile} ms", "value": value,
                   "baseline": baseline, "ratio": value / baseline}


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where snapshotter_server is")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--present", type=numbers, default=[10, 1000, 10000])
    parser.add_argument("--workers", type=numbers, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=400, help="layers and containers in one measurement, by all workers")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    results = []
    with tempfile.TemporaryDirectory(prefix="bench-snapshotter-") as scratch:
        directory = pathlib.Path(scratch)
        client = build_client(directory)
        ours, theirs = f"{scratch}/ours.sock", f"{scratch}/overlayfs.sock"
        with server(ours, [f"{arguments.bin_directory}/snapshotter_server", ours, f"{scratch}/ours", "fuse"],
                    lambda process: process.stdin.close()), \
                server(theirs, [client, "overlayfs", theirs, f"{scratch}/overlayfs"],
                       lambda process: process.send_signal(signal.SIGTERM)):
            for present in sorted(arguments.present):
                for workers, order in ((n, order) for n in arguments.workers for order in ("mixed", "steady", "alone")):
                    if workers == 1 and order != "mixed":
                        continue  # one worker is never at two calls
                    name = "1 worker" if workers == 1 else f"{workers} workers, {order}"
                    print(f"{present} present, {name}", file=sys.stderr, flush=True)
                    rounds = max(1, arguments.rounds // workers)
                    samples = [tuple(measure(client, socket, present, workers, rounds, order) for socket in (ours, theirs))
                               for _ in range(arguments.repeats)]
                    results.extend(rows(samples, present, name))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
