"""A node of an ordinary user: all its daemons, and the clients, in one user and mount namespace of that user's."""

import contextlib
import os
import pwd
import select
import stat
import subprocess
import tomllib

from commands import Failure, Skip, expect, run
from containerd import Containerd
from node import START_SECONDS, Node

USER, UID, FIRST_ID, IDS = "stowage-user", 61234, 620000, 65536


def make_user(directory):
    """A user with ids of its own for containers, known in this sandbox only."""
    run(["cp", "--archive", "/etc", directory])
    for name, line in {"passwd": f"{USER}:x:{UID}:{UID}::/:/bin/sh", "group": f"{USER}:x:{UID}:",
                       "subuid": f"{USER}:{FIRST_ID}:{IDS}", "subgid": f"{USER}:{FIRST_ID}:{IDS}"}.items():
        with open(f"{directory}/{name}", "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    run(["mount", "--bind", directory, "/etc"])
    expect(pwd.getpwnam(USER).pw_uid == UID, "the user is not known")


def let_users_open_fuse(directory):
    """As udev does; the tests' machine may have made the node itself."""
    if stat.S_IMODE(os.stat("/dev/fuse").st_mode) & 0o666 == 0o666:
        return
    os.mknod(f"{directory}/fuse-device", stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
    os.chmod(f"{directory}/fuse-device", 0o666)
    run(["mount", "--bind", f"{directory}/fuse-device", "/dev/fuse"])


def _kernel_forbids(message):
    """By a sysctl, in a chroot (unshare(2)), or by AppArmor, which gives such a namespace no capabilities."""
    with contextlib.suppress(FileNotFoundError), \
            open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", encoding="utf-8") as file:
        if file.read().strip() == "1":
            return True
    return "unshare failed" in message


class RootlessNode(Node):
    """Paths are those of `stowaged --rootless`; all that the configuration says is what to serve."""

    def __init__(self, case, name="rootless"):
        super().__init__(case, name, f"{case.scratch}/{name}/set", {}, Containerd())
        # a link, as RootlessKit makes one of /run/user
        self.runtime, self.data = f"{self.directory}/run", f"{self.directory}/data"
        os.mkdir(f"{self.directory}/.ro1")
        os.symlink(".ro1", self.runtime)
        self.state = f"{self.data}/stowage"
        self.mountpoint = f"{self.directory}/.ro1/stowage/fs"
        self.control_socket = f"{self.runtime}/stowage/control.sock"
        self.snapshotter_socket = f"{self.runtime}/stowage/snapshotter.sock"
        self.gc_roots = f"/nix/var/nix/gcroots/per-user/{USER}/stowage"
        self.config_file = f"{self.directory}/config/stowage/config.toml"
        self.environment = {**os.environ, "HOME": self.directory, "TMPDIR": f"{self.directory}/tmp", "USER": USER,
                            "XDG_RUNTIME_DIR": self.runtime, "XDG_DATA_HOME": self.data,
                            "XDG_CONFIG_HOME": f"{self.directory}/config"}
        for directory in (self.data, self.environment["TMPDIR"], os.path.dirname(self.config_file)):
            os.makedirs(directory)
        config = {"registry": self.config["registry"], "source": self.config["source"], "nix": self.config["nix"],
                  "snapshotter": {"driver": "auto"}, "images": {"hold": "10s"}}
        self.config = config
        self.write_config()
        self._write_containerd_config()
        self._holder = None
        self._binaries = f"{self.directory}/bin"

    def _write_containerd_config(self):
        with open(f"{self.directory}/containerd.toml", encoding="utf-8") as file:
            text = file.read()
        socket = tomllib.loads(text)["proxy_plugins"]["stowage"]["address"]
        with open(f"{self.directory}/containerd.toml", "w", encoding="utf-8") as file:
            file.write(text.replace(socket, self.snapshotter_socket))

    # --- the namespaces

    def enter(self):
        """Gives all to the user and makes the user's namespaces, with a /run of their own as RootlessKit makes one."""
        run(["chown", "-R", f"{UID}:{UID}", self.directory])
        os.chmod(self.directory, 0o711)
        os.chmod(self.runtime, 0o700)
        # the user may not get to where they are
        for source, target in ((self.case.bin_directory, self._binaries), (self.case.package_set, f"{self.directory}/set")):
            os.makedirs(target)
            run(["mount", "--bind", source, target])
        with open(f"{self.case.logs}/{self.name}-namespaces", "ab") as log:
            self._holder = subprocess.Popen(
                [*self.as_user(), "unshare", "--user", "--map-root-user", "--map-auto", "--mount", "sh", "-ec",
                 "mount -t tmpfs run /run; echo ready; exec sleep infinity"],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=self.environment, cwd="/",
                start_new_session=True)
        self.processes["namespaces"] = self._holder
        readable, _, _ = select.select([self._holder.stdout], [], [], START_SECONDS)
        expect(readable, f"the user's namespaces were not ready after {START_SECONDS} s")
        if self._holder.stdout.readline() != b"ready\n":  # the shell writes the line at once, or ends
            self.processes.pop("namespaces").wait()
            with open(f"{self.case.logs}/{self.name}-namespaces", encoding="utf-8") as log:
                why = log.read().strip()
            raise (Skip if _kernel_forbids(why) else Failure)(f"no user namespace for an ordinary user: {why}")

    @staticmethod
    def as_user():
        """Words before a command of the user's outside of the namespaces."""
        return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]

    def inside(self, command):
        """The command in the user's namespaces, as `containerd-rootless-setuptool.sh nsenter` runs it."""
        return [*self.as_user(), "nsenter", "--no-fork", "--preserve-credential", "--mount", "--user",
                f"--target={self._holder.pid}", *command]

    def run_inside(self, *command, **options):
        return run(self.inside(command), env=self.environment, cwd="/", **options)

    # --- daemons

    def spawn(self, name, command, **options):
        return super().spawn(name, self.inside(command), **{**options, "env": self.environment, "cwd": "/"})

    def fuse_command(self):
        return [f"{self._binaries}/stowage-fuse", "--rootless", f"--mountpoint={self.mountpoint}"]

    def start_stowaged(self):
        self.spawn("stowaged", [f"{self._binaries}/stowaged", "--rootless"])
        self._wait_for("stowaged", lambda: self.stowage("status", check=False).returncode == 0, "an answering stowaged")

    def start(self):
        self.start_stowaged()
        self.start_fuse()
        self.start_containerd()

    # --- clients

    def stowage_command(self, command, *rest, namespace=None):
        """Without --socket: the user's stowaged is found by itself."""
        words = super().stowage_command(command, *rest, namespace=namespace)
        return [f"{self._binaries}/stowage", *words[words.index(command):]]

    def stowage(self, *words, namespace=None, **options):
        return self.run_inside(*self.stowage_command(*words, namespace=namespace), **options)

    def ctr(self, *words, namespace=None, **options):
        return self.run_inside("ctr", "--address", self.containerd_socket, "--namespace", namespace or self.namespace,
                               *words, **options)

    def run_container(self, image, container_id, *command, flags=(), **options):
        return super().run_container(image, container_id, *command, flags=(*NO_CGROUP, *flags), **options)

# No cgroup is the user's (whether one could be is the service manager's affair), so nothing may be limited.
NO_CGROUP = ("--cgroup", "", "--cpu-shares", "0")
