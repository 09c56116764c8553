"""private_mounts.py EMPTY-DIR COMMAND...: cuts this mount namespace off from all others, then runs the command.

To be run first in a new mount namespace. `unshare --propagation private` or `mount --make-rprivate /` do the same, but
only where the root directory is a mount point. In a plain chroot it is none, and on a host whose mounts are shared (systemd's
default) everything mounted inside would then show up outside. So this process looks up the namespace's real root, by
the one way that leads out of a chroot: with the working directory above a root directory, `..` knows no bound.
"""

import ctypes
import os
import sys

MS_REC = 1 << 14      # linux/mount.h
MS_PRIVATE = 1 << 18


def enter_real_root(empty_directory):
    """Makes the namespace's root this process's root and working directory."""
    os.chdir("/")
    os.chroot(empty_directory)
    while not os.path.samefile(".", ".."):
        os.chdir("..")
    os.chroot(".")


def main():
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    working_directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    enter_real_root(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None) != 0:
        error = os.strerror(ctypes.get_errno())
        sys.exit(f"cannot make the mounts of this namespace private: {error}")
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(working_directory)
    os.close(root)
    os.close(working_directory)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
