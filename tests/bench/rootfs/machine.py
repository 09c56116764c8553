"""The machine that figures come from."""

import datetime
import os
import platform

from commands import run
from kernel_figures import meminfo


def describe_machine(directory, repository):
    """[[what, value]] for the documentation. directory: where stores and containers are; repository: of Stowage"""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = [line.partition(":")[2].strip() for line in file if line.startswith(("model name", "flags"))]
    kind = "virtual machine" if len(cpu) > 1 and "hypervisor" in cpu[1].split() else "bare metal"
    return [
        ["date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")],
        ["Stowage", _said("git", "-C", repository, "describe", "--always", "--dirty")],
        ["CPU", f"{cpu[0]}, {os.cpu_count()} cores, {kind}"],
        ["memory", f"{meminfo('MemTotal') / (1 << 30):.0f} GiB"],
        ["kernel", platform.release()],
        ["distribution", platform.freedesktop_os_release()["PRETTY_NAME"]],
        ["file system", _said("findmnt", "--noheadings", "--output", "FSTYPE", "--target", directory)],
        ["containerd", _said("containerd", "--version").split()[2]],
        ["runc", _said("runc", "--version").split()[2]],
        ["Nix", _said("nix", "--version").split()[-1]],
        ["fio", _said("fio", "--version")],
        ["load at the start", f"{os.getloadavg()[0]:.2f}"],
    ]


def _said(*command):
    return run(command, check=False).stdout.strip()
