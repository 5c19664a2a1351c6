"""The results of inspecting a corpus: statistics, suspicious pairs, and where they are."""

import base64
import dataclasses
import functools
import html
import reprlib

from kseq.counts import counted
from kseq.inspection.side_figures import SideFigures
from kseq.inspection.suspicions import UsualRatio


@dataclasses.dataclass(frozen=True)
class Example:
    """A pair and its position.

    Args:
        file: The file of the pair; if each side has its own file, that of the source.
        line: Its line in the file, from 1.
        source: Its source.
        target: Its target.
    """

    file: str
    line: int
    source: str
    target: str


@dataclasses.dataclass(frozen=True)
class LineRange:
    """Consecutive lines of a file.

    Args:
        file: The file, as in `Example`.
        first: The first line, from 1.
        last: The last line.
    """

    file: str
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class Suspicion:
    """The pairs that are suspicious for one reason.

    Args:
        kind: The reason, a key of `kseq.inspection.suspicions.KINDS`.
        count: Number of pairs.
        examples: The first pairs, a tuple of `Example`.
        where: Number of pairs in each fiftieth of the corpus.
    """

    kind: str
    count: int
    examples: tuple
    where: tuple


@dataclasses.dataclass(frozen=True)
class SplitFigures:
    """Comparison of another split with the corpus.

    Args:
        name: `"valid"` or `"test"`.
        pairs: Number of its pairs.
        blank: Number of its pairs with an empty side.
        faulty: Number of its lines that cannot be read as pairs.
        shared_sources: Number of its pairs whose source also occurs in the corpus.
        shared_pairs: Number of its pairs that also occur in the corpus, source and target.
        swapped: Number of its pairs that look swapped compared with the corpus.
        swapped_lines: Lines of these pairs, a tuple of `LineRange`.
    """

    name: str
    pairs: int
    blank: int
    faulty: int
    shared_sources: int
    shared_pairs: int
    swapped: int
    swapped_lines: tuple


@dataclasses.dataclass(frozen=True, repr=False)
class Inspection:
    """The results of inspecting a corpus. They print as a table; a notebook adds a picture.

    Args:
        name: Name of the corpus.
        files: Its files; if each side has its own files, those of the sources.
        pairs: Number of pairs with two non-empty sides.
        source: `SideFigures` of the sources.
        target: `SideFigures` of the targets.
        usual_ratio: `UsualRatio` of the lengths of targets and sources.
        pair_lengths: Numbers of pairs by their lengths in characters: (source length, target
            length, pairs), with lengths rounded to a sixth of a doubling.
        different_pairs: Number of different pairs.
        different_sources: Number of different sources.
        several_targets: Number of sources that occur with several different targets.
        most_repeated: Number of occurrences of the most frequent pair.
        copied_characters: Share of the characters of the targets that also occur in their source.
        copied_by_chance: The same share if each target had a random source.
        faulty: Number of lines that cannot be read as pairs; they are left out.
        faults: What is wrong with the first of them, a tuple of strings.
        suspicions: A `Suspicion` for every reason that applies to a pair, in the order of
            `kseq.inspection.suspicions.KINDS`.
        swapped_lines: Lines of pairs that look swapped, a tuple of `LineRange`.
        splits: `SplitFigures` of the other splits.
    """

    name: str
    files: tuple
    pairs: int
    source: SideFigures
    target: SideFigures
    usual_ratio: UsualRatio
    pair_lengths: tuple
    different_pairs: int
    different_sources: int
    several_targets: int
    most_repeated: int
    copied_characters: float
    copied_by_chance: float
    faulty: int
    faults: tuple
    suspicions: tuple
    swapped_lines: tuple
    splits: tuple

    def to_dict(self):
        """Returns everything as dicts, lists and numbers, for JSON."""
        return dataclasses.asdict(self)

    def __str__(self):
        from kseq.inspection.table import inspection_table

        return inspection_table(self)

    def __repr__(self):
        return f"<kseq.Inspection of {counted(self.pairs, 'pair')} of {self.name}>"

    @functools.cached_property
    def _picture(self):
        from kseq.inspection.plots import to_png

        return to_png(self)

    def _repr_png_(self):
        return self._picture

    def _repr_html_(self):
        picture = base64.b64encode(self._picture).decode()
        return f'<pre>{html.escape(str(self))}</pre><img src="data:image/png;base64,{picture}">'


def require_inspection(value):
    """Raises a TypeError unless a value is an `Inspection`."""
    if not isinstance(value, Inspection):
        raise TypeError(f"expected the result of kseq.inspect; received {reprlib.repr(value)}")
