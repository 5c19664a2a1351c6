"""Recurrent cells over inputs that are already projected: one step of each."""

import keras
from keras import ops

from kseq.kernels.initializers import Orthogonal
from kseq.kernels.recurrence import precise, product


class Cell(keras.layers.Layer):
    """What the cells share: a recurrent kernel for all gates side by side.

    Args:
        units: Width H of the state.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    gates = 1
    state_count = 1

    def __init__(self, units, **kwargs):
        # Gates and state are float32 at least, whatever the product is made in.
        super().__init__(autocast=False, **kwargs)
        self.units = units

    def build(self, input_shape=None):
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.gates * self.units),
            initializer=Orthogonal,
        )
        self.built = True


class RNNCell(Cell):
    """Simple recurrent cell, `h = tanh(x + U h')`, of Elman 1990."""

    def call(self, inputs, state):
        """One step.

        Args:
            inputs: Projected inputs `[N, H]`.
            state: `[hidden]`, `[N, H]`.

        Returns:
            The new state, likewise.
        """
        return [ops.tanh(inputs + product(state[0], self.recurrent_kernel))]


class GRUCell(Cell):
    """Gated recurrent unit.

    Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8, with the reset gate applied after the
    recurrent product, as in `keras.layers.GRU`. Gates stand in the order update, reset,
    candidate.
    """

    gates = 3

    def build(self, input_shape=None):
        super().build(input_shape)
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=(self.units,), initializer="zeros"
        )

    def call(self, inputs, state):
        """One step.

        Args:
            inputs: Projected inputs `[N, 3H]`.
            state: `[hidden]`, `[N, H]`.

        Returns:
            The new state, likewise.
        """
        (hidden,) = state
        update, reset, candidate = ops.split(inputs, 3, axis=-1)
        recurrent = ops.split(product(hidden, self.recurrent_kernel), 3, axis=-1)
        bias = precise(self.recurrent_bias.value)
        update = ops.sigmoid(update + recurrent[0])
        reset = ops.sigmoid(reset + recurrent[1])
        candidate = ops.tanh(candidate + reset * (recurrent[2] + bias))
        return [candidate + update * (hidden - candidate)]


class LSTMCell(Cell):
    """Long short-term memory.

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in
    `keras.layers.LSTM`. Gates stand in the order input, forget, candidate, output.
    """

    gates = 4
    state_count = 2

    def build(self, input_shape=None):
        super().build(input_shape)
        self.forget_bias = self.add_weight(
            name="forget_bias", shape=(self.units,), initializer="ones"
        )

    def call(self, inputs, state):
        """One step.

        Args:
            inputs: Projected inputs `[N, 4H]`.
            state: `[hidden, memory]`, each `[N, H]`.

        Returns:
            The new state, likewise.
        """
        hidden, memory = state
        gates = inputs + product(hidden, self.recurrent_kernel)
        write, forget, candidate, output = ops.split(gates, 4, axis=-1)
        memory = ops.sigmoid(forget + precise(self.forget_bias.value)) * memory
        memory = memory + ops.sigmoid(write) * ops.tanh(candidate)
        return [ops.sigmoid(output) * ops.tanh(memory), memory]


CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}
