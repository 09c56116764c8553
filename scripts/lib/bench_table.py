"""bench_table.py FILE: prints a bench's result, a list of {"row", "value", "baseline", "ratio"}, as a table."""

import json
import sys

COLUMNS = ("row", "value", "baseline", "ratio")


def cell(value):
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = json.load(file)
    lines = [COLUMNS] + [tuple(cell(row.get(column)) for column in COLUMNS) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for line in lines:
        numbers = (text.rjust(width) for text, width in zip(line[1:], widths[1:]))
        print("  ".join([line[0].ljust(widths[0]), *numbers]))


if __name__ == "__main__":
    main()
