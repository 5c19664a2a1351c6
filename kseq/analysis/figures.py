"""Figures whose text stays text: to be selected in SVG and PDF, in whatever script."""

import contextlib
import warnings

from matplotlib import rc_context
from matplotlib.figure import Figure


class TextFigure(Figure):
    """A matplotlib `Figure` that writes words as words, not as outlines, into SVG and PDF.

    It says nothing of characters that no font has: `kseq.analysis.fonts.families_for` has said
    it once for all of them.
    """

    def savefig(self, *args, **kwargs):
        """Writes the figure; see `matplotlib.figure.Figure.savefig`."""
        with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
            super().savefig(*args, **kwargs)

    def draw(self, renderer):
        """Draws the figure; see `matplotlib.figure.Figure.draw`."""
        with silent_about_glyphs():
            super().draw(renderer)


@contextlib.contextmanager
def silent_about_glyphs():
    """Keeps matplotlib from a warning for each character that no font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield
