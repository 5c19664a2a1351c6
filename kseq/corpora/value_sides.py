"""The sides of pairs with real values: text, arrays or recordings, loaded and compared."""

import pathlib

import numpy as np

from kseq.corpora.arrays import check_values, read_values
from kseq.corpora.recordings import Recording, is_recording, read_recording

SAMPLES = "recordings"  # in place of the width of a side, which depends on settings
_NAMES = ("source", "target", "covariates")


def load_columns(where, sides, widths=None):
    """Returns the columns of a pair: strings, arrays `[length, F]` or `Recording`s.

    Args:
        where: Where the pair is, for messages.
        sides: Source, target and, if there are any, covariates: strings, arrays, `Recording`s, or
            paths of files.
        widths: What `widths_of` returns for the first pair; None if this is the first one.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A side cannot be used, or is unlike that of the first pair.
    """
    columns = [_load(f"{where}, {name}", side) for name, side in zip(_NAMES, sides)]
    received = widths_of(columns)
    for name, side, width, expected in zip(_NAMES, sides, received, widths or received):
        if width != expected:
            raise ValueError(
                f"{where}, {name}: expected {_describe(expected)}, as in the first pair; "
                f"received {_describe(width, side)}"
            )
    return columns


def join_columns(where, columns):
    """Returns a pair of source and target; covariates become the last columns of the target.

    Args:
        where: Where the pair is, for messages.
        columns: Source, target and, if there are any, covariates, from `load_columns`.

    Raises:
        ValueError: The target is a recording, or there are covariates and it is text; or it does
            not have as many steps as the covariates.
    """
    source, target, *covariates = columns
    if isinstance(target, Recording):
        raise ValueError(f"{where}: expected a recording as the source; received one as the target")
    for name, side in zip(_NAMES[1:], [target, *covariates] if covariates else []):
        if not isinstance(side, np.ndarray):
            raise ValueError(
                f"{where}: expected real values as {name}, because there are covariates; received "
                f"{_describe(*widths_of([side]))}"
            )
    try:
        return source, join_covariates(target, *covariates) if covariates else target
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def widths_of(columns):
    """Returns the width of each column: 0 for text, `SAMPLES` for a recording."""

    def width_of(side):
        if isinstance(side, Recording):
            return SAMPLES
        return 0 if isinstance(side, str) else side.shape[1]

    return tuple(map(width_of, columns))


def join_covariates(target, covariates):
    """Returns a target `[T, F]` with covariates `[T, C]` as its last columns.

    Raises:
        ValueError: They have different lengths.
    """
    if len(target) != len(covariates):
        raise ValueError(
            f"expected covariates for each of {len(target):,} steps of the target; received "
            f"{len(covariates):,}"
        )
    return np.concatenate([target, covariates], axis=1)


def names_values(column):
    """Returns whether a column is the name of a file of real values: `.npy` or `.wav`."""
    return column.strip().lower().endswith(".npy") or is_recording(column)


def _load(where, side):
    """Returns a side, a string, an array or a `Recording`, or what is in a file."""
    if isinstance(side, (str, Recording)):
        return side
    if not isinstance(side, pathlib.Path):
        return check_values(side, where)
    try:
        return read_recording(side) if is_recording(side) else read_values(side)
    except (ValueError, OSError) as error:
        raise type(error)(f"{where}: {error}") from error


def _describe(width, side=None):
    """Describes a side by its number of features, and its file if there is one."""
    if not width:
        return "text"
    named = f" in {side}" if isinstance(side, pathlib.Path) else ""
    return f"a recording{named}" if width == SAMPLES else f"{width} features per frame{named}"
