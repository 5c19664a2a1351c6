"""Pairs made fit to learn from: tidied, or dropped for a reason that is told."""

import collections
import contextlib
import dataclasses
import gzip
import html
import pathlib
import unicodedata
from html.entities import html5
from typing import Literal, NamedTuple

import regex

from kseq.corpora.corpus import open_pairs
from kseq.corpora.fingerprints import PairSet
from kseq.corpora.pairs import Pairs
from kseq.fields import Section, number
from kseq.files import replaced_file
from kseq.text.scripts import shortened

REASONS = {
    "empty": "a side is empty, perhaps but for what cannot be seen",
    "markup": "a side holds an HTML tag",
    "overlong": "a side has too many words or characters",
    "ratio": "one side is too much longer than the other",
    "leakage": "a pair to test with shares a side",
    "duplicate": "the pair came before",
}


@dataclasses.dataclass(frozen=True)
class Cleaning(Section):
    """What is cleaned, and how.

    Args:
        markup: What to do with HTML tags: strip them, drop pairs that have any, or keep them.
            HTML entities become the characters that they stand for, except with `"keep"`.
        maximum_words: Maximum number of words on a side, counted between spaces.
        maximum_characters: Maximum number of characters on a side.
        maximum_ratio: Maximum ratio of the lengths of the two sides. It is (longer + 10) /
            (shorter + 10), so that a word or two do not decide about a short pair. Lengths are
            in characters; a Chinese one counts 3, a Japanese or Korean one 2, a combining mark
            0.
        deduplicate: Whether to keep only the first of equal pairs.
        leakage: What makes a pair match a held-out pair: either side, the source, the target,
            or the pair of both.
    """

    markup: Literal["strip", "drop", "keep"] = "strip"
    maximum_words: int = number(100, 1, 1_000_000)
    maximum_characters: int = number(1000, 1, 10_000_000)
    maximum_ratio: float = number(3.0, 1.0, 1e6)
    deduplicate: bool = True
    leakage: Literal["either", "source", "target", "pair"] = "either"


class Verdict(NamedTuple):
    """What became of a pair.

    Attributes:
        reason: Why it is dropped, one of `REASONS`; None if it is kept.
        place: Where it stands, `"pairs.tsv, line 3"`.
        pair: The pair as it was read.
        tidied: The pair without what is no text of it.
    """

    reason: str | None
    place: str
    pair: tuple
    tidied: tuple


class CleaningReport:
    """How many pairs were kept, changed and dropped for which reason.

    Attributes:
        kept: Pairs that were kept.
        changed: Those of them that were tidied.
        dropped: Pairs by reason, for every reason.
        examples: The first `Verdict` by reason, for every reason that occurred.
    """

    def __init__(self):
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
        """A line for every reason, with an example."""
        lines = [
            f"kept {self.kept:,} of {self.kept + self.dropped.total():,} pairs, "
            f"{self.changed:,} of them tidied"
        ]
        for reason, count in self.dropped.items():
            line = f"{reason:11}{count:>11,}"
            if count:
                example = self.examples[reason]
                sides = (repr(shortened(" ".join(side.split()), 50)) for side in example.pair)
                line += f"  {example.place}: {', '.join(sides)}"
            lines.append(line)
        return "\n".join(lines)


def clean(pairs, cleaning=None, test=(), report=None):
    """Yields the pairs that are kept, tidied, in their order.

    Memory grows by 12 to 48 bytes with every pair that is kept, if duplicates are dropped, and
    by as much with every side of a pair to test with.

    Args:
        pairs: `Pairs`, or any iterable of (source, target).
        cleaning: `Cleaning`, all defaults if None.
        test: Pairs to test with, of which no twin is kept.
        report: `CleaningReport` to count in.
    """
    for verdict in examine(pairs, cleaning, test):
        if report is not None:
            report.add(verdict)
        if verdict.reason is None:
            yield verdict.tidied


def clean_files(files, out, cleaning=None, test=(), dropped=None, swap=False):
    """Writes the pairs that are kept to a TSV, whole or not at all.

    Args:
        files: Names of files of pairs as `load_corpus` takes them.
        out: File to write: `.tsv`, or `.tsv.gz` to be gzipped.
        cleaning: `Cleaning`, all defaults if None.
        test: Iterable of files of pairs to test with, each as `load_corpus` takes it.
        dropped: File to write what was dropped to: reason, place, source and target as they were
            read; None for none.
        swap: Whether the second column, or the second of two files, is the source.

    Returns:
        A `CleaningReport`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, or must not be written; or no pair is left.
    """
    pairs, *tests = (_open_text(each, swap) for each in (files, *test))
    outputs = [pathlib.Path(path) for path in (out, dropped) if path is not None]
    inputs = [path.resolve() for each in (pairs, *tests) for path in each.files]
    _check_outputs(outputs, inputs)
    report = CleaningReport()
    twins = (pair for each in tests for pair in each)
    with contextlib.ExitStack() as stack:
        write, *write_dropped = (stack.enter_context(_written_tsv(path)) for path in outputs)
        for verdict in examine(pairs, cleaning, twins):
            report.add(verdict)
            if verdict.reason is None:
                write(verdict.tidied)
            elif write_dropped:
                write_dropped[0]((verdict.reason, verdict.place, *verdict.pair))
        if not report.kept:
            counts = [f"{count:,} '{why}'" for why, count in report.dropped.items() if count]
            raise ValueError(
                f"{pairs}: no pair is left (dropped: {', '.join(counts)}), and nothing was "
                "written; allow more, or look at them with kseq inspect"
            )
    return report


def examine(pairs, cleaning=None, test=()):
    """Yields a `Verdict` on every pair in order; the arguments are those of `clean`."""
    cleaning = cleaning or Cleaning()
    tidied_test = (tuple(_tidy(side, cleaning.markup) for side in pair) for pair in test)
    twins = PairSet(cleaning.leakage, map(_compared, tidied_test))
    before = PairSet("pair")
    for place, *pair in _placed(pairs):
        tidied = tuple(_tidy(side, cleaning.markup) for side in pair)
        reason = _fault(tidied, cleaning)
        if reason is None and len(twins) and _compared(tidied) in twins:
            reason = "leakage"
        if reason is None and cleaning.deduplicate and not before.add(_compared(tidied)):
            reason = "duplicate"
        yield Verdict(reason, place, tuple(pair), tidied)


def _placed(pairs):
    if isinstance(pairs, Pairs):
        for path, number, source, target in pairs.with_places():
            yield f"{path}, line {number}", source, target
    else:
        for number, (source, target) in enumerate(pairs, start=1):
            yield f"pair {number}", source, target


def _fault(tidied, cleaning):
    """Why a tidied pair is dropped whatever others there are, or None."""
    if not all(tidied):
        return "empty"
    if cleaning.markup == "drop" and any(map(_TAG.search, tidied)):
        return "markup"
    most = cleaning.maximum_words, cleaning.maximum_characters
    if any(len(side.split()) > most[0] or len(side) > most[1] for side in tidied):
        return "overlong"
    shorter, longer = sorted(map(_length, tidied))
    if longer + _FORGIVEN > cleaning.maximum_ratio * (shorter + _FORGIVEN):
        return "ratio"
    return None


_FORGIVEN = 10  # characters by which a side may be longer


def _length(text):
    if text.isascii():
        return len(text)
    wide = len(_CHINESE.findall(text)) * 2 + len(_JAPANESE_OR_KOREAN.findall(text))
    return len(text) + wide - len(_MARK.findall(text))


_CHINESE = regex.compile(r"\p{Han}")
_JAPANESE_OR_KOREAN = regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Hangul}]")
_MARK = regex.compile(r"\p{M}")


def _compared(pair):
    """A pair as a model reads it: compatible characters are the same to it."""
    return tuple(unicodedata.normalize("NFKC", side) for side in pair)


def _tidy(text, markup):
    """A text without markup and what cannot be seen, in NFC, with single spaces between words.

    NFC changes no character to another: NFKC, which makes `½` three of them, is what a model
    reads and not what a person wrote.
    """
    tidied = _tidied(text, markup)
    for _ in range(_TIMES):
        if tidied == text or markup == "keep" or not ("&" in tidied or "<" in tidied):
            break
        # What was cut out may have stood between the parts of an entity, or within a tag.
        text, tidied = tidied, _tidied(tidied, markup)
    return tidied


_TIMES = 10


def holds_markup(text):
    """Returns whether a text holds an HTML tag or entity, as cleaning knows them."""
    tagged = "<" in text and _TAG.search(text) is not None
    return tagged or "&" in text and _ENTITY.sub(_character, text) != text


def _tidied(text, markup):
    if markup != "keep" and "&" in text:
        text = _ENTITY.sub(_character, _AMPERSAND.sub("&", text))
    if markup == "strip" and "<" in text:
        text = _TAG.sub(_in_place_of_tag, text)
    if not text.isprintable():
        text = _INVISIBLE.sub("", _CONTROL.sub(" ", text))
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _character(entity):
    if entity[0][1] == "#":
        return html.unescape(entity[0])
    return html5.get(entity[0][1:], entity[0])


_AMPERSAND = regex.compile(r"&(?:amp;|#38;)+")  # escaped as often as one likes

# With its semicolon: without, "R&notes" would be one too.
_ENTITY = regex.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_LINE_TAGS = (
    "a|abbr|b|big|cite|code|del|em|font|i|img|ins|kbd|mark|q|ruby|rb|rp|rt|s|samp|small|span|"
    "strike|strong|sub|sup|tt|u|var"
)
_BLOCK_TAGS = (
    "blockquote|body|br|center|dd|div|dl|dt|form|h[1-6]|head|hr|html|input|li|link|meta|ol|"
    "option|p|pre|script|select|style|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul"
)
_ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""
# Only what HTML calls so: "a < b > c" and "<unk>" are text.
_TAG = regex.compile(
    rf"<!--.{{0,1000}}?-->|</?(?:{_LINE_TAGS}|(?P<block>{_BLOCK_TAGS}))(?:{_ATTRIBUTE})*+\s*/?>",
    regex.IGNORECASE,
)


def _in_place_of_tag(tag):
    return " " if tag["block"] else ""


_SPELT_WITH_JOINERS = (
    r"\p{scx=Arabic}\p{scx=Syriac}\p{scx=Mandaic}\p{scx=Nko}\p{scx=Adlam}\p{scx=Mongolian}"
    r"\p{scx=Phags_Pa}\p{scx=Devanagari}\p{scx=Bengali}\p{scx=Gurmukhi}\p{scx=Gujarati}"
    r"\p{scx=Oriya}\p{scx=Tamil}\p{scx=Telugu}\p{scx=Kannada}\p{scx=Malayalam}\p{scx=Sinhala}"
    r"\p{scx=Tibetan}\p{scx=Myanmar}\p{scx=Khmer}\p{scx=Balinese}\p{scx=Javanese}"
    r"\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F"
)
_SPELT_WITH_BREAKS = r"\p{Khmer}\p{Lao}\p{Thai}\p{Myanmar}\p{Tai_Tham}\p{Tibetan}"

_CONTROL = regex.compile(r"\p{Cc}")

# Soft hyphens, marks of direction, byte-order marks, invisible operators; joiners and breaks
# behind letters that are not spelt with them.
_INVISIBLE = regex.compile(
    r"[\u00AD\u061C\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF"
    r"\uFFF9-\uFFFB]"
    rf"|(?<![{_SPELT_WITH_JOINERS}])[\u200C\u200D]|(?<![{_SPELT_WITH_BREAKS}])\u200B"
)


def _open_text(files, swap):
    pairs = open_pairs(files, swap)
    if any(pairs.features):
        raise ValueError(f"{pairs}: expected text to clean; received real values")
    return pairs


def _check_outputs(outputs, inputs):
    for path in outputs:
        if not path.name.endswith((".tsv", ".tsv.gz")):
            raise ValueError(f"{path}: expected a name to write to that ends in .tsv or .tsv.gz")
        if path.resolve() in inputs:
            raise ValueError(f"{path}: it is read from; choose another name to write to")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"{outputs[0]}: what is kept and what is dropped need a name each")


@contextlib.contextmanager
def _written_tsv(path):
    """Gives a function that writes a row to a new file, which takes its place at the end."""
    with replaced_file(path) as unfinished, contextlib.ExitStack() as stack:
        file = stack.enter_context(open(unfinished, "wb"))
        if path.suffix == ".gz":
            # Neither a time nor the unfinished name: the same pairs make the same file.
            file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))

        def write(columns):
            row = "\t".join(" ".join(column.split("\t")) for column in columns)
            file.write(row.encode() + b"\n")

        yield write
