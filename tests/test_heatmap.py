"""Heatmaps of attention: their contents and their layout."""

import dataclasses
import re
import warnings

import matplotlib
import numpy as np
import pypdf
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from results import make_translation, random_attention

from kseq import plot_attention
from kseq.analysis.fonts import MissingFontWarning
from kseq.analysis.heatmap import save_heatmap


def translation(tokens, source_tokens, **fields):
    attention = random_attention(len(tokens), len(source_tokens))
    return make_translation(attention, tokens, source_tokens, **fields)


FRENCH = translation(["Où", "est", "-", "il", "?", "<end>"], ["Where", "is", "he", "?", "<end>"])


def draw(figure):
    FigureCanvasAgg(figure).draw()


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def test_the_source_is_along_the_top_and_the_output_down_the_side():
    axes = plot_attention(FRENCH)
    assert labels(axes.get_xticklabels()) == FRENCH.source_tokens
    assert labels(axes.get_yticklabels()) == FRENCH.tokens
    assert (
        axes.xaxis.get_tick_params()["labeltop"] and not axes.xaxis.get_tick_params()["labelbottom"]
    )
    top, bottom = axes.transData.transform([(0, 0), (0, 5)])[:, 1]
    assert top > bottom


def test_weights_are_drawn_unchanged_on_a_scale_from_0_to_1():
    (image,) = plot_attention(FRENCH).images
    np.testing.assert_array_equal(image.get_array(), FRENCH.attention)
    assert image.get_clim() == (0.0, 1.0)


def test_a_heatmap_is_drawn_on_given_axes():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_attention(FRENCH, right) is right
    assert not left.images and len(right.images) == 1


@pytest.mark.parametrize("length", [1, 5, 60])
def test_labels_are_inside_the_picture_and_do_not_overlap(length):
    axes = plot_attention(translation(["parliament"] * length, ["Unabhängigkeit"] * length))
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


def test_tokens_are_shown_literally_and_a_space_as_a_symbol():
    tokens = ["$5", "a_b^c", " ", "\\frac", "100%"]
    axes = plot_attention(translation(tokens, tokens))
    draw(axes.figure)
    assert labels(axes.get_yticklabels()) == ["$5", "a_b^c", "␣", "\\frac", "100%"]


# The warning about missing fonts is tested in test_fonts.py.
@pytest.mark.filterwarnings("ignore::kseq.analysis.fonts.MissingFontWarning")
def test_drawing_leaves_the_global_state_of_matplotlib_alone():
    before = dict(matplotlib.rcParams), matplotlib.get_backend()
    draw(plot_attention(translation(["你", "好"], ["h", "i"])).figure)
    assert (dict(matplotlib.rcParams), matplotlib.get_backend()) == before


def test_pictures_are_written_in_three_formats(tmp_path):
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        save_heatmap(FRENCH, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


ARABIC = translation(
    ["The", "car", "(", "old", ")", "<end>"], ["السيارة", "(", "قديمة", ")", "<end>"]
)
SCRIPTS = {
    "Arabic": ["السيارة", "الحمراء", "<end>"],
    "Hebrew": ["שָׁלוֹם", "עולם", "<end>"],
    "Devanagari": ["क्षत्रिय", "हिन्दी", "<end>"],
    "marks": ["e\u0301\u0323", "\u0301", "nai\u0308ve"],
    "emoji": ["👩\u200d👩\u200d👧", "👍🏽", "🇫🇷", "❤️", "😀"],
    "invisible": ["\u200d", "\ufe0f", " ", "\u200f"],
}


def test_an_arabic_sentence_starts_at_the_right():
    """An opening bracket is mirrored, so that it opens towards the words after it."""
    axes = plot_attention(ARABIC)
    first, last = axes.transData.transform([(0, 0), (4, 0)])[:, 0]
    assert first > last
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), ARABIC.attention)
    assert labels(axes.get_xticklabels())[:2] == ["السيارة", "\u200f(\u200f"]
    assert labels(axes.get_yticklabels())[2] == "("
    axes = plot_attention(translation(ARABIC.source_tokens, ARABIC.tokens))
    first, last = axes.transData.transform([(0, 0), (4, 0)])[:, 0]
    assert first < last


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_can_be_drawn_whatever_fonts_are_installed(name):
    """No error is raised, and matplotlib does not warn about each glyph."""
    tokens = SCRIPTS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingFontWarning)
        axes = plot_attention(translation(tokens, tokens))
        draw(axes.figure)
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == len(tokens)
    for tick in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        box = tick.get_window_extent()
        assert box.width > 0 and box.x0 >= 0 and box.y1 <= axes.figure.bbox.height


WORDS = ["Où", "est", "voiture", "<end>", "Where", "$5", "$x_1$"]


@pytest.mark.parametrize(
    "save", [save_heatmap, lambda result, path: figure_of(result).savefig(path)]
)
def test_words_can_be_selected_in_vector_pictures(tmp_path, save):
    before = dict(matplotlib.rcParams)
    sentence = translation(["Où", "est", "voiture", "<end>"], ["Where", "$5", "$x_1$", "<end>"])
    save(sentence, tmp_path / "a.svg")
    save(sentence, tmp_path / "a.pdf")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "a.svg").read_text("utf-8"))
    (page,) = pypdf.PdfReader(tmp_path / "a.pdf").pages
    fonts = page["/Resources"]["/Font"].values()
    # A Type 3 font is a drawing of each letter, which many viewers and editors cannot use.
    assert {font["/Subtype"] for font in fonts} <= {"/Type0", "/TrueType"}
    page = page.extract_text()
    for word in WORDS:
        assert word.replace("<", "&lt;").replace(">", "&gt;") in texts
        assert word in page
    assert dict(matplotlib.rcParams) == before


def test_vector_pictures_hold_arabic_words_as_letters(tmp_path):
    """The viewer shapes them: the file holds no presentation forms."""
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


def marked_labels(axes):
    return [tick.get_text() for tick in axes.get_yticklabels() if tick.get_bbox_patch()]


def test_gold_links_are_outlined_at_their_cells():
    gold = {(0, 0), (2, 3), (2, 1)}
    axes = plot_attention(FRENCH, gold=gold)
    assert outlines(axes) == gold and legend_of(axes.figure) == ["gold alignment"]
    draw(axes.figure)
    assert outlines(plot_attention(FRENCH, gold=set())) == set()
    assert not plot_attention(FRENCH).figure.legends


def with_probabilities(probabilities):
    logs = np.log(np.array(probabilities, "float32"))
    return dataclasses.replace(FRENCH, token_log_probabilities=logs)


def test_words_of_low_probability_are_marked_and_the_legend_explains_it():
    axes = plot_attention(with_probabilities([0.9, 0.4, 0.6, 0.49, 0.51, 0.1]))
    assert marked_labels(axes) == ["est", "il", "<end>"]
    assert legend_of(axes.figure) == ["output word of probability below 0.5"]
    axes = plot_attention(with_probabilities([0.9, 0.4, 0.6, 0.05, 0.51, 0.1]), low_probability=0.2)
    assert marked_labels(axes) == ["il", "<end>"]
    assert legend_of(axes.figure) == ["output word of probability below 0.2"]
    for result in (with_probabilities([0.9] * 6), FRENCH):
        axes = plot_attention(result)
        assert marked_labels(axes) == [] and not axes.figure.legends
    assert marked_labels(plot_attention(with_probabilities([1e-30] * 6), low_probability=0)) == []
    assert marked_labels(plot_attention(with_probabilities([1.0] * 6), low_probability=1)) == []


def test_a_legend_below_given_axes_explains_the_marks():
    axes = plot_attention(with_probabilities([0.1] * 6), Figure().subplots(), gold=[(0, 0)])
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    assert entries == ["gold alignment", "output word of probability below 0.5"]
    assert not axes.figure.legends


@pytest.mark.parametrize("colormap", ["Greys", matplotlib.colormaps["Greys"]])
def test_a_colormap_can_be_a_name_or_an_object(colormap):
    (image,) = plot_attention(FRENCH, colormap=colormap).images
    assert image.get_cmap().name == "Greys"


@pytest.mark.parametrize("title", ["GRU", "runs/a-name-that-is-much-wider-than-the-heatmap"])
def test_titles_are_inside_the_picture_and_do_not_overlap(title):
    short = translation(["oui", "<end>"], ["yes", "<end>"])
    panels = plot_attention([short] * 3, titles=[title] * 3)
    figure = panels[0].figure
    draw(figure)
    boxes = [axes.title.get_window_extent() for axes in panels]
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
