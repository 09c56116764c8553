"""run.py BIN-DIR CASE[:DRIVER]|--prepare: the part of ./run that works inside the sandbox.

/nix is a store of the tests' own (build/integration/nix), filled once by --prepare and shared by all cases. A case is a
module of cases/ with `main(case)`; its first docstring line says what holds when it passes. DRIVER is what
snapshotter.driver of its nodes is, fuse unless given; "passthrough" and "noxattr" are fuse with settings (case.py).
"""

import importlib
import os
import signal
import sys
import traceback

from case import Case, Failure, Skip
from commands import run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = f"{ROOT}/build"
CASE_SECONDS = 280  # ctest's own limit is above it, so that logs are still shown
PACKAGES = ["hello", "bashInteractive", "coreutils", "moreutils", "nano", "git", "python3", "cacert", "iana-etc",
            "curl", "jq", "busybox", "htop", "python3Packages.requests", "haskellPackages.camelCaseTool", "tests.special"]
SYNTHETIC_PATHS = "1000,5000"


def prepare():
    """Builds the packages that cases use, and registers the made-up closures."""
    package_set = f"{BUILD}/pkgset"
    attributes = [word for name in PACKAGES for word in ("-A", name)]
    run(["nix-build", package_set, "--no-out-link", *attributes], seconds=600)
    run([sys.executable, "-B", f"{ROOT}/tests/pkgset/synth.py", "--paths", SYNTHETIC_PATHS, "--set", package_set],
        seconds=300)


def run_case(name, bin_directory):
    """Runs one case, CASE or CASE:DRIVER; returns the exit status."""
    module_name, _, driver = name.partition(":")
    module = importlib.import_module(f"cases.{module_name}")
    case = Case(name.replace(":", "-"), bin_directory, f"{BUILD}/pkgset", f"{BUILD}/integration/logs", driver or "fuse")

    def on_alarm(_signal, _frame):
        raise Failure(f"not done after {CASE_SECONDS} s")

    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(CASE_SECONDS)
    try:
        case.need_driver()
        module.main(case)
    except Skip as why:
        print(f"skipped: {why}")
        return 77
    except Failure as failure:
        print(f"FAILED: {failure}")
        traceback.print_tb(failure.__traceback__)
        case.show_logs()
        return 1
    finally:
        signal.alarm(0)
        case.close()
    print("passed")
    return 0


def main():
    bin_directory, name = sys.argv[1:]
    run(["mount", "--bind", f"{BUILD}/integration/nix", "/nix"])
    if name == "--prepare":
        prepare()
        return 0
    return run_case(name, bin_directory)


if __name__ == "__main__":
    sys.exit(main())
