"""Attention as a picture: the source along the top, the output down the side."""

import numpy as np

from kseq.files import replaced_file
from kseq.fonts import families_for

_CELL = 0.32  # inches
_FONT_SIZE = 9  # points
_LONGEST_LABEL = 30  # characters
_DPI = 120
_CURVES = 4  # more features than this are drawn as an image
_LONGEST_SIGNAL = 8.0  # inches
_LARGEST = 8000  # pixels of a side, so that the picture of a very long text fits into memory


def plot_attention(result, axes=None, head=None):
    """Draws the attention of a translation or a prediction as a heatmap.

    Real values are drawn along their side of the heatmap, as curves, or as an image where they
    have more than four features.

    Args:
        result: `Translation` or `Prediction`: its `attention` is `[T, S]`, a row for each
            output token or step, a column for each source token, END included, or for each
            step of the source (with a pyramid, for several steps).
        axes: matplotlib Axes to draw on; a new figure, as large as the sentence needs, by
            default. A new figure belongs to no window and to no list of open figures:
            `axes.figure.savefig(...)` writes it, a notebook shows `axes.figure`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.

    Returns:
        The Axes.

    Raises:
        ValueError: The model has no attention or no such head, the attention does not have a
            row and a column for each token, or there is no token.

    Warns:
        kseq.fonts.MissingFontWarning: No installed font has some of the characters.
    """
    rows, columns = _sides(result)
    attention = _checked_attention(_attention(result, head), rows, columns)
    if axes is None:
        axes = _new_axes(rows, columns)
    # Over many steps of a signal, or as a mean over heads, no weight comes near 1.
    is_sharp = rows.is_text and columns.is_text and not _has_heads(result)
    span = _steps_per_column(len(columns), attention.shape[1])
    image = axes.imshow(
        attention,
        cmap="viridis",
        vmin=0.0,
        vmax=1.0 if is_sharp else None,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, span * attention.shape[1] - 0.5, len(rows) - 0.5, -0.5),
    )
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    families = families_for("".join([*rows.labels, *columns.labels]))
    _label(axes, rows, columns, {"fontfamily": families, "fontsize": _FONT_SIZE})
    _draw_values(axes, rows, columns)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("attention weight", fontsize=_FONT_SIZE)
    bar.ax.tick_params(labelsize=_FONT_SIZE)
    return axes


def save_heatmap(result, path, head=None):
    """Writes the heatmap of a result to a picture file, whole or not at all.

    Args:
        result: `Translation` or `Prediction`.
        path: File to write; its suffix (`.png`, `.svg`, `.pdf`) says in which format.
        head: As in `plot_attention`.
    """
    figure = plot_attention(result, head=head).figure
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished)


def _has_heads(result):
    return getattr(result, "attention_heads", None) is not None


def _steps_per_column(steps, columns):
    """Steps of the source that a pyramid has made one column of, a power of 2."""
    span = 1
    while span * columns < steps:
        span *= 2
    return span


class _Side:
    """What stands along one side of the heatmap: tokens, or real values `[length, F]`."""

    def __init__(self, tokens, values):
        self.is_text = tokens is not None
        self.values = values
        self.labels = [_shown(token) for token in tokens] if self.is_text else []
        self.length = len(tokens if self.is_text else values)

    def __len__(self):
        return self.length


def _sides(result):
    tokens, source_tokens = getattr(result, "tokens", None), result.source_tokens
    rows = _Side(tokens, getattr(result, "values", None))
    return rows, _Side(source_tokens, getattr(result, "source", None))


def _attention(result, head):
    """The attention `[T, S]`, of all heads or of one."""
    if result.attention is None:
        raise ValueError(
            "expected a result with attention; the model has none (attention=none), so there is "
            "nothing to draw"
        )
    if head is None:
        return np.asarray(result.attention)
    if not _has_heads(result):
        raise ValueError(f"only a Transformer has heads; received head={head}")
    layers, heads = result.attention_heads.shape[:2]
    layer, number = head
    if not (1 <= layer <= layers and 1 <= number <= heads):
        raise ValueError(
            f"head must be a layer from 1 to {layers} and a head from 1 to {heads}; received {head}"
        )
    return result.attention_heads[layer - 1, number - 1]


def _checked_attention(attention, rows, columns):
    width = len(columns)
    if not columns.is_text and attention.ndim == 2:
        width = min(width, attention.shape[1])  # a pyramid has made it shorter
    if attention.shape != (len(rows), width):
        raise ValueError(
            f"expected attention of shape {(len(rows), width)}, a row for each output token and a "
            f"column for each source token; received {attention.shape}"
        )
    if not attention.size:
        raise ValueError("expected at least one output token to draw; received none")
    return attention


def _label(axes, rows, columns, style):
    for side, axis, letter in ((columns, axes.xaxis, "x"), (rows, axes.yaxis, "y")):
        if side.is_text:
            axis.set_ticks(range(len(side)), side.labels, **style)
            axis.set_ticks(np.arange(0.5, len(side) - 1), minor=True)
            axes.grid(which="minor", axis=letter, color="white", linewidth=0.4, alpha=0.4)
        else:
            axis.get_major_locator().set_params(integer=True)
            axis.set_tick_params(labelsize=_FONT_SIZE)
            axis.set_label_text("source step" if letter == "x" else "output step", size=_FONT_SIZE)
            axis.set_label_position("top" if letter == "x" else "left")
    if columns.is_text:
        for label in axes.get_xticklabels():
            # Short ones stand upright: a Chinese character lying on its side is hard to read.
            label.set_rotation(0 if len(label.get_text()) <= 2 else 90)
    axes.tick_params(which="minor", length=0, top=False, bottom=False)


def _draw_values(axes, rows, columns):
    """Draws what is real-valued in a strip beside its side of the heatmap."""
    if not columns.is_text:
        # Under the heatmap: its upper side has the numbers of the steps.
        strip = axes.inset_axes([0.0, -0.27, 1.0, 0.25], sharex=axes)
        _draw_strip(strip, columns.values, upright=False)
    if not rows.is_text:
        strip = axes.inset_axes([-0.27, 0.0, 0.25, 1.0], sharey=axes)
        _draw_strip(strip, rows.values, upright=True)
        axes.tick_params(labelleft=False)
        axes.set_ylabel("")
        strip.tick_params(labelleft=True, labelsize=_FONT_SIZE)
        strip.set_ylabel("output step", fontsize=_FONT_SIZE)


def _draw_strip(strip, values, upright):
    steps = np.arange(len(values))
    if values.shape[1] > _CURVES:
        end = values.shape[1] - 0.5
        extent = (
            (-0.5, end, len(values) - 0.5, -0.5)
            if upright
            else (-0.5, len(values) - 0.5, -0.5, end)
        )
        image = values if upright else values.T
        # The first feature stands at the bottom, or on the left.
        origin = "upper" if upright else "lower"
        strip.imshow(image, cmap="magma", aspect="auto", origin=origin, extent=extent)
    else:
        marker = "." if len(values) == 1 else ""
        for curve in values.T:
            line = (curve, steps) if upright else (steps, curve)
            strip.plot(*line, linewidth=1.0, marker=marker)
    strip.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)


def _new_axes(rows, columns):
    from matplotlib.figure import Figure

    width, height = (
        _CELL * len(side) if side.is_text else min(_LONGEST_SIGNAL, max(2.0, 0.05 * len(side)))
        for side in (columns, rows)
    )
    margins = [
        1.2 + 0.09 * max(map(len, side.labels)) if side.is_text else 2.2 for side in (rows, columns)
    ]
    width, height = max(3.0, width + margins[0]), max(2.0, height + margins[1] - 0.7)
    dpi = min(_DPI, _LARGEST / max(width, height))
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    # The layout does not count the label of a strip beside the heatmap in full.
    figure.get_layout_engine().set(w_pad=0.1)
    return figure.subplots()


def _shown(token):
    if not token.strip():
        return "␣"
    if len(token) > _LONGEST_LABEL:
        token = token[: _LONGEST_LABEL - 1] + "…"
    return token.replace("$", r"\$")  # a dollar sign would start a formula
