"""Attention as a picture: source tokens along the top, output tokens down the side."""

import numpy as np

from kseq.files import replaced_file
from kseq.fonts import families_for

_CELL = 0.32  # inches
_FONT_SIZE = 9  # points
_LONGEST_LABEL = 30  # characters
_DPI = 120
_LARGEST = 8000  # pixels of a side, so that the picture of a very long text fits into memory


def plot_attention(result, axes=None):
    """Draws the attention of a translation as a heatmap.

    Args:
        result: `Translation`: its `attention` is `[T, S]`, a row for each of its `tokens`, a
            column for each of its `source_tokens`, END included.
        axes: matplotlib Axes to draw on; a new figure, as large as the sentence needs, by
            default. A new figure belongs to no window and to no list of open figures:
            `axes.figure.savefig(...)` writes it, a notebook shows `axes.figure`.

    Returns:
        The Axes.

    Raises:
        ValueError: The attention does not have a row and a column for each token, or there is
            no token.

    Warns:
        kseq.fonts.MissingFontWarning: No installed font has some of the characters.
    """
    attention = np.asarray(result.attention)
    expected = (len(result.tokens), len(result.source_tokens))
    if attention.shape != expected:
        raise ValueError(
            f"expected attention of shape {expected}, a row for each output token and a column "
            f"for each source token; received {attention.shape}"
        )
    if not attention.size:
        raise ValueError("expected at least one output token to draw; received none")
    if axes is None:
        axes = _new_axes(result)
    image = axes.imshow(attention, cmap="viridis", vmin=0.0, vmax=1.0, aspect="auto")
    source_labels, labels = map(_labels, (result.source_tokens, result.tokens))
    families = families_for("".join([*source_labels, *labels]))
    style = {"fontfamily": families, "fontsize": _FONT_SIZE}
    axes.set_xticks(range(expected[1]), source_labels, **style)
    axes.set_yticks(range(expected[0]), labels, **style)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    for label in axes.get_xticklabels():
        # Short ones stand upright: a Chinese character lying on its side is hard to read.
        label.set_rotation(0 if len(label.get_text()) <= 2 else 90)
    axes.set_xticks(np.arange(0.5, expected[1] - 1), minor=True)
    axes.set_yticks(np.arange(0.5, expected[0] - 1), minor=True)
    axes.grid(which="minor", color="white", linewidth=0.4, alpha=0.4)
    axes.tick_params(which="minor", length=0, top=False, bottom=False)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("attention weight", fontsize=_FONT_SIZE)
    bar.ax.tick_params(labelsize=_FONT_SIZE)
    return axes


def save_heatmap(result, path):
    """Writes the heatmap of a translation to a picture file, whole or not at all.

    Args:
        result: `Translation`.
        path: File to write; its suffix (`.png`, `.svg`, `.pdf`) says in which format.
    """
    figure = plot_attention(result).figure
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished)


def _new_axes(result):
    from matplotlib.figure import Figure

    sides = result.tokens, result.source_tokens
    longest = [max(len(_label(token)) for token in side) for side in sides]
    margins = [1.2 + 0.09 * length for length in longest]
    width = max(3.0, _CELL * len(result.source_tokens) + margins[0])
    height = max(2.0, _CELL * len(result.tokens) + margins[1] - 0.7)
    dpi = min(_DPI, _LARGEST / max(width, height))
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained").subplots()


def _labels(tokens):
    return list(map(_label, tokens))


def _label(token):
    if not token.strip():
        return "␣"
    if len(token) > _LONGEST_LABEL:
        token = token[: _LONGEST_LABEL - 1] + "…"
    return token.replace("$", r"\$")  # a dollar sign would start a formula
