"""What a look at a corpus found: figures, suspicious pairs, and where they stand."""

import base64
import dataclasses
import functools
import html

from kseq.inspection.suspicions import UsualRatio
from kseq.inspection.tally import SideFigures


@dataclasses.dataclass(frozen=True)
class Example:
    """A pair, and where it stands.

    Args:
        file: Its file; the one of its source, where each side has its own.
        line: Its line there, from 1.
        source: Its source.
        target: Its target.
    """

    file: str
    line: int
    source: str
    target: str


@dataclasses.dataclass(frozen=True)
class LineRange:
    """Neighbouring lines of a file.

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
    """The pairs that look wrong for one reason.

    Args:
        kind: The reason, a name out of `kseq.inspection.suspicions.KINDS`.
        count: How many pairs there are.
        examples: The first few, a tuple of `Example`.
        where: How many there are in each fiftieth of the corpus.
    """

    kind: str
    count: int
    examples: tuple
    where: tuple


@dataclasses.dataclass(frozen=True)
class SplitFigures:
    """What another split has in common with the corpus.

    Args:
        name: `"valid"` or `"test"`.
        pairs: Its pairs.
        blank: Its pairs with an empty side.
        shared_sources: Its pairs whose source stands in the corpus too.
        shared_pairs: Its pairs that stand in the corpus, source and target.
        swapped: Its pairs that look swapped beside those of the corpus.
        swapped_lines: Where these stand, a tuple of `LineRange`.
    """

    name: str
    pairs: int
    blank: int
    shared_sources: int
    shared_pairs: int
    swapped: int
    swapped_lines: tuple


@dataclasses.dataclass(frozen=True, repr=False)
class Inspection:
    """What was found in a corpus: printed it is a table, in a notebook a picture too.

    Args:
        name: What to call it.
        files: Its files; those of the sources, where each side has its own.
        pairs: Pairs of two sides that are not empty.
        source: `SideFigures` of the sources.
        target: Those of the targets.
        usual_ratio: `UsualRatio`: how long targets are for their sources.
        pair_lengths: How many pairs there are by lengths in characters: (source length, target
            length, pairs), lengths rounded to a sixth of a doubling.
        different_pairs: Pairs, each counted once.
        different_sources: Sources, each counted once.
        several_targets: Sources that stand beside several different targets.
        most_repeated: How often the most frequent pair stands in the corpus.
        suspicions: A `Suspicion` for every reason that applies to a pair, in the order of
            `kseq.inspection.suspicions.KINDS`.
        swapped_lines: Where pairs look swapped, a tuple of `LineRange`.
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
    suspicions: tuple
    swapped_lines: tuple
    splits: tuple

    def to_dict(self):
        """Returns everything as dicts, lists and numbers, ready for JSON."""
        return dataclasses.asdict(self)

    def __str__(self):
        from kseq.inspection.table import inspection_table

        return inspection_table(self)

    def __repr__(self):
        return f"<kseq.Inspection of {self.pairs:,} pairs of {self.name}>"

    @functools.cached_property
    def _picture(self):
        from kseq.inspection.plots import to_png

        return to_png(self)

    def _repr_png_(self):
        return self._picture

    def _repr_html_(self):
        picture = base64.b64encode(self._picture).decode()
        return f'<pre>{html.escape(str(self))}</pre><img src="data:image/png;base64,{picture}">'
