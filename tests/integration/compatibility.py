"""compatibility.py write: makes the table of docs/compatibility.md from the columns that the matrix has left in build/.

The table: one row for each client and kind of image, one column for each containerd; a cell says which layers were
fetched. Versions move with Debian and are no part of what must be the same.
"""

import json
import os
import sys

from commands import Failure, expect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = f"{ROOT}/docs/compatibility.md"
COLUMNS = f"{ROOT}/build/integration/matrix"
BEGIN, END = "<!-- table: made by tests/integration/write_compatibility -->\n", "<!-- end of table -->\n"
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13", "sid": "sid"}
NO_CELL = "–"


def save_column(suite, version, cells):
    """Keeps what a run of the matrix found; cells {(client, image): text}."""
    os.makedirs(COLUMNS, exist_ok=True)
    rows = [[client, image, text] for (client, image), text in cells.items()]
    with open(f"{COLUMNS}/{suite}.json", "w", encoding="utf-8") as file:
        json.dump({"version": version, "rows": rows}, file)


def expect_as_committed(suite, cells, only_client=None):
    """A Failure that shows each difference between the cells and the suite's column of the committed table.

    only_client: compares its rows alone.
    """
    committed = {key: text for key, text in _committed_column(suite).items() if only_client in (None, key[0])}
    differences = [f"{' / '.join(key)}: the table says {committed.get(key, NO_CELL)!r}, found {cells.get(key, NO_CELL)!r}"
                   for key in sorted(committed.keys() | cells.keys()) if committed.get(key) != cells.get(key)]
    expect(not differences, f"{suite} is not as docs/compatibility.md says (tests/integration/write_compatibility makes its "
                            "table anew):\n" + "\n".join(differences))


def _committed_column(suite):
    number = 2 + list(SUITES).index(suite)
    column, client = {}, ""
    for line in _document_parts()[1].splitlines()[2:]:
        words = [word.strip() for word in line.strip().strip("|").split("|")]
        if len(words) != 2 + len(SUITES):
            continue
        client = words[0] or client
        if words[number] != NO_CELL:
            column[client, words[1]] = words[number]
    return column


def _document_parts():
    """What stands before the table, the table, and what stands behind it."""
    with open(DOCUMENT, encoding="utf-8") as file:
        before, found, rest = file.read().partition(BEGIN)
    table, found_end, after = rest.partition(END)
    expect(found and found_end, f"{DOCUMENT} has no table between {BEGIN.strip()} and {END.strip()}")
    return before, table, after


def _table(columns):
    versions = [f"{columns[suite]['version']} ({title})" for suite, title in SUITES.items()]
    lines = ["| client | image | " + " | ".join(versions) + " |", "|---" * (2 + len(SUITES)) + "|"]
    cells = {suite: {(client, image): text for client, image, text in columns[suite]["rows"]} for suite in SUITES}
    shown = ""
    # the newest containerd has every client
    for client, image in cells["sid"]:
        texts = [cells[suite].get((client, image), NO_CELL) for suite in SUITES]
        lines.append(f"| {client if client != shown else ''} | {image} | " + " | ".join(texts) + " |")
        shown = client
    return "\n".join(lines) + "\n"


def write():
    """Replaces the document's table by what the last run of each column found."""
    columns = {}
    for suite in SUITES:
        try:
            with open(f"{COLUMNS}/{suite}.json", encoding="utf-8") as file:
                columns[suite] = json.load(file)
        except FileNotFoundError:
            raise Failure(f"no results of {suite}: see why integration:matrix_{suite} ended early") from None
    before, _, after = _document_parts()
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + _table(columns) + END + after)


if __name__ == "__main__":
    if sys.argv[1:] != ["write"]:
        sys.exit(__doc__)
    write()
