#!/usr/bin/env python3
"""Tables and plots made of made-up rows."""

import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
from performance_page import BEGIN, END, plots, replace_section, section  # noqa: E402
from ratio_plot import AXIS, LABELS, TOP, plot  # noqa: E402
from samples import Samples  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def report_of(samples):
    return {"machine": [["CPU", "a|b <c>"]], "baseline": "overlayfs", "control": "overlayfs again", "rounds": 3,
            "rows": samples.rows("overlayfs")}


def two_rows():
    samples = Samples()
    for file_system, values in (("overlayfs", (1, 2, 9)), ("overlayfs again", (1.9,)), ("fuse cached", (2, 3, 30)),
                                ("overlay redirect", (2.05,))):
        for value in values:
            samples.add("warm", "open + close", "ms", file_system, value)
    samples.add("costs", "processes", "MiB", "overlayfs", 0)
    samples.add("costs", "processes", "MiB", "fuse cached", 44.07)
    return report_of(samples)


class SamplesTest(unittest.TestCase):
    def test_medians_and_ratios(self):
        rows = two_rows()["rows"]
        self.assertEqual([(row["row"], row["value"], row["baseline"], row["ratio"]) for row in rows],
                         [("warm: open + close: overlayfs again", 1.9, 2, 0.95),
                          ("warm: open + close: fuse cached", 3, 2, 1.5),
                          ("warm: open + close: overlay redirect", 2.05, 2, 1.025),
                          ("costs: processes: fuse cached", 44.07, 0, None)])


class SectionTest(unittest.TestCase):
    def test_table(self):
        text = section(two_rows())
        self.assertIn("| | overlayfs | overlayfs again | fuse cached | overlay redirect |\n|---|---:|---:|---:|---:|\n"
                      "| open + close, ms | 2 | 1.9 (0.95) | 3 (**1.50**) | 2.05 (1.02) |\n", text)
        self.assertIn("| processes, MiB | 0 | 44.1 |\n", text)

    def test_missed_aims(self):
        self.assertTrue(section(two_rows()).endswith("| row | ratio | aim | overlayfs again |\n|---|---:|---:|---:|\n"
                                                     "| warm: open + close: fuse cached | 1.50 | 1.40 | 0.95 |\n"))

    def test_no_aim_missed(self):
        samples = Samples()
        for file_system in ("overlayfs", "fuse cached"):
            samples.add("warm", "open + close", "ms", file_system, 1)
        self.assertTrue(section(report_of(samples)).endswith("### Rows that miss their aim\n\nNone.\n"))

    def test_escapes_cells(self):
        self.assertIn("| CPU | a\\|b &lt;c> |\n", section(two_rows()))

    def test_only_what_has_ratios_is_plotted(self):
        self.assertEqual(list(plots(two_rows())), ["warm.svg"])
        self.assertEqual(re.findall(r"\(performance/(.*)\)", section(two_rows())), ["warm.svg"])


class ReplaceSectionTest(unittest.TestCase):
    def test_replaces_what_is_between_the_marks(self):
        once = replace_section(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new\n")
        self.assertEqual(once, f"before\n{BEGIN}\nnew\n{END}\nafter\n")
        self.assertEqual(replace_section(once, "new\n"), once)

    def test_refuses_a_document_without_marks(self):
        for text in ("", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "the document needs one line"):
                replace_section(text, "")


class PlotTest(unittest.TestCase):
    def bars(self, picture):
        """[(x, width)], without those of the legend"""
        rectangles = ElementTree.fromstring(picture).findall(f"{SVG}rect")
        return [(float(bar.get("x")), float(bar.get("width"))) for bar in rectangles if float(bar.get("y")) >= TOP]

    def test_twice_and_half_are_equally_far_from_one(self):
        middle = LABELS + AXIS / 2
        self.assertEqual(self.bars(plot("t", [("r", {"a": 2.0, "b": 0.5})], ["a", "b"])),
                         [(middle, AXIS / 2), (LABELS, AXIS / 2)])

    def test_every_bar_is_in_the_picture(self):
        picture = plot("t", [("r", {"a": 53.0, "b": 0.019})], ["a", "b"])
        for x, width in self.bars(picture):
            self.assertGreaterEqual(x, LABELS)
            self.assertLessEqual(x + width, LABELS + AXIS)

    def test_aim(self):
        rows = [("r", {"a": 2.0, "b": 2.0})]
        with_aim = plot("t", rows, ["a", "b"], lambda row, name: 1.4 if (row, name) == ("r", "a") else None)
        lines, lines_without = (len(ElementTree.fromstring(picture).findall(f"{SVG}line"))
                                for picture in (with_aim, plot("t", rows, ["a", "b"])))
        self.assertEqual(lines - lines_without, 1)

    def test_escapes_text(self):
        root = ElementTree.fromstring(plot("a < b & c", [("<script>", {"x > y": 1.5})], ["x > y"]))
        texts = [text.text for text in root.iter(f"{SVG}text")]
        self.assertIn("a < b & c", texts)
        self.assertIn("<script>", texts)
        self.assertEqual([text.tag for text in root.iter(f"{SVG}script")], [])

    def test_same_values_same_bytes(self):
        self.assertEqual(plots(two_rows()), plots(two_rows()))
        one = plot("t", [("r", {"a": 2.0, "b": 0.5})], ["a", "b"])
        other = plot("t", [("r", {"b": 0.5, "a": 2.0})], ["a", "b"])
        self.assertEqual(one, other)


if __name__ == "__main__":
    unittest.main()
