#!/usr/bin/env python3
"""Stands in for systemd: runs one service with Type=notify, Restart=always and a file descriptor store.

    service_manager.py --socket PATH [--restart-ms N] [--log FILE] -- COMMAND...

Receives what the service sends to NOTIFY_SOCKET (sd_notify(3), sd_pid_notify_with_fds(3)) and passes the stored
descriptors to its next start (sd_listen_fds(3)). Like KillMode=process it kills the main process only. SIGTERM ends the
service with SIGTERM, drops the store and ends; so does the end of the service with exit code 0. SIGUSR1 restarts it as
deploy/systemd says it, by SIGKILL. One line per event goes to FILE.
"""

import argparse
import array
import os
import selectors
import signal
import socket
import sys
import time


class Service:
    """One service: its process, its socket, its stored descriptors."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.log = open(arguments.log, "a", encoding="utf-8") if arguments.log else sys.stderr
        self.stored = []  # (name, descriptor)
        self.pid = 0
        self.ending = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(arguments.socket):
            os.unlink(arguments.socket)
        self.socket.bind(arguments.socket)

    def say(self, text):
        print(text, file=self.log, flush=True)

    def start(self):
        self.pid = os.fork()
        if self.pid:
            self.say(f"started pid={self.pid} stored={','.join(sorted(name for name, _ in self.stored))}")
            return
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        environment = dict(os.environ, NOTIFY_SOCKET=self.arguments.socket)
        if self.stored:
            # Through high numbers, so that no target number is still a source.
            high = [os.dup2(descriptor, 500 + i) for i, (_, descriptor) in enumerate(self.stored)]
            for i, descriptor in enumerate(high):
                os.dup2(descriptor, 3 + i)
                os.close(descriptor)
            environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)),
                               LISTEN_FDNAMES=":".join(name for name, _ in self.stored))
        try:
            os.execvpe(self.arguments.command[0], self.arguments.command, environment)
        finally:
            os._exit(127)

    def receive(self):
        message, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(16 * array.array("i").itemsize))
        descriptors = array.array("i")
        for level, kind, content in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[:len(content) - len(content) % descriptors.itemsize])
        fields = dict(line.split("=", 1) for line in message.decode().split("\n") if "=" in line)
        name = fields.get("FDNAME", "stored")
        if fields.get("FDSTORE") == "1":
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
                self.stored.append((name, descriptor))
        if fields.get("FDSTOREREMOVE") == "1":
            for _, descriptor in [entry for entry in self.stored if entry[0] == name]:
                os.close(descriptor)
            self.stored = [entry for entry in self.stored if entry[0] != name]
        self.say("notified " + " ".join(f"{key}={value}" for key, value in fields.items()))

    def reap(self):
        """True: the service is over."""
        while self.pid:
            pid, status = os.waitpid(-1, os.WNOHANG)  # orphans too, if we are their reaper
            if pid == 0:
                return False
            if pid != self.pid:
                continue
            self.say(f"ended pid={pid} status={status}")
            if self.ending or status == 0:
                return True
            time.sleep(self.arguments.restart_ms / 1000)
            self.start()
        return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--restart-ms", type=int, default=100, help="RestartSec=")
    parser.add_argument("--log", help="default: standard error")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    service = Service(parser.parse_args())

    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(service.socket, selectors.EVENT_READ)
    selector.register(reader, selectors.EVENT_READ)
    service.start()
    while True:
        for key, _ in selector.select():
            if key.fileobj is service.socket:
                service.receive()
                continue
            for number in os.read(reader, 100):
                if number == signal.SIGTERM:
                    service.ending = True
                    os.kill(service.pid, signal.SIGTERM)
                if number == signal.SIGUSR1:
                    os.kill(service.pid, signal.SIGKILL)
        if service.reap():
            return 0


if __name__ == "__main__":
    sys.exit(main())
