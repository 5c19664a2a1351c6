"""What a notebook shows of a result: texts that are safe to show, and the heatmap."""

import base64
import html
import re
import warnings

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from kseq import Prediction, Translation
from kseq.analysis import display
from kseq.analysis.display import to_html, to_png


def translation(source="The red car .", text="La voiture rouge .", **changes):
    source_tokens, tokens = [*source.split(), "<end>"], [*text.split(), "<end>"]
    weights = np.full((len(tokens), len(source_tokens)), 1 / len(source_tokens), "float32")
    fields = {
        "source": source,
        "source_tokens": source_tokens,
        "attention": weights,
        "text": text,
        "score": -0.25,
        "log_probability": -1.25,
        "tokens": tokens,
        "token_log_probabilities": np.full(len(tokens), -0.25, "float32"),
    }
    return Translation(**{**fields, **changes})


def prediction(**changes):
    fields = {
        "source": np.zeros((20, 3), "float32"),
        "source_tokens": None,
        "attention": np.full((6, 20), 0.05, "float32"),
        "values": np.zeros((6, 2), "float32"),
    }
    return Prediction(**{**fields, **changes})


def picture(page):
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    return base64.b64decode(encoded)


def text_of(page):
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def size(png):
    """Width and height, which stand in the header of a PNG."""
    return tuple(int.from_bytes(png[start : start + 4], "big") for start in (16, 20))


def test_texts_score_and_heatmap():
    result = translation()
    page = result._repr_html_()
    assert picture(page).startswith(b"\x89PNG")
    for shown in ("The red car .", "La voiture rouge .", "-0.2500 (log-probability -1.2500)"):
        assert shown in text_of(page)


def test_both_pictures_are_drawn_once(monkeypatch):
    drawn = []
    monkeypatch.setattr(display, "to_png", lambda result: drawn.append(result) or b"png")
    result = translation()
    assert picture(result._repr_html_()) == result._repr_png_() == b"png"
    assert drawn == [result]


def test_a_prediction_shows_its_values():
    page = prediction(error=0.0123456)._repr_html_()
    assert picture(page).startswith(b"\x89PNG")
    for shown in ("real values: 20 steps of 3", "real values: 6 steps of 2", "error", "0.01235"):
        assert shown in text_of(page)
    assert "error" not in prediction()._repr_html_()


def test_a_sentence_is_no_html():
    evil = '<script>alert(1)</script> & "quotes" \''
    page = to_html(translation(source=evil, text=evil))
    assert "<script" not in page and text_of(page).count(evil) == 2


@pytest.mark.parametrize("result", [translation(attention=None), prediction(attention=None)])
def test_without_attention_the_texts_remain(result):
    page = result._repr_html_()
    assert "The model has no attention to be drawn." in page and "<img" not in page
    assert "output" in page and result._repr_png_() is None


def test_what_cannot_be_drawn_is_no_error():
    result = translation(attention=np.ones((2, 2)))
    page = result._repr_html_()
    assert "The attention cannot be drawn: expected attention of shape (5, 5)" in text_of(page)
    assert "La voiture rouge ." in page and result._repr_png_() is None


def test_a_warning_that_is_an_error_is_none_here(monkeypatch):
    monkeypatch.setattr("kseq.analysis.fonts._installed", list)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "cannot be drawn: no installed font has 京" in translation("北 京")._repr_html_()


def test_a_long_text_is_shown_in_part():
    source, text = " ".join(map(str, range(3000))), " ".join(map(str, range(400)))
    result = translation(source, text)
    page = result._repr_html_()
    assert "The first 50 tokens of each side; kseq.plot_attention draws all." in page
    assert max(size(picture(page))) < 2500 and len(page) < 500_000
    assert source not in page and source[:1900] in page and "…" in page


def test_a_side_is_cut_only_where_it_is_long():
    few, many, more = (" ".join("x" * count) for count in (3, 51, 200))
    assert size(to_png(translation(many))) == size(to_png(translation(more)))
    assert "The first 50" in to_html(translation(few, many))
    assert "The first 50" not in to_html(translation(few, " ".join("x" * 49)))
    long_signal = prediction(
        values=np.zeros((900, 2), "float32"), attention=np.full((900, 20), 0.05, "float32")
    )
    assert "The first 50" not in long_signal._repr_html_()


CELLS = """
import numpy as np, kseq
weights = np.eye(3, dtype="float32")
options = dict(score=-0.5, log_probability=-1.5, tokens=["x", "y", "<end>"])
options |= dict(source="a b", source_tokens=["a", "b", "<end>"], text="x y")
one = kseq.Translation(attention=weights, **options)
one
-----
[one, one]
-----
kseq.Translation(**options)
"""


def test_in_a_notebook(tmp_path):
    """A result is a picture with its texts, a list is a list, and nothing is said on the side."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS.split("-----")]
    )
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown, listed, blind = (cell.outputs for cell in notebook.cells)
    assert [len(outputs) for outputs in (shown, listed, blind)] == [1, 1, 1]
    data = shown[0].data
    assert base64.b64decode(data["image/png"]) == picture(data["text/html"])
    assert data["text/plain"].startswith("Translation(source_tokens=")
    assert set(listed[0].data) == {"text/plain"}
    assert listed[0].data["text/plain"].count("Translation(") == 2
    assert "no attention" in blind[0].data["text/html"] and "image/png" not in blind[0].data
