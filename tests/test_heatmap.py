"""The picture of an attention: what is drawn, where, and in which font."""

import re
import types
import warnings

import matplotlib
import numpy as np
import pypdf
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kseq import plot_attention
from kseq.analysis.fonts import MissingFontWarning, families_for, text_width
from kseq.analysis.heatmap import save_heatmap


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
    assert labels(axes.get_yticklabels()) == ["$5", "a_b^c", "␣", "\\frac", "100%"]


# Where no font has the characters a warning says so; that is another test's matter.
@pytest.mark.filterwarnings("ignore::kseq.analysis.fonts.MissingFontWarning")
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
    monkeypatch.setattr("kseq.analysis.fonts._installed", list)
    with pytest.warns(MissingFontWarning, match="no installed font has 京 北: .*fonts-noto-cjk"):
        families_for("北京")


def test_pictures_are_written_in_three_formats(tmp_path):
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        save_heatmap(FRENCH, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


ARABIC = result(["The", "car", "(", "old", ")", "<end>"], ["السيارة", "(", "قديمة", ")", "<end>"])
SCRIPTS = {
    "Arabic": ["السيارة", "الحمراء", "<end>"],
    "Hebrew": ["שָׁלוֹם", "עולם", "<end>"],
    "Devanagari": ["क्षत्रिय", "हिन्दी", "<end>"],
    "marks": ["e\u0301\u0323", "\u0301", "nai\u0308ve"],
    "emoji": ["👩\u200d👩\u200d👧", "👍🏽", "🇫🇷", "❤️", "😀"],
    "nothing": ["\u200d", "\ufe0f", " ", "\u200f"],
}


def test_arabic_words_stand_as_their_reader_expects():
    """The first word is at the right, as is a bracket that opens, turned to what follows it."""
    axes = plot_attention(ARABIC)
    first, last = axes.transData.transform([(0, 0), (4, 0)])[:, 0]
    assert first > last
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), ARABIC.attention)
    assert labels(axes.get_xticklabels())[:2] == ["السيارة", "\u200f(\u200f"]
    assert labels(axes.get_yticklabels())[2] == "("
    axes = plot_attention(result(ARABIC.source_tokens, ARABIC.tokens))
    first, last = axes.transData.transform([(0, 0), (4, 0)])[:, 0]
    assert first < last


def test_the_installed_matplotlib_shapes_arabic():
    """Joined letters are narrower than letters on their own, and a ligature is one glyph."""
    families = families_for("سلام")
    joined, apart = (text_width(text, families, 9) for text in ("سسسس", "س\u200cس\u200cس\u200cس"))
    assert joined < 0.9 * apart


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_breaks_the_axes(name):
    """Whatever fonts there are: nothing is raised, and matplotlib does not warn glyph by glyph."""
    tokens = SCRIPTS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingFontWarning)
        axes = plot_attention(result(tokens, tokens))
        draw(axes.figure)
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == len(tokens)
    for tick in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        box = tick.get_window_extent()
        assert box.width > 0 and box.x0 >= 0 and box.y1 <= axes.figure.bbox.height


def test_one_warning_for_all_that_no_font_has(monkeypatch):
    monkeypatch.setattr("kseq.analysis.fonts._installed", list)
    with pytest.warns(MissingFontWarning, match="has 京 北 👍: .*fonts-symbola") as caught:
        draw(plot_attention(result(["北", "京", "👍"], ["👍", "北"])).figure)
    assert len(caught) == 1 and caught[0].filename == __file__


def test_a_font_with_a_box_for_everything_is_no_font_for_it():
    """matplotlib's font of last resort would end every search."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingFontWarning)
        families = families_for("\U000105c0 👩")  # a letter of Todhri, of Unicode 16
    assert not any("Last Resort" in family for family in families)


def test_a_letter_and_its_marks_come_from_one_font(monkeypatch):
    fonts = {"default": "ab", "marks": "\u0301\u0302", "both": "x\u0301", "base": "xyz"}
    monkeypatch.setattr("kseq.analysis.fonts._installed", lambda: [(name, name) for name in fonts])
    monkeypatch.setattr(
        "kseq.analysis.fonts._glyphs", lambda path: frozenset(fonts.get(path, fonts["default"]))
    )
    configured = list(matplotlib.rcParams["font.family"])
    assert families_for("ax\u0301") == [*configured, "both"]
    assert families_for("ax\u0302\u200d") == [*configured, "marks", "both"]


WORDS = ["Où", "est", "voiture", "<end>", "Where", "$5", "$x_1$"]


@pytest.mark.parametrize(
    "save", [save_heatmap, lambda result, path: figure_of(result).savefig(path)]
)
def test_words_can_be_selected_in_vector_pictures(tmp_path, save):
    before = dict(matplotlib.rcParams)
    shown = result(["Où", "est", "voiture", "<end>"], ["Where", "$5", "$x_1$", "<end>"])
    save(shown, tmp_path / "a.svg")
    save(shown, tmp_path / "a.pdf")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "a.svg").read_text("utf-8"))
    (page,) = pypdf.PdfReader(tmp_path / "a.pdf").pages
    fonts = page["/Resources"]["/Font"].values()
    # A Type 3 font is a drawing of each letter, which many a viewer and editor cannot use.
    assert {font["/Subtype"] for font in fonts} <= {"/Type0", "/TrueType"}
    page = page.extract_text()
    for word in WORDS:
        assert word.replace("<", "&lt;").replace(">", "&gt;") in texts
        assert word in page
    assert dict(matplotlib.rcParams) == before


def test_shaped_words_stay_what_they_were_in_vector_pictures(tmp_path):
    """They are shaped where they are drawn: no presentation forms stand in the file."""
    save_heatmap(ARABIC, tmp_path / "a.svg")
    save_heatmap(ARABIC, tmp_path / "a.pdf")
    page = pypdf.PdfReader(tmp_path / "a.pdf").pages[0].extract_text()
    for text in ((tmp_path / "a.svg").read_text("utf-8"), page):
        assert "السيارة" in text and "قديمة" in text


def figure_of(result):
    return plot_attention(result).figure


def outlines(axes):
    return {
        (
            round(patch.get_x() + patch.get_width() / 2),
            round(patch.get_y() + patch.get_height() / 2),
        )
        for patch in axes.patches
    }


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def marked(axes):
    return [tick.get_text() for tick in axes.get_yticklabels() if tick.get_bbox_patch()]


def test_gold_links_are_outlined_where_they_are():
    gold = {(0, 0), (2, 3), (2, 1)}
    axes = plot_attention(FRENCH, gold=gold)
    assert outlines(axes) == gold and legend_of(axes.figure) == ["gold alignment"]
    draw(axes.figure)
    assert outlines(plot_attention(FRENCH, gold=set())) == set()
    assert not plot_attention(FRENCH).figure.legends


def unsure(probabilities):
    logs = np.log(np.array(probabilities, "float32"))
    return types.SimpleNamespace(**vars(FRENCH), token_log_probabilities=logs)


def test_words_of_low_probability_are_marked_and_the_mark_is_explained():
    axes = plot_attention(unsure([0.9, 0.4, 0.6, 0.49, 0.51, 0.1]))
    assert marked(axes) == ["est", "il", "<end>"]
    assert legend_of(axes.figure) == ["output word of probability below 0.5"]
    axes = plot_attention(unsure([0.9, 0.4, 0.6, 0.05, 0.51, 0.1]), low_probability=0.2)
    assert marked(axes) == ["il", "<end>"]
    assert legend_of(axes.figure) == ["output word of probability below 0.2"]
    for sure in (unsure([0.9] * 6), FRENCH):
        axes = plot_attention(sure)
        assert marked(axes) == [] and not axes.figure.legends
    assert marked(plot_attention(unsure([1e-30] * 6), low_probability=0)) == []
    assert marked(plot_attention(unsure([1.0] * 6), low_probability=1)) == []


def test_marks_are_explained_under_axes_that_are_given():
    axes = plot_attention(unsure([0.1] * 6), Figure().subplots(), gold=[(0, 0)])
    explained = [text.get_text() for text in axes.get_legend().get_texts()]
    assert explained == ["gold alignment", "output word of probability below 0.5"]
    assert not axes.figure.legends


@pytest.mark.parametrize("colormap", ["Greys", matplotlib.colormaps["Greys"]])
def test_any_colormap(colormap):
    (image,) = plot_attention(FRENCH, colormap=colormap).images
    assert image.get_cmap().name == "Greys"


def test_several_results_stand_in_a_grid():
    """Each with its own words, all on one scale with one bar."""
    results = [FRENCH, ARABIC, result(["a"], ["b", "<end>"]), FRENCH, FRENCH]
    axes = plot_attention(iter(results), gold=[{(0, 0)}, (), (), {(1, 1)}, ()])
    assert axes.shape == (5,)
    for one, each in zip(results, axes):
        assert labels(each.get_yticklabels()) == one.tokens
        assert each.yaxis.get_tick_params()["labelleft"]
        np.testing.assert_array_equal(each.images[0].get_array(), one.attention)
        assert each.images[0].get_clim() == (0.0, 1.0)
    assert [outlines(each) for each in axes] == [{(0, 0)}, set(), set(), {(1, 1)}, set()]
    figure = axes[0].figure
    draw(figure)
    assert len(figure.axes) == 6
    boxes = [each.get_tightbbox() for each in figure.axes]
    for number, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_a_list_of_one_gives_an_array_of_one():
    assert plot_attention([FRENCH]).shape == (1,)


def transformer(layers=2, heads=3, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(4), size=(layers, heads, 5)).astype("float32")
    return types.SimpleNamespace(
        attention=weights.mean(axis=(0, 1)),
        attention_heads=weights,
        tokens=list("abcde"),
        source_tokens=list("wxyz"),
    )


def test_a_panel_for_each_head():
    many = transformer()
    axes = plot_attention(many, panels="heads")
    assert axes.shape == (2, 3)
    for (layer, head), one in np.ndenumerate(axes):
        np.testing.assert_array_equal(one.images[0].get_array(), many.attention_heads[layer, head])
        assert one.get_title() == f"layer {layer + 1}, head {head + 1}"
        # One scale for all, so that heads can be compared; the words once around all.
        assert one.images[0].get_clim() == (0.0, many.attention_heads.max())
        assert one.xaxis.get_tick_params()["labeltop"] == (layer == 0)
        assert one.yaxis.get_tick_params()["labelleft"] == (head == 0)
    draw(axes[0, 0].figure)


def test_a_panel_for_each_layer():
    many = transformer()
    axes = plot_attention(many, panels="layers")
    assert [one.get_title() for one in axes] == ["layer 1", "layer 2"]
    for one, weights in zip(axes, many.attention_heads.mean(axis=1)):
        np.testing.assert_array_equal(one.images[0].get_array(), weights)


def test_panels_of_several_results():
    several = [transformer(seed=1), transformer(seed=2)]
    assert plot_attention(several, panels="layers").shape == (2, 2)
    axes = plot_attention(several, panels="heads")
    assert axes.shape == (2, 2, 3)
    np.testing.assert_array_equal(
        axes[1, 0, 2].images[0].get_array(), several[1].attention_heads[0, 2]
    )
    # The second sentence has words of its own.
    assert axes[1, 0, 2].xaxis.get_tick_params()["labeltop"]
    assert not axes[1, 1, 2].xaxis.get_tick_params()["labeltop"]
    assert plot_attention(several, head=(1, 2)).shape == (2,)


def test_several_panels_are_drawn_on_as_many_axes():
    given = Figure().subplots(2, 2)
    axes = plot_attention([FRENCH] * 4, given)
    assert list(axes.flat) == list(given.flat) and all(one.images for one in given.flat)
    with pytest.raises(ValueError, match="expected Axes for 3 panels; received 4"):
        plot_attention([FRENCH] * 3, given)


def test_fifty_results_fit_into_a_picture_and_more_panels_are_refused():
    small = result(["a", "<end>"], ["b", "<end>"])
    assert plot_attention([small] * 50).shape == (50,)
    with pytest.raises(ValueError, match="at most 100 panels in one picture.*fewer results at a"):
        plot_attention([small] * 101)
    with pytest.raises(ValueError, match="at most 100 panels in one picture.*or fewer heads"):
        plot_attention(transformer(7, 16), panels="heads")


@pytest.mark.parametrize(
    "shown, options, error, message",
    [
        (FRENCH, {"colour_map": "x"}, ValueError, "unknown option of a heatmap: 'colour_map'; did "
         r"you mean 'colormap'\? \(known: head, panels, gold, low_probability, colormap\)"),
        (FRENCH, {"colormap": "virids"}, ValueError,
         "matplotlib has no colormap 'virids'; did you mean one of viridis, "),
        (FRENCH, {"colormap": 3}, TypeError, "name of a matplotlib colormap.* received int"),
        (FRENCH, {"low_probability": 1.5}, ValueError, "a probability from 0 to 1; received 1.5"),
        (FRENCH, {"low_probability": -1}, ValueError, "a probability from 0 to 1; received -1"),
        (FRENCH, {"low_probability": float("nan")}, ValueError, "from 0 to 1; received nan"),
        (FRENCH, {"low_probability": "0.5"}, ValueError, "from 0 to 1; received '0.5'"),
        (FRENCH, {"low_probability": 0.5}, ValueError,
         "low_probability=0.5 marks output words, but this result has no token_log_prob"),
        (FRENCH, {"panels": "head"}, ValueError,
         "panels must be 'mean', 'layers' or 'heads'; received 'head'"),
        (FRENCH, {"panels": "heads"}, ValueError,
         "only a Transformer has heads; received panels='heads'"),
        (FRENCH, {"panels": "heads", "head": (1, 1)}, ValueError,
         r"head=\(1, 1\) shows one head, panels='heads' shows many: give one of them"),
        (transformer(), {"head": 3}, ValueError, "a head from 1 to 3; received 3"),
        (FRENCH, {"gold": {(4, 0)}}, ValueError,
         "gold link 4-0 lies outside the sentence of 4 source and 5 output tokens .*"
         "END has no links.*translator.score"),
        (FRENCH, {"gold": {(0, 5)}}, ValueError, "gold link 0-5 lies outside the sentence"),
        (FRENCH, {"gold": "0-0 1-2"}, ValueError,
         r"expected a gold alignment as \(source, target\) positions.*received "),
        (FRENCH, {"gold": {(-1, 0)}}, ValueError, r"positions.*received \[\(-1, 0\)\]"),
        (FRENCH, {"gold": 3}, ValueError, "positions.*received 3"),
        ([FRENCH, FRENCH], {"gold": [{(0, 0)}]}, ValueError,
         "a gold alignment for each of 2 results; received 1"),
        ([FRENCH, FRENCH], {"gold": [(), {(9, 9)}]}, ValueError,
         "result 2 of 2: gold link 9-9 lies outside"),
        ([], {}, ValueError, "at least one result to draw; received none"),
        ("text", {}, TypeError, "a Translation or a Prediction, or several; received 'text'"),
        (3, {}, TypeError, "a Translation or a Prediction, or several; received 3"),
        ([FRENCH, "text"], {}, TypeError,
         "result 2 of 2: expected a Translation or a Prediction; received 'text'"),
        ([[FRENCH, FRENCH]], {}, TypeError, "result 1 of 1: .*; of n-best results choose one"),
        ([transformer(), FRENCH], {"panels": "heads"}, ValueError,
         "result 2 of 2: only a Transformer has heads"),
        ([transformer(2, 3), transformer(1, 3)], {"panels": "layers"}, ValueError,
         "Transformers with as many layers and heads"),
        (types.SimpleNamespace(attention=None, tokens=["a"], source_tokens=["b"]), {}, ValueError,
         r"the model has none \(attention=none\), so there is nothing to draw"),
        (types.SimpleNamespace(**vars(FRENCH), token_log_probabilities=np.zeros(2)), {}, ValueError,
         r"token_log_probabilities of shape \(6,\), one for each output token; received \(2,\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said_in_one_line(shown, options, error, message):
    with pytest.raises(error, match=message) as caught:
        plot_attention(shown, **options)
    assert "\n" not in str(caught.value)


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


def test_real_values_take_the_options_that_have_a_meaning_for_them():
    attention = np.random.default_rng(2).dirichlet(np.ones(7), size=3).astype("float32")
    speech = types.SimpleNamespace(
        attention=attention,
        source=values(26, 2),
        source_tokens=None,
        tokens=["a", "b", "<end>"],
        token_log_probabilities=np.log([0.1, 0.9, 0.9]),
    )
    series = types.SimpleNamespace(attention=attention, **{"source": "", "values": values(3, 2)})
    series.source_tokens = list("abcdefg")
    axes = plot_attention([speech, series, FRENCH], colormap="magma")
    draw(axes[0].figure)
    assert marked(axes[0]) == ["a"] and len(axes[0].child_axes) == len(axes[1].child_axes) == 1
    given = plot_attention(speech, Figure().subplots())
    draw(given.figure)
    (strip,), legend = given.child_axes, given.get_legend()
    assert legend.get_window_extent().y1 <= strip.get_window_extent().y0
    for one in (speech, series):
        with pytest.raises(ValueError, match="gold alignment links words; .* real values on a"):
            plot_attention(one, gold={(0, 0)})
    with pytest.raises(ValueError, match="this result has no token_log_probabilities"):
        plot_attention(series, low_probability=0.1)


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
