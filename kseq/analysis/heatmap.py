"""Attention as a picture: the source along the top, the output down the side."""

import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kseq.analysis import value_strips
from kseq.analysis.figures import TextFigure, make_pyplot_figure, undrawn_axes
from kseq.analysis.fonts import families_for, text_width
from kseq.analysis.heatmap_layout import CELL, FONT_SIZE, Grid
from kseq.analysis.heatmap_options import HeatmapOptions
from kseq.analysis.panels import make_panels
from kseq.counts import counted
from kseq.fields import check_names, field_names
from kseq.files import replaced_file
from kseq.path_names import PathName
from kseq.text.scripts import is_short
from kseq.translation.results import Attended

# The strip beside the weights of a model that copies, in columns of the heatmap.
_STRIP_GAP, _STRIP_WIDTH, _STRIP_LABEL = 0.3, 0.7, "p(generate)"
_UNLIKELY = {"facecolor": "#ffe3c2", "edgecolor": "#d55e00", "linewidth": 0.8}
_WINDOW_COLORS = "white", "0.4"  # on dark colours, and on light ones


def plot_attention(
    result: Attended | Iterable[Attended],
    ax: Any = None,
    head: tuple[int, int] | None = None,
    **options: Any,
) -> Any:
    """Draws the attention of translations or predictions as heatmaps.

    If the source is read from right to left, as Arabic and Hebrew are, its first word is at the
    right. Real values are drawn along their side of the heatmap: as curves, or as an image if
    they have more than four features. If the model copies, a strip beside the weights shows the
    probability that a word comes from the vocabulary, and not from the source. A line surrounds
    the positions that local attention may read at each step, if these are not all.

    Without `ax`, the figure belongs to `matplotlib.pyplot`: `plt.savefig` and `plt.show` work, and
    a notebook shows it. Close it with `plt.close()` if you draw many; `save_heatmap` needs no
    pyplot.

    Args:
        result: `Translation` or `Prediction`, or a list of several to draw in a grid. Its
            `attention` is `[T, S]`: a row for each output token (END included) or step, a column
            for each source token or step; with a pyramid, a column covers several steps. The
            weights on features follow after a gap, unless heads are drawn.
        ax: matplotlib Axes to draw on, an array of them for several panels. By default, the Axes
            of a new figure that is large enough for the sentences. A single panel is drawn on the
            current Axes of pyplot if these are empty, as after `plt.figure()` or `plt.subplot()`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.
        **options: Further options of `kseq.analysis.heatmap_options.HeatmapOptions`: `panels`
            (one per layer or head), `gold` (an alignment to outline), `titles` (one for each
            result), `low_probability` (output words below it are marked), `colormap`.

    Returns:
        The Axes, or an array of them for several panels: `[results]`, with an extra axis for
        layers, or two for layers and heads, if each has a panel.

    Raises:
        TypeError: A result or an option has the wrong type.
        ValueError: The model has no attention or no such head; the attention does not have a row
            and a column for each token; there are no tokens; or an option is unknown, out of
            range, or does not fit the result.

    Warns:
        kseq.analysis.fonts.MissingFontWarning: No installed font has some of the characters.
    """
    check_names(options, ["ax", *field_names(HeatmapOptions)], "option of a heatmap")
    options = HeatmapOptions.of({"head": head, **options})
    panels = make_panels(result, options)
    if ax is None and panels.size == 1:
        ax = undrawn_axes()
    return _draw(panels, options, make_pyplot_figure, ax)[()]


def check_options(**options):
    """Checks options of `plot_attention` before anything is drawn.

    Raises:
        TypeError: `colormap` is neither a name nor a `Colormap`.
        ValueError: An option is unknown or out of range, or two contradict each other.
    """
    HeatmapOptions.of(options).find_colormap()


def draw_figure(result, head=None, **options):
    """Draws heatmaps in a figure of its own, which pyplot does not know.

    Args:
        result: As in `plot_attention`.
        head: As in `plot_attention`.
        **options: As in `plot_attention`.

    Returns:
        A matplotlib `Figure`.
    """
    options = HeatmapOptions.of({"head": head, **options})
    return _draw(make_panels(result, options), options, TextFigure).flat[0].figure


def save_heatmap(
    result: Attended | Iterable[Attended],
    path: PathName,
    head: tuple[int, int] | None = None,
    **options: Any,
) -> None:
    """Writes the heatmap of one or several results to a picture file, completely or not at all.

    It does not use pyplot, so nothing has to be closed, however many pictures are written.

    In SVG and PDF files, words are text that can be selected and searched. An SVG holds the words
    themselves, which the viewer shapes. A PDF holds shaped glyphs with the letters that they
    represent: a copied word is complete, but a Devanagari or Thai syllable or an emoji sequence
    may be copied twice.

    Args:
        result: `Translation` or `Prediction`, or a list of several.
        path: File to write; its suffix (`.png`, `.svg`, `.pdf`) determines the format.
        head: As in `plot_attention`.
        **options: As in `plot_attention`.
    """
    figure = draw_figure(result, head, **options)
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished)


def _draw(panels, options, make_figure, axes=None):
    """Draws panels on given Axes, or on those of a new figure; returns an array of Axes."""
    colormap = options.find_colormap()
    sides = [side for panel in panels.flat for side in (panel.rows, panel.columns)]
    texts = [text for side in sides for text in side.labels]
    families = families_for("\n".join([*texts, *(panel.title for panel in panels.flat)]))
    grid = Grid(panels, families, make_figure) if axes is None else None
    axes = grid.axes if grid else _check_axes(axes, panels.shape)
    # Weights over the steps of a signal, and means over heads, are far below 1.
    is_sharp = any(panel.is_sharp for panel in panels.flat)
    scale = {"cmap": colormap, "vmin": 0.0, "vmax": 1.0 if is_sharp else _largest_weight(panels)}
    for panel, panel_axes in zip(panels.flat, axes.flat):
        image = _draw_panel(panel, panel_axes, scale, families)
    if grid:
        grid.hide_repeated_labels()
    _draw_scale(image, axes)
    _explain_marks(panels, axes, options, grid)
    return axes


def _check_axes(axes, shape):
    axes = np.asarray(axes, object)
    for each in axes.flat:
        if not isinstance(each, Axes):
            raise TypeError(
                "ax must be matplotlib Axes, or an array of them for several panels; received "
                f"{reprlib.repr(each)}"
            )
    if axes.size != np.prod(shape, dtype=int):
        raise ValueError(
            f"expected Axes for {counted(np.prod(shape, dtype=int), 'panel')}; received {axes.size}"
        )
    return axes.reshape(shape)


def _largest_weight(panels):
    return max(float(np.nanmax(panel.weights)) for panel in panels.flat) or 1.0


def _draw_panel(panel, axes, scale, families):
    """Draws one panel and returns the image of its weights."""
    rows, columns, weights = panel.rows, panel.columns, panel.weights
    span = _steps_per_column(len(columns), weights.shape[1])
    height = len(rows) - 0.5, -0.5
    style = {**scale, "aspect": "auto", "interpolation": "nearest"}
    image = axes.imshow(weights, **style, extent=(-0.5, span * weights.shape[1] - 0.5, *height))
    start, end = -0.5, len(columns) - 0.5
    if panel.generation is not None:
        strip = end + _STRIP_GAP, end + _STRIP_GAP + _STRIP_WIDTH
        probabilities = np.asarray(panel.generation)[:, None]
        axes.imshow(probabilities, **{**style, "vmax": 1.0}, extent=(*strip, *height))
        end = strip[1]
    axes.set_xlim((end, start) if columns.right_to_left else (start, end))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set_title(panel.title, fontsize=FONT_SIZE, fontfamily=families, parse_math=False)
    _label_axes(axes, rows, columns, families)
    if panel.generation is not None:
        _label_strip(axes, np.mean(strip))
    for row in panel.unlikely:
        axes.get_yticklabels()[row].set_bbox({"boxstyle": "round,pad=0.15", **_UNLIKELY})
    for source, target in sorted(panel.gold):
        axes.add_patch(_make_outline((source - 0.44, target - 0.44), 0.88, 0.88))
    if panel.window is not None:
        axes.add_patch(_make_window(panel.window, span, scale["cmap"]))
    value_strips.draw_values(axes, rows, columns)
    return image


def _label_strip(axes, position):
    """Labels the strip beside the weights: the probability of a word from the vocabulary."""
    label = axes.text(
        *(position, 1.02, _STRIP_LABEL),
        transform=axes.get_xaxis_transform(),
        **{
            "rotation": 90,
            "ha": "center",
            "va": "bottom",
            "fontsize": FONT_SIZE,
            "style": "italic",
        },
    )
    label.set_in_layout(True)


def _steps_per_column(steps, columns):
    """Number of source steps that a pyramid has merged into one column, a power of 2."""
    span = 1
    while span * columns < steps:
        span *= 2
    return span


def _label_axes(axes, rows, columns, families):
    style = {"fontfamily": families, "fontsize": FONT_SIZE, "parse_math": False}
    for side, axis, letter in ((columns, axes.xaxis, "x"), (rows, axes.yaxis, "y")):
        if side.is_text:
            axis.set_ticks(range(len(side)), side.labels, **style)
            axis.set_ticks(np.arange(0.5, len(side) - 1), minor=True)
            axes.grid(which="minor", axis=letter, color="white", linewidth=0.4, alpha=0.4)
        else:
            name = _label_steps(axis, side, "source step" if letter == "x" else "output step")
            axis.set_tick_params(labelsize=FONT_SIZE)
            axis.set_label_text(name, size=FONT_SIZE)
            axis.set_label_position("top" if letter == "x" else "left")
    if columns.is_text:
        for label in axes.get_xticklabels():
            label.set_rotation(0 if _fits_upright(label.get_text(), families) else 90)
    axes.tick_params(which="minor", length=0, top=False, bottom=False)


def _label_steps(axis, side, name):
    """Labels steps with their numbers, or with their time; returns the name of the axis."""
    if side.step_seconds is None:
        axis.get_major_locator().set_params(integer=True)
        return name
    end = len(side) * side.step_seconds
    locator = MaxNLocator(min(8, len(side) // 4 + 1))  # A label is wider than a step.
    seconds = [each for each in locator.tick_values(0.0, end) if 0.0 <= each <= end]
    # A step begins half a step before its number.
    axis.set_ticks([s / side.step_seconds - 0.5 for s in seconds], [f"{s:g}" for s in seconds])
    return "seconds"


def _fits_upright(text, families):
    # Only short tokens fit; a rotated Chinese character is hard to read.
    return is_short(text) and text_width(text, families, FONT_SIZE) < 72 * CELL


def _make_outline(*rectangle, **properties):
    """A rectangular frame that is visible on any colour."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    border = Stroke(linewidth=3.0, foreground="white")
    return Rectangle(
        *rectangle,
        fill=False,
        edgecolor="black",
        linewidth=1.2,
        path_effects=[border, Normal()],
        **properties,
    )


def _make_window(window, span, colormap):
    """The outline of the positions that each row may read.

    Args:
        window: The first and the last column of each row, int `[T, 2]`.
        span: Number of source steps in a column.
        colormap: matplotlib `Colormap`, on whose colour of 0 the outline must be visible.
    """
    from matplotlib.patches import Polygon

    left, right = (span * edge - 0.5 for edge in (window[:, 0], window[:, 1] + 1))
    heights = np.repeat(np.arange(len(window) + 1) - 0.5, 2)[1:-1]
    down, up = (np.repeat(edge, 2) for edge in (left, right))
    corners = np.concatenate(
        [np.stack([down, heights], axis=1), np.stack([up, heights], axis=1)[::-1]]
    )
    return Polygon(corners, fill=False, edgecolor=_window_color(colormap), linewidth=1.0)


def _make_window_sample(colormap):
    """A piece of the map with the outline of a window, for a legend."""
    from matplotlib.patches import Patch
    from matplotlib.patheffects import Normal, Stroke

    ground = colormap(0.0)
    return Patch(
        label="window of local attention",
        facecolor=ground,
        edgecolor=_window_color(colormap),
        linewidth=1.0,
        path_effects=[Stroke(linewidth=5.0, foreground=ground), Normal()],
    )


def _window_color(colormap):
    is_dark = np.mean(colormap(0.0)[:3]) < 0.5
    return _WINDOW_COLORS[0 if is_dark else 1]


def _draw_scale(image, axes):
    # The bar is about as high as the panels; its thickness does not depend on their width.
    width, height = image.figure.get_size_inches()
    thickness = min(0.04 * width, 0.2)
    bar = image.figure.colorbar(
        image,
        ax=axes.item() if axes.size == 1 else list(axes.flat),
        fraction=thickness / width,
        pad=0.02,
        aspect=max(15.0, 1.2 * height / thickness),
    )
    bar.set_label("attention weight", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE)


def _explain_marks(panels, axes, options, grid):
    """Adds a legend below the panels if there are marks."""
    from matplotlib.patches import Patch

    marks = []
    if any(panel.window is not None for panel in panels.flat):
        marks.append(_make_window_sample(options.find_colormap()))
    if any(panel.gold for panel in panels.flat):
        marks.append(_make_outline((0, 0), 1, 1, label="gold alignment"))
    if any(panel.unlikely for panel in panels.flat):
        meaning = f"output word of probability below {options.threshold:g}"
        marks.append(Patch(label=meaning, **_UNLIKELY))
    if not marks:
        return
    style = {"handles": marks, "fontsize": FONT_SIZE, "frameon": False}
    if grid:
        axes.flat[0].figure.legend(loc="outside lower left", **style)
    else:
        bottom = 0.0 if panels.flat[-1].columns.is_text else -value_strips.WIDTH - 0.02
        axes.flat[-1].legend(loc="upper left", bbox_to_anchor=(0.0, bottom), **style)
