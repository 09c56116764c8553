"""The containerds that tests use: the installed one, and those of other Debian suites beside it."""

import os

from commands import Failure, run
from fetch_containerd import own_suite

HERE = os.path.dirname(os.path.abspath(__file__))
BASE_TEMPLATE = f"{HERE}/../../scripts/lib/containerd.toml"
PAUSE_IMAGE = "pause.test/pause:1"


class Containerd:
    """A containerd with its own ctr and shims.

    suite: Debian's name of the release it comes from; None is what is installed.
    with_cri: also serves CRI, its snapshotter is ours, and registries are looked up in Node.hosts_directory.
    Errors: a Failure if it is not on this machine.
    """

    def __init__(self, suite=None, with_cri=False):
        self.with_cri = with_cri
        self.environment = dict(os.environ)
        if suite not in (None, own_suite()):
            self.environment["PATH"] = f"{_directory(suite)}:{os.environ['PATH']}"
        words = run(["containerd", "--version"], env=self.environment).stdout.split()
        self.version = words[2].partition("~")[0].partition("+")[0]  # without Debian's additions
        self.major = int(self.version.split(".")[0])

    def configuration(self, directory):
        """The text of a configuration for an instance below a directory."""
        template = f"{HERE}/containerd-{self.major}.toml" if self.with_cri else BASE_TEMPLATE
        with open(template, encoding="utf-8") as file:
            return file.read().replace("@SCRATCH@", directory).replace("@PAUSE_IMAGE@", PAUSE_IMAGE)


def _directory(suite):
    """Where fetch_containerd.py has put a suite's programs."""
    base = f"{HERE}/../../build/containerd/{suite}"
    if os.path.exists(base):
        return os.path.abspath(f"{base}/usr/bin")
    reason = "run ./scripts/test, which downloads it"
    if os.path.exists(f"{base}.error"):
        with open(f"{base}.error", encoding="utf-8") as file:
            reason = file.read().strip()
    raise Failure(f"containerd of Debian {suite} is not on this machine: {reason}")
