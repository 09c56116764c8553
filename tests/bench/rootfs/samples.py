"""Measurements, and the rows made of them."""

import collections
import statistics


class Samples:
    """Values by group (one table), row and file system."""

    def __init__(self):
        self._values = collections.defaultdict(list)  # {(group, row, file system): [value]}
        self._units = {}  # {(group, row): unit}

    def add(self, group, row, unit, file_system, value):
        self._values[group, row, file_system].append(value)
        self._units[group, row] = unit

    def rows(self, baseline):
        """Medians: [{"row", "value", "baseline", "ratio", "group", "name", "unit", "file_system"}], as they were added.

        baseline: name of the file system that the others are compared with; its own rows are left out.
        """
        rows = []
        for group, name in self._units:
            unit = self._units[group, name]
            compared_with = statistics.median(self._values[group, name, baseline])
            for of_group, of_row, file_system in self._values:
                if (of_group, of_row) != (group, name) or file_system == baseline:
                    continue
                value = statistics.median(self._values[group, name, file_system])
                rows.append({"row": f"{group}: {name}: {file_system}", "value": value,
                             "baseline": compared_with, "ratio": value / compared_with if compared_with else None,
                             "group": group, "name": name, "unit": unit, "file_system": file_system})
        return rows
