"""chaos.py BIN-DIR [OPTION...]: the part of ./run that works inside the sandbox.

Three containers (a Nix image, a mixed one, an ordinary one) read, map, execute and write while churn.py goes on and
stowaged, keeper and worker are killed, one or two at a time, at last all three; stowaged also dies at its fault points.
With --driver overlay the kernel shows the store alone, and stowaged is all there is to kill.
Nix's store is the test's own. At the end: no error and no wrong byte, a consistent state, and after everything was
removed nothing left over.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(1, f"{ROOT}/tests/integration")

# pylint: disable=wrong-import-position
import chaos_images
import leaks
from case import Case, Failure, Skip
from chaos_node import ChaosNode
from churn import Churn
from commands import expect, expect_equal, run, wait_until
from containerd import Containerd

HOLD_SECONDS = 10                 # the shortest that the configuration takes
SHORT, LONG = (0.0, 0.5), (1.0, 5.0)  # seconds between two kills; in a long pause whole pulls and starts succeed
LONG_SHARE = 0.2
PAIRS = 0.3                       # share of the kills that are of two processes at once
LONGEST_PAUSE_SECONDS = 30        # what a reader may wait for one operation
READERS_END_SECONDS = 30
WORKER_THREADS = 8  # stowage-fuse --threads


class Chaos:
    """One run; main() is its order."""

    def __init__(self, case, options):
        self.case, self.options = case, options
        self.out = f"{case.scratch}/chaos"
        self.random = random.Random(f"kills {options.seed}")
        self.node = ChaosNode(case, case.package_set, {"images": {"hold": f"{HOLD_SECONDS}s"}}, Containerd(),
                              options.seed, options.no_resend)
        os.mkdir(self.out)
        self.readers, self.box, self.needed, self.churn = {}, "", [], None
        self.began = time.monotonic()

    def main(self):
        self.case.private_store()
        self.case.need_driver()
        node = self.node
        node.start()
        self.readers, self.box = chaos_images.make(self.case, node)
        self.needed = chaos_images.write_expected(self.case, self.out, self.options.seed)
        self._say("images are made")
        node.restart_stowaged()
        before = self._inventory()
        self._visit_fault_points()
        self._start_readers()
        self._say("readers run")
        self.churn = Churn(node, self.box, self.needed, self.options.seed)
        self.churn.start()
        began = time.monotonic()
        try:
            self._kill_processes()
        finally:
            self.churn.stop()
        took = time.monotonic() - began
        self._settle()
        self._say("all is quiet")
        figures = self._stop_readers()
        self._print_figures(figures, took)
        self._expect_no_errors(figures)
        self._expect_snapshots_usable()
        self._remove_everything()
        self._say("everything is removed")
        leaks.expect_empty(node)
        leaks.expect_whole(node)
        self._expect_garbage_freed()
        after = self._inventory()
        for what in before:
            leaks.expect_same(before[what], after[what], f"leaked: {what}")
        print("leaks: 0 mounts, GC roots, directories, files, processes, descriptors")

    def _say(self, what):
        print(f"{time.monotonic() - self.began:4.0f} s: {what}", flush=True)

    # --- containers that must notice nothing

    def _start_readers(self):
        program = f"{self.case.store_path('python3')}/bin/python3"
        with open(f"{ROOT}/tests/chaos/reader.py", "rb") as source, open(f"{self.out}/reader.py", "wb") as copy:
            copy.write(source.read())
        for name, image in self.readers.items():
            self.node.ctr("run", "--detach", "--snapshotter", "stowage",
                          "--log-uri", f"file://{self.case.logs}/reader-{name}",
                          "--mount", f"type=bind,src={self.out},dst=/chaos,options=rbind:rw", image, f"reader-{name}",
                          program, "-B", "/chaos/reader.py", "/chaos", name)
            wait_until(lambda name=name: self._figures(name), 20, f"figures of the reader in {image}")

    def _figures(self, name):
        try:
            with open(f"{self.out}/{name}.json", encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def _stop_readers(self):
        tasks = self.node.ctr("tasks", "list").stdout
        for name in self.readers:
            expect(any(f"reader-{name}" in line and "RUNNING" in line for line in tasks.splitlines()),
                   f"the reader in the {name} image does not run any longer:\n{tasks}")
        open(f"{self.out}/stop", "wb").close()
        wait_until(lambda: "RUNNING" not in self.node.ctr("tasks", "list").stdout, READERS_END_SECONDS,
                   "the end of the readers")
        return {name: self._figures(name) for name in self.readers}

    # --- kills

    def _visit_fault_points(self):
        """Lets stowaged die at fault points, one after the other, while it resolves, shows and removes images."""
        points = self.node.fault_points()
        every = self.options.every_fault_point
        if not every:
            points = [point for point in points if point.startswith("resolve.")]  # the others: fault_points_test
        never = []
        for number, point in enumerate(points):
            died = self.node.died_at.get(point, 0)
            self.node.restart_stowaged(fault=f"{point}:1")
            churn = Churn(self.node, self.box, self.needed, f"{self.options.seed} {point}")
            churn.visit(number, only_resolving=not every)
            if self.node.died_at.get(point, 0) == died:
                never.append(point)
            expect_equal(churn.wrong, [], f"wrong after stowaged died at {point}")
        self.node.restart_stowaged()
        leaks.expect_whole(self.node)
        self._say(f"fault points visited: {len(points) - len(never)} of {len(points)}"
              + (f"; not passed there: {' '.join(never)}" if never else ""))
        expect(not [point for point in never if point.startswith("resolve.")], f"stowaged did not die at {never}")

    def _kill_processes(self):
        self.node.faults = True
        names = self.node.names
        while min(self.node.killed.values()) < self.options.kills:
            time.sleep(self.random.uniform(*(LONG if self.random.random() < LONG_SHARE else SHORT)))
            missing = [name for name in names if self.node.killed[name] < self.options.kills]
            first = self.random.choice(missing)
            victims = [first]
            if self.random.random() < PAIRS and len(names) > 1:
                victims.append(self.random.choice([name for name in names if name != first]))
            self.node.kill(victims)
            self.node.check_supervised()
        time.sleep(1)
        self.node.kill(names)

    def _settle(self):
        """Until everything runs, and stowaged is one that dies of no fault point."""
        self.node.faults = False
        self.node.restart_stowaged()
        self.node.await_all()
        self.node.check_supervised()
        leaks.expect_whole(self.node)

    # --- afterwards

    def _expect_no_errors(self, figures):
        for name, found in figures.items():
            expect_equal(found["errors"], [], f"errors that the reader in the {name} image saw")
            expect_equal(len(found["operations"]), 5, f"kinds of operations of the reader in the {name} image")
            expect(found["longest_s"] < LONGEST_PAUSE_SECONDS,
                   f"a reader waited {found['longest_s']:.1f} s: {found['longest_of']}")
        expect_equal(self.churn.wrong, [], "what went wrong beside the readers")

    def _expect_snapshots_usable(self):
        """Every committed snapshot can be shown, every active one has its mounts."""
        node, where = self.node, f"{self.case.scratch}/shown"
        os.mkdir(where)
        snapshots = ("snapshots", "--snapshotter", "stowage")
        listed = self._snapshots()
        expect(listed, "no snapshots are left to look at")
        for number, (name, kind) in enumerate(listed):
            node.ctr(*snapshots, "info", name)
            node.ctr(*snapshots, "usage", name)
            key = name
            if kind == "Committed":
                key = f"look{number}"
                node.ctr(*snapshots, "prepare", key, name)  # not a view: see churn.py
            run(["sh", "-ec", node.ctr(*snapshots, "mounts", where, key).stdout])
            shown = os.listdir(where)
            run(["umount", where])
            expect(shown or kind == "Active" or name.startswith("raw"), f"snapshot {name} shows nothing")
            if kind == "Committed":
                node.ctr(*snapshots, "remove", key)
        os.rmdir(where)
        print(f"snapshots looked at: {len(listed)}")

    def _snapshots(self):
        """[(name, kind)] of all; an unfinished layer's name is two words."""
        listed = self.node.ctr("snapshots", "--snapshotter", "stowage", "list").stdout
        lines = [line.split() for line in listed.splitlines()[1:]]
        return [(" ".join(words[:2] if words[0].startswith("extract-") else words[:1]), words[-1]) for words in lines]

    def _remove_everything(self):
        """All containers, snapshots and images, once nothing but them holds layers."""
        node = self.node
        time.sleep(HOLD_SECONDS + 1)
        for container in node.ctr("containers", "list", "--quiet").stdout.split():
            self.churn.remove_container(container)
        expect_equal(node.ctr("leases", "list", "--quiet").stdout, "", "leases that nobody gave back")
        images = node.ctr("images", "list", "--quiet").stdout.split()
        snapshots = ("snapshots", "--snapshotter", "stowage")
        said = {}

        def removed():
            for name, _kind in self._snapshots():
                if not name.startswith("sha256:"):  # those are the images', and go with them
                    said[name] = node.ctr(*snapshots, "remove", name, check=False).stderr
            if images:
                node.ctr("images", "remove", "--sync", *images, check=False)
            node.ctr("content", "prune", "references", check=False)
            return not self._snapshots()
        try:
            wait_until(removed, leaks.SETTLE_SECONDS, "no snapshots")
        except Failure as failure:
            left = [(*snapshot, said.get(snapshot[0])) for snapshot in self._snapshots()]
            raise Failure(f"{failure}: {left}") from None
        expect_equal(node.ctr("containers", "list", "--quiet").stdout, "", "containers that cannot be removed")

    def _expect_garbage_freed(self):
        run(["nix-store", "--gc"])
        left = [name for name in os.listdir("/nix/store") if name != ".links"]
        expect_equal(left, [], "store paths that nothing needs")

    def _inventory(self):
        self.node.await_all()
        # stowaged has then what it keeps of containerd
        for words in (("prepare", "inventory"), ("remove", "inventory")):
            self.node.ctr("snapshots", "--snapshotter", "stowage", *words)
        names = self.node.names if len(self.node.names) == 1 else (*self.node.names, "service manager")
        found = {name: leaks.descriptors(self.node.pid(name)) for name in names}
        if "worker" in found:
            pipes = found["worker"].pop("pipe:[N]", 0)
            # libfuse makes one for each thread that has spliced
            expect(pipes <= 2 * WORKER_THREADS, f"the worker has {pipes} ends of pipes")
        return {**found, "mounts": leaks.mounts(), "processes": leaks.processes()}

    def _print_figures(self, figures, took):
        node, churn = self.node, self.churn
        print(f"seed {self.options.seed}, driver {self.case.driver}, FUSE {self.case.fuse_settings}, RESEND {'off' if self.options.no_resend else 'on'}, "
              f"{took:.0f} s of chaos")
        print("kills: " + ", ".join(f"{name} {count}" for name, count in node.killed.items())
              + f"; at fault points: {sum(node.died_at.values())} at {len(node.died_at)} different ones")
        for name, found in figures.items():
            print(f"reader in the {name} image: {_counts(found['operations'])}; "
                  f"longest {found['longest_s'] * 1000:.0f} ms ({found['longest_of']}); errors {len(found['errors'])}")
        print(f"beside: {_counts(churn.done)}")
        print(f"refused while a daemon was away: {_counts(churn.refused)}; wrong: {len(churn.wrong)}", flush=True)


def _counts(counts):
    return ", ".join(f"{count} x {what}" for what, count in sorted(counts.items())) or "none"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_directory")
    parser.add_argument("--kills", type=int, default=100, help="of each process (%(default)s)")
    parser.add_argument("--driver", choices=("fuse", "passthrough", "overlay", "auto"), default="fuse",
                        help="what shows the store; passthrough: fuse in that data mode")
    parser.add_argument("--no-resend", action="store_true", help="as on kernels before 6.9")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same kills at the same intervals again")
    parser.add_argument("--every-fault-point", action="store_true",
                        help="before the kills, visit all and not only those of resolving")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    name = "chaos-no-resend" if options.no_resend else "chaos" if options.driver == "fuse" else f"chaos-{options.driver}"
    case = Case(name, options.bin_directory, f"{ROOT}/build/pkgset", f"{ROOT}/build/integration/logs", options.driver)
    chaos = Chaos(case, options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        chaos.main()
    except Skip as why:
        print(f"skipped: {why}")
        return 77
    except Failure as failure:
        print(f"FAILED (seed {options.seed}): {failure}")
        traceback.print_tb(failure.__traceback__)
        case.show_logs()
        return 1
    finally:
        chaos.node.stop()
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
