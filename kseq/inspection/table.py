"""What was found in a corpus, as tables in a terminal or in a pipe."""

import io
import pathlib

from kseq.inspection.suspicions import KINDS

_SHOWN = 60  # characters of a side of an example
_RANGES = 5  # of lines that look swapped


def inspection_table(inspection, width=100):
    """Returns an `Inspection` as text, for a terminal of some width or for a pipe.

    Args:
        inspection: What `kseq.inspect` found.
        width: Characters of a line, at most.
    """
    from rich.console import Console

    file = io.StringIO()
    plain = {"highlight": False, "markup": False, "emoji": False}
    # In a notebook it would show every part by itself, and write nothing.
    console = Console(file=file, width=width, force_terminal=False, force_jupyter=False, **plain)
    console.print(_headline(inspection))
    for part in (_sides(inspection), _suspicions(inspection), *_findings(inspection)):
        console.print()
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _headline(inspection):
    several = f"{inspection.several_targets:,} of {inspection.different_sources:,} sources"
    lines = [
        f"{inspection.name}: {inspection.pairs:,} pairs",
        f"{inspection.different_pairs:,} different pairs; {several} have several targets",
    ]
    if inspection.most_repeated > 1:
        lines.append(f"the most frequent pair occurs {inspection.most_repeated:,} times")
    ratio = inspection.usual_ratio.ratio
    lines.append(f"{ratio:.2f} target characters for every source character")
    return "\n".join(lines)


def _sides(inspection):
    table = _table("", ("source", "right"), ("target", "right"))
    sides = inspection.source, inspection.target
    for name, unit in (("words", "words"), ("characters", "characters")):
        lengths = [getattr(side, name) for side in sides]
        table.add_row(f"{unit}: mean", *(f"{each.mean:.1f}" for each in lengths))
        for label, field in _LENGTHS.items():
            table.add_row(f"  {label}", *(f"{getattr(each, field):,}" for each in lengths))
    table.add_row("words in all", *(f"{side.tokens:,}" for side in sides))
    table.add_row("different words", *(f"{side.types:,}" for side in sides))
    table.add_row("  that occur twice or more", *(f"{side.types_twice:,}" for side in sides))
    table.add_row("  share of all words", *(f"{side.coverage_twice:.1%}" for side in sides))
    table.add_row("scripts", *map(_scripts, sides))
    return table


_LENGTHS = {
    "median": "median",
    "95% have at most": "percentile_95",
    "99% have at most": "percentile_99",
    "longest": "longest",
}


def _scripts(side):
    shares = [f"{name} {_percent(share)}" for name, share in side.scripts.items()]
    return ", ".join(shares[:3] + ["…"][: len(shares) > 3]) or "no letters"


def _percent(share):
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _suspicions(inspection):
    if not inspection.suspicions:
        return "nothing suspicious"
    table = _table("suspicious", ("pairs", "right"), ("line", "right"), ("such as", "left"))
    several = len(inspection.files) > 1
    for suspicion in inspection.suspicions:
        kind, count = KINDS[suspicion.kind], f"{suspicion.count:,}"
        for example in suspicion.examples:
            table.add_row(kind, count, _place(example, several), _pair(example))
            kind = count = ""
    return table


def _place(example, several):
    file = f"{pathlib.Path(example.file).name} " if several else ""
    return f"{file}{example.line}"


def _pair(example):
    from kseq.text.scripts import shorten

    return " | ".join(shorten(_visible(side), _SHOWN) for side in (example.source, example.target))


def _visible(text):
    """A text in which what nobody sees is written as its number."""
    return "".join(letter if letter.isprintable() else f"<U+{ord(letter):04X}>" for letter in text)


def _findings(inspection):
    """What should be said in words."""
    if inspection.swapped_lines:
        yield f"{_ranges(inspection.swapped_lines)} look swapped"
    for split in inspection.splits:
        yield "\n".join(_split_findings(split))


def _split_findings(split):
    yield f"{split.name}: {split.pairs:,} pairs"
    if split.blank:
        yield f"  {split.blank:,} more with an empty side"
    yield f"  {split.shared_sources:,} have a source that stands in the corpus too"
    yield f"  {split.shared_pairs:,} stand there, source and target"
    if 2 * split.swapped > split.pairs:
        yield f"  THE SIDES LOOK SWAPPED beside those of the corpus, in {split.swapped:,} pairs"
    elif split.swapped:
        yield f"  {_ranges(split.swapped_lines)} look swapped"


def _ranges(ranges):
    shown = []
    for each in ranges[:_RANGES]:
        first, last = f"{each.first:,}", f"{each.last:,}"
        lines = f"line {first}" if first == last else f"lines {first} to {last}"
        shown.append(f"{lines} of {pathlib.Path(each.file).name}")
    if len(ranges) > _RANGES:
        shown.append(f"{len(ranges) - _RANGES:,} more places")
    return ", ".join(shown)


def _table(title, *columns):
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(title)
    for name, justify in columns:
        table.add_column(name, justify=justify)
    return table
