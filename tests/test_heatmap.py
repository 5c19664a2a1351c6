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
