"""What the programs of tests/bench have in common: progress, a store of their own, the list of rows."""

import json
import os
import sys

from commands import run


def say(text):
    print(f"{text} (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)


def private_store(scratch):
    """Puts an empty store at /nix, in this mount namespace."""
    os.makedirs("/nix", exist_ok=True)
    os.makedirs(f"{scratch}/nix/store")
    os.makedirs(f"{scratch}/nix/var")
    run(["mount", "--bind", f"{scratch}/nix", "/nix"])


def write_rows(rows, path):
    """Writes a result, a list of {"row", "value", "baseline", "ratio"}, to a file, or without one to standard output."""
    text = json.dumps(rows, indent=2) + "\n"
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")
