"""Recurrent layers over whole sequences: Keras' own, run by the loop of `kernels/scan.py`.

A cell of a user is run by the loop of `kernels/recurrence.py`, which needs no derivatives.
"""

import keras
import tensorflow as tf

from kseq.kernels.dense import Dense
from kseq.kernels.initializers import Orthogonal
from kseq.kernels.parameters import matrix_product, precise
from kseq.kernels.recurrence import recur
from kseq.kernels.scan import ScanOperands, run_step, scan
from kseq.models.cells import GRUCell, LSTMCell, RNNCell, build_cell, make_cell


class _ScanMixin:
    """Replaces the loop of a Keras recurrent layer, except on a GPU, where cuDNN runs it.

    States and gates are at least float32, whatever type the products are computed in. (With
    float16 on cuDNN, the states between two steps are float16.)

    Attributes:
        equations: The class of the cell, one of `kseq.models.cells`.
    """

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Runs over sequences, as Keras calls it.

        Args:
            sequences: `[N, S, E]`.
            initial_state: The state before the first step, a nest of `[N, H]`.
            mask: Whether a step is real, boolean `[N, S]`, or None.
            training: Whether a backward pass follows.

        Returns:
            The last output `[N, H]`, all outputs `[N, S, H]`, 0 on padding, and the last state, a
            list of `[N, H]`.
        """
        (mask,) = keras.tree.flatten(mask) or [None]
        if sequences.shape[1] == 1 and mask is None and not training:
            return self._run_step(sequences, initial_state)
        if getattr(self, "use_cudnn", False) and tf.config.list_logical_devices("GPU"):
            return self._run_cudnn(sequences, initial_state, mask, training)
        steps = tf.transpose(sequences, [1, 0, 2])
        is_real = None if mask is None else tf.transpose(mask)[:, :, None]
        if self.go_backwards:
            steps = tf.reverse(steps, [0])
            is_real = None if mask is None else tf.reverse(is_real, [0])
        states = [precise(state) for state in keras.tree.flatten(initial_state)]
        operands = self._project(steps, states)
        outputs, *states = scan(self.equations, operands, is_real, training)
        last_output = outputs[-1]
        if mask is not None:
            outputs = tf.where(is_real, outputs, tf.zeros_like(outputs))  # as cuDNN does
        outputs = tf.transpose(outputs, [1, 0, 2])
        outputs.set_shape([*sequences.shape[:2], self.units])
        return last_output, outputs, states

    def _run_step(self, sequences, initial_state):
        """Runs one step `[N, 1, E]`, as `inner_loop` does.

        In a search, splitting the kernels would take longer than multiplying by them, and so would
        packing them for cuDNN.
        """
        states = [precise(state) for state in keras.tree.flatten(initial_state)]
        factors = sequences[:, 0], tf.cast(states[0], sequences.dtype)
        kernels = self.cell.kernel, self.cell.recurrent_kernel
        inputs, products = (
            precise(tf.matmul(factor, tf.cast(kernel, factor.dtype)))
            for factor, kernel in zip(factors, kernels)
        )
        bias, recurrent_biases = self._biases(states[0].dtype)
        operands = tf.split(inputs + bias, self.equations.gates, axis=-1)
        products = tf.split(products, self.equations.gates, axis=-1)
        states = run_step(self.equations, operands, products, recurrent_biases, states)
        return states[0], states[0][:, None], states

    def _run_cudnn(self, sequences, initial_state, mask, training):
        """Runs over sequences on cuDNN, as `inner_loop` does."""

        def run(sequences, initial_state):
            return super(_ScanMixin, self).inner_loop(
                sequences, initial_state, mask=mask, training=training
            )

        if sequences.dtype == tf.bfloat16:
            run = _Float32(run)
        return run(sequences, keras.tree.flatten(initial_state))

    def _project(self, steps, states):
        """Projects the inputs `[S, N, E]` of all steps, gate by gate; returns `ScanOperands`."""
        gates = self.equations.gates
        kernels, recurrent_kernels = (
            tf.split(tf.cast(weight, steps.dtype), gates, axis=-1)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel)
        )
        biases, recurrent_biases = self._biases(states[0].dtype)
        inputs = [
            precise(matrix_product(steps, kernel)) + bias
            for kernel, bias in zip(kernels, tf.split(biases, gates))
        ]
        return ScanOperands(inputs, recurrent_kernels, recurrent_biases, states)

    def _biases(self, dtype):
        """The bias of the inputs `[G·H]`, and the `biases` of `ScanOperands`."""
        return tf.cast(self.cell.bias, dtype), []


class _Float32(keras.layers.Layer):
    """Calls a function under Keras' float32 policy, which casts tensors and variables.

    Most versions of cuDNN have no recurrent layers in bfloat16, and TensorFlow runs those of the
    others without tensor cores, which float32 does use (as TensorFloat-32).

    Args:
        function: A function of tensors.
    """

    def __init__(self, function):
        super().__init__(dtype="float32")
        self._function = function

    def call(self, sequences, initial_state):
        """Returns the result of the function, for sequences `[N, S, E]` and a list of states."""
        return self._function(sequences, initial_state)


@keras.saving.register_keras_serializable("kseq")
class SimpleRNN(_ScanMixin, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with the equations of `RNNCell`."""

    equations = RNNCell


@keras.saving.register_keras_serializable("kseq")
class GRU(_ScanMixin, keras.layers.GRU):
    """`keras.layers.GRU` with the equations of `GRUCell`."""

    equations = GRUCell

    def _biases(self, dtype):
        biases, recurrent = tf.unstack(tf.cast(self.cell.bias, dtype))
        # The biases of the update and reset gates belong to the same sums as the inputs.
        terms = tf.concat([recurrent[: -self.units], tf.zeros([self.units], dtype)], axis=0)
        return biases + terms, [recurrent[-self.units :]]


@keras.saving.register_keras_serializable("kseq")
class LSTM(_ScanMixin, keras.layers.LSTM):
    """`keras.layers.LSTM` with the equations of `LSTMCell`."""

    equations = LSTMCell


LAYERS = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}


@keras.saving.register_keras_serializable("kseq")
class CellRNN(keras.layers.RNN):
    """A recurrent layer with any `Cell`: its inputs are projected outside of the loop.

    Args:
        cell: `Cell`.
        **kwargs: Arguments of `keras.layers.RNN`.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(cell, **kwargs)
        self.projection = Dense(cell.gates * cell.units, name="inputs")

    def build(self, sequences_shape, initial_state_shape=None):
        """Creates all weights, for sequences `[N, S, E]`."""
        self.projection.build(sequences_shape)
        build_cell(self.cell)
        self.built = True

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Runs over sequences, as Keras calls it: see `_ScanMixin.inner_loop`."""
        (mask,) = keras.tree.flatten(mask) or [None]
        steps = tf.transpose(self.projection(sequences), [1, 0, 2])
        is_real = tf.ones([tf.shape(steps)[0], 1, 1], tf.bool)
        if mask is not None:
            is_real = tf.transpose(mask)[:, :, None]
        if self.go_backwards:
            steps, is_real = tf.reverse(steps, [0]), tf.reverse(is_real, [0])
        states = [precise(state) for state in keras.tree.flatten(initial_state)]
        run = self._scan if self.cell.has_derivatives else self._recur
        outputs, states = run(steps, states, is_real, training)
        last_output = outputs[-1]
        outputs = tf.where(is_real, outputs, tf.zeros_like(outputs))
        outputs = tf.transpose(outputs, [1, 0, 2])
        outputs.set_shape([*sequences.shape[:2], self.cell.units])
        return last_output, outputs, states

    def _scan(self, steps, states, is_real, training):
        """Runs over projected inputs `[S, N, G·H]`; returns outputs `[S, N, H]` and last states."""
        kernel = tf.cast(self.cell.recurrent_kernel, steps.dtype)
        inputs, kernels = (
            tf.split(tensor, self.cell.gates, axis=-1) for tensor in (precise(steps), kernel)
        )
        operands = ScanOperands(inputs, kernels, [], states)
        outputs, *states = scan(self.cell, operands, is_real, training)
        return outputs, states

    def _recur(self, steps, states, is_real, training):
        """Does the same as `_scan`, for a cell without derivatives."""

        def run_step(parameters, inputs, state):
            new_state = self.cell(precise(inputs[0]), state, parameters=parameters)
            # A number, because the loop computes a gradient for each of its inputs.
            is_real = inputs[1] > 0
            new_state = [tf.where(is_real, *pair) for pair in zip(new_state, state)]
            return [tf.cast(new_state[0], inputs[0].dtype)], new_state

        inputs = [steps, tf.cast(is_real, steps.dtype)]
        (outputs,), states = recur(
            run_step, inputs, states, [], dtypes=[steps.dtype], training=training
        )
        return outputs, states


def make_recurrent_layer(kind, units, name):
    """Makes a layer that returns its outputs and its last state.

    Args:
        kind: A key of `LAYERS`, or the `OwnPart` of a cell.
        units: Width H.
        name: Name of the layer.
    """
    returns = {"return_sequences": True, "return_state": True, "name": name}
    if isinstance(kind, str):
        return LAYERS[kind](units, recurrent_initializer=Orthogonal, **returns)
    return CellRNN(make_cell(kind, units, "cell"), **returns)
