"""What goes on while processes are killed: images come and go, containers start and end, snapshots are made, and Nix
collects garbage. A call may be refused while a daemon is away; what succeeds must be right, what fails must say so."""

import itertools
import os
import random
import re
import subprocess
import threading
import time

PACKAGES = ("jq", "nano", "htop", "coreutils", "curl", "bashInteractive", "moreutils", "git")
HELLO = "Hello, world!\n"
CALL_SECONDS = 120
GARBAGE_SECONDS = 1.0  # between two collections

# What a call may say because stowaged died in the middle of it, or because an earlier one did. Anything else is wrong.
REFUSED = re.compile(
    "unavailable|connection refused|connection error|connection reset|connect: no such file|error reading from server|"
    "transport is closing|broken pipe|client connection is closing|not found|already exists|cannot reach|"
    "garbage-collected since|try again|failed precondition|deadline exceeded|is stowaged running|Socket closed", re.IGNORECASE)


class Churn:
    """Threads from start() until stop(). done and refused: {operation: count}; wrong: [text]."""

    def __init__(self, node, ordinary_archive, needed_paths, seed):
        self.node, self.archive, self.needed = node, ordinary_archive, needed_paths
        self.done, self.refused, self.wrong = {}, {}, []
        self._stopping, self._lock, self._ids = threading.Event(), threading.Lock(), itertools.count(1)
        self._threads = [threading.Thread(target=self._repeat, args=(work, random.Random(f"{work.__name__} {seed}")))
                         for work in (self._nix_images, self._ordinary_image, self._snapshots, self._garbage)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work, choice):
        while not self._stopping.is_set():
            try:
                work(choice)
            except subprocess.TimeoutExpired as expired:
                self._wrong(f"{expired.cmd}: not done after {expired.timeout} s")

    def visit(self, number, only_resolving):
        """Does once what changes anything, in this thread, with an image that no other number has.

        A Nix image is pulled and run until that succeeds, which must be at once when stowaged is back.
        """
        choices = [names for size in (1, 2, 3) for names in itertools.combinations(PACKAGES, size)]
        for _attempt in range(3):
            self._nix_image(sorted({"busybox", "hello", *choices[number]}), remove=True)
            if self.done.get("run"):
                break
            self.node.await_all()
        else:
            self._wrong(f"an image of {choices[number]} cannot be pulled and run")
        if not only_resolving:
            self._ordinary_image(random.Random(number))
            self._snapshots(None)
            self._garbage(None)

    # --- the four loops

    def _nix_images(self, choice):
        packages = sorted({"busybox", "hello", *choice.sample(PACKAGES, choice.randint(0, 2))})
        self._nix_image(packages, remove=choice.random() < 0.7)

    def _nix_image(self, packages, remove):
        reference = "/".join(packages)
        name, identifier = f"nix/{reference}:latest", f"nix{next(self._ids)}"
        if self._call("pull", self.node.stowage_command("pull", name)):
            script = "hello; echo mine > /etc/mine; busybox cat /etc/mine"
            self._container(name, identifier, script, HELLO + "mine\n")
        if remove:
            self._call("remove image", self._ctr("images", "remove", "--sync", name, f"nix.local/{reference}:latest"))

    def _ordinary_image(self, choice):
        name, identifier = "test.local/box:churn", f"box{next(self._ids)}"
        if self._call("import", self._ctr("images", "import", "--snapshotter", "stowage", self.archive)):
            script = "busybox cat /etc/first /etc/third; test ! -e /etc/second; echo x > /etc/first"
            self._container(name, identifier, script, "one\nthree\n")
        if choice.random() < 0.5:
            self._call("remove image", self._ctr("images", "remove", "--sync", name))

    def _snapshots(self, _choice):
        first, second = f"raw{next(self._ids)}", f"raw{next(self._ids)}"
        snapshots = ("snapshots", "--snapshotter", "stowage")
        self._call("prepare", self._ctr(*snapshots, "prepare", first))
        self._call("commit", self._ctr(*snapshots, "commit", f"{first}-committed", first))
        # no view: containerd takes those of ctr for garbage, and then refuses for ever to remove their parent
        self._call("prepare", self._ctr(*snapshots, "prepare", second, f"{first}-committed"))
        self._call("usage", self._ctr(*snapshots, "usage", f"{first}-committed"))
        for key in (second, f"{first}-committed", first):
            self._call("remove snapshot", self._ctr(*snapshots, "remove", key))

    def _garbage(self, _choice):
        done = subprocess.run(["nix-store", "--gc"], capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
        # Nix 2.8 refuses when somebody writes a derivation at the same moment
        refused = done.returncode != 0 and "because it is in use by" in done.stderr
        self._count(self.refused if refused else self.done, "nix-store --gc")
        if done.returncode != 0 and not refused:
            self._wrong(f"nix-store --gc: {done.stderr[-1000:]}")
        gone = [path for path in self.needed if not os.path.lexists(path)]
        if gone:
            self._wrong(f"nix-store --gc took {gone}")
        self._stopping.wait(GARBAGE_SECONDS)

    # --- parts

    def _container(self, image, identifier, script, want):
        """Runs a command in a container and removes it, whatever becomes of stowaged meanwhile."""
        file = self.node.output_file(identifier)
        command = self._ctr("run", "--rm", "--snapshotter", "stowage", *file.flags, image, identifier,
                            "busybox", "sh", "-ec", script)
        output = self._call("run", command, file)
        if output is not None and output != want:
            self._wrong(f"{image} {identifier}: got {output!r}, want {want!r}")
        if output is None:
            self.remove_container(identifier)

    def remove_container(self, identifier):
        for words in (("tasks", "delete", "--force", identifier), ("containers", "delete", identifier),
                      ("snapshots", "--snapshotter", "stowage", "remove", identifier)):
            subprocess.run(self._ctr(*words), capture_output=True, timeout=CALL_SECONDS, check=False)

    def _ctr(self, *words):
        return ["ctr", "--address", self.node.containerd_socket, "--namespace", self.node.namespace, *words]

    def _call(self, what, command, file=None):
        """The output, which is in the OutputFile if there is one; None if the call was refused."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
        output = file.take() if file else done.stdout
        if done.returncode == 0:
            self._count(self.done, what)
            return output
        self._count(self.refused, what)
        # a container that started and failed is no refusal of ctr's
        if not REFUSED.search(done.stderr) or (what == "run" and "ctr:" not in done.stderr):
            self._wrong(f"{' '.join(command)}: exit status {done.returncode}\n{output}{done.stderr}")
        time.sleep(0.05)
        return None

    def _count(self, counts, what):
        with self._lock:
            counts[what] = counts.get(what, 0) + 1

    def _wrong(self, text):
        with self._lock:
            self.wrong.append(text)
