"""The results of an inspection as a table of plain text."""

import pathlib

from kseq.counts import counted
from kseq.inspection.suspicions import KINDS
from kseq.text_tables import escape_invisible, make_table, render

_LONGEST_SIDE = 60  # characters of an example
_MAX_RANGES = 5  # of lines that look swapped


def inspection_table(inspection, width=100):
    """Returns an `Inspection` as plain text.

    Args:
        inspection: An `Inspection`.
        width: Maximum length of a line, in characters.
    """
    parts = (
        _headline(inspection),
        _side_table(inspection),
        _suspicion_table(inspection),
        *_notes(inspection),
    )
    return render(parts, width)


def _headline(inspection):
    sources = f"{inspection.several_targets:,} of {inspection.different_sources:,} sources"
    lines = [
        f"{inspection.name}: {counted(inspection.pairs, 'pair')}",
        f"{inspection.different_pairs:,} different pairs; {sources} have several targets",
    ]
    if inspection.most_repeated > 1:
        lines.append(f"the most frequent pair occurs {inspection.most_repeated:,} times")
    ratio = inspection.usual_ratio.ratio
    lines.append(f"{ratio:.2f} target characters per source character")
    return "\n".join(lines)


def _side_table(inspection):
    table = make_table("", ("source", "right"), ("target", "right"))
    sides = inspection.source, inspection.target
    for unit in ("words", "characters"):
        lengths = [getattr(side, unit) for side in sides]
        table.add_row(f"{unit} per line: mean", *(f"{length.mean:.1f}" for length in lengths))
        for label, field in _LENGTHS.items():
            table.add_row(f"  {label}", *(f"{getattr(length, field):,}" for length in lengths))
    table.add_row("words in total", *(f"{side.tokens:,}" for side in sides))
    table.add_row("different words", *(f"{side.types:,}" for side in sides))
    table.add_row("  that occur at least twice", *(f"{side.types_twice:,}" for side in sides))
    table.add_row("  share of the text", *(f"{side.coverage_twice:.1%}" for side in sides))
    table.add_row("scripts", *map(_format_scripts, sides))
    return table


_LENGTHS = {
    "median": "median",
    "95% have at most": "percentile_95",
    "99% have at most": "percentile_99",
    "longest": "longest",
}


def _format_scripts(side):
    shares = [f"{name} {_format_percent(share)}" for name, share in side.scripts.items()]
    return ", ".join(shares[:3] + ["…"][: len(shares) > 3]) or "no letters"


def _format_percent(share):
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _suspicion_table(inspection):
    if not (inspection.suspicions or inspection.faulty):
        return "nothing suspicious"
    table = make_table("suspicious", ("pairs", "right"), ("line", "right"), ("example", "left"))
    with_file = len(inspection.files) > 1
    for suspicion in inspection.suspicions:
        kind, count = KINDS[suspicion.kind], f"{suspicion.count:,}"
        for example in suspicion.examples:
            table.add_row(kind, count, _format_place(example, with_file), _format_pair(example))
            kind = count = ""
    return table


def _format_place(example, with_file):
    file = f"{pathlib.Path(example.file).name} " if with_file else ""
    return f"{file}{example.line}"


def _format_pair(example):
    from kseq.text.scripts import shorten

    return " | ".join(
        shorten(escape_invisible(side), _LONGEST_SIDE) for side in (example.source, example.target)
    )


def _notes(inspection):
    """Paragraphs about faulty lines, about swapped lines and about the other splits."""
    if inspection.faulty:
        faults = "\n".join(f"  {escape_invisible(fault)}" for fault in inspection.faults)
        count = counted(inspection.faulty, "faulty line")
        yield f"{count}; kseq train stops at the first one unless --skip-faulty is given:\n{faults}"
    if inspection.swapped_lines:
        yield f"{_format_ranges(inspection.swapped_lines)} look swapped"
    for split in inspection.splits:
        yield "\n".join(_split_lines(split))


def _split_lines(split):
    yield f"{split.name}: {counted(split.pairs, 'pair')}"
    if split.blank:
        yield f"  {split.blank:,} more with an empty side"
    if split.faulty:
        yield f"  {counted(split.faulty, 'faulty line')}"
    yield f"  {split.shared_sources:,} have a source that also occurs in the corpus"
    yield f"  {split.shared_pairs:,} have a source and a target that occur there together"
    if 2 * split.swapped > split.pairs:
        yield f"  THE SIDES LOOK SWAPPED compared with the corpus, in {split.swapped:,} pairs"
    elif split.swapped:
        yield f"  {_format_ranges(split.swapped_lines)} look swapped"


def _format_ranges(line_ranges):
    places = []
    for line_range in line_ranges[:_MAX_RANGES]:
        first, last = f"{line_range.first:,}", f"{line_range.last:,}"
        lines = f"line {first}" if first == last else f"lines {first} to {last}"
        places.append(f"{lines} of {pathlib.Path(line_range.file).name}")
    if len(line_ranges) > _MAX_RANGES:
        places.append(f"{len(line_ranges) - _MAX_RANGES:,} more places")
    return ", ".join(places)
