#!/usr/bin/env python3
"""Fill /nix/store with made-up closures (seeded, scale-free reference graph) and offer them in a package set.

  synth.py --paths 1000,5000 --set DIR [--files 10] [--size 2000] [--seed 1] [--mean-refs 4]

For each N of --paths, N store paths are written below /nix/store, their NARs hashed, and all registered with one
`nix-store --load-db`; the last of them refers, through the others, to every other. DIR/synth.json then names it, and the
package set in DIR has it as `synth.nN`: a tiny package with a closure of N + 1 paths. Run as root, /nix being a
throw-away or private store (README.md). No build, no evaluation; what exists already is not written again.

Each path holds files in bin, lib and share/doc, share/refs naming every reference's full path, and 1 in 10 a symlink.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time

from nar import Program, base32, nar, write_tree

STORE = "/nix/store"


def reference_graph(count, mean, rng):
    """refs[i]: earlier paths, mostly in proportion to how many refer to them (preferential attachment).

    The last path refers to all that no other does.
    """
    refs, pool = [], []
    for i in range(count - 1):
        wanted = min(i, int(rng.expovariate(1 / mean)))
        if i and not wanted and rng.random() < 0.9:
            wanted = 1
        chosen = set()
        while len(chosen) < wanted:
            popular = pool and rng.random() < 0.8
            chosen.add(rng.choice(pool) if popular else rng.randrange(max(0, i - 400), i))
        refs.append(sorted(chosen))
        pool += refs[-1] + [i]
    referred = {target for targets in refs for target in targets}
    return refs + [[i for i in range(count - 1) if i not in referred]]


def make_tree(references, options, rng):
    """A store path's files; `references` are full paths and may contain the path itself."""
    tree = {"bin": {}, "lib": {}, "share": {"doc": {}}}
    for number in range(max(1, options.files - 1)):
        size = min(int(rng.lognormvariate(0, 1.2) * options.size), options.size * 200)
        data = (rng.randbytes(max(1, size // 4)) + b"synthetic text " * (size // 15 + 1))[:size]
        if number % 3 == 0:
            tree["bin"][f"f{number}"] = Program(data)
        elif number % 3 == 1:
            tree["lib"][f"f{number}"] = data
        else:
            tree["share"]["doc"][f"f{number}"] = data
    tree["share"]["refs"] = "".join(path + "\n" for path in references).encode()
    if references and rng.random() < 0.1:
        tree["lib"]["link"] = references[0] + "/lib/f1"
    return tree


def write_path(path, tree):
    """Writes a store path whole or not at all."""
    if os.path.lexists(path):
        return
    partial = f"{path}.partial-{os.getpid()}"
    write_tree(partial, tree)
    os.rename(partial, path)


def make_closure(count, options):
    """Writes and registers a closure. Returns the path that reaches every other."""
    start = time.monotonic()
    rng = random.Random(options.seed)
    refs = reference_graph(count, options.mean_refs, rng)
    key = f"synth:{options.seed}:{count}:{options.files}:{options.size}:{options.mean_refs}"
    hashes = [base32(hashlib.sha256(f"{key}:{i}".encode()).digest()[:20]) for i in range(count)]
    names = [f"{STORE}/{hashes[i]}-synth{options.seed}-{i}-1.{i % 10}" for i in range(count)]
    os.makedirs(STORE, exist_ok=True)
    registration, total = [], 0
    for path, targets in zip(names, refs):
        references = [names[target] for target in targets]
        if rng.random() < 0.3:
            references.append(path)
        tree = make_tree(references, options, rng)
        archive = nar(tree)
        total += len(archive)
        write_path(path, tree)
        # path, NAR hash, NAR size, deriver (none), references: the format that --dump-db writes
        registration += [path, hashlib.sha256(archive).hexdigest(), str(len(archive)), "",
                         str(len(references)), *references]
    written = time.monotonic()
    subprocess.run(["nix-store", "--load-db"], input="\n".join(registration) + "\n", text=True, check=True)
    print(f"{count} paths, {count * options.files} files, {total / 1e6:.1f} MB NAR: written in "
          f"{written - start:.1f} s, registered in {time.monotonic() - written:.1f} s", file=sys.stderr)
    return names[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", default="1000", metavar="N,...", help="store paths of each closure")
    parser.add_argument("--set", required=True, metavar="DIR", help="the package set to add to")
    parser.add_argument("--files", type=int, default=10, help="files of a path")
    parser.add_argument("--size", type=int, default=2000, help="typical bytes of a file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mean-refs", type=float, default=4, help="references of a path")
    options = parser.parse_args()
    listing = f"{options.set}/synth.json"
    tops = {}
    if os.path.exists(listing):
        with open(listing, encoding="utf-8") as file:
            tops = json.load(file)
    for count in map(int, options.paths.split(",")):
        if count < 2:
            parser.error("--paths: a closure has at least 2 paths")
        tops[f"n{count}"] = make_closure(count, options)
    with open(listing + ".tmp", "w", encoding="utf-8") as file:
        json.dump(tops, file, indent=1, sort_keys=True)
    os.rename(listing + ".tmp", listing)


if __name__ == "__main__":
    main()
