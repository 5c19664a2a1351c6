"""Results as a notebook shows them: the texts, the score, and the heatmap beneath."""

import base64
import dataclasses
import html
import io

import numpy as np

from kseq.analysis.heatmap import plot_attention
from kseq.text.scripts import shorten

_MOST_TOKENS = 50  # of a side of the heatmap
_LONGEST_TEXT = 2000  # Latin letters


def to_png(result):
    """Draws the heatmap of a result for a notebook.

    Args:
        result: `Translation` or `Prediction`. Of a long one the first 50 tokens of each side
            are drawn.

    Returns:
        The bytes of a PNG; None where the model has no attention.
    """
    if result.attention is None:
        return None
    picture = io.BytesIO()
    plot_attention(_beginning(result)).figure.savefig(picture, format="png")
    return picture.getvalue()


def to_html(result, draw=to_png):
    """Writes a result as HTML for a notebook; a picture that cannot be drawn is no error.

    Args:
        result: `Translation` or `Prediction`.
        draw: Function that draws it.

    Returns:
        HTML that needs nothing from elsewhere: a table of the source, the output and the score,
        and the heatmap as an image.
    """
    rows = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{name}</th>'
        f'<td dir="auto" style="text-align:start;overflow-wrap:anywhere">{html.escape(text)}</td>'
        "</tr>"
        for name, text in _lines(result)
    )
    return f"<div><table>{rows}</table>{_picture(result, draw)}</div>"


def _picture(result, draw):
    try:
        png = draw(result)
    except Exception as error:  # whatever it is, the texts are worth showing
        return _note(f"The attention cannot be drawn: {error}")
    if png is None:
        return _note("The model has no attention to be drawn.")
    encoded = base64.b64encode(png).decode("ascii")
    image = f'<img alt="attention" style="max-width:100%" src="data:image/png;base64,{encoded}">'
    lengths = [len(tokens) for tokens in _texts(result).values()]
    if max(lengths, default=0) <= _MOST_TOKENS:
        return image
    note = f"The first {_MOST_TOKENS} tokens of each side; kseq.plot_attention draws all."
    return image + _note(note)


def _note(text):
    return f"<p><small>{html.escape(text)}</small></p>"


def _lines(result):
    """Names and texts of what is written above the heatmap."""
    yield "source", _shown(result.source)
    if hasattr(result, "values"):
        yield "output", _shown(result.values)
        if result.error is not None:
            yield "error", f"{result.error:.4g}"
    else:
        yield "output", _shown(result.text)
        yield "score", f"{result.score:.4f} (log-probability {result.log_probability:.4f})"


def _shown(side):
    if isinstance(side, np.ndarray):
        return "real values: {} steps of {}".format(*side.shape)
    return shorten(str(side), _LONGEST_TEXT)


def _texts(result):
    """The sides that are text."""
    sides = {name: getattr(result, name, None) for name in ("tokens", "source_tokens")}
    return {name: tokens for name, tokens in sides.items() if tokens is not None}


def _beginning(result):
    """The result as if it ended after the first tokens."""
    texts = _texts(result)
    if all(len(tokens) <= _MOST_TOKENS for tokens in texts.values()):
        return result
    changes = {name: tokens[:_MOST_TOKENS] for name, tokens in texts.items()}
    rows = _MOST_TOKENS if "tokens" in texts else None
    columns = _MOST_TOKENS if "source_tokens" in texts else None
    changes["attention"] = result.attention[:rows, :columns]
    if getattr(result, "token_log_probabilities", None) is not None:
        changes["token_log_probabilities"] = result.token_log_probabilities[:rows]
    return dataclasses.replace(result, **changes)
