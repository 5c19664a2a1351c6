"""Strips along a heatmap that show the values of a real-valued side."""

import numpy as np

from kseq.analysis.heatmap_layout import FONT_SIZE

WIDTH = 0.27  # as a share of the side of the heatmap
_GAP = 0.02
_MOST_CURVES = 4  # more features than this are drawn as an image


def draw_values(axes, rows, columns):
    """Draws the values of each real-valued side in a strip along the heatmap.

    Args:
        axes: The Axes of the heatmap.
        rows: `kseq.analysis.panels.PanelAxis` of the output.
        columns: `PanelAxis` of the source.
    """
    if not columns.is_text:
        # Below the heatmap, as the numbers of the steps are above it.
        strip = axes.inset_axes([0.0, -WIDTH, 1.0, WIDTH - _GAP], sharex=axes)
        _draw_strip(strip, columns.values, upright=False)
    if not rows.is_text:
        strip = axes.inset_axes([-WIDTH, 0.0, WIDTH - _GAP, 1.0], sharey=axes)
        _draw_strip(strip, rows.values, upright=True)
        axes.tick_params(labelleft=False)
        axes.set_ylabel("")
        strip.tick_params(labelleft=True, labelsize=FONT_SIZE)
        strip.set_ylabel("output step", fontsize=FONT_SIZE)


def _draw_strip(strip, values, upright):
    """Draws values `[length, F]` as curves or as an image, upwards or to the right."""
    steps = np.arange(len(values))
    if values.shape[1] > _MOST_CURVES:
        along = (-0.5, len(values) - 0.5)
        across = (-0.5, values.shape[1] - 0.5)
        # The first feature is at the bottom, or on the left.
        if upright:
            image, origin, extent = values, "upper", (*across, *along[::-1])
        else:
            image, origin, extent = values.T, "lower", (*along, *across)
        strip.imshow(image, cmap="magma", aspect="auto", origin=origin, extent=extent)
    else:
        marker = "." if len(values) == 1 else ""
        for curve in values.T:
            line = (curve, steps) if upright else (steps, curve)
            strip.plot(*line, linewidth=1.0, marker=marker)
    strip.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
