"""The ratios that are to be reached."""

import re

# file system, rows, largest ratio
AIMS = (
    ("overlay redirect", r"", 1.02),
    ("fuse cached", r"start( to exit)?$", 1.10),
    ("fuse cached", r"^open", 1.40),
)


def aim_of(name, file_system):
    """The aim of a row, or None."""
    return next((aim for of, names, aim in AIMS if of == file_system and re.search(names, name)), None)


def missed(row):
    aim = aim_of(row["name"], row["file_system"])
    return aim is not None and row["ratio"] is not None and round(row["ratio"], 2) > aim
