"""Figures whose text remains text in SVG and PDF files, in any script."""

import contextlib
import warnings

from matplotlib import rc_context
from matplotlib.figure import Figure


class TextFigure(Figure):
    """A matplotlib `Figure` that writes text to SVG and PDF files as text, not as outlines.

    It does not warn about characters that no font has: `kseq.analysis.fonts.families_for` gives
    one warning for all of them.
    """

    def savefig(self, *args, **kwargs):
        """Writes the figure; see `matplotlib.figure.Figure.savefig`."""
        with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
            super().savefig(*args, **kwargs)

    def draw(self, renderer):
        """Draws the figure; see `matplotlib.figure.Figure.draw`."""
        with ignore_missing_glyphs():
            super().draw(renderer)


@contextlib.contextmanager
def ignore_missing_glyphs():
    """Suppresses the warning of matplotlib for each character that no font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield
