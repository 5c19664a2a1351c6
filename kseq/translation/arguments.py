"""The arguments of a translator, checked before anything runs."""

import itertools
import numbers
import os
import reprlib

import numpy as np

from kseq.corpora.arrays import check_values
from kseq.corpora.in_memory import iterate_pairs
from kseq.corpora.value_sides import join_covariates
from kseq.counts import counted
from kseq.errors import SettingError
from kseq.search.free_run import LONGEST_PREDICTION
from kseq.translation.features import check_features, with_features


def require_pairs(pairs):
    """Raises a TypeError unless `pairs` can be a list of pairs."""
    if isinstance(pairs, str) or not np.iterable(pairs):
        received = reprlib.repr(pairs)
        raise TypeError(f"expected a list of pairs of source and target; received {received}")


def check_pairs(pairs, codecs, features=None):
    """Checks pairs of source and target; returns an iterable of tuples.

    Args:
        pairs: Pairs in any form that `kseq.load_corpus` accepts except files; if a side is
            real-valued, an iterable of tuples; for a language model, texts.
        codecs: `CodecPair`.
        features: Features of the sources, as `with_features` takes them.

    Raises:
        TypeError: It is not an iterable; or, while it is read, an item is not a pair, or a side
            has the wrong type.
    """
    require_pairs(pairs)
    if codecs.source.side.is_absent:
        pairs = (("", text) if isinstance(text, str) else text for text in pairs)
    if codecs.are_text and not codecs.previous_turns:  # A longer row could be a conversation.
        pairs = iterate_pairs(pairs)
    checked = (_check_pair(pair, codecs) for pair in pairs)
    sources, pairs = itertools.tee(checked)
    sources = with_features((source for source, _ in sources), features)
    return (
        (check_features(source, codecs.features), target)
        for source, (_, target) in zip(sources, pairs)
    )


def _check_pair(pair, codecs):
    has_covariates = not codecs.target.is_text and codecs.target.covariates
    if has_covariates and isinstance(pair, (tuple, list)) and len(pair) == 3:
        source, target, covariates = pair
        target = check_values(target, "a target of real values")
        pair = source, join_covariates(target, codecs.target.check_covariates(covariates))
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"expected pairs of source and target; received {reprlib.repr(pair)}")
    source, target = pair
    if codecs.source.side.is_absent and source != "":
        raise TypeError(
            f"expected texts, as a language model has no source; received {reprlib.repr(pair)}"
        )
    return codecs.check_source(source), codecs.target.check(target, "target")


def refuse_search(translator, beam_size, options):
    """Raises a SettingError if a model of real values is given options of a search.

    Args:
        translator: `Translator`.
        beam_size: Hypotheses K; 1 is the default.
        options: Other options by name.
    """
    given = [*(["beam_size"] if beam_size != 1 else []), *options]
    if translator.predicts_values and given:
        raise SettingError(
            "{name} is for text; real values are predicted without a search", name=given[0]
        )


def check_read_ahead(read_ahead):
    """Raises a ValueError unless a number of sources to read ahead is None or at least 1."""
    if read_ahead is not None and (type(read_ahead) is not int or read_ahead < 1):
        raise ValueError(f"read_ahead must be a whole number, at least 1; received {read_ahead!r}")


def steps_by_source(steps, count):
    """Returns the number of steps to predict for each source, a list.

    Args:
        steps: One number for all sources, or one for each.
        count: Number of sources.

    Raises:
        ValueError: There are more or fewer numbers than sources, or one is out of range.
    """
    steps = list(steps) if np.ndim(steps) else [steps] * count
    if len(steps) != count:
        raise ValueError(
            f"expected a number of steps for each of {counted(count, 'source')}; received "
            f"{len(steps)}"
        )
    for number in steps:
        is_whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
        if not is_whole or not 1 <= number <= LONGEST_PREDICTION:
            raise ValueError(
                f"steps must be whole numbers from 1 to {LONGEST_PREDICTION:,}; received {number}"
            )
    return steps


def covariates_by_source(covariates, steps, codec, count):
    """Returns the covariates and the number of steps of each source, two lists.

    Args:
        covariates: Known inputs `[T, C]`, an array or its file for all sources, or a list with one
            for each; or None.
        steps: The argument of `steps_by_source`; None for as many steps as there are covariates.
        codec: `ValueCodec` of the target.
        count: Number of sources.

    Raises:
        ValueError: The model reads covariates and there are none, or the reverse; they have another
            width or length; or a number of steps is out of range.
    """
    if not codec.covariates:
        if covariates is not None:
            raise SettingError("{covariates}: this model was trained without; leave them out")
        return [None] * count, steps_by_source(steps, count)
    if covariates is None:
        raise SettingError(
            "{covariates}: this model reads {0} with each step that it predicts; expected an array "
            "[T, {1}] for each source, received none",
            *(counted(codec.covariates, "known input"), codec.covariates),
        )
    is_file = isinstance(covariates, (str, os.PathLike))
    if is_file or getattr(covariates, "ndim", 0) == 2:
        covariates = [covariates] * count
    covariates = list(covariates) if np.iterable(covariates) else [covariates]
    if len(covariates) != count:
        raise SettingError(
            "{covariates}: expected an array for each of {0}; received {1}",
            *(counted(count, "source"), len(covariates)),
        )
    covariates = [codec.check_covariates(known) for known in covariates]
    lengths = list(map(len, covariates))
    steps = steps_by_source(lengths if steps is None else steps, count)
    for number, length in zip(steps, lengths):
        if number != length:
            raise SettingError(
                "{covariates}: expected known inputs of {0}, as many as are to be predicted; "
                "received {1:,}",
                *(counted(number, "step"), length),
            )
    return covariates, steps


def raise_nothing_written(number, source):
    """Raises a SettingError: no output for a source satisfies all rules."""
    raise SettingError(
        "source {0}: no output for {1} satisfies all rules; relax them ({minimum_length}, "
        "{minimum_ratio}, {no_repeat_ngram}, {forbid})",
        *(number, reprlib.repr(source)),
    )
