"""The learning curves of a run: which curves there are, and which epoch is marked as the best."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kseq.analysis.curves import draw_curves

NAN = float("nan")


def make_rows(losses, **columns):
    """Rows of a history with a validation loss for each epoch, and further columns."""
    rows = []
    for number, loss in enumerate(losses):
        row = {"epoch": number + 1, "cross_entropy": 1.0, "val_cross_entropy": loss}
        rows.append(row | {name: values[number] for name, values in columns.items()})
    return rows


def legend_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def marks_of(figure):
    """The dots on the best epoch, (epoch, value) for each panel."""
    return [
        tuple(float(line.get_data()[axis][0]) for axis in (0, 1))
        for axes in figure.axes
        for line in axes.get_lines()
        if line.get_label().startswith("best epoch")
    ]


def test_the_best_epoch_is_marked_in_every_panel():
    rows = make_rows([3.0, 1.0, 2.0], val_accuracy=[0.2, 0.6, 0.7])
    figure = draw_curves(rows, "val_cross_entropy")
    assert marks_of(figure) == [(2, 1.0), (2, 0.6)]
    assert legend_of(figure) == [
        "training",
        "validation",
        "best epoch: 2 (lowest val_cross_entropy)",
    ]


def test_the_monitored_figure_may_be_one_that_is_better_if_it_is_higher_and_has_no_panel():
    rows = make_rows([1.0, 2.0, 3.0], val_chrf=[10.0, 30.0, 30.0])
    rows[1]["epoch"] = 1.5  # a validation within an epoch
    figure = draw_curves(rows, "val_chrf")
    assert marks_of(figure) == [(1.5, 2.0)]
    assert legend_of(figure)[-1] == "best epoch: 1.5 (highest val_chrf)"


@pytest.mark.parametrize("losses, monitor", [([NAN], "val_cross_entropy"), ([1.0], None)])
def test_nothing_is_marked_if_no_epoch_is_known_to_be_best(losses, monitor):
    figure = draw_curves(make_rows(losses), monitor)
    assert marks_of(figure) == [] and legend_of(figure) == ["training", "validation"]


def test_a_figure_of_validation_only_has_one_curve():
    rows = make_rows([3.0, 1.0], val_bleu=[1.0, 40.0])
    loss, bleu = draw_curves(rows, "val_bleu").axes
    assert [line.get_label() for line in bleu.get_lines() if line.get_label()[0] != "_"] == [
        "validation",
        "best epoch: 2 (highest val_bleu)",
    ]
    assert len(loss.get_lines()) == len(bleu.get_lines()) + 1


def test_a_wide_range_of_losses_has_a_logarithmic_axis():
    narrow, wide = draw_curves(make_rows([3.0, 1.0])), draw_curves(make_rows([8.0, 1.0]))
    assert [figure.axes[0].get_yscale() for figure in (narrow, wide)] == ["linear", "log"]


@pytest.mark.parametrize("epochs", [[1], [1, 2, 3], range(1, 41), [0.1, 0.2], [1.5]])
def test_the_horizontal_axis_shows_whole_epochs(epochs):
    rows = make_rows([1.0 / epoch for epoch in epochs], val_accuracy=[0.41] * len(epochs))
    rows = [row | {"epoch": epoch} for row, epoch in zip(rows, epochs)]
    figure = draw_curves(rows, "val_cross_entropy")
    FigureCanvasAgg(figure).draw()
    loss, accuracy = figure.axes
    low, high = loss.get_xlim()
    assert accuracy.get_xlim() == pytest.approx((low, high))
    ticks = [tick for tick in loss.get_xticks() if low <= tick <= high]
    assert len(ticks) >= 2
    np.testing.assert_array_equal(ticks, np.round(ticks))


@pytest.mark.parametrize("names", [("mean_squared_error",), ("cross_entropy", "accuracy")])
def test_the_legend_is_below_the_panels(names):
    rows = [{"epoch": 1.125} | {f"val_{name}": 0.5 for name in names}]
    figure = draw_curves(rows, f"val_{names[0]}")
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    axes = figure.axes[0]
    assert legend.get_window_extent().x1 <= figure.bbox.width
    assert legend.get_window_extent().y1 <= axes.get_tightbbox().y0
