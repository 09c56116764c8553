#!/usr/bin/env python3
"""NAR bytes hashed as layers per CPU second, against `openssl speed`'s SHA-256.

  bench_hashing.py BIN-DIR [--json FILE] [--rounds N] [--seconds S]

Made-up store paths of three kinds lie in the page cache; hash_layers hashes them on one CPU and on all. Both sides are
measured in turn, several rounds, medians are kept. "per CPU s": NAR bytes per second of user and system time, against the
bytes per second of user time of as many `openssl speed` at once as there are CPUs in use. "together": NAR bytes per second
of wall time on all CPUs, against `openssl speed -multi`; it says something on an otherwise idle machine only.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

BLOCK = random.Random(1).randbytes(1 << 20)
MEGABYTE = 1e6
OPENSSL = ["openssl", "speed", "-evp", "sha256", "-bytes", str(1 << 20)]
NAR_FRAME = 24 + 16 + 32  # "nix-archive-1", "(" and ")", "type" with its word


def text_bytes(length):
    """Bytes of a string in a NAR: its length, itself, zeros up to a multiple of 8."""
    return 8 + (length + 7) // 8 * 8


def nar_bytes(file_sizes):
    """Size of the NAR of a directory with these plain files, named as make_path names them."""
    total = NAR_FRAME
    for number, size in enumerate(file_sizes):
        # entry ( name NAME node ( type regular contents DATA ) )
        total += sum(map(text_bytes, (5, 1, 4, len(f"file{number}"), 4, 1, 4, 7, 8, size, 1, 1)))
    return total


def make_path(store, number, file_sizes):
    """A store path with files of these sizes. Returns its base name."""
    name = f"{number:032d}-made-up-{number}"
    os.mkdir(f"{store}/{name}")
    for index, size in enumerate(file_sizes):
        with open(f"{store}/{name}/file{index}", "wb") as file:
            while size > 0:
                size -= file.write(BLOCK[:size])
    return name


class Tree:
    """A store directory: `paths` store paths, each with the files that sizes(rng) says."""

    def __init__(self, root, label, paths, sizes):
        self.label = label
        self.store = f"{root}/{label.replace(' ', '-')}"
        os.mkdir(self.store)
        rng = random.Random(label)
        self.base_names, self.nar_bytes = [], 0
        for number in range(paths):
            file_sizes = sizes(rng)
            self.base_names.append(make_path(self.store, number, file_sizes))
            self.nar_bytes += nar_bytes(file_sizes)


def make_trees(root):
    return [
        Tree(root, "64 MB files", 8, lambda rng: [64_000_000]),
        # lognormal: half of the files below 3 KB, 42 KB on average, as packages are
        Tree(root, "files as in packages", 100,
             lambda rng: [min(int(3000 * rng.lognormvariate(0, 2.3)), 30_000_000) for _ in range(120)]),
        Tree(root, "2 KB files", 500, lambda rng: [rng.randrange(500, 3500) for _ in range(40)]),
    ]


def hash_tree(program, tree, workers):
    """(NAR bytes per CPU second, NAR bytes per wall second)"""
    done = subprocess.run([program, tree.store, str(workers)], input="\n".join(tree.base_names), text=True, check=True,
                          stdout=subprocess.PIPE)
    _, wall, cpu = map(float, done.stdout.split())
    return tree.nar_bytes / cpu, tree.nar_bytes / wall


def openssl_result(output):
    """Bytes per second: the last line is `sha256  1515992.08k`."""
    return float(output.split()[-1].removesuffix("k")) * 1000


def openssl_per_cpu(processes, seconds):
    """Bytes per second of user time, on average of several processes at once."""
    running = [subprocess.Popen([*OPENSSL, "-seconds", str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True) for _ in range(processes)]
    return statistics.mean(openssl_result(process.communicate()[0]) for process in running)


def openssl_together(processes, seconds):
    """Bytes per second of wall time of several processes."""
    command = [*OPENSSL, "-seconds", str(seconds), "-multi", str(processes)]
    return openssl_result(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                         check=True).stdout)


def measure(program, trees, arguments):
    """The result rows."""
    cpus = len(os.sched_getaffinity(0))
    counts = sorted({1, cpus})
    ours = {(tree.label, count): [] for tree in trees for count in counts}
    per_cpu = {count: [] for count in counts}
    together = []
    for tree in trees:
        hash_tree(program, tree, cpus)  # fills the page cache
    for _ in range(arguments.rounds):
        for count in counts:
            per_cpu[count].append(openssl_per_cpu(count, arguments.seconds))
            for tree in trees:
                ours[tree.label, count].append(hash_tree(program, tree, count))
        together.append(openssl_together(cpus, arguments.seconds))
    rows = []
    for tree in trees:
        for count in counts:
            samples = ours[tree.label, count]
            noun = "CPU" if count == 1 else "CPUs"
            rows.append(row(f"{tree.label}, {count} {noun}: MB per CPU s", [cpu for cpu, _ in samples], per_cpu[count]))
        rows.append(row(f"{tree.label}, {cpus} CPUs: MB/s together", [wall for _, wall in ours[tree.label, cpus]],
                        together))
    return rows


def row(label, values, baselines):
    value, baseline = statistics.median(values), statistics.median(baselines)
    return {"row": label, "value": value / MEGABYTE, "baseline": baseline / MEGABYTE, "ratio": value / baseline}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", metavar="BIN-DIR", help="where hash_layers is")
    parser.add_argument("--json", metavar="FILE", help="write the list of rows here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each openssl run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-hashing-") as root:
        trees = make_trees(root)
        for tree in trees:
            print(f"{tree.label}: {len(tree.base_names)} paths, {tree.nar_bytes / MEGABYTE:.0f} MB of NAR", file=sys.stderr)
        rows = measure(f"{arguments.bin_directory}/hash_layers", trees, arguments)
    text = json.dumps(rows, indent=2) + "\n"
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
