"""The recurrent decoders: one step with attention, the loop over it, and layers without a loop."""

import dataclasses

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout
from kseq.kernels.parameters import PLAIN, precise
from kseq.kernels.recurrence import recur
from kseq.models.cells import build_cell, make_cell
from kseq.models.recurrent_layers import make_recurrent_layer
from kseq.models.state import DecoderState, decoder_cell
from kseq.settings.own_parts import OwnPart, describe_part


class LoopDecoder(keras.layers.Layer):
    """A decoder that needs a loop, because every step depends on the attention of an earlier one.

    The product of embeddings and input kernel does not depend on the state, and is computed for all
    steps at once; only attention, context and recurrent products are in the loop. One step and a
    whole target run through the same `step`, which subclasses define.

    Args:
        cell: `"rnn"`, `"gru"`, `"lstm"` or an `OwnPart`.
        units: Width H of the state, and A of the attention.
        attention: The `Mechanism` of attention.
        layers: Number of layers inside the loop.
        residual: Whether each layer except the first adds its input to its output.
        dropout: Share of values dropped between the layers.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, cell, units, attention, *, layers=1, residual=False, dropout=0.0, **kwargs):
        # Keras would also cast the state, parts of which are float32 or int32 under every policy.
        super().__init__(autocast=False, **kwargs)
        self.settings = {
            "cell": cell,
            "units": units,
            "attention": attention,
            "layers": layers,
            "residual": residual,
            "dropout": dropout,
        }
        self.units = units
        self.residual = residual
        numbers = range(1, layers + 1)
        self.cells = [make_cell(cell, units, f"cell_{number}") for number in numbers]
        width = self.cells[0].gates * units
        self.projections = [Dense(width, name=f"inputs_{number}") for number in numbers]
        self.dropouts = [Dropout(dropout, name=f"dropout_{number}") for number in numbers[1:]]
        self.attention = attention.make()

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        """Creates all weights, for the shapes of the arguments of `call`."""
        self.settings["attention"].build(self.attention, self.units)
        for number, (cell, projection) in enumerate(zip(self.cells, self.projections)):
            build_cell(cell)
            projection.build((None, self.units) if number else embedded_shape)
        self.built = True

    def call(self, embedded, state, memory, keys, mask, training=False):
        """Runs over the target.

        Args:
            embedded: Target embeddings `[N, T, E]`; N is B, or B·K if K hypotheses share a memory.
            state: The `DecoderState` before the first step.
            memory: Encoder outputs `[B, S, D]`.
            keys: What the attention compares queries with, `[B, S, A]`.
            mask: Whether a source position is real, boolean `[B, S]`.
            training: Whether dropout is applied.

        Returns:
            Outputs of the top layer `[N, T, H]`, contexts `[N, T, D]`, attention weights,
            float32 `[N, T, S]`, and the `DecoderState` after the last step.
        """
        # Keras passes a list to a decoder that it has cloned, or read from the decoder's own file.
        state = DecoderState(*state)
        # The dropout factors of all steps are drawn at once, outside the loop.
        shape = (*ops.shape(embedded)[:2], self.units)
        dropouts = self.dropouts if training else []
        factors = [
            dropout(ops.ones(shape, self.compute_dtype), training=True) for dropout in dropouts
        ]
        inputs = [self.projections[0](embedded), *factors]
        dtypes = keras.tree.map_structure(lambda tensor: tensor.dtype, state)
        state = keras.tree.map_structure(_precise_if_real, state)
        source = [memory, self.attention.cast_keys(keys), mask]
        if embedded.shape[1] == 1:
            inputs = [tensor[:, 0] for tensor in inputs]
            outputs, state = self._run_step(PLAIN, inputs, state, *source)
            outputs = [ops.expand_dims(tensor, 1) for tensor in outputs]
        else:
            outputs, state = self._run_loop(inputs, state, source, training)
        return *outputs, keras.tree.map_structure(tf.cast, state, dtypes)

    def step(self, parameters, inputs, state, source):
        """Runs one step; everything except the factors of products is at least float32.

        Args:
            parameters: `Parameters` of the step.
            inputs: Projected embeddings `[N, G·H]`; while training, also the dropout factors
                `[N, H]` between the layers.
            state: The `DecoderState` before the step.
            source: Memory `[B, S, D]`, keys `[B, S, A]` and mask `[B, S]`.

        Returns:
            A tuple of output `[N, H]`, context `[N, D]` and weights `[N, S]`, and the new
            `DecoderState`.
        """
        raise NotImplementedError

    def attend(self, parameters, query, source, state):
        """Reads the memory with one query for each row.

        Args:
            parameters: `Parameters` of the step.
            query: `[N, H]`.
            source: Memory, keys and mask, as in `step`.
            state: The attention state.

        Returns:
            Context `[N, D]`, weights `[N, S]` and the new attention state.
        """
        memory, keys, mask = source
        query = ops.expand_dims(query, 1)
        context, weights, state = self.attention(
            query, keys, memory, mask, state, parameters=parameters
        )
        return ops.squeeze(context, 1), ops.squeeze(weights, 1), state

    def run_cells(self, parameters, inputs, factors, states):
        """Runs one step of all layers.

        Args:
            parameters: `Parameters` of the step.
            inputs: Projected inputs of the bottom layer, `[N, G·H]`.
            factors: Dropout factors between the layers, a list of `[N, H]`, or empty.
            states: The state of each layer's cell.

        Returns:
            The output of the top layer `[N, H]`, and the new states.
        """
        new_states = [self.cells[0](inputs, states[0], parameters=parameters)]
        output = new_states[0][0]
        for number in range(1, len(self.cells)):
            below = output * factors[number - 1] if factors else output
            inputs = self.projections[number].step(below, parameters)
            new_states.append(self.cells[number](inputs, states[number], parameters=parameters))
            output = new_states[number][0]
            if self.residual:
                output = output + below
        return output, new_states

    def _run_step(self, parameters, inputs, state, *source):
        """Runs `step` on inputs of any float type, and casts its outputs to the types of `call`."""
        inputs = [precise(tensor) for tensor in inputs]
        outputs, state = self.step(parameters, inputs, state, source)
        dtypes = self._output_dtypes(source[0])
        return [tf.cast(output, dtype) for output, dtype in zip(outputs, dtypes)], state

    def _run_loop(self, inputs, state, source, training):
        """Runs over inputs `[N, T, ...]`; returns outputs `[N, T, ...]` and the last state."""
        memory, keys, _ = source
        outputs, state = recur(
            self._run_step,
            [tf.transpose(tensor, [1, 0, 2]) for tensor in inputs],
            state,
            source,
            dtypes=self._output_dtypes(memory),
            training=training,
        )
        outputs = [tf.transpose(output, [1, 0, 2]) for output in outputs]
        for output, width in zip(outputs, (self.units, memory.shape[-1], keys.shape[1])):
            output.set_shape([None, None, width])
        return outputs, state

    def _output_dtypes(self, memory):
        """Types of the outputs, contexts and weights."""
        return self.compute_dtype, memory.dtype, tf.float32

    def compute_output_spec(self, embedded, state, memory, keys, mask, training=False):
        """Returns shapes and types of the results of `call`."""
        rows, length = embedded.shape[:2]
        widths = self.units, memory.shape[-1], memory.shape[1]
        return (
            *(
                keras.KerasTensor((rows, length, width), dtype)
                for width, dtype in zip(widths, (self.compute_dtype, memory.dtype, "float32"))
            ),
            keras.tree.map_structure(
                lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), state
            ),
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        attention = keras.saving.serialize_keras_object(self.settings["attention"])
        cell = self.settings["cell"]
        cell = dataclasses.asdict(cell) if isinstance(cell, OwnPart) else cell
        return {**super().get_config(), **self.settings, "attention": attention, "cell": cell}

    @classmethod
    def from_config(cls, config):
        """Makes a decoder with the arguments of `get_config`."""
        attention = keras.saving.deserialize_keras_object(config["attention"])
        cell = describe_part("cell", config["cell"]) or config["cell"]
        return super().from_config({**config, "attention": attention, "cell": cell})


@keras.saving.register_keras_serializable("kseq")
class BahdanauDecoder(LoopDecoder):
    """Recurrent decoder whose cell reads the context of the same step.

    Bahdanau et al. 2015 (arXiv 1409.0473), section 3.1: the query is the state before the
    step, `c_i = attention(s_{i-1})`, `s_i = cell(s_{i-1}, [y_{i-1}; c_i])`. With several layers
    the query is the state of the top one, and the context enters the bottom one.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        width = self.cells[0].gates * self.units
        self.context_projection = Dense(width, use_bias=False, name="context")

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        """See `LoopDecoder.build`."""
        super().build(embedded_shape, state_shape, memory_shape, keys_shape)
        self.context_projection.build((None, memory_shape[-1]))

    def step(self, parameters, inputs, state, source):
        """See `LoopDecoder.step`."""
        embedded, *factors = inputs
        query = state.cells[-1][0]
        context, weights, attention = self.attend(parameters, query, source, state.attention)
        embedded = embedded + self.context_projection.step(context, parameters)
        output, cells = self.run_cells(parameters, embedded, factors, state.cells)
        return (output, context, weights), state._replace(cells=cells, attention=attention)


@keras.saving.register_keras_serializable("kseq")
class InputFeedingDecoder(LoopDecoder):
    """Recurrent decoder that attends after its cells and feeds the result to the next step.

    Luong et al. 2015 (arXiv 1508.04025), section 3 and 3.3: `h_t = cell(h_{t-1}, [y_{t-1};
    h̃_{t-1}])`, `c_t = attention(h_t)` and the output `h̃_t = tanh(W [c_t; h_t])`, equation 5.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        width = self.cells[0].gates * self.units
        self.fed_projection = Dense(width, use_bias=False, name="fed")
        self.attentional = attentional_layer(self.units)

    def build(self, embedded_shape, state_shape, memory_shape, keys_shape):
        """See `LoopDecoder.build`."""
        super().build(embedded_shape, state_shape, memory_shape, keys_shape)
        self.fed_projection.build((None, self.units))
        self.attentional.build((None, memory_shape[-1] + self.units))

    def step(self, parameters, inputs, state, source):
        """See `LoopDecoder.step`."""
        embedded, *factors = inputs
        embedded = embedded + self.fed_projection.step(state.fed, parameters)
        hidden, cells = self.run_cells(parameters, embedded, factors, state.cells)
        context, weights, attention = self.attend(parameters, hidden, source, state.attention)
        both = ops.concatenate([precise(context), hidden], axis=-1)
        output = self.attentional.step(both, parameters)
        state = state._replace(cells=cells, fed=output, attention=attention)
        return (output, context, weights), state


@keras.saving.register_keras_serializable("kseq")
class ContextFeedingDecoder(BahdanauDecoder):
    """Recurrent decoder that attends after its cells and feeds the context to the next step.

    See et al. 2017 (arXiv 1704.04368), section 2.1: `s_t = cell(s_{t-1}, [x_t; c_{t-1}])` and
    `c_t = attention(s_t)`; before the first step the context is 0.
    """

    def step(self, parameters, inputs, state, source):
        """See `LoopDecoder.step`."""
        embedded, *factors = inputs
        embedded = embedded + self.context_projection.step(state.fed, parameters)
        output, cells = self.run_cells(parameters, embedded, factors, state.cells)
        context, weights, attention = self.attend(parameters, output, source, state.attention)
        state = state._replace(cells=cells, fed=precise(context), attention=attention)
        return (output, context, weights), state


def attentional_layer(units):
    """Makes the layer of `h̃ = tanh(W [c; h])`, Luong et al. 2015 (arXiv 1508.04025), equation 5."""
    return Dense(units, activation="tanh", use_bias=False, name="attentional_state")


def run_layers(config, first, sequence, states, context=None):
    """Runs ordinary recurrent layers over the whole target, outside the loop with attention.

    Args:
        config: `ModelConfig`.
        first: Number of the first of these layers, from 1; the last is `decoder_layers`.
        sequence: Input of the first layer, `[N, T, E]`, a symbolic tensor.
        states: The state of each layer, a list of lists of `[N, H]`.
        context: Contexts that every layer reads in addition to its input, `[N, T, D]`, or None.

    Returns:
        Outputs `[N, T, H]` and the last states.
    """
    last_states = []
    for number, state in enumerate(states, start=first):
        below = sequence
        if number > 1:
            name = f"decoder_dropout_{number}"
            below = Dropout(config.dropout, name=name)(below)
        name = f"decoder_layer_{number}"
        layer = make_recurrent_layer(decoder_cell(config), config.units, name)
        inputs = below if context is None else ops.concatenate([below, context], axis=-1)
        sequence, *last_state = layer(inputs, initial_state=list(state))
        if config.residual and number > 1:
            sequence = sequence + below
        last_states.append(last_state)
    return sequence, last_states


def _precise_if_real(tensor):
    """Casts a tensor of the state to at least float32, unless it holds integers."""
    return precise(tensor) if tensor.dtype.is_floating else tensor
