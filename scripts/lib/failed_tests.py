#!/usr/bin/env python3
"""failed_tests.py [JUNIT-FILE...]: names the tests that failed in ctest's JUnit files and shows the end of their output.

A log can be cut to its end where somebody else keeps it, so this comes last. Prints nothing where nothing failed.
"""

import pathlib
import sys
import xml.etree.ElementTree

OUTPUT_LINES = 40


def main() -> None:
    for path in map(pathlib.Path, sys.argv[1:]):
        try:
            cases = xml.etree.ElementTree.parse(path).iter("testcase")
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            print(f"{path}: cannot be read: {error}")
            continue
        for case in cases:
            skipped = case.find("skipped")
            if case.get("status") == "run" or (skipped is not None and skipped.get("message", "").startswith("SKIP_")):
                continue
            print(f"FAILED ({path.parent.name} preset): {case.get('name')}, {float(case.get('time', 0)):.1f} s")
            output = (case.findtext("system-out") or "").rstrip().splitlines()
            for line in output[-OUTPUT_LINES:]:
                print(f"  {line}")


if __name__ == "__main__":
    main()
