"""Pairs of arrays in RAM: real values that have never been in a file."""

from collections.abc import Mapping

import numpy as np

from kseq.corpora.recordings import Recording
from kseq.corpora.values import ValuePairs

_NAME = "pairs in memory"
_COLUMNS = ("source", "target", "covariates")


class ArrayPairs(ValuePairs):
    """Pairs with real values in RAM.

    Args:
        *data: Pairs `(source, target)`, or `(source, target, covariates)`; a dict of lists of these
            names; or sources, targets and perhaps covariates, each a list of arrays `[length, F]`
            or an array `[N, length, F]`. A side may also be strings, and a source a `Recording`.

    Raises:
        ValueError: There are more sources than targets, or fewer.
    """

    arguments = None  # by which `load_corpus` would open the same pairs again

    def __init__(self, *data):
        super().__init__(_NAME)
        self.files = ()
        self._rows = _rows_of(*data)

    def opened(self, skip_faulty=False):
        """Returns the pairs, after checking that the first one can be used.

        Args:
            skip_faulty: As for `ValuePairs`.

        Raises:
            ValueError: No pair can be used.
        """
        self._skip_faulty = skip_faulty
        _ = self.features
        return self

    def __str__(self):
        return _NAME

    def _scan(self):
        for number, sides in enumerate(self._rows, start=1):
            yield f"{_NAME}, pair {number}", _key_of(sides[0]), sides


def hold_arrays(data):
    """Returns whether objects in RAM are for `ArrayPairs`: they hold arrays of numbers.

    Args:
        data: A tuple of objects.
    """
    if len(data) == 1 and isinstance(data[0], Mapping):
        data = tuple(data[0].values())
    if len(data) == 1 and isinstance(data[0], (list, tuple)) and data[0]:
        first = data[0][0]
        return isinstance(first, (list, tuple)) and any(map(_is_sequence_of_values, first))
    return len(data) > 1 and any(
        isinstance(column, (list, tuple, np.ndarray))
        and len(column) > 0
        and _is_sequence_of_values(column[0])
        for column in data
    )


def _is_sequence_of_values(item):
    if isinstance(item, Recording):
        return True
    return getattr(item, "ndim", 0) > 0 and np.asarray(item).dtype.kind in "iufb"


def _rows_of(*data):
    """Returns a list of tuples: source, target and perhaps covariates."""
    if len(data) == 1 and isinstance(data[0], Mapping):
        (columns,) = data
        if not set(_COLUMNS[:2]) <= set(columns) <= set(_COLUMNS):
            raise ValueError(
                f"expected {', '.join(_COLUMNS[:2])} and perhaps {_COLUMNS[2]} as names; received "
                f"{', '.join(map(str, columns))}"
            )
        data = [columns[name] for name in _COLUMNS if name in columns]
    elif len(data) == 1:
        rows = list(data[0])
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, (list, tuple)) or len(row) != len(rows[0]) or len(row) < 2:
                raise ValueError(
                    f"{_NAME}, pair {number}: expected source and target, and covariates for all "
                    "targets or for none"
                )
        return rows
    counts = [len(column) for column in data]
    if len(set(counts)) > 1:
        received = " and ".join(f"{count:,}" for count in counts)
        covariates = " and covariates" if len(counts) > 2 else ""
        raise ValueError(f"expected as many sources as targets{covariates}; received {received}")
    return list(zip(*data))


def _key_of(source):
    """What decides on the split of a source: a string, or bytes."""
    if isinstance(source, Recording):
        source = source.samples
    return source if isinstance(source, str) else np.ascontiguousarray(source).tobytes()
