"""The files that pairs are read from: files of pairs, or two files of one side each."""

import contextlib
import glob
import itertools
import os
import pathlib

from kseq.corpora.archives import aligned_members
from kseq.corpora.columns import check_columns
from kseq.corpora.doubts import warn_about_columns
from kseq.corpora.featured import make_pair
from kseq.corpora.lines import FaultyLineError, require_lasting_file, scan_lines
from kseq.corpora.pronunciations import is_pronouncing_dictionary, scan_pronunciations
from kseq.corpora.tables import holds_objects, is_table, read_head, scan_pairs
from kseq.errors import SettingError

_CHECKED_LINES = 10  # lines that decide whether a file holds pairs


class PairFiles:
    """Files of pairs, read one after the other by every iteration.

    Args:
        files: One or several names. A name may be a pattern such as `"parts/*.tsv"`, for all files
            that match it, in the order of their names. Exactly two names are one side each if
            most of the first lines of both have no tab; a third one holds features. Each of them
            may also be a list or a pattern, whose files are paired in order. All other files hold
            pairs: a TSV, a CSV (`.csv`), JSON lines (`.jsonl`), a `.zip` of two line-aligned files
            as OPUS packs them, or a pronouncing dictionary (`.dict`); plain, `.gz` or `.zip`.
        columns: The columns of source and target in a TSV or CSV, by number, from 1, or by name;
            the names of the fields in JSON lines.
        third: The column or the field of features or covariates, likewise.
        third_name: `"features"` or `"covariates"`.

    Attributes:
        columns: Result of `check_columns`.
        has_features: Whether every source is a `FeaturedText`.
        has_sources: Whether pairs have a source.
        previous_turns: The largest number of turns in a source; 0, as sources are no conversations.

    Raises:
        FileNotFoundError: A file is missing, or a pattern matches no file.
        ValueError: No name is given; the sides have different numbers of files; only one of two
            files holds pairs; or files have no columns.
    """

    has_sources = True
    previous_turns = 0

    def __init__(self, files, columns=None, third=None, third_name="features"):
        self.columns = check_columns(columns, third, third_name)
        self._third_name = third_name
        names = _flatten_names(files)
        lists = [find_files(name) for name in names]
        if len(lists) in (2, 3) and _are_sides(lists):
            if len(set(map(len, lists))) > 1:
                raise ValueError(
                    "expected as many files of sources as of targets (and of features); received "
                    + " and ".join(f"{len(paths)} ({shorten(paths)})" for paths in lists)
                )
            self._groups = list(zip(*lists))
        else:
            self._groups = [(path,) for path in itertools.chain(*lists)]
        if self.columns:
            self._require_columns()
        self.has_features = 3 in (len(self._groups[0]), len(self.columns or ()))

    def scan(self):
        """Yields the file, the number and the pair of every line.

        A pair is a tuple of two strings, as from `make_pair`, or a `FaultyLineError`.
        """
        for group in self._groups:
            for number, row in _scan(*group, columns=self.columns):
                yield group[0], number, row if isinstance(row, FaultyLineError) else make_pair(*row)

    def split_key(self, pair):
        """Returns what decides on the split of a pair: its source."""
        return pair[0]

    def warn_about_columns(self):
        """Warns if the columns of a table look wrong, as `kseq.corpora.doubts` does."""
        for group in self._groups:
            if len(group) == 1 and _has_columns(group[0]):
                warn_about_columns(group[0], self.columns)

    def _require_columns(self):
        for group in self._groups:
            if len(group) > 1 or not (_has_columns(group[0]) or holds_objects(group[0])):
                has_third = len(self.columns) == 3
                asks_features = has_third and self._third_name == "features"
                advice = "; name a third file, with features on its lines" if asks_features else ""
                raise SettingError(
                    "{name} is for files with columns; {0} has none{1}",
                    *(" and ".join(map(str, group)), advice),
                    name=self._third_name if has_third else "columns",
                )

    @property
    def are_aligned(self):
        """Whether each file holds one side."""
        return len(self._groups[0]) > 1

    @property
    def paths(self):
        """All files, sources before targets."""
        return tuple(itertools.chain(*zip(*self._groups)))

    @property
    def arguments(self):
        """Absolute names, ready for JSON; `PairFiles` and `load_corpus` open the same files."""
        sides = [[str(path.resolve()) for path in side] for side in zip(*self._groups)]
        return [side[0] if len(side) == 1 else side for side in sides] if sides[1:] else sides[0]

    def __str__(self):
        return " and ".join(shorten(paths) for paths in zip(*self._groups))


def is_pattern(name):
    """Returns whether a name is a pattern: it has a wildcard, and no file has this name."""
    return glob.has_magic(str(name)) and not pathlib.Path(name).exists()


def _flatten_names(files):
    """Returns a list of at least one name, from a name, a list, or nested lists of one item."""
    while not _is_name(files):
        files = list(files)
        if len(files) != 1:
            break
        (files,) = files
    names = [files] if _is_name(files) else files
    if not names:
        raise ValueError("expected the name of a file of pairs; received none")
    return names


def _is_name(files):
    """Returns whether an argument is one name rather than several."""
    return isinstance(files, (str, os.PathLike))


def find_files(name):
    """Returns the existing files that a name, a pattern or a list of these refers to."""
    if not _is_name(name):
        return list(itertools.chain(*map(find_files, _flatten_names(name))))
    path = pathlib.Path(name)
    if is_pattern(name):
        matching = sorted(map(pathlib.Path, glob.glob(str(name), recursive=True)))
        paths = [path for path in matching if not path.is_dir()]
        if not paths:
            raise FileNotFoundError(f"no file matches {name}")
    elif path.is_dir():
        raise FileNotFoundError(
            f"expected a file, received a directory: {path}; name its files, such as "
            f"'{path / '*.tsv'}'"
        )
    else:
        paths = [path]
    for path in paths:
        require_lasting_file(path)
    return paths


def shorten(paths):
    """Describes files in a few words."""
    if len(paths) == 1:
        return str(paths[0])
    return f"{paths[0]} … {paths[-1].name} ({len(paths)} files)"


def _are_sides(lists):
    """Returns whether lists of files hold a side or features each, judging by the first files."""
    hold_pairs = [holds_pairs(paths[0]) for paths in lists]
    if len(lists) == 2 and any(hold_pairs) and not all(hold_pairs):
        pairs, side = (lists[hold_pairs.index(holds)][0] for holds in (True, False))
        raise ValueError(
            f"{pairs} holds a source, a tab and a target on its lines, but {side} does not; name "
            "two files of pairs, or two of one side each"
        )
    return not any(hold_pairs)


def holds_pairs(path):
    """Returns whether a file holds both sides of its pairs: most of its first lines have a tab."""
    if is_pronouncing_dictionary(path) or aligned_members(path) or is_table(path):
        return True
    has_tab = ["\t" in line for line in read_head(path) if line.strip()][:_CHECKED_LINES]
    return sum(has_tab) * 2 > len(has_tab)


def refuse_pairs(path, unit):
    """Raises a ValueError if a file that should hold something else holds pairs.

    Args:
        path: The file.
        unit: What should be on each line.
    """
    if holds_pairs(path):
        raise ValueError(
            f"{path}: expected a {unit} on each line, without tabs; received pairs or a table: "
            f"write the column of {unit}s to a file of its own"
        )


def _has_columns(path):
    """Returns whether a file is a TSV or a CSV."""
    is_other = is_pronouncing_dictionary(path) or aligned_members(path) or holds_objects(path)
    return not is_other


def _scan(path, *other_paths, columns=None):
    """Yields the number and the columns of every line, or a `FaultyLineError`."""
    if other_paths:
        return _scan_aligned(*((each,) for each in (path, *other_paths)))
    if is_pronouncing_dictionary(path):
        return scan_pronunciations(path)
    if members := aligned_members(path):
        return _scan_aligned(*((path, member) for member in members))
    return scan_pairs(path, columns)


def _scan_aligned(*files):
    """Yields the number and the columns of every line of two or three files.

    Args:
        *files: Arguments of `scan_lines`.
    """
    with contextlib.ExitStack() as stack:
        numbered = [stack.enter_context(contextlib.closing(scan_lines(*file))) for file in files]
        counts = [0] * len(files)
        for row in itertools.zip_longest(*numbered):
            counts = [count + (line is not None) for count, line in zip(counts, row)]
            if None in row:
                remaining = [sum(1 for _ in lines) for lines in numbered]
                raise _unequal_error(files, [sum(both) for both in zip(counts, remaining)])
            lines = [line for _, line in row]
            faults = [line for line in lines if isinstance(line, FaultyLineError)]
            yield counts[0], faults[0] if faults else tuple(lines)


def _unequal_error(files, counts):
    listing = [f"{': '.join(map(str, file))} has {count}" for file, count in zip(files, counts)]
    return ValueError(
        f"line-aligned files must have the same number of lines; {', '.join(listing)}"
    )
