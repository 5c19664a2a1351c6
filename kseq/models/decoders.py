"""The recurrent decoder: one step with attention, the loop over it, and layers without a loop.

The state of a decoder is a dict: `cells`, a list of states for each layer; `fed`, what the
last step feeds to the next one; `progress`, what the attention remembers.
"""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout
from kseq.kernels.initializers import Orthogonal
from kseq.kernels.recurrence import dense, precise, recur
from kseq.kernels.recurrent_layers import LAYERS
from kseq.models.attention import make_attention
from kseq.models.cells import CELLS


class LoopDecoder(keras.layers.Layer):
    """A decoder of which every step needs the attention of a step before: it runs in a loop.

    What does not hang on the state, the product of embeddings and input kernel, is done for
    all steps at once; the loop holds attention, context and recurrent products only. One step
    and a whole target run through the same `step`, which subclasses define.

    Args:
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        units: Width H of the state, and A of the attention.
        attention: Kind of attention, one of `ModelConfig.attention`.
        layers: Number of layers inside the loop.
        residual: Whether a layer's input, from the second on, is added to its output.
        window: Half width of the window of local attention.
        dropout: Share of values dropped between the layers.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, cell, units, attention, layers=1, residual=False, window=10, dropout=0.0, **kwargs
    ):
        # Keras would cast the progress, which may be float32 whatever the layer computes in.
        super().__init__(autocast=False, **kwargs)
        self.settings = {
            "cell": cell,
            "units": units,
            "attention": attention,
            "layers": layers,
            "residual": residual,
            "window": window,
            "dropout": dropout,
        }
        self.units = units
        self.residual = residual
        numbers = range(1, layers + 1)
        self.cells = [CELLS[cell](units, name=f"cell_{number}") for number in numbers]
        width = self.cells[0].gates * units
        self.projections = [Dense(width, name=f"inputs_{number}") for number in numbers]
        self.dropouts = [Dropout(dropout, name=f"dropout_{number}") for number in numbers[1:]]
        self.attention = make_attention(attention, units, window)

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        self.attention.build((None, None, self.units))
        for number, (cell, projection) in enumerate(zip(self.cells, self.projections)):
            cell.build()
            projection.build((None, self.units) if number else embedded_shape)
        self.built = True

    def call(self, embedded, state, memory, keys, mask, training=False):
        """Runs over the target.

        Args:
            embedded: Target embeddings `[N, T, E]`; N is B, or B·K where K hypotheses share
                a memory.
            state: The state before the first step; tensors `[N, ...]`.
            memory: Encoder outputs `[B, S, D]`.
            keys: What the attention compares queries with, `[B, S, A]`.
            mask: Whether a source position is real, boolean `[B, S]`.
            training: Whether values are dropped.

        Returns:
            Outputs of the top layer `[N, T, H]`, contexts `[N, T, D]`, attention weights,
            float32 `[N, T, S]`, and the state after the last step.
        """
        source = memory, keys, mask
        # Whether a value is dropped is drawn for all steps at once, outside the loop.
        shape = (*ops.shape(embedded)[:2], self.units)
        dropouts = self.dropouts if training else []
        kept = [dropout(ops.ones(shape, self.compute_dtype), training=True) for dropout in dropouts]
        inputs = [self.projections[0](embedded), *kept]
        dtypes = keras.tree.map_structure(lambda tensor: tensor.dtype, state)
        state = keras.tree.map_structure(_precise_number, state)
        if embedded.shape[1] == 1:
            outputs, state = self._step([tensor[:, 0] for tensor in inputs], state, *source)
            outputs = [ops.expand_dims(tensor, 1) for tensor in outputs]
        else:
            outputs, state = self._loop(inputs, state, source, training)
        return *outputs, keras.tree.map_structure(tf.cast, state, dtypes)

    def step(self, inputs, state, memory, keys, mask):
        """One step, float32 at least but for what it multiplies.

        Args:
            inputs: Projected embeddings `[N, gates·H]`; while training, also the factors that
                drop values between layers, `[N, H]` each.
            state: The state before.
            memory: As in `call`.
            keys: As in `call`.
            mask: As in `call`.

        Returns:
            A tuple of output `[N, H]`, context `[N, D]` and weights `[N, S]`, and the state.
        """
        raise NotImplementedError

    def read(self, query, keys, memory, mask, progress):
        """The attention of one query `[N, H]`: context, weights and progress."""
        query = ops.expand_dims(query, 1)
        context, weights, progress = self.attention(query, keys, memory, mask, progress)
        return ops.squeeze(context, 1), ops.squeeze(weights, 1), progress

    def run_cells(self, inputs, kept, states):
        """One step of the stack: output of the top layer `[N, H]`, and all new states."""
        output = states[0] = self.cells[0](inputs, states[0])
        for number in range(1, len(self.cells)):
            below = output[0] * kept[number - 1] if kept else output[0]
            inputs = dense(self.projections[number], below)
            states[number] = self.cells[number](inputs, states[number])
            output = [states[number][0] + below if self.residual else states[number][0]]
        return output[0], states

    def _step(self, inputs, state, memory, keys, mask):
        """A step from what layers compute in, and back to it."""
        inputs = [precise(tensor) for tensor in inputs]
        outputs, state = self.step(inputs, state, memory, keys, mask)
        dtypes = self.compute_dtype, memory.dtype, tf.float32
        return [tf.cast(output, dtype) for output, dtype in zip(outputs, dtypes)], state

    def _loop(self, inputs, state, source, training):
        memory, keys, mask = source
        known = {id(weight) for weight in (*self.kernels(), *self.projections[0].weights)}
        outputs, state = recur(
            lambda inputs, state, constants: self._step(inputs, state, **constants, mask=mask),
            [tf.transpose(tensor, [1, 0, 2]) for tensor in inputs],
            state,
            {"memory": memory, "keys": self.attention.cast_keys(keys)},
            self.kernels(),
            [weight for weight in self.weights if id(weight) not in known],
            ["memory", "keys"] if self.attention.multiplies_keys else ["memory"],
            (self.compute_dtype, memory.dtype, tf.float32),
            training,
        )
        outputs = [tf.transpose(output, [1, 0, 2]) for output in outputs]
        for output, width in zip(outputs, (self.units, memory.shape[-1], keys.shape[1])):
            output.set_shape([None, None, width])
        return outputs, state

    def kernels(self):
        """Variables that a step multiplies with, once each."""
        return [
            *(cell.recurrent_kernel for cell in self.cells),
            *(projection.kernel for projection in self.projections[1:]),
            *self.attention.kernels(),
        ]

    def compute_output_spec(self, embedded, state, memory, keys, mask, training=False):
        rows, length = embedded.shape[:2]
        specs = (
            (self.units, self.compute_dtype),
            (memory.shape[-1], memory.dtype),
            (memory.shape[1], "float32"),
        )
        return (
            *(keras.KerasTensor((rows, length, width), dtype) for width, dtype in specs),
            keras.tree.map_structure(
                lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), state
            ),
        )

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("kseq")
class BahdanauDecoder(LoopDecoder):
    """Recurrent decoder whose cell reads the context of the same step.

    Bahdanau et al. 2015 (arXiv 1409.0473), section 3.1: the query is the state before the
    step, `c_i = attention(s_{i-1})`, `s_i = cell(s_{i-1}, [y_{i-1}; c_i])`. With several layers
    the query is the state of the top one and the context enters the bottom one.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        width = self.cells[0].gates * self.units
        self.context_projection = keras.layers.Dense(width, use_bias=False, name="context")

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        super().build(embedded_shape, state_shape, memory_shape, keys_shape)
        self.context_projection.build((None, memory_shape[-1]))

    def kernels(self):
        return [*super().kernels(), self.context_projection.kernel]

    def step(self, inputs, state, memory, keys, mask):
        inputs, *kept = inputs
        query = state["cells"][-1][0]
        context, weights, progress = self.read(query, keys, memory, mask, state["progress"])
        inputs = inputs + dense(self.context_projection, context)
        output, states = self.run_cells(inputs, kept, list(state["cells"]))
        return (output, context, weights), {"cells": states, "progress": progress}


@keras.saving.register_keras_serializable("kseq")
class InputFeedingDecoder(LoopDecoder):
    """Recurrent decoder that attends after its cells and feeds the result to the next step.

    Luong et al. 2015 (arXiv 1508.04025), section 3 and 3.3: `h_t = cell(h_{t-1}, [y_{t-1};
    h̃_{t-1}])`, `c_t = attention(h_t)` and the output `h̃_t = tanh(W [c_t; h_t])`, equation 5.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        width = self.cells[0].gates * self.units
        self.fed_projection = keras.layers.Dense(width, use_bias=False, name="fed")
        self.attentional = attentional_layer(self.units)

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        super().build(embedded_shape, state_shape, memory_shape, keys_shape)
        self.fed_projection.build((None, self.units))
        self.attentional.build((None, memory_shape[-1] + self.units))

    def kernels(self):
        return [*super().kernels(), self.fed_projection.kernel, self.attentional.kernel]

    def step(self, inputs, state, memory, keys, mask):
        inputs, *kept = inputs
        inputs = inputs + dense(self.fed_projection, state["fed"])
        hidden, states = self.run_cells(inputs, kept, list(state["cells"]))
        context, weights, progress = self.read(hidden, keys, memory, mask, state["progress"])
        output = dense(self.attentional, ops.concatenate([precise(context), hidden], axis=-1))
        state = {"cells": states, "fed": output, "progress": progress}
        return (output, context, weights), state


def _precise_number(tensor):
    """A part of the state in float32 at least, unless it counts something."""
    return precise(tensor) if tensor.dtype.is_floating else tensor


def attentional_layer(units):
    """`h̃ = tanh(W [c; h])`, Luong et al. 2015 (arXiv 1508.04025), equation 5."""
    return keras.layers.Dense(units, activation="tanh", use_bias=False, name="attentional_state")


def recurrent_layers(config, cell, first, sequence, states, context=None):
    """Runs ordinary recurrent layers over the whole target, outside the loop with attention.

    Args:
        config: `ModelConfig`.
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        first: Number of the first of these layers, from 1; the last is `decoder_layers`.
        sequence: What the first one reads, `[N, T, E]`, a symbolic tensor.
        states: The state of each layer, a list of lists of `[N, H]`.
        context: What every layer reads beside the one below, `[N, T, D]`, or None.

    Returns:
        Outputs `[N, T, H]` and the last states.
    """
    last_states = []
    for number, state in enumerate(states, start=first):
        below = sequence
        if number > 1:
            name = f"decoder_dropout_{number}"
            below = Dropout(config.dropout, name=name)(below)
        layer = LAYERS[cell](
            config.units,
            recurrent_initializer=Orthogonal,
            return_sequences=True,
            return_state=True,
            name=f"decoder_layer_{number}",
        )
        inputs = below if context is None else ops.concatenate([below, context], axis=-1)
        sequence, *last = layer(inputs, initial_state=list(state))
        if config.residual and number > 1:
            sequence = sequence + below
        last_states.append(last)
    return sequence, last_states
