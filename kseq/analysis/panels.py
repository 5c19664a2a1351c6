"""The panels of a heatmap: attention weights with the tokens or values on both axes."""

import dataclasses
import math
import reprlib

import numpy as np

from kseq.analysis.attention import head_index
from kseq.analysis.links import is_link
from kseq.counts import counted
from kseq.errors import SettingError
from kseq.text.scripts import label, reads_right_to_left, shorten
from kseq.text_tables import escape_invisible
from kseq.translation.results import Attended, Prediction

_LONGEST_LABEL = 30  # width in Latin letters
_LONGEST_TITLE = 40
_MOST_PANELS = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """One heatmap of a picture.

    Args:
        weights: Attention weights `[T, S]`; with a pyramid, columns span several source steps. With
            features, `[T, S + 1 + F]`, with NaN in the column between source and features.
        rows: `PanelAxis` of the output.
        columns: `PanelAxis` of the source.
        title: Title of the result, and layer and head of the panel; may be empty.
        gold: (source, target) positions to outline.
        unlikely: Positions of output tokens to mark.
        is_sharp: Whether weights near 1 can be expected.
        generation: For each output token of a model that copies, the probability that it is written
            from the vocabulary, `[T]`; None for other models.
        window: The first and the last column that each row may read, int `[T, 2]`; None if every
            row may read all of them.
    """

    weights: np.ndarray
    rows: "PanelAxis"
    columns: "PanelAxis"
    title: str
    gold: frozenset
    unlikely: tuple
    is_sharp: bool
    generation: np.ndarray | None
    window: np.ndarray | None


class PanelAxis:
    """The tokens, or the real values `[length, F]`, along one axis of a heatmap.

    Args:
        tokens: Tokens, END included; None for real values.
        values: The real values, if there are no tokens.
        features: Features that follow after a gap, END included; or None.
        step_seconds: Seconds from one step of the values to the next; None for steps without time.

    Attributes:
        is_text: Whether there are tokens.
        values, step_seconds: The arguments.
        labels: Axis labels of the tokens; empty for real values.
        word_count: Number of tokens without END and features.
        right_to_left: Whether the tokens are read from right to left.
    """

    def __init__(self, tokens, values=None, features=None, step_seconds=None):
        self.is_text = tokens is not None
        self.values = values
        self.step_seconds = step_seconds
        tokens = tokens if self.is_text else []
        self.right_to_left = reads_right_to_left(tokens)
        labels, further = (
            [label(token, _LONGEST_LABEL, self.right_to_left) for token in side]
            for side in (tokens, features or [])
        )
        self.labels = labels if features is None else [*labels, "", *further]
        self._length = len(self.labels) if self.is_text else len(values)
        self.word_count = len(tokens) - (list(tokens[-1:]) == ["<end>"])

    def __len__(self):
        return self._length


def make_panels(results, options):
    """Turns results into panels.

    Args:
        results: `Translation` or `Prediction`, or an iterable of several.
        options: `HeatmapOptions`.

    Returns:
        An array of `Panel`: `[]` for one result, `[results]` for several, with an extra axis for
        `"layers"` and two for `"heads"`.

    Raises:
        TypeError: A result has the wrong type.
        ValueError: There is nothing to draw, or too much, or an option does not fit a result.
    """
    if isinstance(results, Attended):
        return _make_panels_of_one(results, options, options.gold, options.titles)
    results = _list_results(results)
    golds = _list_of_each("a gold alignment", options.gold, len(results))
    titles = _list_of_each("a title", options.titles, len(results))
    grids = []
    for number, (result, gold, title) in enumerate(zip(results, golds, titles), start=1):
        try:
            grids.append(_make_panels_of_one(result, options, gold, title))
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"result {number} of {len(results)}: {error}") from error
        _check_panel_count(grids)
    shapes = {grid.shape for grid in grids}
    if len(shapes) > 1:
        raise ValueError(
            "expected results of Transformers with the same number of layers and heads, for one "
            f"grid; received {' and '.join(map(str, sorted(shapes)))}: draw them separately"
        )
    return np.stack(grids)


def _list_results(results):
    if isinstance(results, (str, bytes)) or not np.iterable(results):
        raise TypeError(
            f"expected a Translation or a Prediction, or several; received {reprlib.repr(results)}"
        )
    results = list(results)
    if not results:
        raise ValueError("expected at least one result to draw; received none")
    return results


def _list_of_each(what, given, count):
    """Returns what was given for each result, a list; None for each if nothing was given."""
    if given is None:
        return [None] * count
    if isinstance(given, str) or not np.iterable(given):
        raise TypeError(
            f"expected a list with {what} for each result; received {reprlib.repr(given)}"
        )
    given = list(given)
    if len(given) != count:
        raise ValueError(
            f"expected {what} for each of {counted(count, 'result')}; received {len(given)}"
        )
    return given


def _check_panel_count(grids):
    if sum(grid.size for grid in grids) > _MOST_PANELS:
        raise ValueError(
            f"expected at most {_MOST_PANELS} panels in one picture; received more: draw fewer "
            "results at a time, or fewer heads"
        )


def _make_panels_of_one(result, options, gold, title):
    if not isinstance(result, Attended):
        hint = "; choose one of n-best results" if isinstance(result, (list, tuple)) else ""
        raise TypeError(
            f"expected a Translation or a Prediction; received {reprlib.repr(result)}{hint}"
        )
    predicts_values = isinstance(result, Prediction)
    rows = PanelAxis(None, result.values) if predicts_values else PanelAxis(result.tokens)
    title = _check_title(title)
    weights, titles = _select_weights(result, options)
    features = None
    if result.feature_attention is not None and not titles.shape and options.head is None:
        features, gap = result.feature_tokens, np.full((len(weights), 1), np.nan)
        weights = np.concatenate([weights, gap, result.feature_attention], axis=1)
    columns = PanelAxis(result.source_tokens, result.source, features, result.step_seconds)
    gold = _check_gold(gold, rows, columns)
    unlikely = _find_unlikely(
        None if predicts_values else result.token_log_probabilities, rows, options
    )
    is_sharp = rows.is_text and columns.is_text and result.attention_heads is None
    panels = np.empty(titles.shape, object)
    for index in np.ndindex(titles.shape):
        matrix = _check_weights(weights[index], rows, columns)
        panels[index] = Panel(
            matrix,
            rows,
            columns,
            title=", ".join(filter(None, (title, titles[index]))),
            gold=gold,
            unlikely=unlikely,
            is_sharp=is_sharp,
            generation=getattr(result, "generation_probability", None),
            window=_find_limits(result),
        )
    _check_panel_count([panels])
    return panels


def _select_weights(result, options):
    """Attention `[..., T, S]` and titles `[...]` of the panels of one result."""
    if result.attention is None:
        raise ValueError(
            "expected a result with attention; the model has none (attention=none), so there is "
            "nothing to draw"
        )
    no_title = np.array("", object)
    if options.head is None and options.panels == "mean":
        return np.asarray(result.attention), no_title
    if result.attention_heads is None:
        option = "panels" if options.head is None else "head"
        option = f"{option}={reprlib.repr(getattr(options, option))}"
        raise ValueError(f"only a single Transformer has heads; received {option}")
    weights = np.asarray(result.attention_heads)
    layers, heads = weights.shape[:2]
    if options.head is not None:
        return weights[head_index(options.head, layers, heads)], no_title
    if options.panels == "layers":
        titles = [f"layer {layer + 1}" for layer in range(layers)]
        return weights.mean(axis=1), np.array(titles, object)
    titles = [
        [f"layer {layer + 1}, head {head + 1}" for head in range(heads)] for layer in range(layers)
    ]
    return weights, np.array(titles, object)


def _check_title(title):
    if not isinstance(title, (str, type(None))):
        raise TypeError(f"expected a string as the title; received {reprlib.repr(title)}")
    return title and shorten(escape_invisible(title), _LONGEST_TITLE)


def _find_limits(result):
    """The window of each row, or None if no row has a limit: see `Panel`."""
    window, last = result.window, result.attention.shape[1] - 1
    return None if window is None or (window == (0, last)).all() else np.asarray(window)


def _check_weights(weights, rows, columns):
    width = len(columns)
    if not columns.is_text and weights.ndim == 2:
        width = min(width, weights.shape[1])  # a pyramid shortens the source
    if weights.shape != (len(rows), width):
        raise ValueError(
            f"expected attention of shape {(len(rows), width)}, a row for each output token and a "
            f"column for each source token; received {weights.shape}"
        )
    if not weights.size:
        raise ValueError("expected at least one output token to draw; received none")
    return weights


def _check_gold(gold, rows, columns):
    """The links of a gold alignment as a set; an empty set if there is no gold alignment."""
    if gold is None:
        return frozenset()
    if not (rows.is_text and columns.is_text):
        raise ValueError("a gold alignment links words; this result has real values on a side")
    if not np.iterable(gold) or not all(map(is_link, gold := list(gold))):
        raise ValueError(
            "expected a gold alignment as (source, target) positions, such as {(0, 0), (1, 2)}; "
            f"received {reprlib.repr(gold)}"
        )
    for source, target in gold:
        if source >= columns.word_count or target >= rows.word_count:
            raise ValueError(
                f"gold link {source}-{target} is outside the sentence of {columns.word_count} "
                f"source and {rows.word_count} output tokens (counted from 0; END has no "
                "links); a gold alignment belongs to its own target: draw what `translator.score` "
                "returns for the pair"
            )
    return frozenset(gold)


def _find_unlikely(log_probabilities, rows, options):
    """Positions of the output tokens whose probability is below the threshold."""
    if log_probabilities is None:
        if options.low_probability:
            raise SettingError(
                "{low_probability} marks output words, but this result has no "
                "token_log_probabilities"
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
