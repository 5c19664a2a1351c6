"""The learning curves of several runs in one picture."""

import io

import numpy as np

from kseq.analysis.curves import COLOURS, LABELS, finish_panel
from kseq.analysis.figures import TextFigure, make_pyplot_figure
from kseq.analysis.fonts import families_for
from kseq.runs.comparison import Comparison
from kseq.runs.history import find_best
from kseq.text.scripts import shorten
from kseq.text_tables import escape_invisible

_LOOKS = {"validation": {"linewidth": 1.8}, "training": {"linewidth": 0.8, "alpha": 0.5}}
_DASHES = ("-", "--", ":", "-.")
_LONGEST_NAME = 36  # in Latin letters


def plot_comparison(comparison: Comparison) -> np.ndarray:
    """Draws the learning curves of runs, a panel for each figure.

    Thick curves are those of validation, with a dot on the best epoch; thin ones are those of
    training. The curve of an unfinished run ends in a circle. The figure belongs to
    `matplotlib.pyplot`, as that of `kseq.plot_attention` does.

    Args:
        comparison: A `Comparison`.

    Returns:
        An array of matplotlib Axes, one for each figure that a run has.

    Raises:
        ValueError: No run has a history.
    """
    return _draw(comparison, make_pyplot_figure)


def save_comparison(comparison, path):
    """Writes the picture of a `Comparison` to a `.png`, `.svg` or `.pdf` file, without pyplot."""
    from kseq.files import replaced_file

    figure = _draw(comparison, TextFigure)[0].figure
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def to_png(comparison):
    """Returns the picture of a `Comparison` for a notebook, the bytes of a PNG."""
    picture = io.BytesIO()
    _draw(comparison, TextFigure)[0].figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw(comparison, make_figure):
    """Draws all panels in a new figure; returns their Axes, an array."""
    columns = {name for rows in comparison.histories for row in rows for name in row}
    measures = [name for name in LABELS if {name, f"val_{name}"} & columns]
    if not measures:
        raise ValueError("expected runs with epochs that have ended; none of these runs has one")
    names = [shorten(escape_invisible(name), _LONGEST_NAME) for name in comparison.names]
    labels = [
        f"{name} (unfinished)" if run.state == "unfinished" else name
        for name, run in zip(names, comparison.runs)
    ]
    width = 4.5 * len(measures)
    columns = _count_columns(labels, width)
    rows = -(-(len(labels) + len(_LOOKS)) // columns)
    figure = make_figure(figsize=(width, 3.5 + 0.22 * rows), layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(panels, measures):
        for number, (run, rows) in enumerate(zip(comparison.runs, comparison.histories)):
            _draw_run(axes, run, rows, measure, _style(number))
        finish_panel(axes, measure)
    _add_legend(figure, labels, columns)
    return panels


def _draw_run(axes, run, rows, measure, style):
    """Draws the curves of one run in one panel."""
    epochs = [row["epoch"] for row in rows]
    for split, name in (("training", measure), ("validation", f"val_{measure}")):
        values = [row.get(name, float("nan")) for row in rows]
        axes.plot(epochs, values, **style, **_LOOKS[split])
    if not rows:
        return
    best = find_best(rows, run.measure)
    if best and f"val_{measure}" in best:
        axes.plot(best["epoch"], best[f"val_{measure}"], "o", color=style["color"], markersize=5)
    if run.state == "unfinished":
        end = {"color": style["color"], "markerfacecolor": "white", "markersize": 7}
        axes.plot(epochs[-1], values[-1], "o", zorder=1.9, **end)


def _style(number):
    rounds, colour = divmod(number, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": _DASHES[rounds % len(_DASHES)]}


def _add_legend(figure, labels, columns):
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], **_LOOKS["validation"], **_style(n)) for n in range(len(labels))]
    lines += [Line2D([], [], color="0.4", **look) for look in _LOOKS.values()]
    legend = figure.legend(
        lines,
        [*labels, *_LOOKS],
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        prop={"family": families_for("".join(labels))},
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _count_columns(labels, inches):
    widest = max(map(len, labels)) * 0.085 + 0.6
    return max(1, min(len(labels) + len(_LOOKS), int(inches / widest)))
