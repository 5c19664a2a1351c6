"""The results of an inspection as a picture of six panels."""

import io
import itertools

import numpy as np

from kseq.analysis.fonts import families_for
from kseq.counts import counted
from kseq.inspection.findings import Inspection, require_inspection
from kseq.inspection.suspicions import PAIR_BINS, SOFTENING
from kseq.text.scripts import shorten

# Okabe and Ito's colours, which remain distinct for colour-blind readers.
_COLOURS = {"source": "#0072B2", "target": "#D55E00"}
_MAX_SCRIPTS = 8
_TICKS = (0, 0.0001, 0.001, 0.01, 0.1, 1)
_TITLE_WIDTH = 110  # in Latin letters
_MIN_ROWS = 6  # in the panel of suspicious pairs, so that a single row does not fill it


def plot_inspection(inspection: Inspection) -> np.ndarray:
    """Draws an inspection: lengths, vocabulary, scripts, and the positions of suspicious pairs.

    The figure belongs to `matplotlib.pyplot`, as that of `kseq.plot_attention` does.

    Args:
        inspection: An `Inspection`.

    Returns:
        An array of matplotlib Axes, `[2, 3]`: lengths in words, lengths of pairs, the positions
        of suspicious pairs in the file; vocabulary growth, coverage, and scripts.

    Raises:
        TypeError: `inspection` is something else.
    """
    from kseq.analysis.figures import make_pyplot_figure

    return _draw(inspection, make_pyplot_figure)


def save_inspection(inspection, path):
    """Writes the picture of an `Inspection` to a `.png`, `.svg` or `.pdf` file, without pyplot."""
    from kseq.analysis.figures import TextFigure
    from kseq.files import replaced_file

    figure = _draw(inspection, TextFigure)[0, 0].figure
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def to_png(inspection):
    """Returns the picture of an `Inspection` for a notebook, the bytes of a PNG."""
    from kseq.analysis.figures import TextFigure

    picture = io.BytesIO()
    _draw(inspection, TextFigure)[0, 0].figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw(inspection, make_figure):
    """Draws the six panels in a new figure; returns their Axes `[2, 3]`."""
    from matplotlib.patches import Patch

    require_inspection(inspection)
    title = shorten(f"{counted(inspection.pairs, 'pair')} of {inspection.name}", _TITLE_WIDTH)
    families = families_for(title)
    figure = make_figure(figsize=(13, 7.5), layout="constrained")
    panels = figure.subplots(2, 3)
    draw_functions = (
        _draw_lengths,
        _draw_pair_lengths,
        _draw_suspicions,
        _draw_growth,
        _draw_coverage,
        _draw_scripts,
    )
    for axes, draw in zip(panels.flat, draw_functions):
        draw(axes, inspection)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", family=families, parse_math=False)
    sides = [Patch(color=colour, label=name) for name, colour in _COLOURS.items()]
    figure.legend(handles=sides, loc="upper right", ncols=2, frameon=False)
    return panels


def _sides_and_colours(inspection):
    for name, colour in _COLOURS.items():
        yield getattr(inspection, name), colour


def _draw_lengths(axes, inspection):
    for side, colour in _sides_and_colours(inspection):
        lengths, lines = np.array(side.words.counts).T
        # The longest 1% would leave little room for the rest.
        edges = np.linspace(
            0.5, 0.5 + max(_longest_length(inspection), 1), _bar_count(inspection) + 1
        )
        counts, _ = np.histogram(lengths, edges, weights=lines)
        axes.stairs(counts, edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(counts, edges, color=colour)
    axes.set(title="length of lines (shortest 99%)", xlabel="words", ylabel="lines", xlim=(0, None))
    _abbreviate_thousands(axes.yaxis)


def _longest_length(inspection):
    return max(side.words.percentile_99 for side, _ in _sides_and_colours(inspection))


def _bar_count(inspection):
    longest = max(_longest_length(inspection), 1)
    return -(-longest // -(-longest // 60))


def _draw_pair_lengths(axes, inspection):
    from matplotlib.colors import LogNorm

    *lengths, counts = np.array(inspection.pair_lengths).T
    columns, rows = (np.rint(PAIR_BINS * np.log2(side)).astype(int) for side in lengths)
    size = max(columns.max(), rows.max(), 2 * PAIR_BINS) + 1
    grid = np.zeros((size, size))
    grid[rows, columns] = counts
    edges = 2.0 ** ((np.arange(size + 1) - 0.5) / PAIR_BINS)
    norm = LogNorm(1, max(counts.max(), 10))
    masked = np.ma.masked_equal(grid, 0)
    mesh = axes.pcolormesh(edges, edges, masked, norm=norm, cmap="cividis", rasterized=True)
    axes.figure.colorbar(mesh, ax=axes, label="pairs")
    usual = inspection.usual_ratio
    sources = np.geomspace(*edges[[0, -1]])
    for factor in (1 / usual.factor, usual.factor):
        limits = (sources + SOFTENING) * usual.ratio * factor - SOFTENING
        axes.plot(sources, np.maximum(limits, edges[0] / 2), "--", color="0.4", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="source characters", ylabel="target characters")
    axes.set(
        xlim=edges[[0, -1]],
        ylim=edges[[0, -1]],
        title="outside the dashed lines: unbalanced",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")


def _draw_growth(axes, inspection):
    for side, colour in _sides_and_colours(inspection):
        tokens, types = np.array([(0, 0), *side.growth]).T
        axes.plot(tokens, types, color=colour)
    axes.set(title="vocabulary growth", xlabel="words read", ylabel="different words")
    axes.set(xlim=(0, None), ylim=(0, None))
    _abbreviate_thousands(axes.xaxis)
    _abbreviate_thousands(axes.yaxis)


def _draw_coverage(axes, inspection):
    from matplotlib.ticker import EngFormatter, PercentFormatter

    for side, colour in _sides_and_colours(inspection):
        ranks, shares = np.array(side.coverage).T
        axes.plot(ranks, shares, color=colour)
        if side.types_twice:
            axes.plot(side.types_twice, side.coverage_twice, "o", color=colour)
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="most frequent words", ylabel="share of the text")
    axes.set(title="coverage; dots: words that occur at least twice")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _draw_scripts(axes, inspection):
    from matplotlib.ticker import NullLocator

    counts = [side.characters_by_script for side, _ in _sides_and_colours(inspection)]
    names = list(dict.fromkeys(itertools.chain(*counts)))
    totals = [sum(side.values()) for side in counts]
    shares = {
        name: [side.get(name, 0) / max(total, 1) for side, total in zip(counts, totals)]
        for name in names
    }
    names = sorted(names, key=lambda name: -sum(shares[name]))[:_MAX_SCRIPTS]
    positions = np.arange(len(names))
    for number, colour in enumerate(_COLOURS.values()):
        widths = [shares[name][number] for name in names]
        axes.barh(positions + 0.4 * number - 0.2, widths, 0.38, color=colour)
    labels = ["digits, symbols" if name == "Common" else name for name in names]
    axes.set_yticks(positions, labels)
    axes.invert_yaxis()
    axes.set(title="characters by script")
    axes.set_xscale("symlog", linthresh=_TICKS[1])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_TICKS, [f"{100 * tick:g}%" for tick in _TICKS])
    axes.set_xlim(0, 1.3)


def _draw_suspicions(axes, inspection):
    axes.set(title="suspicious pairs by position in the file")
    if not inspection.suspicions:
        axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    rows = np.array([suspicion.where for suspicion in inspection.suspicions], float)
    rows /= rows.max(axis=1, keepdims=True)
    masked = np.ma.masked_equal(rows, 0)
    axes.imshow(
        masked,
        aspect="auto",
        cmap="cividis_r",
        vmin=0,
        extent=(0, 1, len(rows), 0),
        interpolation="none",
    )
    positions = np.arange(len(rows))
    axes.hlines([*positions, len(rows)], 0, 1, color="0.85", linewidth=0.8, clip_on=False)
    axes.set_ylim(max(len(rows), _MIN_ROWS), 0)
    labels = [
        f"{suspicion.kind.replace('_', ' ')}: {suspicion.count:,}"
        for suspicion in inspection.suspicions
    ]
    axes.set_yticks(positions + 0.5, labels)
    axes.set_xticks([0, 1], ["first line", "last line"])
    axes.tick_params(axis="y", length=0)


def _abbreviate_thousands(axis):
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, integer=True))
    axis.set_major_formatter(EngFormatter(sep=""))
