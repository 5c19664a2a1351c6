"""The window of local attention: in results, and in heatmaps."""

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Polygon
from results import make_prediction, make_translation
from untrained import untrained_translator

from kseq import plot_attention

WORDS = list("abcde")
SOURCE = ["a", "b", "c", "d", "e", "<end>"]
WINDOW = np.array([[0, 1], [0, 2], [1, 3], [3, 5]])


def make_result(window, **fields):
    attention = np.zeros((4, 6))
    for row, (first, last) in zip(attention, WINDOW):
        row[first : last + 1] = 1 / (last + 1 - first)
    return make_translation(attention, ["x", "y", "z", "<end>"], SOURCE, window=window, **fields)


def outlines(axes):
    return [patch for patch in axes.patches if type(patch) is Polygon]


def test_a_result_has_the_positions_that_each_step_may_read():
    """The centre of local-m is the number of the step, up to the last position."""
    translator = untrained_translator(["attention=local_m", "window=2"], WORDS, WORDS)
    (result,) = translator.score([("a b c d", "a b c d e a b")])
    centers = np.minimum(np.arange(8), 4)
    expected = np.stack([np.maximum(centers - 2, 0), np.minimum(centers + 2, 4)], axis=1)
    np.testing.assert_array_equal(result.window, expected)
    (result,) = translator.translate(["a b c d"], minimum_length=5, maximum_length=7)
    np.testing.assert_array_equal(result.window, expected[: len(result.tokens)])


def test_energies_far_apart_do_not_narrow_the_window():
    """A softmax of float32 gives 0 to energies that are 100 below the largest."""
    translator = untrained_translator(["attention=local_m", "window=2"], WORDS, WORDS)
    for weight in translator.model.weights:
        if weight.path.endswith("attention_keys/kernel"):
            weight.assign(1e6 * weight.numpy())
    (result,) = translator.score([("a b c d e", "a b c")])
    assert np.sort(result.attention)[:, -2].min() < 1e-30
    np.testing.assert_array_equal(result.window, [[0, 2], [0, 3], [0, 4], [1, 5]])


def test_a_predicted_window_is_around_its_weights():
    translator = untrained_translator(["attention=local_p", "window=1"], WORDS, WORDS)
    (result,) = translator.score([("a b c d e", "a b")])
    first, last = result.window.T
    assert ((last - first >= 1) & (last - first <= 2)).all()
    positions = np.arange(6)
    is_inside = (positions >= first[:, None]) & (positions <= last[:, None])
    np.testing.assert_array_equal(result.attention > 0, is_inside)


def test_other_mechanisms_have_no_window():
    translator = untrained_translator(["attention=luong_dot"], WORDS, WORDS)
    assert translator.score([("a b", "a")])[0].window is None


def test_a_line_surrounds_the_window_of_each_step():
    axes = plot_attention(make_result(WINDOW))
    (outline,) = outlines(axes)
    for row in range(4):
        for column in range(6):
            is_inside = WINDOW[row, 0] <= column <= WINDOW[row, 1]
            assert outline.get_path().contains_point((column, row)) == is_inside
    assert [t.get_text() for t in axes.figure.legends[0].get_texts()] == [
        "window of local attention"
    ]


@pytest.mark.parametrize("window", [None, np.array([[0, 5]] * 4)])
def test_nothing_is_drawn_if_each_step_may_read_everything(window):
    axes = plot_attention(make_result(window))
    assert not outlines(axes) and not axes.figure.legends


@pytest.mark.parametrize("colormap", ["viridis", "Greys"])
def test_the_line_is_visible_on_the_colour_of_weights_of_zero(colormap):
    (outline,) = outlines(plot_attention(make_result(WINDOW), colormap=colormap))
    background = np.array(matplotlib.colormaps[colormap](0.0)[:3])
    assert abs(np.mean(outline.get_edgecolor()[:3]) - background.mean()) > 0.4


def test_a_window_over_a_pyramid_covers_the_steps_of_its_positions():
    """Eight source steps are four positions of the memory."""
    window = np.array([[0, 1], [1, 3]])
    attention = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.4, 0.3, 0.3]])
    result = make_prediction(attention, np.zeros((2, 1)), source=np.zeros((8, 1)), window=window)
    (outline,) = outlines(plot_attention(result))
    left, right = outline.get_xy()[:, 0].min(), outline.get_xy()[:, 0].max()
    assert (left, right) == (-0.5, 7.5)
    assert outline.get_path().contains_point((3, 0)) and not outline.get_path().contains_point(
        (4, 0)
    )
