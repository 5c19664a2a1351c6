"""Recurrent layers: the encoder stack, and the attention decoder with the loop over its step."""

import keras
import tensorflow as tf
from keras import ops

from kseq.attention import BahdanauAttention


def recurrent_encoder(cell, units, layers, dropout):
    """Makes the bidirectional encoder stack as a function of embeddings and mask.

    Args:
        cell: `"gru"` or `"lstm"`.
        units: Width D of the output; half of it for each direction.
        layers: Number of layers.
        dropout: Share of values dropped between layers.

    Returns:
        A function of embeddings `[B, S, E]` and mask `[B, S]` that returns the memory
        `[B, S, D]`, both directions side by side and 0 on padding, and the last states of the
        top layer, a list of `[B, D]`: one for a GRU, hidden and cell state for an LSTM.
    """
    layer_class = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]

    def encode(sequence, mask):
        for number in range(layers):
            if number:
                name = f"between_{number}_and_{number + 1}"
                sequence = keras.layers.Dropout(dropout, name=name)(sequence)
            sequence, *states = keras.layers.Bidirectional(
                layer_class(units // 2, return_sequences=True, return_state=True),
                name=f"encoder_layer_{number + 1}",
            )(sequence, mask=mask)
        half = len(states) // 2
        # An explicit product, so that padding is 0 and no implicit mask goes any further.
        memory = sequence * ops.expand_dims(ops.cast(mask, sequence.dtype), -1)
        return memory, [
            ops.concatenate(both, axis=-1) for both in zip(states[:half], states[half:])
        ]

    return encode


class GRUCell(keras.layers.Layer):
    """Gated recurrent unit over inputs that are already projected.

    Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8, with the reset gate applied after the
    recurrent product, as in `keras.layers.GRU`. Gates stand in the order update, reset,
    candidate.

    Args:
        units: Width H of the state.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    gates = 3
    state_count = 1

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape=None):
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.gates * self.units),
            initializer="orthogonal",
        )
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=(self.units,), initializer="zeros"
        )
        self.built = True

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
        recurrent = ops.split(ops.matmul(hidden, self.recurrent_kernel), 3, axis=-1)
        update = ops.sigmoid(update + recurrent[0])
        reset = ops.sigmoid(reset + recurrent[1])
        candidate = ops.tanh(candidate + reset * (recurrent[2] + self.recurrent_bias))
        return [candidate + update * (hidden - candidate)]


class LSTMCell(keras.layers.Layer):
    """Long short-term memory over inputs that are already projected.

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in
    `keras.layers.LSTM`. Gates stand in the order input, forget, candidate, output.

    Args:
        units: Width H of the state.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    gates = 4
    state_count = 2

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape=None):
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.gates * self.units),
            initializer="orthogonal",
        )
        self.forget_bias = self.add_weight(
            name="forget_bias", shape=(self.units,), initializer="ones"
        )
        self.built = True

    def call(self, inputs, state):
        """One step.

        Args:
            inputs: Projected inputs `[N, 4H]`.
            state: `[hidden, memory]`, each `[N, H]`.

        Returns:
            The new state, likewise.
        """
        hidden, memory = state
        gates = inputs + ops.matmul(hidden, self.recurrent_kernel)
        write, forget, candidate, output = ops.split(gates, 4, axis=-1)
        memory = ops.sigmoid(forget + self.forget_bias) * memory
        memory = memory + ops.sigmoid(write) * ops.tanh(candidate)
        return [ops.sigmoid(output) * ops.tanh(memory), memory]


CELLS = {"gru": GRUCell, "lstm": LSTMCell}


@keras.saving.register_keras_serializable("kseq")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent decoder whose cell reads the context of the same step.

    Bahdanau et al. 2015 (arXiv 1409.0473), section 3.1: the query is the state before the
    step, `c_i = attention(s_{i-1})`, `s_i = cell(s_{i-1}, [y_{i-1}; c_i])`.

    What does not hang on the state, the product of embeddings and input kernel, is done for
    all steps at once; the loop holds attention, context and recurrent products only. One step
    and a whole target run through the same `_step`.

    Args:
        cell: `"gru"` or `"lstm"`.
        units: Width H of the state, and A of the attention.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, cell, units, **kwargs):
        super().__init__(**kwargs)
        self.cell_name = cell
        self.units = units
        self.cell = CELLS[cell](units, name="cell")
        self.attention = BahdanauAttention(units, name="attention")
        width = self.cell.gates * units
        self.embedding_projection = keras.layers.Dense(width, name="embedding")
        self.context_projection = keras.layers.Dense(width, use_bias=False, name="context")

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        self.embedding_projection.build(embedded_shape)
        self.context_projection.build((None, memory_shape[-1]))
        self.attention.build((None, self.units))
        self.cell.build()
        self.built = True

    def call(self, embedded, state, memory, keys, mask):
        """Runs over the target.

        Args:
            embedded: Target embeddings `[N, T, E]`; N is B, or B·K where K hypotheses share
                a memory.
            state: Initial state: `[hidden]`, or `[hidden, memory]` for an LSTM, each `[N, H]`.
            memory: Encoder outputs `[B, S, D]`.
            keys: Projected memory `[B, S, A]`.
            mask: Whether a source position is real, boolean `[B, S]`.

        Returns:
            Hidden states `[N, T, H]`, contexts `[N, T, D]`, attention weights, float32
            `[N, T, S]`, and the last state, a list of `[N, H]`.
        """
        inputs = self.embedding_projection(embedded)
        if inputs.shape[1] == 1:
            state, context, weights = self._step(inputs[:, 0], state, memory, keys, mask)
            outputs = [ops.expand_dims(x, 1) for x in (state[0], context, weights)]
        else:
            outputs, state = self._loop(inputs, state, memory, keys, mask)
        return (*outputs, list(state))

    def _step(self, inputs, state, memory, keys, mask):
        context, weights = self.attention(state[0], keys, memory, mask)
        state = self.cell(inputs + self.context_projection(context), state)
        return state, context, weights

    def _loop(self, inputs, state, memory, keys, mask):
        length = tf.shape(inputs)[1]
        inputs = tf.TensorArray(inputs.dtype, length).unstack(tf.transpose(inputs, [1, 0, 2]))

        def body(time, state, outputs):
            state, context, weights = self._step(inputs.read(time), state, memory, keys, mask)
            outputs = [
                array.write(time, output)
                for array, output in zip(outputs, (state[0], context, weights))
            ]
            return time + 1, state, outputs

        dtypes = (state[0].dtype, memory.dtype, tf.float32)
        _, state, outputs = tf.while_loop(
            lambda time, *_: time < length,
            body,
            (tf.constant(0), list(state), [tf.TensorArray(dtype, length) for dtype in dtypes]),
        )
        outputs = [tf.transpose(array.stack(), [1, 0, 2]) for array in outputs]
        widths = (self.units, memory.shape[-1], keys.shape[1])
        for output, width in zip(outputs, widths):
            output.set_shape([None, None, width])
        return outputs, state

    def compute_output_spec(self, embedded, state, memory, keys, mask):
        rows, length = embedded.shape[:2]
        widths = (self.units, memory.shape[-1], memory.shape[1])
        dtypes = (state[0].dtype, memory.dtype, "float32")
        return (
            *(
                keras.KerasTensor((rows, length, width), dtype)
                for width, dtype in zip(widths, dtypes)
            ),
            [keras.KerasTensor((rows, self.units), tensor.dtype) for tensor in state],
        )

    def get_config(self):
        return {**super().get_config(), "cell": self.cell_name, "units": self.units}
