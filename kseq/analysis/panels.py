"""What the panels of a heatmap show: its options, checked in one place, and weights with words."""

import dataclasses
import math
import reprlib
from typing import Any

import numpy as np

from kseq.analysis.alignment import place_of_head
from kseq.errors import SettingError
from kseq.fields import check_names
from kseq.text.scripts import label, reads_right_to_left

_UNLIKELY = 0.5  # less likely than not
_PANELS = ("mean", "layers", "heads")
_LONGEST_LABEL = 30  # Latin letters
_MOST_PANELS = 100


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class HeatmapOptions:
    """What can be asked of `kseq.plot_attention`, by name.

    Args:
        head: Layer and head of a Transformer, both from 1, to be shown alone.
        panels: Of a Transformer, `"mean"` shows the mean over all layers and heads in one panel,
            `"layers"` gives a panel to each layer, `"heads"` one to each head.
        gold: Gold alignment to be outlined: a set of (source, target) token positions from 0, as
            `corpus.alignments("test")` yields; for several results one set for each.
        low_probability: Output words that are less probable than this are marked; 0 marks none.
            By default 0.5, where the result knows the probabilities.
        colormap: Name of a matplotlib colormap, or a `Colormap`.
    """

    head: tuple | None = None
    panels: str = "mean"
    gold: Any = None
    low_probability: float | None = None
    colormap: Any = "viridis"

    def __post_init__(self):
        if self.panels not in _PANELS:
            raise SettingError(
                "{panels} must be 'mean', 'layers' or 'heads'; received {0}",
                reprlib.repr(self.panels),
            )
        if self.head is not None and self.panels != "mean":
            raise ValueError(
                f"head={self.head} shows one head, panels={self.panels!r} shows many: give one "
                "of them"
            )
        threshold = self.low_probability
        # Not a comparison alone: nan compares with nothing.
        if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
            raise SettingError(
                "{low_probability} must be a probability from 0 to 1; received {0!r}", threshold
            )

    @property
    def threshold(self):
        """Probability below which an output word is marked."""
        return _UNLIKELY if self.low_probability is None else self.low_probability

    @classmethod
    def of(cls, options):
        """Makes options of a mapping.

        Raises:
            ValueError: A name is unknown (the message has the nearest one), a value is out of
                range, or two options contradict each other.
        """
        check_names(options, cls, "option of a heatmap")
        return cls(**options)


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows.

    Args:
        weights: Attention weights `[T, columns]`.
        rows: `Side` of the output.
        columns: `Side` of the source.
        title: What tells it from the panels beside it; may be empty.
        gold: (source, target) positions to be outlined.
        unlikely: Positions of output words to be marked.
        is_sharp: Whether a weight can be expected to come near 1.
    """

    weights: np.ndarray
    rows: "Side"
    columns: "Side"
    title: str
    gold: frozenset
    unlikely: tuple
    is_sharp: bool


class Side:
    """What stands along one side of a heatmap: tokens, or real values `[length, F]`.

    Args:
        tokens: Tokens, END included; None for real values.
        values: The values, where there are no tokens.
    """

    def __init__(self, tokens, values):
        self.is_text = tokens is not None
        self.values = values
        self._length = len(tokens if self.is_text else values)
        tokens = tokens if self.is_text else []
        self.right_to_left = reads_right_to_left(tokens)
        self.labels = [label(token, _LONGEST_LABEL, self.right_to_left) for token in tokens]
        self.words = sum(token != "<end>" for token in tokens)

    def __len__(self):
        return self._length


def panels_of(results, options):
    """Turns results into panels.

    Args:
        results: `Translation` or `Prediction`, or several in an iterable.
        options: `HeatmapOptions`.

    Returns:
        An array of `Panel` whose shape says what there is one for: `[]` for one result,
        `[results]` for several, with a further axis for `"layers"` and two for `"heads"`.

    Raises:
        TypeError: Something is no result.
        ValueError: There is nothing to draw, too much, or an option does not fit a result.
    """
    if hasattr(results, "attention"):
        return _panels_of_one(results, options, options.gold)
    results = _listed(results)
    golds = _gold_of_each(options.gold, len(results))
    several = []
    for number, (result, gold) in enumerate(zip(results, golds), start=1):
        try:
            several.append(_panels_of_one(result, options, gold))
        except (TypeError, ValueError) as error:
            raise type(error)(f"result {number} of {len(results)}: {error}") from error
        _check_number(several)
    shapes = {panels.shape for panels in several}
    if len(shapes) > 1:
        raise ValueError(
            "expected results of Transformers with as many layers and heads, to stand in one "
            f"grid; received {' and '.join(map(str, sorted(shapes)))}: draw them apart"
        )
    return np.stack(several)


def _listed(results):
    if isinstance(results, (str, bytes)) or not hasattr(results, "__iter__"):
        raise TypeError(
            f"expected a Translation or a Prediction, or several; received {reprlib.repr(results)}"
        )
    results = list(results)
    if not results:
        raise ValueError("expected at least one result to draw; received none")
    return results


def _gold_of_each(gold, count):
    if gold is None:
        return [None] * count
    golds = list(gold)
    if len(golds) != count:
        raise ValueError(
            f"expected a gold alignment for each of {count} results; received {len(golds)}"
        )
    return golds


def _check_number(several):
    if sum(panels.size for panels in several) > _MOST_PANELS:
        raise ValueError(
            f"expected at most {_MOST_PANELS} panels in one picture; received more: draw fewer "
            "results at a time, or fewer heads"
        )


def _panels_of_one(result, options, gold):
    if not hasattr(result, "attention"):
        hint = "; of n-best results choose one" if isinstance(result, (list, tuple)) else ""
        raise TypeError(
            f"expected a Translation or a Prediction; received {reprlib.repr(result)}{hint}"
        )
    rows = Side(getattr(result, "tokens", None), getattr(result, "values", None))
    columns = Side(result.source_tokens, getattr(result, "source", None))
    weights, titles = _weights(result, options)
    gold = _checked_gold(gold, rows, columns)
    unlikely = _unlikely(result, rows, options)
    is_sharp = rows.is_text and columns.is_text and not _has_heads(result)
    panels = np.empty(titles.shape, object)
    for place in np.ndindex(titles.shape):
        matrix = _checked_weights(weights[place], rows, columns)
        panels[place] = Panel(matrix, rows, columns, titles[place], gold, unlikely, is_sharp)
    _check_number([panels])
    return panels


def _weights(result, options):
    """Attention `[..., T, S]` and titles `[...]` of the panels of one result."""
    if result.attention is None:
        raise ValueError(
            "expected a result with attention; the model has none (attention=none), so there is "
            "nothing to draw"
        )
    if options.head is None and options.panels == "mean":
        return np.asarray(result.attention), np.array("", object)
    if not _has_heads(result):
        asked = f"head={options.head}" if options.head else f"panels={options.panels!r}"
        raise ValueError(f"only a Transformer has heads; received {asked}")
    weights = np.asarray(result.attention_heads)
    layers, heads = weights.shape[:2]
    if options.head is not None:
        return weights[place_of_head(options.head, layers, heads)], np.array("", object)
    if options.panels == "layers":
        titles = [f"layer {layer + 1}" for layer in range(layers)]
        return weights.mean(axis=1), np.array(titles, object)
    titles = [
        [f"layer {layer + 1}, head {head + 1}" for head in range(heads)] for layer in range(layers)
    ]
    return weights, np.array(titles, object)


def _has_heads(result):
    return getattr(result, "attention_heads", None) is not None


def _checked_weights(weights, rows, columns):
    width = len(columns)
    if not columns.is_text and weights.ndim == 2:
        width = min(width, weights.shape[1])  # a pyramid has made it shorter
    if weights.shape != (len(rows), width):
        raise ValueError(
            f"expected attention of shape {(len(rows), width)}, a row for each output token and a "
            f"column for each source token; received {weights.shape}"
        )
    if not weights.size:
        raise ValueError("expected at least one output token to draw; received none")
    return weights


def _checked_gold(gold, rows, columns):
    if gold is None:
        return frozenset()
    if not (rows.is_text and columns.is_text):
        raise ValueError("a gold alignment links words; this result has real values on a side")
    if not hasattr(gold, "__iter__") or not all(map(_is_link, gold := list(gold))):
        raise ValueError(
            "expected a gold alignment as (source, target) positions, such as {(0, 0), (1, 2)}; "
            f"received {reprlib.repr(gold)}"
        )
    for source, target in gold:
        if source >= columns.words or target >= rows.words:
            raise ValueError(
                f"gold link {source}-{target} lies outside the sentence of {columns.words} source "
                f"and {rows.words} output tokens (they count from 0, END has no links); a gold "
                "alignment fits its own target: draw what `translator.score` returns for the pair"
            )
    return frozenset(gold)


def _is_link(link):
    is_pair = isinstance(link, tuple) and len(link) == 2
    return is_pair and all(isinstance(end, (int, np.integer)) and end >= 0 for end in link)


def _unlikely(result, rows, options):
    log_probabilities = getattr(result, "token_log_probabilities", None)
    if log_probabilities is None:
        if options.low_probability:
            raise ValueError(
                f"low_probability={options.low_probability} marks output words, but this result "
                "has no token_log_probabilities"
            )
        return ()
    log_probabilities = np.asarray(log_probabilities)
    if log_probabilities.shape != (len(rows),):
        raise ValueError(
            f"expected token_log_probabilities of shape {(len(rows),)}, one for each output "
            f"token; received {log_probabilities.shape}"
        )
    limit = math.log(options.threshold) if options.threshold else -math.inf
    return tuple(np.flatnonzero(log_probabilities < limit).tolist())


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
