"""A few examples, translated after training: they show whether the model has learnt anything."""

import itertools

import numpy as np
import tensorflow as tf

from kseq.search.strategies import BeamSearch
from kseq.translation.doubtful_outputs import describe_alike
from kseq.translation.sources import Sources

_READ, _KEPT = 100, 16  # pairs
_LONGEST = 20  # tokens of an output


def choose_examples(pairs):
    """Returns the shortest of the first pairs of a split, a list of pairs."""
    return sorted(itertools.islice(pairs, _READ), key=lambda pair: len(pair[0]))[:_KEPT]


def describe_failure(translator, examples):
    """Describes what is wrong with a model that writes the same for all examples.

    Args:
        translator: `Translator`.
        examples: Pairs from `choose_examples`.

    Returns:
        A sentence; None if the model writes real values or has no source, or does not always write
        the same, or if it was trained on no sources as long as these.
    """
    if translator.predicts_values or translator.config.model.is_language_model:
        return None
    sequences = Sources([translator.codecs], [source for source, _ in examples])
    side, inference = translator.codecs.source.side, translator.inference
    fits = side.content_lengths(sequences.lengths) <= side.limit(translator.config.training)
    if not fits.any():
        return None
    # A few steps need no graph, which would take longer to trace.
    inputs = sequences.inputs(np.flatnonzero(fits))
    result = inference.search(inputs, BeamSearch(maximum_length=_LONGEST))
    texts, _ = inference.texts_and_tokens(result, tf.zeros([fits.sum(), 0], tf.string))
    outputs = [text.decode() for text in texts[:, 0].numpy()]
    return describe_alike(outputs, list(itertools.compress(examples, fits)))
