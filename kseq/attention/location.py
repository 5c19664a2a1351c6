"""Location-based attention: to the positions of the source, whatever they hold."""

import keras
import tensorflow as tf
from keras import ops

from kseq.attention.contract import Attention
from kseq.kernels.dense import Dense
from kseq.kernels.masked_softmax import masked_softmax


@keras.saving.register_keras_serializable("kseq")
class LocationAttention(Attention):
    """Attention that the decoder state alone decides on: `a = softmax(W s)`, a row of W a position.

    Luong et al. 2015 (arXiv 1508.04025), section 3.1, equation 8. As their footnote says, a short
    source uses the first rows of W, and words after the last row are never read.

    Tutorials write `softmax(W [y; s])`, of the embedding y that the step reads and the state
    before the step; here s is the state after the step, which is made of both. If `[h_j; s]` with
    the memory h were meant, and W were one vector for all positions, the term of s would be the
    same for all of them, and the softmax would cancel it: this is `TrainedQueryAttention`.

    Args:
        positions: Number of rows of W.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, positions, **kwargs):
        super().__init__(**kwargs)
        self.positions = positions
        self.projection = Dense(positions, use_bias=False, name="positions")

    def build(self, query_shape):
        """Creates W for queries `[N, T, H]`."""
        self.projection.build(query_shape)
        self.built = True

    def weigh(self, parameters, queries, keys, mask, state):
        """See `Attention.weigh`."""
        mask = ops.logical_and(mask, ops.arange(ops.shape(mask)[-1]) < self.positions)
        return masked_softmax(self.energies(parameters, queries, keys, state), mask)

    def energies(self, parameters, queries, keys, state):
        """See `Attention.energies`; energies after the last row of W are 0."""
        energies, length = self.projection.step(queries, parameters), ops.shape(keys)[1]
        missing = ops.maximum(length - self.positions, 0)
        return tf.pad(energies, [[0, 0], [0, 0], [0, missing]])[:, :, :length]

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "positions": self.positions}
