"""The places of lines: their files and line numbers."""

import array
import bisect
import itertools

import numpy as np

from kseq.inspection.findings import LineRange
from kseq.inspection.swapped_sides import runs_of


class Places:
    """The files and line numbers of lines, 4 bytes per line.

    Lines are numbered as rows from 0, over all files.
    """

    def __init__(self):
        self._lines = array.array("I")
        self._starts = {}

    def add(self, files, numbers):
        """Adds lines.

        Args:
            files: The file of each line.
            numbers: The line number of each line in its file, from 1.
        """
        for file, group in itertools.groupby(range(len(files)), files.__getitem__):
            self._starts.setdefault(str(file), len(self._lines) + next(group))
        self._lines.extend(numbers)

    def __getitem__(self, row):
        """The file and the line number of a row."""
        starts = list(self._starts.values())
        return list(self._starts)[bisect.bisect_right(starts, row) - 1], self._lines[row]

    @property
    def files(self):
        """All files, a tuple."""
        return tuple(self._starts)

    def ranges(self, states, blank):
        """Finds runs of lines.

        Args:
            states: Whether each row belongs to a run, bool `[N]`.
            blank: Which rows have an empty side, bool `[N]`; they do not interrupt a run.

        Returns:
            A tuple of `LineRange`; a run that spans two files gives two ranges.
        """
        ends = [*list(self._starts.values())[1:], len(self._lines)]
        line_ranges = []
        for (file, start), end in zip(self._starts.items(), ends):
            rows = start + np.flatnonzero(~blank[start:end])
            for run in runs_of(states[rows]):
                line_ranges.append(LineRange(file, *(self._lines[row] for row in rows[run])))
        return tuple(line_ranges)
