"""Inspecting a corpus before training: its statistics, and the pairs that look wrong."""

import itertools
from typing import Any

import numpy as np

from kseq.console import show_count
from kseq.corpora.lines import chunks
from kseq.corpora.opening import describe_features, open_pairs
from kseq.errors import SettingError
from kseq.inspection.findings import Example, Inspection, SplitFigures, Suspicion
from kseq.inspection.passes import FirstPass, SecondPass, have_both_sides
from kseq.inspection.places import Places
from kseq.inspection.suspicions import KINDS
from kseq.inspection.swapped_sides import swapped_states
from kseq.inspection.value_inspection import inspect_values
from kseq.kernels.forks import claim_tensorflow

_PARTS = 50  # of the corpus, in which suspicious pairs are counted
_CHUNK = 1024  # pairs
_EXAMPLES = 3  # per reason


def inspect(
    *files: Any, valid: Any = None, test: Any = None, verbose: bool = True, **reading: Any
) -> Inspection:
    """Inspects a corpus: computes statistics and, for text, finds the pairs that look wrong.

    The files are read twice, and a third time up to the last example. RAM use grows with the number
    of different words, and by about 120 bytes per pair.

    Args:
        *files: Files of pairs, two line-aligned files, or pairs in RAM, as `kseq.load_corpus`
            takes them. Faulty lines are left out and counted.
        valid: Validation pairs to compare with the corpus: one argument, or a list of files.
        test: The same for testing.
        verbose: Whether to show progress on the terminal.
        **reading: How files are read: `swap`, `columns`, `features`, `covariates`, `context` and
            `allow_outside`, as for `kseq.load_corpus`. A source with other features is another
            source.

    Returns:
        An `Inspection`; for pairs with real values a `ValueInspection`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read or has no pairs, a side has no word, or pairs with real
            values are to be compared.
    """
    pairs = open_pairs(files, skip_faulty=True, **reading)
    if any(pairs.features):
        for name, split in (("valid", valid), ("test", test)):
            if split is not None:
                raise SettingError("{name} is for text; {0} has real values", pairs, name=name)
        return inspect_values(pairs, verbose)
    splits = {
        name: _open(split, **reading)
        for name, split in (("valid", valid), ("test", test))
        if split is not None
    }
    claim_tensorflow()
    first = FirstPass()
    with show_count("pairs read", verbose) as count:
        for places, sources, targets in _pair_chunks(pairs):
            first.add(places, sources, targets)
            count(len(sources))
    for side, tally in zip(("source", "target"), first.tallies):
        if not tally.has_words:
            raise ValueError(f"{pairs}: expected words on both sides; no {side} has one")
    first.model.turn_to_majority()
    second = SecondPass(first)
    with show_count("pairs checked", verbose) as count:
        for _, sources, targets in _pair_chunks(pairs):
            second.add(sources, targets)
            count(len(sources))
    second.find_swapped()
    return _make_inspection(
        pairs, first, second, tuple(_compare(name, split, second) for name, split in splits.items())
    )


def _open(files, **reading):
    pairs = open_pairs(files, skip_faulty=True, **reading)
    if any(pairs.features):
        raise ValueError(
            f"{pairs}: expected text on both sides; received {describe_features(pairs.features)}"
        )
    return pairs


def _pair_chunks(pairs):
    """Yields (files, line numbers), sources and targets of the next lines, blank ones included."""
    for chunk in chunks(pairs.with_places(), _CHUNK):
        files, numbers, sources, targets = zip(*chunk)
        sides = ([text.strip() for text in side] for side in (sources, targets))
        yield (files, numbers), *sides


def _compare(name, pairs, second):
    """Compares another split with the corpus; returns `SplitFigures`."""
    places, evidence, blank = Places(), [], []
    shared_sources = shared_pairs = 0
    for chunk_places, sources, targets in _pair_chunks(pairs):
        places.add(*chunk_places)
        is_full = have_both_sides(sources, targets)
        source_hashes = np.array([*map(hash, sources)])
        pair_hashes = np.array([*map(hash, zip(sources, targets))])
        shared_sources += int(np.isin(source_hashes, second.repetitions.sources)[is_full].sum())
        shared_pairs += int(np.isin(pair_hashes, second.repetitions.pairs)[is_full].sum())
        evidence.append(second.evidence(sources, targets))
        blank.append(~is_full)
    blank = np.concatenate(blank)
    swapped = swapped_states(np.concatenate(evidence)) & ~blank & second.can_tell
    return SplitFigures(
        name=name,
        pairs=int((~blank).sum()),
        blank=int(blank.sum()),
        faulty=pairs.faulty,
        shared_sources=shared_sources,
        shared_pairs=shared_pairs,
        swapped=int(swapped.sum()),
        swapped_lines=places.ranges(swapped, blank),
    )


def _make_inspection(pairs, first, second, splits):
    source, target = (tally.figures() for tally in first.tallies)
    blank, repetitions = second.flagged("blank"), second.repetitions
    return Inspection(
        name=str(pairs),
        files=first.places.files,
        pairs=int((~blank).sum()),
        source=source,
        target=target,
        usual_ratio=second.usual_ratio,
        pair_lengths=first.pair_lengths(),
        different_pairs=len(repetitions.pairs),
        different_sources=len(repetitions.sources),
        several_targets=repetitions.several_targets,
        most_repeated=repetitions.most_repeated,
        copied_characters=first.copied.share(),
        copied_by_chance=first.copied.chance(),
        faulty=pairs.faulty,
        faults=tuple(map(str, pairs.first_faults)),
        suspicions=_make_suspicions(pairs, first.places, second),
        swapped_lines=first.places.ranges(second.flagged("swapped"), blank),
        splits=splits,
    )


def _make_suspicions(pairs, places, second):
    """Makes a `Suspicion` for every reason that applies; reads the examples from the files."""
    rows_by_kind = {kind: np.flatnonzero(second.flagged(kind)) for kind in KINDS}
    example_rows = {int(row) for rows in rows_by_kind.values() for row in rows[:_EXAMPLES]}
    last = max(example_rows, default=-1)
    examples = {}
    for row, (_, _, *pair) in enumerate(itertools.islice(pairs.with_places(), last + 1)):
        if row in example_rows:
            examples[row] = Example(*places[row], *map(str.strip, pair))
    edges = np.linspace(0, len(second.flags), _PARTS + 1)
    return tuple(
        Suspicion(
            kind=kind,
            count=len(rows),
            examples=tuple(examples[int(row)] for row in rows[:_EXAMPLES]),
            where=tuple(np.histogram(rows, edges)[0].tolist()),
        )
        for kind, rows in rows_by_kind.items()
        if len(rows)
    )
