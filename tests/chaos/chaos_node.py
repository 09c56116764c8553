"""A node whose daemons are started again whenever they die: stowage-fuse by the stand-in for systemd, stowaged here."""

import os
import random
import re
import signal
import subprocess
import threading
import time

from commands import Failure, expect, wait_until
from node import Node

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESTART_MS = 100
PROCESS_SECONDS = 20  # how long a process may stay away
MOST_PASSES = 200     # fault points that stowaged passes at most before it dies at one
FAULTY = 0.5          # share of its starts after which it does
FAULT = re.compile(rb"^fault_point (\S+)$", re.MULTILINE)


class ChaosNode(Node):
    """Started like any node. stowaged is the build with fault points; `faults` says whether it dies of them by chance.

    names: the processes that can be killed; the driver that needs no stowage-fuse has none.
    died_at: {fault point: deaths there}; killed: {process name: kills}.
    """

    def __init__(self, case, package_set, config, containerd, seed, no_resend):
        super().__init__(case, "node", package_set, config, containerd)
        self.no_resend = no_resend
        self.faults = False
        self.next_fault = None  # "NAME:HIT" for the next start only
        self.names = ("stowaged",) if case.driver == "overlay" else ("stowaged", "keeper", "worker")
        self.died_at, self.killed = {}, dict.fromkeys(self.names, 0)
        self.problems = []
        self._random = random.Random(f"faults {seed}")
        self._stowaged, self._ending = None, False  # the process of now; replaced by the supervisor's thread
        self._log = f"{case.logs}/node-stowaged"
        self._log_read = 0
        self._supervisor = None

    # --- daemons

    def start_fuse(self):
        options = ["--no-resend"] if self.no_resend else []
        self.spawn("stowage-fuse", ["/usr/bin/python3", f"{ROOT}/tests/support/service_manager.py",
                                    "--socket", f"{self.directory}/notify.sock", "--restart-ms", str(RESTART_MS),
                                    "--", *self.fuse_command(), *options])
        wait_until(lambda: self.pid("keeper") and self.pid("worker"), PROCESS_SECONDS, "keeper and worker")

    def start_stowaged(self):
        open(self._log, "ab").close()
        self._start_once()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()
        self.await_stowaged()

    def await_stowaged(self):
        wait_until(lambda: self.stowage("status", check=False).returncode == 0, PROCESS_SECONDS,
                   "an answering stowaged")

    def _start_once(self):
        fault, self.next_fault = self.next_fault, None
        if fault is None and self.faults and self._random.random() < FAULTY:
            fault = f"*:{self._random.randint(1, MOST_PASSES)}"
        environment = dict(os.environ, **({"STOWAGE_FAULT_POINT": fault} if fault else {}))
        with open(self._log, "ab") as log:
            self._stowaged = subprocess.Popen(
                [f"{self.case.bin_directory}/stowaged_with_fault_points", "--config", self.config_file], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=environment)

    def _supervise(self):
        while True:
            status = self._stowaged.wait()
            if self._ending:
                return
            with open(self._log, "rb") as log:
                log.seek(self._log_read)
                text = log.read()
            self._log_read += len(text)
            for point in FAULT.findall(text):
                self.died_at[point.decode()] = self.died_at.get(point.decode(), 0) + 1
            if status != -signal.SIGKILL:
                self.problems.append(f"stowaged ended with status {status}")
                time.sleep(1)
            time.sleep(RESTART_MS / 1000)
            if self._ending:
                return
            self._start_once()

    def restart_stowaged(self, fault=None):
        """Ends stowaged in no order and waits for the next, which dies at `fault` ("NAME:HIT") if given."""
        # one that died before is replaced first: its successor must not be the one that dies at `fault`
        before = wait_until(self._living_stowaged, PROCESS_SECONDS, "a stowaged to end")
        self.next_fault = fault
        before.kill()  # does nothing, and must not, when it has just died of itself
        wait_until(lambda: self._stowaged is not before, PROCESS_SECONDS, "another stowaged")
        self.await_stowaged()
        if fault is None:
            self.await_snapshotter()

    def stop(self):
        self._ending = True
        if self._stowaged is not None:
            self._stowaged.kill()
            self._stowaged.wait()
        super().stop()

    # --- processes

    def _living_stowaged(self):
        stowaged = self._stowaged
        return stowaged if stowaged.poll() is None else None

    def pid(self, name):
        """The process of that name: "stowaged", "keeper", "worker" or "service manager"; None without one."""
        if name == "stowaged":
            living = self._living_stowaged()
            return living.pid if living else None
        if name == "service manager":
            return self.processes["stowage-fuse"].pid
        found = self.fuse_processes(name)
        return found[-1] if found else None

    def kill(self, names):
        """SIGKILLs processes, all at once, as soon as all of them are there."""
        def all_there():
            pids = [self.pid(name) for name in names]
            return pids if all(pids) else None
        self.kill_at_once(wait_until(all_there, PROCESS_SECONDS, f"all of {', '.join(names)}"))
        for name in names:
            self.killed[name] += 1

    def await_all(self):
        """Until all are there, one of each."""
        wait_until(lambda: self.pid("stowaged") and all(len(self.fuse_processes(name)) == 1 for name in self.names[1:]),
                   PROCESS_SECONDS, "one of each process")
        self.await_stowaged()
        self.await_snapshotter()

    def fault_points(self):
        """The names of all."""
        done = subprocess.run([f"{self.case.bin_directory}/stowaged_with_fault_points", "--version"], check=True,
                              env=dict(os.environ, STOWAGE_FAULT_POINT="list"), capture_output=True, text=True)
        names = done.stdout.splitlines()[1:]
        expect(names, f"no fault points in: {done.stdout}")
        return names

    def check_supervised(self):
        if self.problems:
            raise Failure("; ".join(self.problems))
