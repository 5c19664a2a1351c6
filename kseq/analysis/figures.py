"""Figures whose text remains text in SVG and PDF files, their own or pyplot's."""

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

    def tight_layout(self, **_):
        """Does nothing: its constrained layout already fits everything into the figure."""

    def draw(self, renderer):
        """Draws the figure; see `matplotlib.figure.Figure.draw`."""
        with ignore_missing_glyphs():
            super().draw(renderer)


def make_pyplot_figure(**options):
    """Makes a `TextFigure` that belongs to pyplot, which shows and saves it as the current one.

    Args:
        **options: Arguments of `matplotlib.figure.Figure`.
    """
    import matplotlib.pyplot as plt

    return plt.figure(FigureClass=TextFigure, **options)


def undrawn_axes():
    """Returns the current Axes of pyplot, if its user has made a figure and they are still empty.

    Returns:
        Axes, such as those of `plt.subplot(1, 2, 1)`; None if there is no figure, or if something
        is drawn on its current Axes.
    """
    import matplotlib.pyplot as plt

    if not plt.get_fignums():
        return None
    figure = plt.gcf()
    if not figure.axes and figure.get_layout_engine() is None:
        figure.set_layout_engine("tight")  # long words fit, and users may ask for it themselves
    return None if plt.gca().has_data() else plt.gca()


@contextlib.contextmanager
def ignore_missing_glyphs():
    """Suppresses the warning of matplotlib for each character that no font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield
