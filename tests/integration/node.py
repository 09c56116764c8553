"""A private node: containerd, stowaged and stowage-fuse below one directory, and the clients' commands for it."""

import contextlib
import json
import os
import signal
import subprocess
import tomllib

from commands import Failure, expect, run, wait_until

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/lib/stowage.toml")
START_SECONDS = 20
STOP_SECONDS = 10


class OutputFile:
    """The file that takes a container's output from its shim. flags: the words of `ctr run` that say so.

    Not by ctr's standard output: containerd 1.6's client closes its ends of the pipes before it has read them to the
    end (containerd's pull request 8643), so the last of what a container wrote is now and then not there.
    """

    def __init__(self, path):
        self._path = path
        self.flags = ("--log-uri", f"file://{path}")

    def take(self):
        """The whole output, once `ctr run` has ended; "" of a container that never was. Removes the file."""
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                output = file.read()
        except FileNotFoundError:
            return ""
        os.unlink(self._path)
        return output


class Node:
    """Not started by its constructor. Use Case.node(), which stops it at the end."""

    def __init__(self, case, name, package_set, config, containerd):
        self.case = case
        self.containerd = containerd
        self.name = name
        self.directory = f"{case.scratch}/{name}"
        self.namespace = case.namespace
        self.state = f"{self.directory}/state"
        self.mountpoint = f"{self.directory}/fs"
        self.lower = f"{self.directory}/overlay/lower"  # by which overlayfs alone reaches state and store
        self.containerd_socket = f"{self.directory}/containerd.sock"
        self.control_socket = f"{self.directory}/control.sock"
        self.snapshotter_socket = f"{self.directory}/snapshotter.sock"
        self.gc_roots = f"/nix/var/nix/gcroots/{case.namespace}-{name}"
        self.registry = f"127.0.0.1:{case.free_port()}"
        self.config_file = f"{self.directory}/stowage.toml"
        self.hosts_directory = f"{self.directory}/certs.d"
        self.fuse_options = []
        self.stowaged_prefix = []  # words before its command
        self.processes = {}
        os.makedirs(self.state)
        os.makedirs(self.mountpoint)
        self.config = self._default_config(package_set)
        for table, keys in config.items():
            self.config.setdefault(table, {}).update(keys)
        self.write_config()
        with open(f"{self.directory}/containerd.toml", "w", encoding="utf-8") as file:
            file.write(containerd.configuration(self.directory))

    def _default_config(self, package_set):
        with open(TEMPLATE, encoding="utf-8") as file:
            text = file.read().replace("@SCRATCH@", self.directory)
        config = tomllib.loads(text.replace("@NIX_SETTINGS@", "").replace("@PORT@", "0"))
        config["paths"]["gc_roots"] = self.gc_roots
        config["registry"]["address"] = self.registry
        config["snapshotter"]["driver"] = self.case.driver
        config["fuse"].update(self.case.fuse_settings)  # keys that older versions do not know
        config["source"] = {"kind": "path", "location": package_set}
        config["nix"]["settings"] = ["build-users-group=", "substituters=", "sandbox=false"]
        return config

    def write_config(self):
        """Writes self.config for the next start. JSON's texts, numbers and lists of texts are TOML's too."""
        with open(self.config_file, "w", encoding="utf-8") as file:
            for table, keys in self.config.items():
                file.write(f"[{table}]\n")
                file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())

    def write_hosts(self, host, address):
        """Sends containerd's requests for a registry to an address of plain HTTP and nowhere else."""
        os.makedirs(f"{self.hosts_directory}/{host}")
        with open(f"{self.hosts_directory}/{host}/hosts.toml", "w", encoding="utf-8") as file:
            file.write(f'server = "http://{address}"\n'
                       f'[host."http://{address}"]\n  capabilities = ["pull", "resolve"]\n')

    # --- daemons

    def start(self):
        # the driver that needs no FUSE must not find any
        if self.config["snapshotter"]["driver"] != "overlay":
            self.start_fuse()
        self.start_stowaged()
        self.start_containerd()

    def start_fuse(self):
        log = f"{self.case.logs}/{self.name}-stowage-fuse"
        said_before = os.path.getsize(log) if os.path.exists(log) else 0
        self.spawn("stowage-fuse", self.fuse_command())

        def announced():  # the mount of one that was killed may still be there
            with open(log, "rb") as file:
                file.seek(said_before)
                return f"mounted at {self.mountpoint}\n".encode() in file.read()
        self._wait_for("stowage-fuse", announced, f"a mount at {self.mountpoint}")

    def fuse_command(self):
        settings = self.config.get("fuse", {}).keys() & {"data", "extended_attributes"}
        config = [f"--config={self.config_file}"] if settings else []  # an option that older versions do not know
        return [f"{self.case.bin_directory}/stowage-fuse", f"--state={self.state}", f"--mountpoint={self.mountpoint}",
                *config, *self.fuse_options]

    def fuse_processes(self, role):
        """Pids of all processes that serve the mount as "keeper" or "worker"."""
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            words = _command_line(pid)
            is_ours = len(words) > 1 and os.path.basename(words[0]) == "stowage-fuse" and self.fuse_command()[2] in words
            if is_ours and (words[1] == "worker") == (role == "worker"):
                found.append(pid)
        return found

    def kill_at_once(self, pids):
        """SIGKILLs processes, none of which can do anything any longer when the first of them dies."""
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)

    def start_stowaged(self):
        self.spawn("stowaged", [*self.stowaged_prefix, f"{self.case.bin_directory}/stowaged", "--config",
                                self.config_file])
        self._wait_for("stowaged", lambda: self.stowage("status", check=False).returncode == 0,
                       "an answering stowaged")

    def start_containerd(self):
        self.spawn("containerd", ["containerd", "--config", f"{self.directory}/containerd.toml"],
                   env=self.containerd.environment)
        self._wait_for("containerd", lambda: self.ctr("version", check=False).returncode == 0,
                       "an answering containerd")

    def spawn(self, name, command, **options):
        """Starts a daemon; its output is appended to the case's logs as NODE-NAME."""
        with open(f"{self.case.logs}/{self.name}-{name}", "ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                    start_new_session=True, **options)
        return self.processes[name]

    def _wait_for(self, name, condition, what):
        def ready():
            status = self.processes[name].poll()
            expect(status is None, f"{name} ended with status {status} instead of starting")
            return condition()
        wait_until(ready, START_SECONDS, what)

    def stop_daemon(self, name, how=signal.SIGTERM):
        """Ends a daemon and returns its exit status; a Failure if it does not end by itself in time."""
        process = self.processes.pop(name)
        process.send_signal(how)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure(f"{name} did not end within {STOP_SECONDS} s of signal {how}") from None

    def stop(self):
        """Ends what runs, without looking at how. Containers, shims and GC roots go with the sandbox."""
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()
        self.processes.clear()

    # --- clients

    def stowage(self, *words, namespace=None, **options):
        """The command line of Stowage. First word: the command. namespace: containerd's."""
        return run(self.stowage_command(*words, namespace=namespace), **options)

    def stowage_command(self, command, *rest, namespace=None):
        """The words that run Stowage's command line for this node."""
        if command in ("pull", "run"):
            rest = ["--address", self.containerd_socket, "--namespace", namespace or self.namespace, *rest]
        return [f"{self.case.bin_directory}/stowage", "--socket", self.control_socket, command, *rest]

    def ctr(self, *words, namespace=None, **options):
        return run(["ctr", "--address", self.containerd_socket, "--namespace", namespace or self.namespace, *words],
                   env=self.containerd.environment, **options)

    def await_snapshotter(self):
        """Until containerd has its connection to a stowaged that was started again, some time after it is ready."""
        wait_until(lambda: self.ctr("snapshots", "--snapshotter", "stowage", "list", check=False).returncode == 0,
                   START_SECONDS, "containerd's connection to stowaged")

    def run_container(self, image, container_id, *command, flags=(), snapshotter="stowage", check=True, **options):
        """`ctr run --rm` of an image that containerd has. stdout: all that the container wrote, to whichever stream."""
        output = self.output_file(container_id)
        done = self.ctr("run", "--rm", "--snapshotter", snapshotter, *output.flags, *flags, image, container_id, *command,
                        check=False, **options)
        done.stdout = output.take()
        expect(done.returncode == 0 or not check,
               f"container {container_id} of {image}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def output_file(self, container_id):
        """What a container of this node writes, without loss: see OutputFile."""
        return OutputFile(f"{self.directory}/output-{container_id}")

    def image_config_digest(self, image):
        """The image ID as containerd's image record has it."""
        line = next((line for line in self.ctr("images", "list").stdout.splitlines() if line.split()[0] == image), None)
        expect(line is not None, f"containerd has no image {image}")
        manifest = json.loads(self.ctr("content", "get", line.split()[2]).stdout)
        return manifest["config"]["digest"]

    def registry_config_digest(self, repository):
        """The image ID as a client of the endpoint sees it."""
        manifest = run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{self.registry}/{repository}"])
        return json.loads(manifest.stdout)["config"]["digest"]


def _command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read().split("\0")[:-1]
    except OSError:  # it has ended
        return []
