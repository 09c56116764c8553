#!/usr/bin/env python3
"""Writes the figures of docs/performance.md and its plots.

  write_docs.py [REPORT]    REPORT: what bench_rootfs.py wrote, build/bench/rootfs-report.json unless given
"""

import json
import pathlib
import sys

from performance_page import plots, replace_section, section

ROOT = pathlib.Path(__file__).resolve().parents[3]


def main(report=ROOT / "build/bench/rootfs-report.json"):
    report = json.loads(pathlib.Path(report).read_text(encoding="utf-8"))
    page, pictures = ROOT / "docs/performance.md", ROOT / "docs/performance"
    page.write_text(replace_section(page.read_text(encoding="utf-8"), section(report)), encoding="utf-8")
    pictures.mkdir(exist_ok=True)
    for old in pictures.glob("*.svg"):
        old.unlink()
    for name, picture in plots(report).items():
        (pictures / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
