"""The reliability diagram: probabilities of tokens against the share that is correct."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kseq.analysis.calibration import measure_calibration
from kseq.analysis.curves import COLOURS
from kseq.analysis.figures import TextFigure, make_pyplot_figure
from kseq.files import replaced_file

if TYPE_CHECKING:
    from kseq.translation.translator import Translator

_ACCURACY, _GAP = COLOURS[:2]


def plot_calibration(translator: "Translator", pairs: Any, bins: int = 15) -> np.ndarray:
    """Draws how well the probabilities of a model agree with how often it is right.

    Above, a reliability diagram: for tokens of about the same probability, how many are correct. On
    the diagonal they are as many as the model says; below it the model is too confident. Below, how
    many tokens there are in each bin. The figure belongs to `matplotlib.pyplot`, as that of
    `kseq.plot_attention` does.

    Args:
        translator: A `Translator` that writes text.
        pairs: (source, reference) sentences, as in `kseq.measure_calibration`.
        bins: Number of bins.

    Returns:
        An array of two matplotlib Axes.

    Raises:
        ValueError: As in `kseq.measure_calibration`.
    """
    return _draw(measure_calibration(translator, pairs, bins), make_pyplot_figure)


def save_calibration(calibration, path):
    """Writes the picture of a `Calibration` to a `.png`, `.svg` or `.pdf` file, without pyplot."""
    figure = _draw(calibration, TextFigure)[0].figure
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def _draw(calibration, make_figure):
    figure = make_figure(figsize=(4.5, 5.8), layout="constrained")
    diagram, histogram = panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = np.linspace(0.0, 1.0, len(calibration.counts) + 1)
    bars = {"width": np.diff(edges), "align": "edge"}
    accuracies, confidences = calibration.accuracies, calibration.confidences
    diagram.bar(edges[:-1], accuracies, color=_ACCURACY, label="share that is correct", **bars)
    gaps = {"facecolor": "none", "edgecolor": _GAP, "hatch": "///", "linewidth": 1.2}
    gaps["label"] = "gap to the mean probability"
    diagram.bar(edges[:-1], confidences - accuracies, bottom=accuracies, **gaps, **bars)
    diagram.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":", label="calibrated")
    diagram.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of correct tokens")
    diagram.set_title(f"expected calibration error: {calibration.error:.3f}", fontsize=10)
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    histogram.bar(edges[:-1], calibration.counts, color="0.6", edgecolor="white", **bars)
    histogram.set(xlabel="probability of the most probable token", ylabel="tokens")
    histogram.set_yscale("log")
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
    return panels
