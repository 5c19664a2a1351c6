"""What was found in a corpus, as a picture of six panels."""

import itertools

import numpy as np

from kseq.fonts import families_for

# Okabe and Ito's: people who see fewer colours tell them apart.
_COLOURS = {"source": "#0072B2", "target": "#D55E00"}
_SCRIPTS = 8  # shown, at most


def plot_inspection(inspection):
    """Draws what `kseq.inspect` found: lengths, vocabulary, scripts, and what looks wrong where.

    Args:
        inspection: An `Inspection`.

    Returns:
        The matplotlib `Figure`, of panels for lengths in words, lengths of pairs, vocabulary
        growth, coverage, scripts, and the places of suspicious pairs in the file.
    """
    from kseq.figures import TextFigure

    figure = TextFigure(figsize=(13, 7.5), layout="constrained")
    panels = figure.subplots(2, 3)
    drawing = (_lengths, _pair_lengths, _suspicions, _growth, _coverage, _scripts)
    for axes, draw in zip(panels.flat, drawing):
        draw(axes, inspection)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
    title = f"{inspection.name}: {inspection.pairs:,} pairs"
    figure.suptitle(title, family=families_for(title), parse_math=False)
    return figure


def save_inspection(inspection, path):
    """Draws what `kseq.inspect` found into a `.png`, `.svg` or `.pdf` file."""
    from kseq.files import replaced_file

    figure = plot_inspection(inspection)
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def _sides(inspection):
    for name, colour in _COLOURS.items():
        yield name, getattr(inspection, name), colour


def _lengths(axes, inspection):
    for name, side, colour in _sides(inspection):
        lengths, lines = np.array(side.words.counts).T
        # The longest 1% would press the rest into a corner.
        edges = np.linspace(0.5, 0.5 + max(_longest(inspection), 1), _bars(inspection) + 1)
        counts, _ = np.histogram(lengths, edges, weights=lines)
        axes.stairs(counts, edges, color=colour, label=name, fill=True, alpha=0.35)
        axes.stairs(counts, edges, color=colour)
    axes.set(title="length of 99% of the lines", xlabel="words", ylabel="lines", xlim=(0, None))
    axes.legend(frameon=False)
    _thousands(axes.yaxis)


def _longest(inspection):
    return max(side.words.percentile_99 for _, side, _ in _sides(inspection))


def _bars(inspection):
    longest = max(_longest(inspection), 1)
    return -(-longest // -(-longest // 60))


def _pair_lengths(axes, inspection):
    from matplotlib.colors import LogNorm

    source, target, counts = np.array(inspection.pair_lengths).T
    order = np.argsort(counts)
    points = axes.scatter(
        source[order],
        target[order],
        c=counts[order],
        norm=LogNorm(1, max(counts.max(), 2)),
        cmap="cividis",
        s=9,
        marker="s",
        linewidths=0,
    )
    axes.figure.colorbar(points, ax=axes, label="pairs")
    usual = inspection.usual_ratio
    lengths = np.geomspace(1, source.max())
    for factor in (1 / usual.factor, usual.factor):
        limits = (lengths + 5) * usual.ratio * factor - 5
        axes.plot(lengths[limits >= 1], limits[limits >= 1], "--", color="0.4", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="source characters", ylabel="target characters")
    axes.set(ylim=(0.8, target.max() * 1.25), title="pairs beyond the dashes are unbalanced")


def _growth(axes, inspection):
    for name, side, colour in _sides(inspection):
        tokens, types = np.array([(0, 0), *side.growth]).T
        axes.plot(tokens, types, color=colour, label=name)
    axes.set(title="vocabulary growth", xlabel="words read", ylabel="different words")
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    _thousands(axes.xaxis)
    _thousands(axes.yaxis)


def _coverage(axes, inspection):
    from matplotlib.ticker import PercentFormatter

    for name, side, colour in _sides(inspection):
        ranks, shares = np.array(side.coverage).T
        axes.plot(ranks, shares, color=colour, label=name)
        if side.types_twice:
            axes.plot(side.types_twice, side.coverage_twice, "o", color=colour)
    axes.plot([], [], "o", color="0.4", label="words that occur twice or more")
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="most frequent words", ylabel="share of the text")
    axes.set(title="coverage")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(frameon=False, loc="lower right")


def _scripts(axes, inspection):
    from matplotlib.ticker import PercentFormatter

    counts = [side.characters_by_script for _, side, _ in _sides(inspection)]
    names = list(dict.fromkeys(itertools.chain(*counts)))
    totals = [sum(side.values()) for side in counts]
    shares = {
        name: [side.get(name, 0) / max(total, 1) for side, total in zip(counts, totals)]
        for name in names
    }
    names = sorted(names, key=lambda name: -sum(shares[name]))[:_SCRIPTS]
    places = np.arange(len(names))
    for number, (side, colour) in enumerate(_COLOURS.items()):
        widths = [shares[name][number] for name in names]
        axes.barh(places + 0.4 * number - 0.2, widths, 0.38, color=colour, label=side)
    labels = ["digits, signs" if name == "Common" else name for name in names]
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set(title="characters by script", xscale="symlog", xlim=(0, 1.5))
    axes.set_xscale("symlog", linthresh=1e-4)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(frameon=False)


def _suspicions(axes, inspection):
    axes.set(title="suspicious pairs, by their place in the file")
    if not inspection.suspicions:
        axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    rows = np.array([suspicion.where for suspicion in inspection.suspicions], float)
    rows /= rows.max(axis=1, keepdims=True)
    shown = np.ma.masked_equal(rows, 0)
    axes.imshow(
        shown,
        aspect="auto",
        cmap="cividis_r",
        vmin=0,
        extent=(0, 1, len(rows), 0),
        interpolation="none",
    )
    places = np.arange(len(rows))
    axes.hlines(places[1:], 0, 1, color="0.85", linewidth=0.8)
    labels = [f"{each.kind.replace('_', ' ')}: {each.count:,}" for each in inspection.suspicions]
    axes.set_yticks(places + 0.5, labels)
    axes.set_xticks([0, 1], ["first line", "last line"])
    axes.tick_params(axis="y", length=0)


def _thousands(axis):
    from matplotlib.ticker import StrMethodFormatter

    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
