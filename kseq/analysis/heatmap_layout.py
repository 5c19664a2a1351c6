"""The size and the arrangement of the panels of a heatmap in a new figure."""

import numpy as np

from kseq.analysis.fonts import text_width

CELL = 0.32  # inches
FONT_SIZE = 9  # points
_DPI = 120
_LONGEST_SIGNAL = 8.0  # inches
_LARGEST = 8000  # pixels per side, so that the picture of a long text fits into RAM


class Grid:
    """A new figure, sized to fit its panels, with Axes for each of them.

    Panels of the same sentence share their labels, which are shown at the left and the top of the
    group, not at every panel.

    Args:
        panels: Array of `Panel`; if it has several axes, the last one becomes the columns.
        families: Font families of the labels.
        make_figure: Function that makes a figure from arguments of `matplotlib.figure.Figure`.

    Attributes:
        axes: Array of matplotlib Axes, of the same shape as `panels`.
    """

    def __init__(self, panels, families, make_figure):
        cells = np.array([_heatmap_size(panel, families) for panel in panels.flat])
        margins = np.array([_margin_size(panel, families) for panel in panels.flat])
        columns = panels.shape[-1] if panels.ndim > 1 else _choose_columns(cells + margins)
        self._repeats = _find_repeats(list(panels.flat), columns)
        margins = np.where(self._repeats, 0.3, margins)
        widths, heights = _largest_sizes(cells, columns)
        margin_widths, margin_heights = _largest_sizes(margins, columns)
        # 0.9 inches for the colour bar and its label.
        size = (
            max(3.0, 0.9 + (widths + margin_widths).sum()),
            max(2.0, 0.2 + (heights + margin_heights).sum()),
        )
        dpi = min(_DPI, _LARGEST / max(size))
        figure = make_figure(figsize=size, dpi=dpi, layout="constrained")
        # The layout reserves too little room for the label of a strip next to the heatmap.
        figure.get_layout_engine().set(w_pad=0.1)
        axes = figure.subplots(
            len(heights), columns, squeeze=False, width_ratios=widths, height_ratios=heights
        ).flatten()
        for unused in axes[len(cells) :]:
            unused.remove()
        self.axes = axes[: len(cells)].reshape(panels.shape)

    def hide_repeated_labels(self):
        """Hides labels that the panel to the left or above also shows; called after drawing."""
        for axes, (same_rows, same_columns) in zip(self.axes.flat, self._repeats):
            if same_rows:
                axes.tick_params(labelleft=False)
            if same_columns:
                axes.tick_params(labeltop=False)


def _find_repeats(panels, columns):
    """Whether each panel has the labels of the panel to its left, and of the one above it."""
    repeats = np.zeros((len(panels), 2), bool)
    for number, panel in enumerate(panels):
        if number % columns:
            repeats[number, 0] = panel.rows.is_text and panel.rows is panels[number - 1].rows
        if number >= columns:
            above = panels[number - columns]
            repeats[number, 1] = panel.columns.is_text and panel.columns is above.columns
    return repeats


def _heatmap_size(panel, families):
    """Width and height of a heatmap without its labels, in inches; it is as wide as its title."""
    width, height = (
        CELL * len(side) if side.is_text else min(_LONGEST_SIGNAL, max(2.0, 0.05 * len(side)))
        for side in (panel.columns, panel.rows)
    )
    width += CELL if panel.generation is not None else 0.0
    return [max(width, text_width(panel.title, families, FONT_SIZE) / 72), height]


def _margin_size(panel, families):
    """Width and height of the labels and the title around a heatmap, in inches."""
    width, height = (
        0.3 + max(text_width(text, families, FONT_SIZE) for text in side.labels) / 72
        if side.is_text and len(side)
        else 1.5
        for side in (panel.rows, panel.columns)
    )
    return width, height + (0.25 if panel.title else 0.0)


def _choose_columns(sizes):
    """Number of columns for which the grid is about as wide as it is high."""
    width, height = sizes.max(axis=0)
    count = len(sizes)
    return min(
        range(1, count + 1), key=lambda columns: max(columns * width, -(-count // columns) * height)
    )


def _largest_sizes(sizes, columns):
    """The largest width in each column of the grid, and the largest height in each row."""
    rows = -(-len(sizes) // columns)
    padded = np.zeros((rows * columns, 2))
    padded[: len(sizes)] = sizes
    widths, heights = padded.reshape(rows, columns, 2).transpose(2, 0, 1)
    return widths.max(axis=0), heights.max(axis=1)
