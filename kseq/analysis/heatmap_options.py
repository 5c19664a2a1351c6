"""The options of a heatmap, checked in one place."""

import dataclasses
import difflib
from typing import Any, Literal, get_args

import numpy as np

from kseq.errors import SettingError
from kseq.fields import Fields, check_choice, check_names, field_names

Panels = Literal["mean", "layers", "heads"]
_DEFAULT_THRESHOLD = 0.5  # less likely than not


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class HeatmapOptions(Fields):
    """Options of `kseq.plot_attention`.

    Args:
        head: Layer and head of a Transformer, both from 1, to draw alone.
        panels: Panels for a Transformer: one for the mean over all layers and heads, one per layer,
            or one per head.
        gold: Gold alignment to outline: a set of (source, target) token positions from 0, as
            `corpus.alignments("test")` yields them; for several results, one set for each.
        titles: Title of the heatmap; for several results, a list with one for each, such as the
            names of two models that translate the same sentence.
        low_probability: Probability below which output words are marked, by default 0.5 if the
            result has probabilities; 0 marks none.
        colormap: Name of a matplotlib colormap. In Python, also a `Colormap`.
    """

    head: tuple | None = None
    panels: Panels = "mean"
    gold: Any = None
    titles: Any = None
    low_probability: float | None = None
    colormap: str | Any = "viridis"

    def __post_init__(self):
        check_choice("panels", self.panels, get_args(Panels))
        if self.head is not None and self.panels != "mean":
            raise SettingError(
                "{head} draws one head, {panels}={0} draws several: use only one of them",
                self.panels,
            )
        threshold = self.low_probability
        # Written so that NaN, for which all comparisons are false, is rejected too.
        if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
            raise SettingError(
                "{low_probability} must be a probability from 0 to 1; received {0!r}", threshold
            )

    @property
    def threshold(self):
        """Probability below which an output word is marked."""
        return _DEFAULT_THRESHOLD if self.low_probability is None else self.low_probability

    @classmethod
    def of(cls, options):
        """Makes options from a mapping.

        Raises:
            ValueError: A name is unknown (the message suggests the nearest one), a value is out of
                range, or two options contradict each other.
        """
        check_names(options, field_names(cls), "option of a heatmap")
        return cls(**options)

    def find_colormap(self):
        """Returns the matplotlib `Colormap`.

        Raises:
            TypeError: `colormap` is neither a name nor a `Colormap`.
            ValueError: matplotlib has no colormap of this name.
        """
        import matplotlib
        from matplotlib.colors import Colormap

        if isinstance(self.colormap, Colormap):
            return self.colormap
        if not isinstance(self.colormap, str):
            raise TypeError(
                "colormap must be the name of a matplotlib colormap, or a Colormap; received "
                f"{type(self.colormap).__name__}"
            )
        if self.colormap not in matplotlib.colormaps:
            names = {name.lower(): name for name in sorted(matplotlib.colormaps)}
            nearest = difflib.get_close_matches(self.colormap.lower(), names, n=3, cutoff=0.0)
            raise ValueError(
                f"matplotlib has no colormap {self.colormap!r}; did you mean one of "
                f"{', '.join(names[name] for name in nearest)}?"
            )
        return matplotlib.colormaps[self.colormap]


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
