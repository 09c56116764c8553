"""fetch_containerd.py DIRECTORY: containerd of those Debian suites that this machine is not, unpacked in DIRECTORY/SUITE.

What is there already is kept: remove DIRECTORY to follow a suite that has moved. Nothing is installed. A suite that cannot
be had leaves its reason in DIRECTORY/SUITE.error, which fails the tests that want it and only those.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../pkgset")
from debian_suite import DebianSuite, find_mirror  # noqa: E402 (needs the path above)

SUITES = ("bookworm", "trixie", "sid")


def own_suite():
    """This machine's Debian release by name."""
    with open("/etc/os-release", encoding="utf-8") as file:
        words = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return words.get("VERSION_CODENAME", "").strip('"')


def fetch(directory, suite):
    """Downloads and unpacks one suite's containerd."""
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                                  check=True).stdout.strip()
    cache = f"{directory}/cache"
    packages = DebianSuite(cache, find_mirror(suite), suite, architecture, offline=False)
    file = packages.fetch(["containerd"])["containerd"]["file"]
    unpacked = f"{directory}/{suite}.part"
    shutil.rmtree(unpacked, ignore_errors=True)
    subprocess.run(["dpkg", "-x", f"{cache}/debs/{file}", unpacked], check=True)
    os.rename(unpacked, f"{directory}/{suite}")


def main():
    directory = os.path.abspath(sys.argv[1])
    os.makedirs(directory, exist_ok=True)
    for suite in SUITES:
        if suite == own_suite() or os.path.exists(f"{directory}/{suite}"):
            continue
        error_file = f"{directory}/{suite}.error"
        try:
            fetch(directory, suite)
        except (OSError, subprocess.CalledProcessError, SystemExit) as error:
            with open(error_file, "w", encoding="utf-8") as file:
                file.write(f"{error}\n")
            print(f"containerd of Debian {suite} cannot be had: {error}", file=sys.stderr)
            continue
        if os.path.exists(error_file):
            os.unlink(error_file)


if __name__ == "__main__":
    main()
