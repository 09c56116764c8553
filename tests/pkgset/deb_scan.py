"""What matters of a .deb's files for moving it into a store path: ELF headers, #! lines, symlinks."""

import io
import json
import os
import struct
import subprocess
import tarfile

ELF_MAGIC = b"\x7fELF"
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_SONAME = 0, 1, 5, 14


def read_elf(image):
    """(has an interpreter, needed libraries, soname or None) of a 64-bit dynamic ELF file, else None."""
    if len(image) < 64 or image[:4] != ELF_MAGIC or image[4] != 2:
        return None
    segments = _program_headers(image)
    dynamic = next((segment for segment in segments if segment[0] == PT_DYNAMIC), None)
    if dynamic is None:
        return None
    entries = _dynamic_entries(image, dynamic[1], dynamic[3])
    strings = _file_offset(segments, dict(entries).get(DT_STRTAB))
    if strings is None:
        return None

    def text(offset):
        start = strings + offset
        return image[start:image.index(b"\0", start)].decode()

    needed = [text(value) for tag, value in entries if tag == DT_NEEDED]
    soname = next((text(value) for tag, value in entries if tag == DT_SONAME), None)
    return any(segment[0] == PT_INTERP for segment in segments), needed, soname


def _program_headers(image):
    """[(type, file offset, virtual address, size in the file)]"""
    table, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    headers = []
    for number in range(count):
        kind, _, offset, address, _, length, _, _ = struct.unpack_from(
            "<IIQQQQQQ", image, table + number * size)
        headers.append((kind, offset, address, length))
    return headers


def _dynamic_entries(image, start, size):
    entries = []
    for offset in range(start, start + size, 16):
        tag, value = struct.unpack_from("<qQ", image, offset)
        if tag == DT_NULL:
            break
        entries.append((tag, value))
    return entries


def _file_offset(segments, address):
    if address is None:
        return None
    for kind, offset, start, length in segments:
        if kind == PT_LOAD and start <= address < start + length:
            return offset + address - start
    return None


def below_out(path):
    """Where a .deb's path will be below $out: /usr is merged into the root."""
    path = path.removeprefix("./").strip("/")
    return path.removeprefix("usr/")


def open_deb(path):
    """The files of a .deb as a tarfile."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True)
    return tarfile.open(fileobj=io.BytesIO(data.stdout))


def scan_deb(path, sha256, cache):
    """Scans a .deb, or answers from CACHE/scan by its hash.

    Returns {"elf": {file: read_elf()}, "bang": {file: first line}, "link": {file: target},
    "names": [files]}, all paths as below_out() gives them. Files with a space in the name are in
    "names" only: the plan that is made of the rest is separated by spaces.
    """
    os.makedirs(f"{cache}/scan", exist_ok=True)
    kept = f"{cache}/scan/{sha256}.json"
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as file:
            return json.load(file)
    found = {"elf": {}, "bang": {}, "link": {}, "names": []}
    with open_deb(path) as files:
        for member in files:
            _scan_member(files, member, found)
    for kind in ("elf", "bang", "link"):
        found[kind] = {name: value for name, value in found[kind].items() if " " not in name}
    with open(kept + ".tmp", "w", encoding="utf-8") as file:
        json.dump(found, file)
    os.rename(kept + ".tmp", kept)
    return found


def _scan_member(files, member, found):
    name = below_out(member.name)
    if member.issym():
        found["link"][name] = member.linkname
        return
    if not (member.isreg() or member.islnk()):
        return
    found["names"].append(name)
    if member.islnk():
        return
    content = files.extractfile(member)
    head = content.read(256)
    if head.startswith(ELF_MAGIC):
        try:
            elf = read_elf(head + content.read())
        except (struct.error, ValueError):
            return  # test data of a compiler, no program
        if elf:
            found["elf"][name] = elf
    elif head.startswith(b"#!") and member.mode & 0o111:
        found["bang"][name] = head.split(b"\n")[0].decode("latin1")
