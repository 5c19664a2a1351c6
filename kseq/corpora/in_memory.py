"""Pairs in RAM: lists, arrays, tables of pandas, datasets of Hugging Face or TensorFlow."""

import itertools
import os
import re
import reprlib
import sys
from collections.abc import Mapping, Sized

from kseq.corpora.columns import check_columns, fill_names
from kseq.corpora.featured import FeaturedText, make_pair
from kseq.corpora.lines import FaultyLineError
from kseq.corpora.tables import find_field, is_unicode
from kseq.errors import SettingError

_NAME = "pairs in memory"
_SPLITS = {"valid": ("valid", "validation", "dev"), "test": ("test",)}
_FIELDS = ("source", "target")
_CHECKED = 100  # strings of a list that decide whether it holds names of files
# Not numbers such as 3.14, formulas such as C/C=C/C, or addresses.
_PATH = re.compile(
    r"([A-Za-z]:)?[^\s:]+\.[^\W\d_]\w{0,8}|[\w.~-]*([/\\][\w.~-]+)*[/\\][\w.~-]*[^\W\d_]\w*"
)


class PairsInMemory:
    """Pairs of strings from an object, read again by every iteration.

    Args:
        *data: An iterable of pairs, such as a list of tuples, a list of dicts or an array of
            strings `[N, 2]`; a table with named columns: a dict of lists, a pandas `DataFrame`, a
            Hugging Face `Dataset`, a `tf.data.Dataset`; or two iterables of strings, sources and
            targets, and perhaps a third one, features. Data that can be read only once, such as a
            generator, are kept in RAM.
        columns: The columns of source and target, by number, from 1, or by name; by default the
            first two columns, or, in a table, those named `source` and `target`.
        features: The column of features, likewise. Sources may also be `FeaturedText`s.

    Attributes:
        has_features: Whether every source is a `FeaturedText`.
        has_sources, previous_turns: As in `kseq.corpora.pair_files.PairFiles`.

    Raises:
        TypeError: The object is not of such a kind.
        ValueError: It has no such columns, or sources and targets differ in number.
    """

    paths = ()
    are_aligned = False
    arguments = columns = None
    has_sources = True
    previous_turns = 0

    def __init__(self, *data, columns=None, features=None):
        if len(data) > 1:
            self._open = _join_columns(*data)
        else:
            self._open = _open_rows(*data, check_columns(columns, features))
        _, _, first = next(self.scan(), (None, None, ("", "")))
        self.has_features = isinstance(first, tuple) and isinstance(first[0], FeaturedText)

    def scan(self):
        """Yields the name of the data, the number and the pair of every item.

        A pair is a tuple of two strings, as from `make_pair`, or a `FaultyLineError`.
        """
        for number, pair in enumerate(self._open(), start=1):
            yield _NAME, number, check_pair(pair, number)

    def split_key(self, pair):
        """Returns what decides on the split of a pair: its source."""
        return pair[0]

    def warn_about_columns(self):
        """Does nothing: whoever passes an object has chosen its columns."""

    def __str__(self):
        return _NAME


def are_names(data):
    """Returns whether arguments are names of files, rather than data.

    Strings in nested lists are names if all of them look like paths.

    Args:
        data: A tuple of arguments.
    """
    if not data or any(map(_is_name, data)):
        return True
    if not all(isinstance(item, (list, tuple)) for item in data):
        return False
    if len(data) == 1 and all(map(_is_name, data[0])):
        return True
    lists = data if len(data) > 1 else data[0]
    beginnings = (itertools.islice(_flatten([items]), _CHECKED) for items in lists)
    strings = itertools.chain(*itertools.islice(beginnings, _CHECKED))
    return all(_is_name(item) and _looks_like_path(item) for item in strings)


def iterate_pairs(data):
    """Yields the pairs in any object that `PairsInMemory` accepts, unchecked and not kept.

    Bytes, such as the strings of TensorFlow, are decoded.
    """
    return map(_decode_sides, _open_rows(data, None, keeps=False)())


def splits_of(data):
    """Returns the splits in a mapping such as a Hugging Face `DatasetDict`, by kseq's names.

    Args:
        data: Any object.

    Returns:
        A dict that has `train`; empty if the object is not a mapping with such a key.
    """
    if not (isinstance(data, Mapping) and "train" in data):
        return {}
    splits = {"train": data["train"]}
    for split, names in _SPLITS.items():
        for name in filter(data.__contains__, names):
            splits[split] = data[name]
    return splits


def _is_name(item):
    return isinstance(item, (str, os.PathLike))


def _flatten(items):
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from _flatten(item)
        else:
            yield item


def _looks_like_path(name):
    """Returns whether a string is the name of a file, or has a folder or a suffix like one."""
    if not isinstance(name, str) or os.path.exists(name):
        return True
    return _PATH.fullmatch(name) is not None


def _join_columns(*columns):
    """Returns a function that iterates over pairs from two or three iterables of strings."""
    columns = [data if isinstance(data, Sized) else list(data) for data in columns]
    counts = list(map(len, columns))
    if len(set(counts)) > 1:
        features = " and as features" if len(counts) > 2 else ""
        raise ValueError(
            f"expected as many sources as targets{features}; received "
            f"{' and '.join(f'{count:,}' for count in counts)}"
        )
    return lambda: zip(*columns)


def _open_rows(data, columns, keeps=True):
    """Returns a function that iterates over pairs from one object.

    Args:
        data: The object.
        columns: Result of `check_columns`.
        keeps: Whether to keep in RAM what can be read only once; if not, the function can be called
            only once as well.
    """
    if splits := splits_of(data):
        raise TypeError(
            f"expected pairs; received splits ({', '.join(splits)}): pass one of them, such as "
            "data['train']"
        )
    if isinstance(data, Mapping):
        names = _choose_names(list(data), columns, may_be_nested=False)
        return _join_columns(*(data[name] for name in names))
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # of pandas or polars
        names = _choose_names(list(data.columns), columns, may_be_nested=False)
        return _join_columns(*(data[name] for name in names))
    data = _without_tensors(data)
    if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
        raise TypeError(
            "expected pairs of strings such as [('I eat.', 'Je mange.')]; received "
            f"{reprlib.repr(data)}; open files with kseq.load_corpus"
        )
    first, rows = _look_at_first(data, keeps)
    if columns is None and _are_two_lists(data):
        raise TypeError(
            "expected pairs such as [('I eat.', 'Je mange.')]; received two lists of strings: pass "
            "them to kseq.load_corpus as two arguments, or use list(zip(sources, targets))"
        )
    if isinstance(first, Mapping):
        names = _choose_names(list(first), columns)
        return lambda: (_find_fields(row, names) for row in rows)
    if columns and isinstance(columns[-1], str):
        name = "columns" if columns[0] else "features"
        raise SettingError(
            "{name} must be numbers for rows without names; received {0}", columns, name=name
        )
    indices = [number - 1 for number in columns or (1, 2)]
    return lambda: (_find_cells(row, indices) for row in rows)


def _are_two_lists(data):
    """Returns whether an object is two lists of strings, longer than two columns of two rows."""
    return (
        isinstance(data, (list, tuple))
        and len(data) == 2
        and all(isinstance(items, (list, tuple)) and len(items) > 2 for items in data)
        and len(data[0]) == len(data[1])
        and all(isinstance(item, str) for items in data for item in items[:3])
    )


def _look_at_first(data, keeps):
    """Returns the first row, None if there is none, and an iterable of all rows."""
    rows = iter(data)
    if rows is not data:
        return next(rows, None), data
    if keeps:
        rows = list(rows)
        return next(iter(rows), None), rows
    beginning = list(itertools.islice(rows, 1))
    return next(iter(beginning), None), itertools.chain(beginning, rows)


def _without_tensors(data):
    """Returns an iterable of NumPy values for a `tf.data.Dataset`; other objects unchanged."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(data, tensorflow.data.Dataset):
        return data
    specs = tensorflow.nest.flatten(data.element_spec)
    if any(spec.shape.rank == 1 for spec in specs):
        data = data.unbatch()
    return _NumpyRows(data)


class _NumpyRows:
    def __init__(self, dataset):
        self._dataset = dataset

    def __iter__(self):
        return self._dataset.as_numpy_iterator()


def _choose_names(names, columns, may_be_nested=True):
    """Returns the names of the columns of source and target, and perhaps of features.

    Args:
        names: The names of all columns.
        columns: Result of `check_columns`.
        may_be_nested: Whether a name may have a dot, for a field inside another one.
    """
    if columns and None in columns:
        columns = fill_names(columns, _FIELDS if set(_FIELDS) <= set(names) else names)
    if columns is None and set(_FIELDS) <= set(names):
        return _FIELDS
    if columns is None and len(names) == 2:
        return names
    chosen = columns or ()
    if columns and isinstance(columns[-1], int):
        chosen = [names[number - 1] for number in columns if number <= len(names)]
    known = {str(name) for name in names}
    outer = [str(name).partition(".")[0] if may_be_nested else str(name) for name in chosen]
    is_known = [str(name) in known or part in known for name, part in zip(chosen, outer)]
    if len(chosen) < len(columns or _FIELDS) or not all(is_known):
        raise SettingError(
            "{columns} must name the source and target columns, two of: {0}; received {1}. "
            "kseq.load_corpus(data, columns=(...)) opens such data for other functions",
            ", ".join(map(str, names)) or "none",
            "none" if columns is None else columns,
        )
    return tuple(chosen)


def _find_fields(row, names):
    try:
        return tuple(row[name] if name in row else find_field(row, name) for name in names)
    except (ValueError, TypeError):
        return row


def _find_cells(row, indices):
    try:
        return row if isinstance(row, (str, bytes)) else tuple(row[index] for index in indices)
    except (IndexError, TypeError, KeyError):
        return row


def check_pair(pair, number):
    """Returns a pair as from `make_pair`, or a `FaultyLineError`.

    Args:
        pair: Any object; a pair is a tuple of two strings, or of three with features.
        number: Its number among the pairs, for the message.
    """
    pair = _decode_sides(pair)
    is_row = isinstance(pair, tuple) and len(pair) in (2, 3)
    if is_row and all(isinstance(column, str) and is_unicode(column) for column in pair):
        # NumPy has strings of its own.
        return make_pair(*(c if isinstance(c, FeaturedText) else str(c) for c in pair))
    fault = f"expected two strings, source and target; received {reprlib.repr(pair)}"
    if isinstance(pair, tuple) and any(getattr(side, "ndim", 0) for side in pair):
        fault += "; pass lists of arrays: load_corpus(sources, targets)"
    if isinstance(pair, tuple) and any(isinstance(side, Mapping) for side in pair):
        fault += (
            "; name fields inside another one as in columns=('translation.en', 'translation.fr')"
        )
    return FaultyLineError(f"{_NAME}, pair {number}: {fault}", _NAME, number)


def _decode_sides(pair):
    """Returns a pair with strings for its bytes; unchanged if they are not UTF-8."""
    if not (isinstance(pair, tuple) and any(isinstance(side, bytes) for side in pair)):
        return pair
    try:
        return tuple(side.decode() if isinstance(side, bytes) else side for side in pair)
    except UnicodeDecodeError:
        return pair
