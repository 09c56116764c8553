"""mount(2) and umount2(2): the program mount(8) would cost more than the mounts that are measured."""

import ctypes
import os

MS_RDONLY, MS_REMOUNT, MS_BIND = 1 << 0, 1 << 5, 1 << 12  # linux/mount.h
MNT_DETACH = 2
MAX_OPTION_BYTES = 4000  # a page, less the byte that ends it and some

_LIBC = ctypes.CDLL(None, use_errno=True)


def _mount(source, target, kind, flags, options):
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    if _LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} at {target}: {os.strerror(number)}")


def bind_mount(source, target):
    """Read-only, which takes a second call: whoever writes below target must not write into source."""
    _mount(source, target, None, MS_BIND, None)
    _mount(source, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY, None)


def mount_overlay(target, options):
    """Options that are longer than mount(2) takes are shortened as containerd does it: relative to a directory."""
    here = os.getcwd()
    if len(options) > MAX_OPTION_BYTES:
        lowers = options.partition("lowerdir=")[2].partition(",")[0]
        common = os.path.commonpath(lowers.split(":"))
        options = options.replace(lowers, lowers.replace(f"{common}/", ""))
        os.chdir(common)
    try:
        _mount("overlay", target, "overlay", 0, options)
    finally:
        os.chdir(here)


def detach(target):
    """Unmounts what is mounted at a directory and everything below it."""
    if _LIBC.umount2(os.fsencode(target), MNT_DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unmount {target}: {os.strerror(number)}")
