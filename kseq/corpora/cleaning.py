"""Cleaning of pairs before training: each pair is tidied, or dropped for a reported reason."""

import collections
import contextlib
import dataclasses
import gzip
import itertools
import pathlib
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import regex

from kseq.corpora.featured import columns_of, is_complete, make_pair
from kseq.corpora.fingerprints import PairSet
from kseq.corpora.in_memory import check_pair, iterate_pairs
from kseq.corpora.lines import FaultyLineError, raise_faults
from kseq.corpora.opening import open_pairs
from kseq.corpora.pairs import Pairs
from kseq.corpora.tidying import holds_tag, tidy
from kseq.fields import Section, number
from kseq.files import replaced_file
from kseq.text.scripts import shorten

REASONS = {
    "faulty": "the line cannot be read as a pair",
    "empty": "a side is empty, or holds invisible characters only",
    "markup": "a side holds an HTML tag",
    "overlong": "a side has too many words or characters",
    "ratio": "one side is too much longer than the other",
    "leakage": "a test pair shares a side",
    "duplicate": "an earlier pair is the same",
}


@dataclasses.dataclass(frozen=True)
class Cleaning(Section):
    """Options of cleaning.

    Args:
        markup: What to do with HTML tags: strip them, drop pairs that have any, or keep them.
            HTML entities are decoded to characters, except with `"keep"`.
        maximum_words: Maximum number of words on a side, counted between spaces.
        maximum_characters: Maximum number of characters on a side.
        maximum_ratio: Maximum ratio of the lengths of the two sides. It is (longer + 10) /
            (shorter + 10), so that one or two words do not matter in a short pair. Lengths are in
            characters; a Chinese character counts as 3, a Japanese or Korean one as 2, and a
            combining mark as 0.
        deduplicate: Whether to keep only the first of equal pairs.
        leakage: What makes a pair match a held-out pair: either side, the source, the target,
            or the pair of both.

    Raises:
        ValueError: A value is out of range.
        TypeError: A value has the wrong type.
    """

    markup: Literal["strip", "drop", "keep"] = "strip"
    maximum_words: int = number(100, 1, 1_000_000)
    maximum_characters: int = number(1000, 1, 10_000_000)
    maximum_ratio: float = number(3.0, 1.0, 1e6)
    deduplicate: bool = True
    leakage: Literal["either", "source", "target", "pair"] = "either"


class Verdict(NamedTuple):
    """The decision on a pair.

    Attributes:
        reason: Why the pair is dropped, one of `REASONS`; None if it is kept.
        place: Location of the pair, such as `"pairs.tsv, line 3"`.
        pair: The pair as it was read.
        tidied: The pair without markup and invisible characters.
    """

    reason: str | None
    place: str
    pair: tuple
    tidied: tuple


class CleaningReport:
    """Numbers of pairs that were kept, changed, and dropped for each reason.

    Attributes:
        kept: Number of pairs that were kept.
        changed: Number of kept pairs that tidying changed.
        dropped: Number of dropped pairs for every reason, a `collections.Counter`.
        examples: The first `Verdict` for each reason that occurred, a dict.
    """

    def __init__(self) -> None:
        self.kept = self.changed = 0
        self.dropped = collections.Counter(dict.fromkeys(REASONS, 0))
        self.examples = {}

    def add(self, verdict):
        """Counts a `Verdict`."""
        if verdict.reason is None:
            self.kept += 1
            self.changed += verdict.tidied != verdict.pair
        else:
            self.dropped[verdict.reason] += 1
            self.examples.setdefault(verdict.reason, verdict)

    def __str__(self):
        """Returns a line for every reason, with an example."""
        lines = [
            f"kept {self.kept:,} of {self.kept + self.dropped.total():,} pairs, "
            f"{self.changed:,} of them tidied"
        ]
        for reason, count in self.dropped.items():
            line = f"{reason:11}{count:>11,}"
            if count:
                example = self.examples[reason]
                sides = (repr(shorten(" ".join(side.split()), 50)) for side in example.pair)
                line += f"  {example.place}: {', '.join(sides)}"
            lines.append(line)
        return "\n".join(lines)


def clean(
    pairs: Any,
    cleaning: Cleaning | None = None,
    test: Iterable[Any] = (),
    report: CleaningReport | None = None,
) -> Iterator[tuple[str, str]]:
    """Yields the kept pairs, tidied, in order.

    Each kept pair takes 12 to 48 bytes of RAM if duplicates are dropped, and so does each side of
    a test pair.

    Args:
        pairs: `Pairs`, or any object that `load_corpus` accepts as pairs.
        cleaning: `Cleaning`; None for the defaults.
        test: Test pairs, in the same forms; pairs that match one of them are dropped.
        report: `CleaningReport` that counts the pairs.
    """
    for verdict in examine(pairs, cleaning, test):
        if report is not None:
            report.add(verdict)
        if verdict.reason is None:
            yield verdict.tidied


def clean_files(
    files: Any,
    out: Any,
    cleaning: Cleaning | None = None,
    test: Any = (),
    dropped: Any = None,
    **reading: Any,
) -> CleaningReport:
    """Writes the kept pairs to a TSV file, completely or not at all.

    Its columns are source, target and, if there are any, features.

    Args:
        files: Names of files of pairs that `load_corpus` accepts.
        out: File to write: `.tsv`, or `.tsv.gz` to be gzipped.
        cleaning: `Cleaning`; None for the defaults.
        test: Iterable of files of test pairs, each in a form that `load_corpus` accepts.
        dropped: File for the dropped pairs (reason, location, and source and target as read); None
            for no such file.
        **reading: How files are read: `swap`, `columns` and `features`, as for `load_corpus`.

    Returns:
        A `CleaningReport`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read or must not be written, or no pair is left.
    """
    pairs, *tests = (_open_text(names, **reading) for names in (files, *test))
    outputs = [pathlib.Path(path) for path in (out, dropped) if path is not None]
    inputs = [path.resolve() for split in (pairs, *tests) for path in split.files]
    _check_outputs(outputs, inputs)
    report = CleaningReport()
    test_pairs = itertools.chain(*tests)
    with contextlib.ExitStack() as stack:
        write, *write_dropped = (stack.enter_context(_open_tsv(path)) for path in outputs)
        for verdict in examine(pairs, cleaning, test_pairs):
            report.add(verdict)
            if verdict.reason is None:
                write(columns_of(verdict.tidied))
            elif write_dropped:
                write_dropped[0]((verdict.reason, verdict.place, *columns_of(verdict.pair)))
        if not report.kept:
            counts = [f"{count:,} '{reason}'" for reason, count in report.dropped.items() if count]
            raise ValueError(
                f"{pairs}: no pair is left (dropped: {', '.join(counts)}), and nothing was "
                "written; allow more, or look at the pairs with kseq inspect"
            )
    return report


def examine(pairs, cleaning=None, test=()):
    """Yields a `Verdict` on every pair, in order; the arguments are those of `clean`."""
    cleaning = Cleaning() if cleaning is None else cleaning
    if not isinstance(cleaning, Cleaning):
        raise TypeError(f"expected a Cleaning; received {reprlib.repr(cleaning)}")
    tidied_test = (_tidy_pair(pair, cleaning.markup) for pair in _iterate(test))
    test_set = PairSet(cleaning.leakage, tidied_test)
    earlier = PairSet("pair")
    for place, pair in _locate(pairs):
        if isinstance(pair, FaultyLineError):
            yield Verdict("faulty", place, (str(pair), ""), ("", ""))
            continue
        tidied = _tidy_pair(pair, cleaning.markup)
        reason = _find_fault(tidied, cleaning)
        if reason is None and len(test_set) and tidied in test_set:
            reason = "leakage"
        if reason is None and cleaning.deduplicate and not earlier.add(tidied):
            reason = "duplicate"
        yield Verdict(reason, place, tuple(pair), tidied)


def _tidy_pair(pair, markup):
    """Returns a pair with tidied columns."""
    return make_pair(*(tidy(column, markup) for column in columns_of(pair)))


def _locate(pairs):
    """Yields the location of every pair, and the pair or a `FaultyLineError`."""
    if isinstance(pairs, Pairs):
        for path, line, pair in pairs.scan():
            yield f"{path}, line {line}", pair
    else:
        for line, pair in enumerate(iterate_pairs(pairs), start=1):
            yield f"pair {line}", check_pair(pair, line)


def _iterate(pairs):
    """Yields pairs of strings; a faulty one is an error."""
    if isinstance(pairs, Pairs):
        yield from pairs
    else:
        numbered = enumerate(iterate_pairs(pairs), start=1)
        yield from (
            pair for _, pair in raise_faults((n, check_pair(pair, n)) for n, pair in numbered)
        )


def _find_fault(tidied, cleaning):
    """Returns the reason to drop a tidied pair regardless of other pairs, or None."""
    if not is_complete(tidied):
        return "empty"
    if cleaning.markup == "drop" and any(map(holds_tag, tidied)):
        return "markup"
    for side in tidied:
        if len(side.split()) > cleaning.maximum_words or len(side) > cleaning.maximum_characters:
            return "overlong"
    shorter, longer = sorted(map(_weighted_length, tidied))
    if longer + _RATIO_OFFSET > cleaning.maximum_ratio * (shorter + _RATIO_OFFSET):
        return "ratio"
    return None


def _weighted_length(text):
    """Returns the number of characters, with weights that make scripts comparable."""
    if text.isascii():
        return len(text)
    wide = len(_CHINESE.findall(text)) * 2 + len(_JAPANESE_OR_KOREAN.findall(text))
    return len(text) + wide - len(_MARK.findall(text))


_RATIO_OFFSET = 10
_CHINESE = regex.compile(r"\p{Han}")
_JAPANESE_OR_KOREAN = regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Hangul}]")
_MARK = regex.compile(r"\p{M}")


def _open_text(files, **reading):
    """Opens files of pairs of strings; real values raise ValueError."""
    pairs = open_pairs(files, skip_faulty=True, **reading)
    if any(pairs.features):
        raise ValueError(f"{pairs}: expected text to clean; received real values")
    return pairs


def _check_outputs(outputs, inputs):
    """Raises ValueError unless the outputs may be written: TSVs that differ from all inputs."""
    for path in outputs:
        if not path.name.endswith((".tsv", ".tsv.gz")):
            raise ValueError(f"{path}: expected an output whose name ends in .tsv or .tsv.gz")
        if path.resolve() in inputs:
            raise ValueError(f"{path}: this file is an input; choose another name for the output")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"{outputs[0]}: kept and dropped pairs need different files")


_SEPARATORS = str.maketrans("\t\n\r", "   ")


@contextlib.contextmanager
def _open_tsv(path):
    """Yields a function that writes a row to a new file, which replaces `path` at the end."""
    with replaced_file(path) as unfinished, contextlib.ExitStack() as stack:
        file = stack.enter_context(open(unfinished, "wb"))
        if path.suffix == ".gz":
            # Without a time and a name, the same pairs give the same file.
            file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))

        def write(columns):
            row = "\t".join(column.translate(_SEPARATORS) for column in columns)
            file.write(row.encode() + b"\n")

        yield write
