"""The default model of kseq in plain NumPy: forward pass, backward pass by hand, update, search.

It is for reading, and for comparing: no Keras, no TensorFlow, no speed. Read `layers`, `cells`,
`model`, `training` and `keras_weights` in this order; docs/numpy.md is about its use.

The weights of a model are a dict from names to arrays; the gradients of a loss are a dict with the
same names and shapes. Every layer is a function that returns its outputs and, as its last result,
its backward pass: a function from the gradient of the outputs to the gradient of the inputs, which
adds the gradients of the weights to the dict that it is given.
"""

from kseq.numpy_reference.keras_weights import from_keras, to_keras
from kseq.numpy_reference.model import decode, decode_step, encode, greedy_search
from kseq.numpy_reference.training import (
    Adam,
    clip_by_global_norm,
    cross_entropy,
    initial_weights,
    loss_and_gradients,
    make_batch,
)

__all__ = [
    "Adam",
    "clip_by_global_norm",
    "cross_entropy",
    "decode",
    "decode_step",
    "encode",
    "from_keras",
    "greedy_search",
    "initial_weights",
    "loss_and_gradients",
    "make_batch",
    "to_keras",
]
