"""Results in a notebook: the texts, the score, and the heatmap below them."""

import base64
import dataclasses
import html
import io

import numpy as np

from kseq.analysis.heatmap import draw_figure
from kseq.text.scripts import shorten
from kseq.translation.results import Prediction

_MOST_TOKENS = 50  # per side of the heatmap
_LONGEST_TEXT = 2000  # width in Latin letters


def to_png(result):
    """Draws the heatmap of a result for a notebook.

    Args:
        result: `Translation` or `Prediction`; only the first 50 tokens of each side are drawn.

    Returns:
        The bytes of a PNG; None if the model has no attention.
    """
    if result.attention is None:
        return None
    picture = io.BytesIO()
    draw_figure(crop(result)).savefig(picture, format="png")
    return picture.getvalue()


def to_html(result, draw=to_png):
    """Writes a result as HTML for a notebook, with a note if the heatmap cannot be drawn.

    Args:
        result: `Translation` or `Prediction`.
        draw: Function that draws it, as `to_png` does.

    Returns:
        Self-contained HTML: a table of the source, the output and the score, and the heatmap as an
        image.
    """
    rows = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{name}</th>'
        f'<td dir="auto" style="text-align:start;overflow-wrap:anywhere">{html.escape(text)}</td>'
        "</tr>"
        for name, text in _table_rows(result)
    )
    return f"<div><table>{rows}</table>{_make_image(result, draw)}</div>"


def _make_image(result, draw):
    try:
        png = draw(result)
    except Exception as error:  # the texts are shown even if the picture fails
        return _make_note(f"The attention cannot be drawn: {error}")
    if png is None:
        return _make_note("The model has no attention to draw.")
    encoded = base64.b64encode(png).decode("ascii")
    image = f'<img alt="attention" style="max-width:100%" src="data:image/png;base64,{encoded}">'
    lengths = [len(tokens) for tokens in _token_fields(result).values()]
    if max(lengths, default=0) <= _MOST_TOKENS:
        return image
    note = f"The first {_MOST_TOKENS} tokens of each side; kseq.plot_attention draws all of them."
    return image + _make_note(note)


def _make_note(text):
    return f"<p><small>{html.escape(text)}</small></p>"


def _table_rows(result):
    """Yields the name and the text of each row of the table above the heatmap."""
    yield "source", _describe(result.source)
    if result.features is not None:
        yield "features", _describe(result.features)
    if isinstance(result, Prediction):
        yield "output", _describe(result.values)
        if result.error is not None:
            yield "error", f"{result.error:.4g}"
    else:
        yield "output", _describe(result.text)
        yield "score", f"{result.score:.4f} (log-probability {result.log_probability:.4f})"


def _describe(side):
    if isinstance(side, np.ndarray):
        return "real values: {} steps of {}".format(*side.shape)
    return shorten(str(side), _LONGEST_TEXT)


def _token_fields(result):
    """The tokens of the sides that are text, by the name of the field."""
    fields = {} if isinstance(result, Prediction) else {"tokens": result.tokens}
    if result.source_tokens is not None:
        fields["source_tokens"] = result.source_tokens
    return fields


def crop(result):
    """Returns a `Translation` or a `Prediction`, cut after the first 50 tokens of each text."""
    fields = _token_fields(result)
    if all(len(tokens) <= _MOST_TOKENS for tokens in fields.values()):
        return result
    changes = {name: tokens[:_MOST_TOKENS] for name, tokens in fields.items()}
    rows, columns = (
        _MOST_TOKENS if name in fields else None for name in ("tokens", "source_tokens")
    )
    changes["attention"] = result.attention[:rows, :columns]
    if result.feature_attention is not None:
        changes["feature_attention"] = result.feature_attention[:rows]
    if "tokens" in fields and result.token_log_probabilities is not None:
        changes["token_log_probabilities"] = result.token_log_probabilities[:rows]
    return dataclasses.replace(result, **changes)
