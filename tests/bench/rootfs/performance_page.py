"""The part of docs/performance.md that is made of a report."""

from aims import aim_of, missed
from ratio_plot import plot

BEGIN = "<!-- The next lines are written by tests/bench/rootfs/write_docs.py -->"
END = "<!-- until here -->"
TITLES = {
    "warm": "Warm",
    "cold": "Cold: the kernel's caches dropped before",
    "closures": "Closures of 10 to 5,000 store paths",
    "costs": "What containers of one image cost",
}
WITHOUT_PLOT = ("costs",)


def group_title(group):
    return TITLES.get(group, f"Beside {group} of the same image")


def groups_of(report):
    groups = dict.fromkeys(row["group"] for row in report["rows"])
    return sorted(groups, key=lambda group: group in WITHOUT_PLOT)


def plot_name(group):
    return f"{group.replace(' ', '-')}.svg"


def plots(report):
    """{file name: SVG}"""
    made = {}
    for group in groups_of(report):
        if group in WITHOUT_PLOT:
            continue
        rows = _rows_of(report, group)
        ratios = [(name, {row["file_system"]: row["ratio"] for row in cells if row["ratio"]}) for name, cells in rows.items()]
        title = f"{group_title(group).partition(':')[0]}: time / {report['baseline']}"
        made[plot_name(group)] = plot(title, ratios, _file_systems(report, group), aim_of)
    return made


def section(report):
    """Markdown: the machine, a table of each group, the rows that miss their aim."""
    lines = ["| | |", "|---|---|", *(f"| {_cell(what)} | {_cell(value)} |" for what, value in report["machine"]),
             f"| rounds | {report['rounds']} |", ""]
    for group in groups_of(report):
        lines += [f"### {group_title(group)}", "", *_table(report, group), ""]
        if group not in WITHOUT_PLOT:
            lines += [f"![{group_title(group)}](performance/{plot_name(group)})", ""]
    return "\n".join([*lines, "### Rows that miss their aim", "", *_missed(report)]) + "\n"


def replace_section(text, new):
    """The document with the text between its two marks replaced. ValueError unless each mark is there once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the document needs one line {BEGIN} and, below it, one line {END}")
    return f"{text.partition(BEGIN)[0]}{BEGIN}\n{new}{END}{text.partition(END)[2]}"


def _rows_of(report, group):
    """{name: its rows}"""
    rows = {}
    for row in report["rows"]:
        if row["group"] == group:
            rows.setdefault(row["name"], []).append(row)
    return rows


def _file_systems(report, group):
    return list(dict.fromkeys(row["file_system"] for row in report["rows"] if row["group"] == group))


def _table(report, group):
    names = _file_systems(report, group)
    yield f"| | {' | '.join(map(_cell, [report['baseline'], *names]))} |"
    yield "|---|" + "---:|" * (len(names) + 1)
    for name, rows in _rows_of(report, group).items():
        cells = {row["file_system"]: _value(row) for row in rows}
        unit = f", {rows[0]['unit']}" if rows[0]["unit"] else ""
        yield f"| {_cell(name + unit)} | {_number(rows[0]['baseline'])} | {' | '.join(cells.get(of, '') for of in names)} |"


def _value(row):
    if row["ratio"] is None:
        return _number(row["value"])
    ratio = f"{row['ratio']:.2f}"
    return f"{_number(row['value'])} ({'**' + ratio + '**' if missed(row) else ratio})"


def _missed(report):
    rows = [row for row in report["rows"] if missed(row)]
    if not rows:
        return ["None."]
    control = {(row["group"], row["name"]): row["ratio"] for row in report["rows"] if row["file_system"] == report["control"]}
    lines = [f"| row | ratio | aim | {_cell(report['control'])} |", "|---|---:|---:|---:|"]
    for row in rows:
        aim, noise = aim_of(row["name"], row["file_system"]), control.get((row["group"], row["name"]))
        lines.append(f"| {_cell(row['row'])} | {row['ratio']:.2f} | {aim:.2f} | {f'{noise:.2f}' if noise else ''} |")
    return lines


def _number(value):
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _cell(text):
    return str(text).replace("|", "\\|").replace("<", "&lt;")
