"""Learning curves: the figures of training and validation by epoch."""

import math

from kseq.runs.history import HIGHER_IS_BETTER, find_best

LABELS = {
    "cross_entropy": "cross-entropy per token (nats)",
    "accuracy": "token accuracy",
    "mean_squared_error": "mean squared error",
    "binary_cross_entropy": "binary cross-entropy (nats)",
    "exact_match": "exact match (%)",
    "bleu": "BLEU",
    "free_run_error": "squared error of the free run",
}
# Okabe and Ito's colours, which remain distinct for colour-blind readers; without their yellow,
# which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_TRAINING, _VALIDATION = COLOURS[:2]
_LOGARITHMIC = ("cross_entropy", "mean_squared_error", "binary_cross_entropy")
_WIDEST_LINEAR = 4  # largest loss divided by the smallest one


def save_curves(rows, path, monitor=None):
    """Draws a panel for each metric, with curves for training and validation.

    Args:
        rows: A dict for each validation with `epoch`, perhaps a fraction, the metrics and their
            `val_` counterparts; some have only one of the two.
        path: Picture file to write.
        monitor: Name of the figure that decides which weights are kept, such as
            `"val_cross_entropy"`. The best epoch is marked in all panels.
    """
    draw_curves(rows, monitor).savefig(path, dpi=120)


def draw_curves(rows, monitor=None):
    """Draws the curves of `save_curves`; returns a `Figure` that pyplot does not know."""
    from matplotlib.figure import Figure

    measures = [name for name in LABELS if f"val_{name}" in rows[0]]
    best = find_best(rows, monitor)
    columns = 3 if len(measures) > 1 else 1  # of the legend
    size = 4.5 * len(measures), 3.5 + 0.22 * (3 // columns)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(panels, measures):
        _draw_panel(axes, rows, measure)
        if best:
            _mark_best(axes, best, measure, monitor)
        finish_panel(axes, measure)
    # A panel of decoded outputs has no curve of training.
    entries = {}
    for axes in panels:
        entries |= dict(zip(*reversed(axes.get_legend_handles_labels())))
    place = {"loc": "outside lower left", "ncols": columns, "frameon": False}
    figure.legend(entries.values(), entries, **place)
    return figure


def _draw_panel(axes, rows, measure):
    """Draws the curves of one metric."""
    epochs = [row["epoch"] for row in rows]
    curves = ("training", measure, _TRAINING), ("validation", f"val_{measure}", _VALIDATION)
    for label, name, colour in curves:
        if name in rows[0]:
            values = [row[name] for row in rows]
            axes.plot(epochs, values, color=colour, marker="o", markersize=3, label=label)


def _mark_best(axes, best, measure, monitor):
    """Marks the best epoch with a line, and its figure of validation with a dot."""
    kind = "highest" if monitor in HIGHER_IS_BETTER else "lowest"
    label = f"best epoch: {best['epoch']:g} ({kind} {monitor})"
    style = {"color": "0.35", "linewidth": 1, "linestyle": ":"}
    axes.axvline(best["epoch"], **style, zorder=1)
    dot = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgecolor": "black"}
    axes.plot(best["epoch"], best[f"val_{measure}"], **style, **dot, label=label, zorder=3)


def finish_panel(axes, measure):
    """Labels the axes of a panel, and makes that of a loss with a wide range logarithmic."""
    axes.set(xlabel="epoch", ylabel=LABELS[measure])
    axes.xaxis.get_major_locator().set_params(integer=True)
    _show_whole_epochs(axes)
    if measure in _LOGARITHMIC:
        _show_small_losses(axes)
    axes.grid(alpha=0.3)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)


def _show_whole_epochs(axes):
    """Makes an axis of less than one epoch as long as an epoch, so that it has whole numbers."""
    low, high = axes.dataLim.intervalx
    if 0 <= high - low < 1:
        end = math.ceil(round(high, 6))  # which may be a little off
        axes.set_xlim(min(low, end - 1) - 0.05, end + 0.05)


def _show_small_losses(axes):
    """Makes an axis with a wide range logarithmic, with ordinary numbers beside it."""
    from matplotlib.ticker import LogLocator

    low, high = axes.dataLim.intervaly
    if not 0 < low * _WIDEST_LINEAR < high:
        return
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
