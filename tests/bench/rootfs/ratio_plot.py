"""Ratios to a baseline as an SVG picture: the same text for the same values.

Bars begin at 1 on a logarithmic axis, so that twice as long and half as long are equally far away. There is no background,
and one grey that can be read on white and on black alike. Colours are those of Okabe and Ito, which the colour-blind can tell
apart; order and numbers say the same without colour.
"""

import math
from xml.sax.saxutils import escape

COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#f0e442")
INK, GRID = "#7b828a", "#7b828a40"
LABELS, AXIS, MARGIN = 330, 460, 50  # widths, left to right: names of rows and a number, bars, a number
BAR, GAP = 12, 12  # heights
TOP, BOTTOM = 84, 14


class _Axis:
    """Where a ratio stands, in pixels."""

    def __init__(self, ratios):
        self.low = min(-1, math.floor(math.log2(min(ratios, default=1))))
        self.high = max(1, math.ceil(math.log2(max(ratios, default=1))))

    def x(self, ratio):
        return LABELS + (math.log2(ratio) - self.low) / (self.high - self.low) * AXIS

    def ticks(self):
        return [2.0 ** exponent for exponent in range(self.low, self.high + 1)]


def plot(title, rows, series, aim_of=lambda row, name: None):
    """rows: [(name, {series: ratio, above 0})]; series: names in the order of their bars; aim_of: a ratio or None."""
    axis = _Axis([ratio for _, ratios in rows for ratio in ratios.values()])
    row_height = BAR * len(series) + GAP
    height = TOP + row_height * len(rows) + BOTTOM
    width = LABELS + AXIS + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             f'role="img" font-family="sans-serif" font-size="12" fill="{INK}">',
             f"<title>{escape(title)}</title>", *_legend(title, series), *_grid(axis, height)]
    for number, (name, ratios) in enumerate(rows):
        top = TOP + row_height * number
        parts.append(_text(LABELS - 36, top + BAR * len(series) / 2 + 4, name, "end"))
        for place, of in enumerate(series):
            if of in ratios:
                parts += _bar(axis, top + BAR * place, COLOURS[place % len(COLOURS)], ratios[of], aim_of(name, of))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x, y, text, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'


def _line(x, top, bottom, colour, width):
    return f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _legend(title, series):
    parts = [_text(8, 18, title, extra=' font-weight="bold"')]
    x = 8
    for place, name in enumerate((*series, "aim")):
        if place < len(series):
            parts.append(f'<rect x="{x}" y="33" width="10" height="10" fill="{COLOURS[place % len(COLOURS)]}"/>')
        else:
            parts.append(_line(x + 5, 31, 45, INK, 2))
        parts.append(_text(x + 15, 42, name))
        x += 30 + 7 * len(name)
    return parts


def _grid(axis, height):
    parts = []
    for ratio in axis.ticks():
        x = axis.x(ratio)
        parts.append(_line(x, TOP - 8, height - BOTTOM, INK if ratio == 1 else GRID, 1.5 if ratio == 1 else 1))
        parts.append(_text(x, TOP - 14, f"{ratio:g}", "middle"))
    return parts


def _bar(axis, top, colour, ratio, aim):
    one, end = axis.x(1), axis.x(ratio)
    left = end < one
    size = f'width="{abs(end - one):.1f}" height="{BAR - 2}"'
    parts = [f'<rect x="{min(one, end):.1f}" y="{top + 1:.1f}" {size} fill="{colour}"/>',
             _text(end + (-4 if left else 4), top + BAR - 2.5, f"{ratio:.2f}", "end" if left else "start", ' font-size="10"')]
    if aim:
        parts.append(_line(axis.x(aim), top, top + BAR, INK, 2))
    return parts
