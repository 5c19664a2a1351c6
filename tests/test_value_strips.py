"""Real values along the sides of a heatmap."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from results import make_prediction, make_translation, random_attention

from kseq import plot_attention


def draw(figure):
    FigureCanvasAgg(figure).draw()


def values(length, features):
    return np.random.default_rng(1).normal(size=(length, features)).cumsum(axis=0)


@pytest.mark.parametrize("features", [1, 40])
def test_source_values_are_drawn_below_their_steps(features):
    """With a pyramid a column is four steps wide; the strip shares the axis."""
    source = values(26, features)
    attention = random_attention(3, 7)
    speech = make_translation(attention, ["a", "b", "<end>"], None, source=source)
    axes = plot_attention(speech)
    (image,) = axes.images
    assert list(image.get_extent()) == [-0.5, 27.5, 2.5, -0.5] and axes.get_xlim() == (-0.5, 25.5)
    (strip,) = axes.child_axes
    assert strip.get_shared_x_axes().joined(strip, axes)
    if features == 1:
        np.testing.assert_array_equal(strip.lines[0].get_xydata()[:, 1], source[:, 0])
    else:
        np.testing.assert_array_equal(strip.images[0].get_array(), source.T)
    assert axes.get_xlabel() == "source step"
    draw(axes.figure)


def test_real_values_accept_the_options_that_apply_to_them():
    attention = random_attention(3, 7)
    speech = make_translation(
        attention,
        ["a", "b", "<end>"],
        None,
        source=values(26, 2),
        token_log_probabilities=np.log([0.1, 0.9, 0.9]),
    )
    series = make_prediction(attention, values(3, 2), list("abcdefg"))
    text = make_translation(random_attention(2, 3), ["x", "<end>"], ["a", "b", "<end>"])
    axes = plot_attention([speech, series, text], colormap="magma")
    draw(axes[0].figure)
    marked_labels = [tick.get_text() for tick in axes[0].get_yticklabels() if tick.get_bbox_patch()]
    assert marked_labels == ["a"] and len(axes[0].child_axes) == len(axes[1].child_axes) == 1
    axes = plot_attention(speech, Figure().subplots())
    draw(axes.figure)
    (strip,), legend = axes.child_axes, axes.get_legend()
    assert legend.get_window_extent().y1 <= strip.get_window_extent().y0
    for result in (speech, series):
        with pytest.raises(ValueError, match="gold alignment links words; .* real values on a"):
            plot_attention(result, gold={(0, 0)})
    with pytest.raises(ValueError, match="this result has no token_log_probabilities"):
        plot_attention(series, low_probability=0.1)


def test_predicted_values_are_drawn_to_the_left_of_their_steps():
    predicted = values(6, 2)
    axes = plot_attention(make_prediction(random_attention(6, 4), predicted, list("abc.")))
    (strip,) = axes.child_axes
    assert strip.get_shared_y_axes().joined(strip, axes) and strip.get_ylabel() == "output step"
    for curve, line in zip(predicted.T, strip.lines):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([curve, range(6)], axis=1))
    draw(axes.figure)
    edge = strip.get_tightbbox().x0
    assert edge >= 0
