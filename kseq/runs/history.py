"""The history of a run, `history.csv`: its figures so far, read without trusting the file."""

import csv
import math

from kseq.runs.directory import HISTORY

HIGHER_IS_BETTER = ("val_accuracy", "val_exact_match", "val_bleu", "val_chrf")
# Of these, every history has one: the figures that training monitors unless it is set otherwise.
_USUAL = ("val_cross_entropy", "val_mean_squared_error", "val_binary_cross_entropy")


def read_history(folder):
    """Reads the history of a run.

    Args:
        folder: Run directory, a `pathlib.Path`.

    Returns:
        A list of rows, one for each validation: a dict of numbers by the names of their columns.
        `epoch` is the number of epochs before it, perhaps with a fraction. Numbers that are absent
        are left out. The list is empty if there is no history yet.

    Raises:
        ValueError: The file is damaged; the message names the line.
        OSError: It cannot be read.
    """
    path = folder / HISTORY
    if not path.exists():
        return []
    rows = []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                rows.append(_read_numbers(row))
    except (ValueError, csv.Error) as error:
        place = f"{path}:{reader.line_num}" if rows else path
        raise ValueError(f"{place}: damaged: {error}") from error
    return rows


def _read_numbers(row):
    if None in row or None in row.values():
        raise ValueError("expected a number in every column")
    numbers = {name: float(text) for name, text in row.items() if text}
    if not 0 < numbers.get("epoch", 0) < math.inf:
        raise ValueError("expected the number of an epoch in the column epoch")
    return numbers


def find_measure(rows, training):
    """Returns the name of the figure by which a run is measured; None if it has none yet.

    Args:
        rows: Its history, as `read_history` returns it.
        training: Its `TrainingConfig`.
    """
    monitor = training.monitor
    names = {name for row in rows for name in row}
    return next((name for name in (monitor, *_USUAL) if name in names), None)


def find_best(rows, measure):
    """Returns the first row with the best figure; None if no row has a finite one.

    Args:
        rows: A history, as `read_history` returns it.
        measure: Name of the figure, from `find_measure`.
    """
    candidates = [row for row in rows if math.isfinite(row.get(measure, math.nan))]
    sign = -1 if measure in HIGHER_IS_BETTER else 1
    return min(candidates, key=lambda row: sign * row[measure], default=None)
