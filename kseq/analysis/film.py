"""An animation of attention: the heatmap of one pair, again and again while a model learns."""

import dataclasses

import numpy as np

_WIDEST_TITLE = "epoch 999.99, validation loss 99.999"
_SHORTEST, _LONGEST, _WHOLE = 100, 600, 12_000  # milliseconds of a frame, and of all
_LAST = 2_000  # milliseconds of the last frame, before the film begins again


class Film:
    """The frames of an animation, which differ in their weights and their titles only.

    Args:
        result: `Translation` of the pair, read by teacher forcing.
    """

    def __init__(self, result):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from kseq.analysis.heatmap import draw_figure

        # Of what changes, only the mean attention to the source is shown, on one scale.
        plain = {"attention_heads": None, "feature_attention": None, "generation_probability": None}
        result = dataclasses.replace(result, **plain)
        self._figure = draw_figure(result, titles=_WIDEST_TITLE, low_probability=0)
        self._canvas = FigureCanvasAgg(self._figure)
        self._canvas.draw()  # The layout, which does not change any more.
        self._figure.set_layout_engine("none")
        self._frames = []

    def __len__(self):
        return len(self._frames)

    def add(self, weights, title):
        """Adds a frame.

        Args:
            weights: Attention weights `[T, S]`.
            title: Title of the frame.
        """
        from PIL import Image

        axes = self._figure.axes[0]
        axes.images[0].set_data(weights)
        axes.title.set_text(title)
        self._canvas.draw()
        picture = Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")
        self._frames.append(picture.quantize())

    def save(self, path):
        """Writes the frames to a GIF, which repeats."""
        each = int(np.clip(_WHOLE / len(self._frames), _SHORTEST, _LONGEST))
        durations = [each] * (len(self._frames) - 1) + [_LAST]
        first, *others = self._frames
        timing = {"duration": durations, "loop": 0}
        first.save(path, "GIF", save_all=True, append_images=others, optimize=False, **timing)
