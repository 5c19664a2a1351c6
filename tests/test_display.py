"""Results in a notebook: escaped texts and the heatmap."""

import base64
import html
import re
import warnings

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from results import make_prediction, make_translation

from kseq.analysis import display
from kseq.analysis.display import to_html, to_png


def translation(source="The red car .", text="La voiture rouge .", **fields):
    source_tokens, tokens = [*source.split(), "<end>"], [*text.split(), "<end>"]
    weights = np.full((len(tokens), len(source_tokens)), 1 / len(source_tokens), "float32")
    defaults = {
        "source": source,
        "text": text,
        "attention": weights,
        "score": -0.25,
        "log_probability": -1.25,
        "token_log_probabilities": np.full(len(tokens), -0.25, "float32"),
    }
    return make_translation(tokens=tokens, source_tokens=source_tokens, **{**defaults, **fields})


def prediction(**fields):
    defaults = {
        "source": np.zeros((20, 3), "float32"),
        "attention": np.full((6, 20), 0.05, "float32"),
        "values": np.zeros((6, 2), "float32"),
    }
    return make_prediction(**{**defaults, **fields})


def picture(page):
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    return base64.b64decode(encoded)


def text_of(page):
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def size(png):
    """Width and height, from the header of a PNG."""
    return tuple(int.from_bytes(png[start : start + 4], "big") for start in (16, 20))


def test_a_translation_shows_its_texts_its_score_and_its_heatmap():
    result = translation()
    page = result._repr_html_()
    assert picture(page).startswith(b"\x89PNG")
    for text in ("The red car .", "La voiture rouge .", "-0.2500 (log-probability -1.2500)"):
        assert text in text_of(page)


def test_the_picture_is_drawn_once_for_both_formats(monkeypatch):
    results = []
    monkeypatch.setattr(display, "to_png", lambda result: results.append(result) or b"png")
    result = translation()
    assert picture(result._repr_html_()) == result._repr_png_() == b"png"
    assert results == [result]


def test_a_prediction_shows_its_values():
    page = prediction(error=0.0123456)._repr_html_()
    assert picture(page).startswith(b"\x89PNG")
    for text in ("real values: 20 steps of 3", "real values: 6 steps of 2", "error", "0.01235"):
        assert text in text_of(page)
    assert "error" not in prediction()._repr_html_()


def test_sentences_are_escaped():
    markup = '<script>alert(1)</script> & "quotes" \''
    page = to_html(translation(source=markup, text=markup))
    assert "<script" not in page and text_of(page).count(markup) == 2


@pytest.mark.parametrize("result", [translation(attention=None), prediction(attention=None)])
def test_without_attention_only_the_texts_are_shown(result):
    page = result._repr_html_()
    assert "The model has no attention to draw." in page and "<img" not in page
    assert "output" in page and result._repr_png_() is None


def test_a_heatmap_that_cannot_be_drawn_is_explained_below_the_texts():
    result = translation(attention=np.ones((2, 2)))
    page = result._repr_html_()
    assert "The attention cannot be drawn: expected attention of shape (5, 5)" in text_of(page)
    assert "La voiture rouge ." in page and result._repr_png_() is None


def test_a_warning_turned_into_an_error_does_not_hide_the_texts(monkeypatch):
    monkeypatch.setattr("kseq.analysis.fonts._list_installed", list)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "cannot be drawn: no installed font has 京" in translation("北 京")._repr_html_()


def test_only_the_beginning_of_a_long_text_is_shown():
    source, text = " ".join(map(str, range(3000))), " ".join(map(str, range(400)))
    result = translation(source, text)
    page = result._repr_html_()
    assert "The first 50 tokens of each side; kseq.plot_attention draws all of them." in page
    assert max(size(picture(page))) < 2500 and len(page) < 500_000
    assert source not in page and source[:1900] in page and "…" in page


def test_only_the_long_side_is_cropped():
    short, long, longer = (" ".join("x" * count) for count in (3, 51, 200))
    assert size(to_png(translation(long))) == size(to_png(translation(longer)))
    assert "The first 50" in to_html(translation(short, long))
    assert "The first 50" not in to_html(translation(short, " ".join("x" * 49)))
    long_signal = prediction(
        values=np.zeros((900, 2), "float32"), attention=np.full((900, 20), 0.05, "float32")
    )
    assert "The first 50" not in long_signal._repr_html_()


CELLS = """
import numpy as np, kseq
weights = np.eye(3, dtype="float32")
options = dict(score=-0.5, log_probability=-1.5, tokens=["x", "y", "<end>"])
options |= dict(source="a b", source_tokens=["a", "b", "<end>"], text="x y")
result = kseq.Translation(attention=weights, **options)
result
-----
[result, result]
-----
kseq.Translation(**options)
"""


def run_cells(cells, folder):
    """Runs cells, separated by lines of dashes, in a notebook; returns the outputs of each."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells.split("-----")]
    )
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in notebook.cells]


PLOTTING_CELLS = """
import numpy as np, kseq
options = dict(score=-0.5, log_probability=-1.5, tokens=["x", "y", "<end>"])
options |= dict(source="a b", source_tokens=["a", "b", "<end>"], text="x y")
result = kseq.Translation(attention=np.eye(3, dtype="float32"), **options)
-----
kseq.plot_attention(result)
-----
import matplotlib.pyplot as plt
kseq.plot_attention([result, result])
plt.title("a title")
plt.show()
-----
for _ in range(2):
    kseq.plot_attention(result)
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The outputs of all cells: three results, a cell without any, and three with pictures."""
    return run_cells(
        f"{CELLS.strip()}\n-----\n{PLOTTING_CELLS}", tmp_path_factory.mktemp("notebook")
    )


@pytest.mark.slow  # starts the kernel of a notebook
def test_a_notebook_shows_a_result_as_texts_and_picture_and_a_list_as_a_list(notebook):
    """Nothing else is printed."""
    single, several, no_attention, *_ = notebook
    assert [len(outputs) for outputs in (single, several, no_attention)] == [1, 1, 1]
    data = single[0].data
    assert base64.b64decode(data["image/png"]) == picture(data["text/html"])
    assert data["text/plain"].startswith("Translation(source_tokens=")
    assert set(several[0].data) == {"text/plain"}
    assert several[0].data["text/plain"].count("Translation(") == 2
    assert (
        "no attention" in no_attention[0].data["text/html"]
        and "image/png" not in no_attention[0].data
    )


@pytest.mark.slow  # starts the kernel of a notebook
def test_a_notebook_shows_each_picture_that_is_drawn_once(notebook):
    outputs = notebook[4:]
    pictures = [[output for output in cell if "image/png" in output.data] for cell in outputs]
    assert [len(cell) for cell in pictures] == [1, 1, 2]
    for cell in pictures:
        assert all(size(base64.b64decode(output.data["image/png"])) > (100, 100) for output in cell)
