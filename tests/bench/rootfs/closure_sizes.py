"""Images of more and more store paths: start of a container, and a look at everything."""

import os
import sys
import time

from bench_program import say
from commands import run
from workloads import CONTAINER

GROUP = "closures"


def make_closures(root, sizes, package_set):
    """Adds made-up closures to the package set, as synth.nSIZE. root: of the repository"""
    run([sys.executable, "-B", f"{root}/tests/pkgset/synth.py", "--paths", ",".join(map(str, sizes)), "--set", package_set],
        seconds=600)


def measure_closure(size, rounds, setting, image, samples):
    say(f"{size} store paths: pulling")
    file_systems = setting.show(f"nix/busybox/synth.n{size}")
    say(f"{size} store paths: measuring")
    for number in range(-1, rounds):
        turn = number % len(file_systems)
        for file_system in file_systems[turn:] + file_systems[:turn]:
            begin = time.monotonic()
            file_system.run(*CONTAINER.program)
            start = (time.monotonic() - begin) * 1000
            walk = _first_walk(file_system, setting.case.scratch, image)
            if number < 0:  # not warm yet
                continue
            samples.add(GROUP, f"{size} store paths: start to exit", "ms", file_system.name, start)
            samples.add(GROUP, f"{size} store paths: first walk in a new container", "ms", file_system.name, walk)


def _first_walk(file_system, scratch, image):
    directory = f"{scratch}/walked"
    os.makedirs(directory, exist_ok=True)
    file_system.mount(directory)
    milliseconds = image.probe_milliseconds("walk", directory, [])
    file_system.unmount(directory)
    return milliseconds
