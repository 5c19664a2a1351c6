"""The arguments of a `Translator`'s methods, checked."""

import numbers
import reprlib

import numpy as np

from kseq.corpora.in_memory import iterate_pairs
from kseq.translation.graphs import LONGEST_PREDICTION

_SIDES = ("source", "target")


def check_pairs(pairs, codecs):
    """Yields pairs of source and target, checked.

    Args:
        pairs: Pairs in any form that `kseq.load_corpus` accepts except files; if a side is
            real-valued, an iterable of tuples.
        codecs: The codecs of source and target.

    Raises:
        TypeError: An item is not a pair, or a side has the wrong type.
    """
    if all(codec.is_text for codec in codecs):
        pairs = iterate_pairs(pairs)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            received = reprlib.repr(pair)
            raise TypeError(f"expected pairs of source and target; received {received}")
        yield tuple(codec.check(value, side) for codec, value, side in zip(codecs, pair, _SIDES))


def check_read_ahead(read_ahead):
    """Checks the number of sources that are read together: None, or at least 1.

    Raises:
        ValueError: It is something else.
    """
    if read_ahead is not None and (type(read_ahead) is not int or read_ahead < 1):
        raise ValueError(f"read_ahead must be a whole number, at least 1; received {read_ahead!r}")


def steps_by_source(steps, count):
    """Returns the number of steps to predict for each of `count` sources, a list.

    Args:
        steps: A number for all sources, or one for each.
        count: Number of sources.

    Raises:
        ValueError: A number is out of range, or there is not one for each source.
    """
    steps = list(steps) if np.ndim(steps) else [steps] * count
    if len(steps) != count:
        raise ValueError(
            f"expected a number of steps for each of {count} sources; received {len(steps)}"
        )
    for number in steps:
        is_whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
        if not is_whole or not 1 <= number <= LONGEST_PREDICTION:
            raise ValueError(
                f"steps must be whole numbers from 1 to {LONGEST_PREDICTION:,}; received {number}"
            )
    return steps
