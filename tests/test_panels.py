"""The panels of a heatmap: several results, layers and heads, and results that cannot be drawn."""

import dataclasses

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from results import make_translation
from test_heatmap import ARABIC, FRENCH, labels, outlines, translation

from kseq import plot_attention


def draw(figure):
    FigureCanvasAgg(figure).draw()


def test_several_results_are_drawn_in_a_grid_with_one_scale():
    """Each has its own words."""
    results = [FRENCH, ARABIC, translation(["a"], ["b", "<end>"]), FRENCH, FRENCH]
    axes = plot_attention(iter(results), gold=[{(0, 0)}, (), (), {(1, 1)}, ()])
    assert axes.shape == (5,)
    for result, panel in zip(results, axes):
        assert labels(panel.get_yticklabels()) == result.tokens
        assert panel.yaxis.get_tick_params()["labelleft"]
        np.testing.assert_array_equal(panel.images[0].get_array(), result.attention)
        assert panel.images[0].get_clim() == (0.0, 1.0)
    assert [outlines(panel) for panel in axes] == [{(0, 0)}, set(), set(), {(1, 1)}, set()]
    figure = axes[0].figure
    draw(figure)
    assert len(figure.axes) == 6
    boxes = [panel.get_tightbbox() for panel in figure.axes]
    for number, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        assert not any(box.overlaps(previous) for previous in boxes[:number])


def test_a_list_of_one_result_gives_an_array_of_one_panel():
    assert plot_attention([FRENCH]).shape == (1,)


def transformer(layers=2, heads=3, seed=0):
    random = np.random.default_rng(seed)
    weights = random.dirichlet(np.ones(4), size=(layers, heads, 5)).astype("float32")
    return make_translation(
        weights.mean(axis=(0, 1)), list("abcde"), list("wxyz"), attention_heads=weights
    )


def test_heads_are_drawn_one_per_panel_on_one_scale():
    result = transformer()
    axes = plot_attention(result, panels="heads")
    assert axes.shape == (2, 3)
    for (layer, head), panel in np.ndenumerate(axes):
        np.testing.assert_array_equal(
            panel.images[0].get_array(), result.attention_heads[layer, head]
        )
        assert panel.get_title() == f"layer {layer + 1}, head {head + 1}"
        # One scale, so that heads can be compared; the words are shown once.
        assert panel.images[0].get_clim() == (0.0, result.attention_heads.max())
        assert panel.xaxis.get_tick_params()["labeltop"] == (layer == 0)
        assert panel.yaxis.get_tick_params()["labelleft"] == (head == 0)
    draw(axes[0, 0].figure)


def test_layers_are_drawn_one_per_panel():
    result = transformer()
    axes = plot_attention(result, panels="layers")
    assert [panel.get_title() for panel in axes] == ["layer 1", "layer 2"]
    for panel, weights in zip(axes, result.attention_heads.mean(axis=1)):
        np.testing.assert_array_equal(panel.images[0].get_array(), weights)


def test_panels_of_several_results_are_an_array_by_result_layer_and_head():
    several = [transformer(seed=1), transformer(seed=2)]
    assert plot_attention(several, panels="layers").shape == (2, 2)
    axes = plot_attention(several, panels="heads")
    assert axes.shape == (2, 2, 3)
    np.testing.assert_array_equal(
        axes[1, 0, 2].images[0].get_array(), several[1].attention_heads[0, 2]
    )
    # The second sentence has its own words.
    assert axes[1, 0, 2].xaxis.get_tick_params()["labeltop"]
    assert not axes[1, 1, 2].xaxis.get_tick_params()["labeltop"]
    assert plot_attention(several, head=(1, 2)).shape == (2,)


def test_several_panels_need_the_same_number_of_axes():
    grid = Figure().subplots(2, 2)
    axes = plot_attention([FRENCH] * 4, grid)
    assert list(axes.flat) == list(grid.flat) and all(panel.images for panel in grid.flat)
    with pytest.raises(ValueError, match="expected Axes for 3 panels; received 4"):
        plot_attention([FRENCH] * 3, grid)


def test_a_picture_holds_at_most_100_panels():
    small = translation(["a", "<end>"], ["b", "<end>"])
    assert plot_attention([small] * 50).shape == (50,)
    with pytest.raises(ValueError, match="at most 100 panels in one picture.*fewer results at a"):
        plot_attention([small] * 101)
    with pytest.raises(ValueError, match="at most 100 panels in one picture.*or fewer heads"):
        plot_attention(transformer(7, 16), panels="heads")


@pytest.mark.parametrize(
    "result, options, error, message",
    [
        (FRENCH, {"colour_map": "x"}, ValueError, "unknown option of a heatmap: 'colour_map'; did "
         r"you mean 'colormap'\? \(known: ax, head, panels, gold, titles, low_probability, color"),
        (FRENCH, {"colormap": "virids"}, ValueError,
         "matplotlib has no colormap 'virids'; did you mean one of viridis, "),
        (FRENCH, {"colormap": 3}, TypeError, "name of a matplotlib colormap.* received int"),
        (FRENCH, {"low_probability": 1.5}, ValueError, "a probability from 0 to 1; received 1.5"),
        (FRENCH, {"low_probability": -1}, ValueError, "a probability from 0 to 1; received -1"),
        (FRENCH, {"low_probability": float("nan")}, ValueError, "from 0 to 1; received nan"),
        (FRENCH, {"low_probability": "0.5"}, ValueError, "from 0 to 1; received '0.5'"),
        (FRENCH, {"low_probability": 0.5}, ValueError,
         "low_probability marks output words, but this result has no token_log_prob"),
        (FRENCH, {"panels": "head"}, ValueError,
         "panels must be 'mean', 'layers' or 'heads'; received 'head'"),
        (FRENCH, {"panels": "heads"}, ValueError,
         "only a single Transformer has heads; received panels='heads'"),
        (FRENCH, {"panels": "heads", "head": (1, 1)}, ValueError,
         r"head draws one head, panels=heads draws several: use only one of them"),
        (transformer(), {"head": 3}, ValueError, "a head from 1 to 3; received 3"),
        (FRENCH, {"gold": {(4, 0)}}, ValueError,
         "gold link 4-0 is outside the sentence of 4 source and 5 output tokens .*"
         "END has no links.*translator.score"),
        (FRENCH, {"gold": {(0, 5)}}, ValueError, "gold link 0-5 is outside the sentence"),
        (FRENCH, {"gold": "0-0 1-2"}, ValueError,
         r"expected a gold alignment as \(source, target\) positions.*received "),
        (FRENCH, {"gold": {(-1, 0)}}, ValueError, r"positions.*received \[\(-1, 0\)\]"),
        (FRENCH, {"gold": 3}, ValueError, "positions.*received 3"),
        ([FRENCH, FRENCH], {"gold": [{(0, 0)}]}, ValueError,
         "a gold alignment for each of 2 results; received 1"),
        ([FRENCH, FRENCH], {"gold": [(), {(9, 9)}]}, ValueError,
         "result 2 of 2: gold link 9-9 is outside"),
        ([FRENCH, FRENCH], {"titles": ["GRU"]}, ValueError,
         "a title for each of 2 results; received 1"),
        ([FRENCH, FRENCH], {"titles": "GRU"}, TypeError,
         "a list with a title for each result; received 'GRU'"),
        ([FRENCH, FRENCH], {"titles": ["GRU", 2]}, TypeError,
         "result 2 of 2: expected a string as the title; received 2"),
        ([], {}, ValueError, "at least one result to draw; received none"),
        ("text", {}, TypeError, "a Translation or a Prediction, or several; received 'text'"),
        (3, {}, TypeError, "a Translation or a Prediction, or several; received 3"),
        ([FRENCH, "text"], {}, TypeError,
         "result 2 of 2: expected a Translation or a Prediction; received 'text'"),
        ([[FRENCH, FRENCH]], {}, TypeError, "result 1 of 1: .*; choose one of n-best results"),
        ([transformer(), FRENCH], {"panels": "heads"}, ValueError,
         "result 2 of 2: only a single Transformer has heads"),
        ([transformer(2, 3), transformer(1, 3)], {"panels": "layers"}, ValueError,
         "Transformers with the same number of layers and heads"),
        (make_translation(None, ["a"], ["b"]), {}, ValueError,
         r"the model has none \(attention=none\), so there is nothing to draw"),
        (dataclasses.replace(FRENCH, token_log_probabilities=np.zeros(2)), {}, ValueError,
         r"token_log_probabilities of shape \(6,\), one for each output token; received \(2,\)"),
    ],
)  # fmt: skip
def test_the_reason_why_something_cannot_be_drawn_fits_on_one_line(result, options, error, message):
    with pytest.raises(error, match=message) as caught:
        plot_attention(result, **options)
    assert "\n" not in str(caught.value)


def test_the_attention_needs_a_row_and_a_column_for_each_token():
    result = make_translation(np.ones((2, 3)), ["a"], ["b"] * 3)
    with pytest.raises(
        ValueError, match=r"expected attention of shape \(1, 3\).*received \(2, 3\)"
    ):
        plot_attention(result)
    with pytest.raises(ValueError, match="at least one output token to draw"):
        plot_attention(translation([], ["<end>"]))


def test_one_head_can_be_drawn_alone():
    result = transformer()
    (image,) = plot_attention(result, head=(2, 3)).images
    np.testing.assert_array_equal(image.get_array(), result.attention_heads[1, 2])
    (image,) = plot_attention(result).images
    np.testing.assert_array_equal(image.get_array(), result.attention)
    for head in ((0, 1), (3, 1), (1, 4)):
        with pytest.raises(ValueError, match="a layer from 1 to 2 and a head from 1 to 3; receive"):
            plot_attention(result, head=head)
    with pytest.raises(ValueError, match="only a single Transformer has heads"):
        plot_attention(FRENCH, head=(1, 1))


def test_each_result_has_its_title_on_the_same_scale():
    pale = dataclasses.replace(FRENCH, attention=FRENCH.attention / 2)
    panels = plot_attention([FRENCH, pale], titles=["GRU", "$x_1$ \u200f LSTM"])
    assert [axes.get_title() for axes in panels] == ["GRU", "$x_1$ <U+200F> LSTM"]
    assert {axes.images[0].get_clim() for axes in panels} == {(0.0, 1.0)}
    for axes, result in zip(panels, (FRENCH, pale)):
        np.testing.assert_array_equal(axes.images[0].get_array(), result.attention)
    assert plot_attention(FRENCH, titles="GRU").get_title() == "GRU"


def test_a_title_comes_before_layer_and_head():
    panels = plot_attention([transformer(1, 2)] * 2, panels="heads", titles=["a", "b"])
    assert panels[1, 0, 1].get_title() == "b, layer 1, head 2"
