"""Multiplicative attention: dot products of query and keys."""

import keras

from kseq.attention.contract import Attention


@keras.saving.register_keras_serializable("kseq")
class MultiplicativeAttention(Attention):
    """Dot products of query and keys, `e_j = s · k_j`.

    Luong et al. 2015 (arXiv 1508.04025), equation 8: the score "dot" with the memory as keys, and
    "general", `s · W h_j`, with the projected memory. If scaled, energies are divided by `√H`
    (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1).

    Args:
        scaled: Whether energies are divided by the square root of the query's width.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, scaled=False, **kwargs):
        super().__init__(**kwargs)
        self.scaled = scaled

    def energies(self, parameters, queries, keys, state):
        """See `Attention.energies`."""
        if self.scaled:
            queries = queries * queries.shape[-1] ** -0.5
        return parameters.multiply_rows(queries, keys, transpose=True)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scaled": self.scaled}
