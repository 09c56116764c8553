#!/usr/bin/env python3
"""Runs stowage-fuse.service (deploy/systemd) under a systemd of its own and restarts, reloads and kills it under a reader.

    systemd_test.py STOWAGE-FUSE UNIT-DIRECTORY    (the units as they are installed)

systemd runs as the first process of private PID, mount, UTS, IPC and cgroup name spaces. Exits 77 where that cannot be.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SYSTEMD = "/lib/systemd/systemd"

# $1: scratch directory. Enters a cgroup of its own first, so that systemd takes that for the root of the tree.
BOOT = r"""set -e
mount --make-rprivate /
mkdir -p "$1/cgroup"
mount -t cgroup2 cgroup2 "$1/cgroup"
own=$1/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/stowage-systemd-test-$2
mkdir "$own"
echo $$ > "$own/cgroup.procs"
exec unshare -C sh -c '
  umount "$1/cgroup"
  umount -R /sys/fs/cgroup 2>/dev/null || true
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd
  cp -r "$1/units" /run/systemd/system
  container=other exec /lib/systemd/systemd --system --unit=go.target --log-target=console --show-status=no
' sh "$1"
"""

CLEAN_CGROUP = r"""mount --make-rprivate /
mount -t cgroup2 cgroup2 "$1/cgroup" || exit 0
find "$1/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/stowage-systemd-test-$2" -depth -type d -exec rmdir {} +
"""

# Every one of these asks the server: names in the mount's root are never cached.
READER = r"""
import errno, os, sys, time
mount = sys.argv[1]
while True:
    try:
        assert os.listdir(mount) == []
        os.stat(mount + "/1")
    except OSError as error:
        if error.errno != errno.ENOENT:
            print("error", error, flush=True)
            sys.exit(1)
    print("ok", flush=True)
    time.sleep(0.002)
"""


class Reader:
    """A process in the machine that asks the server again and again."""

    def __init__(self, machine):
        self.answers = 0
        self.complaint = ""
        self.process = subprocess.Popen(machine.command(sys.executable, "-c", READER, machine.mountpoint),
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        for line in self.process.stdout:
            if line == "ok\n":
                self.answers += 1
            else:
                self.complaint += line

    def check(self, what):
        """The reader has seen no error, and gets answers from now on."""
        before = self.answers
        eventually(lambda: self.answers >= before + 20 or self.process.poll() is not None,
                   f"after {what}: the reader waits for ever")
        expect(self.process.poll() is None, f"after {what}: the reader ended: {self.complaint}")
        expect(self.complaint == "", f"after {what}: the reader says '{self.complaint}'")

    def end(self):
        """What nsenter started goes with the machine."""
        self.process.kill()
        self.process.wait()


class Machine:
    """A systemd with the unit under test."""

    def __init__(self, program, units):
        self.scratch = tempfile.mkdtemp(prefix="stowage-systemd-")
        self.mountpoint = f"{self.scratch}/mnt"
        for name in ("state/views", "state/objects", "store", "units"):
            os.makedirs(f"{self.scratch}/{name}")
        shutil.copy(f"{units}/stowage-fuse.service", f"{self.scratch}/units/")
        os.mkdir(f"{self.scratch}/units/stowage-fuse.service.d")
        self._write("units/stowage-fuse.service.d/test.conf",
                    "[Unit]\nDefaultDependencies=no\n[Service]\nStateDirectory=\nOOMScoreAdjust=0\nExecStart=\n"
                    f"ExecStart={program} --state {self.scratch}/state --store {self.scratch}/store "
                    f"--mountpoint {self.mountpoint}\n")
        self._write("units/go.target", "[Unit]\nDefaultDependencies=no\n")
        self._write("boot", BOOT)
        self.log = open(f"{self.scratch}/log", "wb")
        self.unshare = subprocess.Popen(
            ["unshare", "-p", "-m", "-u", "-i", "-f", "--mount-proc", "--kill-child=SIGKILL", "sh", f"{self.scratch}/boot",
             self.scratch, str(os.getpid())], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.init = 0

    def _write(self, name, text):
        with open(f"{self.scratch}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def wait_until_booted(self):
        """False: there can be no such machine here."""
        for _ in range(200):
            if self.unshare.poll() is not None:
                return False
            with open(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children", encoding="ascii") as children:
                self.init = int((children.read().split() or ["0"])[0])
            if self.init and self.systemctl("is-active", "go.target").stdout.strip() == "active":
                return True
            time.sleep(0.1)
        return False

    def command(self, *words):
        return ["nsenter", "-t", str(self.init), "-p", "-m", "-u", "-i", "-C", *words]

    def systemctl(self, *words):
        return subprocess.run(self.command("systemctl", *words), capture_output=True, text=True, timeout=60, check=False)

    def show(self, name):
        return self.systemctl("show", "--property", name, "--value", "stowage-fuse").stdout.strip()

    def processes(self):
        found = subprocess.run(self.command("pgrep", "-f", f"mountpoint[ =]{self.mountpoint}"), capture_output=True, text=True,
                               check=False)
        return found.stdout.split()

    def kill(self, *pids):
        subprocess.run(self.command("kill", "-KILL", *pids), check=True)

    def mounts(self):
        with open(f"/proc/{self.init}/mountinfo", encoding="utf-8") as mountinfo:
            return [line.split()[2] for line in mountinfo if line.split()[4] == self.mountpoint]

    def end(self):
        self.unshare.send_signal(signal.SIGKILL)
        self.unshare.wait()
        time.sleep(0.5)  # until the kernel has ended the name space's processes
        subprocess.run(["unshare", "-m", "sh", "-c", CLEAN_CGROUP, "sh", self.scratch, str(os.getpid())],
                       capture_output=True, check=False)
        shutil.rmtree(self.scratch)


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def eventually(condition, text):
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(text)


def run(machine):
    started = machine.systemctl("start", "stowage-fuse")
    expect(started.returncode == 0, f"start: {started.stderr}")
    device = machine.mounts()
    expect(len(device) == 1, f"mounts: {device}")
    reader = Reader(machine)
    reader.check("start")
    changes = {
        "systemctl restart": lambda: machine.systemctl("restart", "stowage-fuse"),
        "systemctl reload": lambda: machine.systemctl("reload", "stowage-fuse"),
        "kill -9 of the keeper": lambda: machine.kill(machine.show("MainPID")),
        "kill -9 of the worker": lambda: machine.kill(*set(machine.processes()) - {machine.show("MainPID")}),
        "kill -9 of both": lambda: machine.kill(*machine.processes()),
    }
    for what, change in changes.items():
        before = set(machine.processes())
        keeper = machine.show("MainPID")
        change()
        keeper_stays = what in ("systemctl reload", "kill -9 of the worker")
        kept = {keeper} if keeper_stays else set()
        eventually(lambda: len(machine.processes()) == 2 and set(machine.processes()) & before == kept,
                   f"after {what}: processes {machine.processes()}, before {before}")
        eventually(lambda: machine.show("ActiveState") == "active", f"after {what}: {machine.show('ActiveState')}")
        expect(machine.show("MainPID") in machine.processes(), f"after {what}: main process {machine.show('MainPID')}")
        expect(machine.show("NFileDescriptorStore") == "2", f"after {what}: stored {machine.show('NFileDescriptorStore')}")
        expect(machine.mounts() == device, f"after {what}: mounts {machine.mounts()}, before {device}")
        reader.check(what)
        print(f"{what}: nobody noticed")
    reader.end()
    machine.systemctl("stop", "stowage-fuse")
    eventually(lambda: not machine.processes(), "after systemctl stop: processes are left")
    expect(machine.mounts() == [], "after systemctl stop: still mounted")
    print("systemctl stop: nothing is left")


def main():
    program, units = sys.argv[1:]
    if os.geteuid() != 0 or not os.path.exists(SYSTEMD) or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return 77
    machine = Machine(os.path.abspath(program), units)
    try:
        if not machine.wait_until_booted():
            print("systemd does not run in name spaces of its own here")
            return 77
        run(machine)
    except AssertionError as error:
        print(f"FAILED: {error}")
        with open(f"{machine.scratch}/log", encoding="utf-8", errors="replace") as log:
            print(log.read()[-8000:])
        return 1
    finally:
        machine.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
