"""Attention as a picture: the source along the top, the output down the side."""

import difflib

import numpy as np

from kseq.analysis.fonts import families_for, text_width
from kseq.analysis.panels import HeatmapOptions, panels_of
from kseq.files import replaced_file
from kseq.text.scripts import is_short

_CELL = 0.32  # inches
_FONT_SIZE = 9  # points
_DPI = 120
_CURVES = 4  # more features than this are drawn as an image
_STRIP = 0.27  # of the heatmap's side: room for the values beside it
_LONGEST_SIGNAL = 8.0  # inches
_LARGEST = 8000  # pixels of a side, so that the picture of a very long text fits into memory
_UNLIKELY = {"facecolor": "#ffe3c2", "edgecolor": "#d55e00", "linewidth": 0.8}


def plot_attention(result, axes=None, head=None, **options):
    """Draws the attention of translations or predictions as heatmaps.

    A source that is read from right to left, such as Arabic or Hebrew, has its first word at
    the right. Real values are drawn along their side of the heatmap, as curves, or as an image
    where they have more than four features.

    Args:
        result: `Translation` or `Prediction`: its `attention` is `[T, S]`, a row for each
            output token or step, a column for each source token, END included, or for each
            step of the source (with a pyramid, for several steps). Several of them, in a list,
            are drawn in a grid.
        axes: matplotlib Axes to draw on, as many as there are panels; a new figure, as large as
            the sentences need, by default. A new figure belongs to no window and to no list of
            open figures: `axes.figure.savefig(...)` writes it, a notebook shows `axes.figure`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.
        **options: Others of `kseq.analysis.panels.HeatmapOptions`: `panels` (one for each layer
            or head), `gold` (an alignment to be outlined), `low_probability` (below which an
            output word is marked), `colormap`.

    Returns:
        The Axes. Of several panels an array of them: `[results]`, and one axis more for the
        layers, or two for layers and heads, where each has a panel.

    Raises:
        TypeError: Something is no result.
        ValueError: The model has no attention or no such head, the attention does not have a
            row and a column for each token, there is no token, or an option is unknown, out of
            range, or does not fit the result.

    Warns:
        kseq.analysis.fonts.MissingFontWarning: No installed font has some of the characters.
    """
    options = HeatmapOptions.of({"head": head, **options})
    colormap = _colormap(options.colormap)
    panels = panels_of(result, options)
    sides = [side for panel in panels.flat for side in (panel.rows, panel.columns)]
    families = families_for("\n".join(text for side in sides for text in side.labels))
    grid = _Grid(panels, families) if axes is None else None
    axes = grid.axes if grid else _given_axes(axes, panels.shape)
    # Over many steps of a signal, or as a mean over heads, no weight comes near 1.
    is_sharp = any(panel.is_sharp for panel in panels.flat)
    scale = {"cmap": colormap, "vmin": 0.0, "vmax": 1.0 if is_sharp else _largest(panels)}
    for panel, one in zip(panels.flat, axes.flat):
        image = _draw(panel, one, scale, families)
    if grid:
        grid.hide_repeated_labels()
    _draw_scale(image, axes)
    _explain_marks(panels, axes, options, grid)
    return axes[()]


def check_options(**options):
    """Checks options of `plot_attention` before there is anything to draw.

    Raises:
        ValueError: One is unknown or out of range, or two contradict each other.
    """
    _colormap(HeatmapOptions.of(options).colormap)


def save_heatmap(result, path, head=None, **options):
    """Writes the heatmap of a result, or of several, to a picture file, whole or not at all.

    In SVG and PDF the words are text that can be selected and searched. An SVG holds them as they
    are, and whoever shows it shapes them. A PDF holds shaped glyphs that know which letters they
    stand for: a copied word is whole, but a Devanagari or Thai syllable or a sequence of emoji
    may come out twice.

    Args:
        result: `Translation` or `Prediction`, or several in a list.
        path: File to write; its suffix (`.png`, `.svg`, `.pdf`) says in which format.
        head: As in `plot_attention`.
        **options: As in `plot_attention`.
    """
    axes = np.asarray(plot_attention(result, head=head, **options), object)
    with replaced_file(path) as unfinished:
        axes.flat[0].figure.savefig(unfinished)


class _Grid:
    """A new figure with Axes for the panels, as large as these need.

    The words of one sentence are written once around its panels, not at each of them.
    """

    def __init__(self, panels, families):
        from kseq.analysis.figures import TextFigure

        cells = np.array([_cells(panel) for panel in panels.flat])
        margins = np.array([_margins(panel, families) for panel in panels.flat])
        columns = panels.shape[-1] if panels.ndim > 1 else _columns(cells + margins)
        self._repeats = _repeats(list(panels.flat), columns)
        margins = np.where(self._repeats, 0.3, margins)
        rows = -(-len(cells) // columns)
        place = np.arange(rows * columns).reshape(rows, columns)

        def most(sizes, side):
            padded = np.zeros(rows * columns)
            padded[: len(sizes)] = sizes[:, side]
            return padded[place].max(axis=side)

        widths, heights = most(cells, 0), most(cells, 1)
        # Beside them stands the bar of the scale.
        size = (
            max(3.0, 0.9 + (widths + most(margins, 0)).sum()),
            max(2.0, 0.2 + (heights + most(margins, 1)).sum()),
        )
        dpi = min(_DPI, _LARGEST / max(size))
        figure = TextFigure(figsize=size, dpi=dpi, layout="constrained")
        # The layout does not count the label of a strip beside the heatmap in full.
        figure.get_layout_engine().set(w_pad=0.1)
        axes = figure.subplots(
            rows, columns, squeeze=False, width_ratios=widths, height_ratios=heights
        ).flatten()
        for unused in axes[len(cells) :]:
            unused.remove()
        self.axes = axes[: len(cells)].reshape(panels.shape)

    def hide_repeated_labels(self):
        """To be called when the panels are drawn."""
        for axes, (beside, below) in zip(self.axes.flat, self._repeats):
            if beside:
                axes.tick_params(labelleft=False)
            if below:
                axes.tick_params(labeltop=False)


def _repeats(panels, columns):
    """Whether each panel has the same words as the one left of it, and as the one above it."""
    repeats = np.zeros((len(panels), 2), bool)
    for number, panel in enumerate(panels):
        if number % columns:
            repeats[number, 0] = panel.rows.is_text and panel.rows is panels[number - 1].rows
        if number >= columns:
            above = panels[number - columns]
            repeats[number, 1] = panel.columns.is_text and panel.columns is above.columns
    return repeats


def _cells(panel):
    """Width and height of the heatmap itself, in inches."""
    return [
        _CELL * len(side) if side.is_text else min(_LONGEST_SIGNAL, max(2.0, 0.05 * len(side)))
        for side in (panel.columns, panel.rows)
    ]


def _margins(panel, families):
    """Width and height of what stands around a heatmap, in inches."""
    width, height = (
        0.3 + max(text_width(text, families, _FONT_SIZE) for text in side.labels) / 72
        if side.is_text and len(side)
        else 1.5
        for side in (panel.rows, panel.columns)
    )
    return width, height + (0.25 if panel.title else 0.0)


def _columns(sizes):
    """Columns of a grid that comes out about as wide as high."""
    width, height = sizes.max(axis=0)
    count = len(sizes)
    return min(
        range(1, count + 1), key=lambda columns: max(columns * width, -(-count // columns) * height)
    )


def _given_axes(axes, shape):
    given = np.asarray(axes, object)
    if given.size != np.prod(shape, dtype=int):
        raise ValueError(
            f"expected Axes for {np.prod(shape, dtype=int)} panels; received {given.size}"
        )
    return given.reshape(shape)


def _colormap(colormap):
    import matplotlib
    from matplotlib.colors import Colormap

    if isinstance(colormap, Colormap):
        return colormap
    if not isinstance(colormap, str):
        raise TypeError(
            f"colormap must be the name of a matplotlib colormap, or a Colormap; received "
            f"{type(colormap).__name__}"
        )
    if colormap not in matplotlib.colormaps:
        names = {name.lower(): name for name in sorted(matplotlib.colormaps)}
        near = difflib.get_close_matches(colormap.lower(), names, n=3, cutoff=0.0)
        raise ValueError(
            f"matplotlib has no colormap {colormap!r}; did you mean one of "
            f"{', '.join(names[name] for name in near)}?"
        )
    return matplotlib.colormaps[colormap]


def _largest(panels):
    return max(float(panel.weights.max()) for panel in panels.flat) or 1.0


def _draw(panel, axes, scale, families):
    """Draws one panel; returns the image of its weights."""
    rows, columns, weights = panel.rows, panel.columns, panel.weights
    span = _steps_per_column(len(columns), weights.shape[1])
    image = axes.imshow(
        weights,
        **scale,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, span * weights.shape[1] - 0.5, len(rows) - 0.5, -0.5),
    )
    start, end = -0.5, len(columns) - 0.5
    axes.set_xlim((end, start) if columns.right_to_left else (start, end))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set_title(panel.title, fontsize=_FONT_SIZE)
    _label(axes, rows, columns, families)
    for row in panel.unlikely:
        axes.get_yticklabels()[row].set_bbox({"boxstyle": "round,pad=0.15", **_UNLIKELY})
    for source, target in sorted(panel.gold):
        axes.add_patch(_outline((source - 0.44, target - 0.44), 0.88, 0.88))
    _draw_values(axes, rows, columns)
    return image


def _outline(*rectangle, **properties):
    """A frame that is seen on every colour."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    around = Stroke(linewidth=3.0, foreground="white")
    return Rectangle(
        *rectangle,
        fill=False,
        edgecolor="black",
        linewidth=1.2,
        path_effects=[around, Normal()],
        **properties,
    )


def _draw_scale(image, axes):
    # About as high as the panels, and as wide beside a short sentence as beside a long one.
    width, height = image.figure.get_size_inches()
    thickness = min(0.04 * width, 0.2)
    bar = image.figure.colorbar(
        image,
        ax=list(axes.flat),
        fraction=thickness / width,
        pad=0.02,
        aspect=max(15.0, 1.2 * height / thickness),
    )
    bar.set_label("attention weight", fontsize=_FONT_SIZE)
    bar.ax.tick_params(labelsize=_FONT_SIZE)


def _explain_marks(panels, axes, options, grid):
    """Says under the panels what the marks mean, where there are any."""
    from matplotlib.patches import Patch

    marks = []
    if any(panel.gold for panel in panels.flat):
        marks.append(_outline((0, 0), 1, 1, label="gold alignment"))
    if any(panel.unlikely for panel in panels.flat):
        meaning = f"output word of probability below {options.threshold:g}"
        marks.append(Patch(label=meaning, **_UNLIKELY))
    if not marks:
        return
    style = {"handles": marks, "fontsize": _FONT_SIZE, "frameon": False}
    if grid:
        axes.flat[0].figure.legend(loc="outside lower left", **style)
    else:
        below_strip = 0.0 if panels.flat[-1].columns.is_text else -_STRIP - 0.02
        axes.flat[-1].legend(loc="upper left", bbox_to_anchor=(0.0, below_strip), **style)


def _steps_per_column(steps, columns):
    """Steps of the source that a pyramid has made one column of, a power of 2."""
    span = 1
    while span * columns < steps:
        span *= 2
    return span


def _label(axes, rows, columns, families):
    style = {"fontfamily": families, "fontsize": _FONT_SIZE, "parse_math": False}
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
            label.set_rotation(0 if _is_upright(label.get_text(), families) else 90)
    axes.tick_params(which="minor", length=0, top=False, bottom=False)


def _is_upright(text, families):
    # Short ones: a Chinese character lying on its side is hard to read.
    return is_short(text) and text_width(text, families, _FONT_SIZE) < 72 * _CELL


def _draw_values(axes, rows, columns):
    """Draws what is real-valued in a strip beside its side of the heatmap."""
    if not columns.is_text:
        # Under the heatmap: its upper side has the numbers of the steps.
        strip = axes.inset_axes([0.0, -_STRIP, 1.0, _STRIP - 0.02], sharex=axes)
        _draw_strip(strip, columns.values, upright=False)
    if not rows.is_text:
        strip = axes.inset_axes([-_STRIP, 0.0, _STRIP - 0.02, 1.0], sharey=axes)
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
