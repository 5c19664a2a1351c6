"""Inspecting pairs with real values: how many, how long, and which values."""

import collections
import dataclasses
import html

import numpy as np

from kseq.console import show_count
from kseq.corpora.recordings import Recording
from kseq.counts import counted
from kseq.pipeline.statistics import Statistics

_SILENT, _CLIPPED = 1e-3, 0.999  # absolute values of samples
_LENGTHS = ("mean", "median", "percentile_95", "shortest", "longest")


@dataclasses.dataclass(frozen=True)
class SideSummary:
    """One side of pairs with real values.

    Args:
        kind: `"text"`, `"values"` or `"recordings"`.
        unit: What lengths count: `"words"`, `"steps"` or `"seconds"`.
        total: Sum of all lengths.
        lengths: Mean, median, 95th percentile, shortest and longest length, by name.
        details: Further facts, each a line of text.
    """

    kind: str
    unit: str
    total: float
    lengths: dict
    details: tuple

    def __str__(self):
        shown = ", ".join(
            f"{name.replace('percentile_95', '95%')} {length:,.4g}"
            for name, length in self.lengths.items()
        )
        total = f"{self.total:,.0f} {self.unit}"
        if self.unit == "seconds" and self.total >= 3600:
            total = f"{self.total / 3600:.1f} hours"
        return "\n  ".join([f"{self.kind}, {total}", f"{self.unit}: {shown}", *self.details])


@dataclasses.dataclass(frozen=True)
class ValueInspection:
    """What pairs with real values hold; `str` describes it, and a notebook displays that text.

    Args:
        name: The file.
        pairs: Number of pairs that can be used.
        blank: Number of pairs with an empty text.
        faulty: Number of pairs that cannot be used.
        faults: The first errors.
        source: `SideSummary`.
        target: `SideSummary`.
        covariates: `SideSummary`, or None if there are no covariates.
    """

    name: str
    pairs: int
    blank: int
    faulty: int
    faults: tuple
    source: SideSummary
    target: SideSummary
    covariates: SideSummary | None = None

    def __str__(self):
        counts = (self.blank, "with an empty side"), (self.faulty, "faulty")
        reasons = [f"{count:,} {reason}" for count, reason in counts if count]
        left_out = f" (left out: {', '.join(reasons)})" if reasons else ""
        head = f"{self.name}: {counted(self.pairs, 'pair')}{left_out}"
        lines = [head, *self.faults, f"source: {self.source}", f"target: {self.target}"]
        return "\n".join(lines + [f"covariates: {self.covariates}"] * bool(self.covariates))

    def __repr__(self):
        return f"<ValueInspection of {counted(self.pairs, 'pair')} of {self.name}>"

    def _repr_html_(self):
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_dict(self):
        """Returns the findings as a dict, ready for JSON."""
        return dataclasses.asdict(self)


def inspect_values(pairs, verbose=True):
    """Reads pairs with real values once, and describes them.

    Args:
        pairs: `ValuePairs` that leave out what is faulty.
        verbose: Whether to show progress on the terminal.

    Returns:
        A `ValueInspection`.

    Raises:
        ValueError: No pair can be used.
    """
    tallies = None
    with show_count("pairs read", verbose) as count:
        for source, target in pairs:
            columns = [source, target]
            if pairs.covariates:  # They are the last columns of the target.
                columns[1:] = np.split(target, [-pairs.covariates], axis=1)
            tallies = tallies or list(map(_make_tally, columns))
            for tally, side in zip(tallies, columns):
                tally.add(side)
            count()
    if tallies is None:
        raise ValueError(f"{pairs}: no pair can be used")
    names = ("source", "target", "covariates")
    return ValueInspection(
        name=str(pairs),
        pairs=len(tallies[0].lengths),
        blank=pairs.blank,
        faulty=pairs.faulty,
        faults=tuple(map(str, pairs.first_faults)),
        **{name: tally.summarize() for name, tally in zip(names, tallies)},
    )


def _make_tally(side):
    if isinstance(side, Recording):
        return _Recordings()
    return _Texts() if isinstance(side, str) else _Values()


class _Texts:
    """The words of a side of text."""

    kind, unit = "text", "words"

    def __init__(self):
        self.lengths, self._words = [], set()

    def add(self, text):
        words = text.split()
        self.lengths.append(len(words))
        self._words |= set(words)

    def details(self):
        return (f"different words: {len(self._words):,}",)

    def summarize(self):
        """Returns a `SideSummary`."""
        lengths = np.array(self.lengths, float)
        figures = (
            *(lengths.mean(), np.median(lengths), np.percentile(lengths, 95)),
            *(lengths.min(), lengths.max()),
        )
        figures = dict(zip(_LENGTHS, map(float, figures)))
        return SideSummary(self.kind, self.unit, float(lengths.sum()), figures, self.details())


class _Values(_Texts):
    """The values of a side of arrays."""

    kind, unit = "values", "steps"

    def __init__(self):
        super().__init__()
        self._statistics = Statistics()

    def add(self, array):
        self.lengths.append(len(array))
        self._statistics.add(array)

    def details(self):
        low, high = self._statistics.minimum, self._statistics.maximum
        constant = np.flatnonzero(low == high)
        lines = [f"values per step: {len(low)}, from {low.min():g} to {high.max():g}"]
        if constant.size:
            lines.append(f"the same in all steps: {counted(constant.size, 'feature')}")
        return tuple(lines)


class _Recordings(_Texts):
    """The sound of a side of recordings."""

    kind, unit = "recordings", "seconds"

    def __init__(self):
        super().__init__()
        self._rates, self._silent, self._clipped = collections.Counter(), 0, 0

    def add(self, recording):
        self.lengths.append(recording.seconds)
        self._rates[recording.sample_rate] += 1
        loudest = np.abs(recording.samples).max()
        self._silent += bool(loudest < _SILENT)
        self._clipped += bool(loudest > _CLIPPED)

    def details(self):
        rates = [f"{rate:,} ({count:,})" for rate, count in self._rates.most_common()]
        rates = rates if len(rates) > 1 else [f"{rate:,}" for rate in self._rates]
        lines = [f"samples per second: {', '.join(rates)}"]
        if self._silent:
            lines.append(f"silent: {counted(self._silent, 'recording')}")
        if self._clipped:
            lines.append(f"as loud as samples can be, perhaps cut off: {self._clipped:,}")
        return tuple(lines)
