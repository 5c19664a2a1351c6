"""The picture of an attention: what is drawn, where, and in which font."""

import types
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kseq import plot_attention
from kseq.fonts import MissingFontWarning, families_for
from kseq.heatmap import save_heatmap


def result(tokens, source_tokens, seed=0):
    rng = np.random.default_rng(seed)
    attention = rng.dirichlet(np.full(len(source_tokens), 0.2), size=len(tokens))
    return types.SimpleNamespace(
        attention=attention.astype("float32"), tokens=tokens, source_tokens=source_tokens
    )


FRENCH = result(["Où", "est", "-", "il", "?", "<end>"], ["Where", "is", "he", "?", "<end>"])


def draw(figure):
    FigureCanvasAgg(figure).draw()


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def test_source_on_top_output_down_the_side():
    axes = plot_attention(FRENCH)
    assert labels(axes.get_xticklabels()) == FRENCH.source_tokens
    assert labels(axes.get_yticklabels()) == FRENCH.tokens
    assert (
        axes.xaxis.get_tick_params()["labeltop"] and not axes.xaxis.get_tick_params()["labelbottom"]
    )
    top, bottom = axes.transData.transform([(0, 0), (0, 5)])[:, 1]
    assert top > bottom


def test_weights_are_drawn_as_they_are_from_zero_to_one():
    (image,) = plot_attention(FRENCH).images
    np.testing.assert_array_equal(image.get_array(), FRENCH.attention)
    assert image.get_clim() == (0.0, 1.0)


def test_draws_on_the_axes_it_is_given():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_attention(FRENCH, right) is right
    assert not left.images and len(right.images) == 1


@pytest.mark.parametrize("length", [1, 5, 60])
def test_cells_and_labels_have_room(length):
    """Every label lies inside the picture and beside its neighbour, none over another."""
    axes = plot_attention(result(["parliament"] * length, ["Unabhängigkeit"] * length))
    figure = axes.figure
    draw(figure)
    for ticks, side in ((axes.get_xticklabels(), "x"), (axes.get_yticklabels(), "y")):
        boxes = [tick.get_window_extent() for tick in ticks]
        for box in boxes:
            assert box.x0 >= 0 and box.y0 >= 0
            assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        starts = sorted(getattr(box, f"{side}0") for box in boxes)
        ends = sorted(getattr(box, f"{side}1") for box in boxes)
        assert all(end <= start for end, start in zip(ends, starts[1:]))


def test_tokens_are_shown_as_they_are():
    tokens = ["$5", "a_b^c", " ", "\\frac", "100%"]
    axes = plot_attention(result(tokens, tokens))
    draw(axes.figure)
    assert labels(axes.get_yticklabels()) == [r"\$5", "a_b^c", "␣", "\\frac", "100%"]


def test_no_global_state_is_touched():
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams), matplotlib.get_backend(), plt.get_fignums()
    draw(plot_attention(result(["你", "好"], ["h", "i"])).figure)
    assert (dict(matplotlib.rcParams), matplotlib.get_backend(), plt.get_fignums()) == before


def test_a_font_that_has_the_characters_is_found():
    from matplotlib import font_manager

    names = {entry.name for entry in font_manager.fontManager.ttflist}
    if not any("CJK" in name for name in names):
        pytest.skip("needs a font with Chinese, such as the Debian package fonts-noto-cjk")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        families = families_for("北京 東京 서울 café")
        draw(plot_attention(result(["北", "東"], ["서울", "café"])).figure)
    assert families[0] == matplotlib.rcParams["font.family"][0] and len(families) > 1


def test_latin_text_needs_no_other_font():
    assert families_for("café Ωμέγα Привет 123") == list(matplotlib.rcParams["font.family"])


def test_a_missing_font_is_named(monkeypatch):
    monkeypatch.setattr("kseq.fonts._installed", list)
    with pytest.warns(MissingFontWarning, match="no installed font has 京 北: .*fonts-noto-cjk"):
        families_for("北京")


def test_pictures_are_written_in_three_formats(tmp_path):
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        save_heatmap(FRENCH, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


def test_bad_results():
    wrong = types.SimpleNamespace(attention=np.ones((2, 3)), tokens=["a"], source_tokens=["b"] * 3)
    with pytest.raises(
        ValueError, match=r"expected attention of shape \(1, 3\).*received \(2, 3\)"
    ):
        plot_attention(wrong)
    with pytest.raises(ValueError, match="at least one output token to draw"):
        plot_attention(result([], ["<end>"]))


def test_one_head_of_many():
    heads = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 5)).astype("float32")
    many = types.SimpleNamespace(
        attention=heads.mean(axis=(0, 1)),
        attention_heads=heads,
        tokens=list("abcde"),
        source_tokens=list("wxyz"),
    )
    (image,) = plot_attention(many, head=(2, 3)).images
    np.testing.assert_array_equal(image.get_array(), heads[1, 2])
    (image,) = plot_attention(many).images
    np.testing.assert_array_equal(image.get_array(), heads.mean(axis=(0, 1)))
    for head in ((0, 1), (3, 1), (1, 4)):
        with pytest.raises(ValueError, match="a layer from 1 to 2 and a head from 1 to 3; receive"):
            plot_attention(many, head=head)
    with pytest.raises(ValueError, match="only a Transformer has heads"):
        plot_attention(FRENCH, head=(1, 1))


def values(length, features):
    return np.random.default_rng(1).normal(size=(length, features)).cumsum(axis=0)


@pytest.mark.parametrize("features", [1, 40])
def test_real_values_stand_beside_the_steps_that_they_are(features):
    """With a pyramid a column is four steps wide, and the strip below shares the axis."""
    source = values(26, features)
    attention = np.random.default_rng(2).dirichlet(np.ones(7), size=3).astype("float32")
    speech = types.SimpleNamespace(
        attention=attention, source=source, source_tokens=None, tokens=["a", "b", "<end>"]
    )
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


def test_predicted_values_stand_at_the_side():
    attention = np.random.default_rng(2).dirichlet(np.ones(4), size=6).astype("float32")
    predicted = values(6, 2)
    series = types.SimpleNamespace(
        attention=attention, source="a b c", source_tokens=list("abc."), values=predicted
    )
    axes = plot_attention(series)
    (strip,) = axes.child_axes
    assert strip.get_shared_y_axes().joined(strip, axes) and strip.get_ylabel() == "output step"
    for curve, line in zip(predicted.T, strip.lines):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([curve, range(6)], axis=1))
    draw(axes.figure)
    edge = strip.get_tightbbox().x0
    assert edge >= 0
