"""The canonical tar of docs/layer-format.md, written from that page and not from the C++ code.

canonical_tar.py STORE BASE_NAME...   writes a store layer to standard output
"""

import os
import stat
import sys

BLOCK = 512


def padded(content):
    return content + bytes(-len(content) % BLOCK)


def field(text, size):
    assert len(text) <= size
    return text + bytes(size - len(text))


def ustar(prefix, name, mode, size, typeflag, link=b""):
    head = (field(name, 100) + b"%07o\0" % mode + b"0000000\0" * 2 + b"%011o\0" % size
            + b"00000000001\0")
    tail = (typeflag + field(link[:100], 100) + b"ustar\00000" + bytes(64) + b"0000000\0" * 2
            + field(prefix, 155) + bytes(12))
    checksum = sum(head) + sum(tail) + 8 * ord(" ")
    return head + b"%06o\0 " % checksum + tail


def split(path):
    """(prefix, name), or None if ustar cannot hold the path."""
    if len(path) <= 100:
        return b"", path
    for at, byte in enumerate(path):
        prefix, name = path[:at], path[at + 1:]
        if byte == ord("/") and len(name) <= 100:
            return (prefix, name) if 1 <= len(prefix) <= 155 and name else None
    return None


def record(key, value):
    length = 0
    while True:
        text = b"%d %s=%s\n" % (length, key, value)
        if len(text) == length:
            return text
        length = len(text) if len(text) > length else length + 1


def header(path, mode, size, typeflag, link=b""):
    values = []
    if len(link) > 100:
        values.append((b"linkpath", link))
    if split(path) is None:
        values.append((b"path", path))
    if any(byte > 127 for _, value in values for byte in value):
        values.insert(0, (b"hdrcharset", b"BINARY"))
    if size >= 1 << 33:
        values.append((b"size", b"%d" % size))
    records = b"".join(record(key, value) for key, value in values)
    prefix, name = split(path) or (b"", path[:100])
    block = ustar(prefix, name, mode, size if size < 1 << 33 else 0, typeflag, link)
    if not records:
        return block
    return ustar(b"", b"@PaxHeader", 0o444, len(records), b"x") + padded(records) + block


def entries(on_disk, path):
    status = os.lstat(on_disk)
    if stat.S_ISLNK(status.st_mode):
        yield header(path, 0o777, 0, b"2", os.readlink(on_disk))
    elif stat.S_ISDIR(status.st_mode):
        yield header(path + b"/", 0o555, 0, b"5")
        for name in sorted(os.listdir(on_disk)):
            yield from entries(on_disk + b"/" + name, path + b"/" + name)
    else:
        with open(on_disk, "rb") as file:
            content = file.read()
        mode = 0o555 if status.st_mode & stat.S_IXUSR else 0o444
        yield header(path, mode, len(content), b"0") + padded(content)


def store_layer(store, base_names):
    yield header(b"nix/", 0o555, 0, b"5")
    yield header(b"nix/store/", 0o555, 0, b"5")
    for base_name in sorted(base_names):
        yield from entries(store + b"/" + base_name, b"nix/store/" + base_name)
    yield bytes(2 * BLOCK)


if __name__ == "__main__":
    for piece in store_layer(os.fsencode(sys.argv[1]), [os.fsencode(name) for name in sys.argv[2:]]):
        sys.stdout.buffer.write(piece)
