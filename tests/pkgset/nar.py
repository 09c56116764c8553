"""Nix's archive format and base-32 (doc/manual, "Nix Archive (NAR) format"), as far as made-up store paths need them.

A tree is a dict (folder), bytes (file), Program (executable file) or str (symlink's target).
"""

import os
import struct

BASE32_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"


class Program(bytes):
    """The contents of an executable file."""


def base32(digest):
    """Nix's base-32: 5 bits a digit, last byte first."""
    number = int.from_bytes(digest, "little")
    count = (len(digest) * 8 + 4) // 5
    return "".join(BASE32_DIGITS[(number >> 5 * place) & 31] for place in reversed(range(count)))


def nar(tree):
    """The NAR of a tree."""
    return _string("nix-archive-1") + _node(tree)


def _string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data + b"\0" * (-len(data) % 8)


def _strings(*texts):
    return b"".join(map(_string, texts))


def _node(tree):
    if isinstance(tree, dict):
        entries = (_strings("entry", "(", "name", name, "node") + _node(tree[name]) + _string(")")
                   for name in sorted(tree))
        return _strings("(", "type", "directory") + b"".join(entries) + _string(")")
    if isinstance(tree, str):
        return _strings("(", "type", "symlink", "target", tree, ")")
    executable = ("executable", "") if isinstance(tree, Program) else ()
    return _strings("(", "type", "regular", *executable, "contents", tree, ")")


def write_tree(path, tree):
    """Writes a tree as Nix stores it: modes 0555 and 0444, modification time 1."""
    if isinstance(tree, str):
        os.symlink(tree, path)
        os.utime(path, (1, 1), follow_symlinks=False)
        return
    if isinstance(tree, dict):
        os.mkdir(path)
        for name, child in tree.items():
            write_tree(f"{path}/{name}", child)
    else:
        with open(path, "xb") as file:
            file.write(tree)
    os.chmod(path, 0o555 if isinstance(tree, (dict, Program)) else 0o444)
    os.utime(path, (1, 1))
