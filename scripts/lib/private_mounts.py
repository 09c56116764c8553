"""private_mounts.py EMPTY-DIR COMMAND...: cuts this mount namespace off from all others, then runs the command.

To be run first in a new mount namespace. `unshare --propagation private` or `mount --make-rprivate /` do the same, but
only where the root directory is a mount point. In a plain chroot it is none, and on a host whose mounts are shared (systemd's
default) everything mounted inside would then show up outside. So this process looks up the namespace's real root, by
the one way that leads out of a chroot: with the working directory above a root directory, `..` knows no bound.
"""

import ctypes
import os
import sys

MS_BIND = 1 << 12     # linux/mount.h
MS_MOVE = 1 << 13
MS_REC = 1 << 14
MS_PRIVATE = 1 << 18


def enter_real_root(empty_directory):
    """Makes the namespace's root this process's root and working directory."""
    os.chdir("/")
    os.chroot(empty_directory)
    while not os.path.samefile(".", ".."):
        os.chdir("..")
    os.chroot(".")


def mount(source, target, flags, what):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None) != 0:
        sys.exit(f"cannot {what}: {os.strerror(ctypes.get_errno())}")


def cover_real_root(root):
    """Puts a directory in the place of the namespace's root: that is where a process that enters the namespace later
    (`runc exec`) finds itself, and runc's pivot_root wants the root directory to be a mount point."""
    os.fchdir(root)
    path = os.getcwd()
    if path == "/":
        return
    mount(path, path, MS_BIND | MS_REC, f"make {path} a mount point")
    os.chdir(path)
    mount(".", "/", MS_MOVE, f"make {path} the root of this namespace")
    os.chroot(".")


def main():
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    working_directory = os.getcwd()
    enter_real_root(sys.argv[1])
    mount("none", "/", MS_REC | MS_PRIVATE, "make the mounts of this namespace private")
    cover_real_root(root)
    os.close(root)
    os.chdir(working_directory)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
