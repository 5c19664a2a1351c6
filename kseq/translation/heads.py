"""The head of a search: from what a decoder step returns to logits, perhaps padded."""

import tensorflow as tf

from kseq.kernels.cross_entropy import output_logits, pad_vocabulary
from kseq.models.heads import output_layer
from kseq.search.continuations import padding_of


def search_head(model, pads):
    """Makes a function from what the decoder step of a model returns, `[N, ...]`, to logits.

    Args:
        model: Model of `build_seq2seq` that writes text.
        pads: Whether the vocabulary is padded by `padding_of(V)` ids.
    """
    if model.config.mixes_distributions:
        return _pad_distributions if pads else tf.identity
    return _head_function(*output_layer(model), pads=pads)


def _head_function(kernel, bias, transposed, *, pads):
    """A function from the last hidden layer `[N, H]` to logits, perhaps padded."""
    padding = padding_of(kernel.shape[0 if transposed else 1]) if pads else 0
    kernel, bias = kernel.value, None if bias is None else bias.value
    if padding:
        # Once for a search: padding the logits of every step would take longer.
        kernel, bias = pad_vocabulary(kernel, bias, padding, transposed)
    return lambda hidden: output_logits(hidden, kernel, bias, transposed)


def _pad_distributions(log_probabilities):
    """Pads log-probabilities `[N, V]` like `_head_function`, unless V depends on the sources."""
    size = log_probabilities.shape[-1]
    padding = size and padding_of(size)
    if not padding:
        return log_probabilities
    return tf.pad(log_probabilities, [[0, 0], [0, padding]], constant_values=float("-inf"))
