"""Recurrent layers over whole sequences, with a backward pass of their own.

Autodiff of a loop keeps every tensor of every step, and makes the gradient of the recurrent
kernel as a sum of small products. Here a step keeps its gates alone, and that gradient is one
large product behind the loop. States and gates are float32 at least, whatever the products are
in. Where there is cuDNN it serves in place of all this.
"""

import keras
import tensorflow as tf

from kseq.models.recurrence import precise, written


class _OwnLoop:
    """Puts a loop of ours into a layer of Keras.

    Subclasses define a step, of projected inputs and the recurrent product, and its gradient.
    """

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if getattr(self, "use_cudnn", False) and tf.config.list_logical_devices("GPU"):
            return super().inner_loop(sequences, initial_state, mask, training)
        (mask,) = keras.tree.flatten(mask) or [None]
        steps = tf.transpose(sequences, [1, 0, 2])
        is_real = None if mask is None else tf.transpose(mask)[:, :, None]
        if self.go_backwards:
            steps = tf.reverse(steps, [0])
            is_real = None if mask is None else tf.reverse(is_real, [0])
        states = [precise(state) for state in keras.tree.flatten(initial_state)]
        outputs, *states = self._scan(steps, is_real, states)
        last_output = outputs[-1]
        if mask is not None:
            outputs = tf.where(is_real, outputs, tf.zeros_like(outputs))  # as from cuDNN
        outputs = tf.transpose(outputs, [1, 0, 2])
        outputs.set_shape([*sequences.shape[:2], self.units])
        return last_output, outputs, states

    def _scan(self, steps, is_real, states):
        kernel, recurrent_kernel = (
            tf.cast(weight, steps.dtype)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel)
        )
        bias, recurrent_bias = self.biases(states[0].dtype)
        inputs = precise(tf.tensordot(steps, kernel, 1)) + bias
        return _scan(self, inputs, is_real, recurrent_kernel, recurrent_bias, states)

    def biases(self, dtype):
        """Of the inputs, and of the recurrent product."""
        bias = tf.cast(self.cell.bias, dtype)
        return bias, tf.zeros_like(bias)


@keras.saving.register_keras_serializable("kseq")
class SimpleRNN(_OwnLoop, keras.layers.SimpleRNN):
    """`h = tanh(x + U h')` for projected inputs x: Elman 1990, as in Keras."""

    kept_count = 0

    @staticmethod
    def step(inputs, recurrent, states):
        return [tf.tanh(inputs + recurrent)], []

    @staticmethod
    def step_back(kept, before, after, upstream):
        inner = upstream[0] * (1.0 - tf.square(after[0]))
        return inner, inner, [tf.zeros_like(inner)]


@keras.saving.register_keras_serializable("kseq")
class GRU(_OwnLoop, keras.layers.GRU):
    """Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8, reset gate after the product."""

    kept_count = 4

    def biases(self, dtype):
        return tf.unstack(tf.cast(self.cell.bias, dtype))

    @staticmethod
    def step(inputs, recurrent, states):
        (before,) = states
        inputs = tf.split(inputs, 3, axis=-1)
        update, reset, product = tf.split(recurrent, 3, axis=-1)
        update, reset = tf.sigmoid(inputs[0] + update), tf.sigmoid(inputs[1] + reset)
        candidate = tf.tanh(inputs[2] + reset * product)
        return [candidate + update * (before - candidate)], [update, reset, candidate, product]

    @staticmethod
    def step_back(kept, before, after, upstream):
        update, reset, candidate, product = kept
        (upstream,) = upstream
        inner = upstream * (1.0 - update) * (1.0 - tf.square(candidate))
        gates = [
            upstream * (before[0] - candidate) * update * (1.0 - update),
            inner * product * reset * (1.0 - reset),
        ]
        return (
            tf.concat([*gates, inner], axis=-1),
            tf.concat([*gates, inner * reset], axis=-1),
            [upstream * update],
        )


@keras.saving.register_keras_serializable("kseq")
class LSTM(_OwnLoop, keras.layers.LSTM):
    """Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in Keras."""

    kept_count = 4

    @staticmethod
    def step(inputs, recurrent, states):
        parts = tf.split(inputs + recurrent, 4, axis=-1)
        write, forget, output = (tf.sigmoid(parts[gate]) for gate in (0, 1, 3))
        candidate = tf.tanh(parts[2])
        memory = forget * states[1] + write * candidate
        return [output * tf.tanh(memory), memory], [write, forget, candidate, output]

    @staticmethod
    def step_back(kept, before, after, upstream):
        write, forget, candidate, output = kept
        squashed = tf.tanh(after[1])
        memory = upstream[1] + upstream[0] * output * (1.0 - tf.square(squashed))
        parts = [
            memory * candidate * write * (1.0 - write),
            memory * before[1] * forget * (1.0 - forget),
            memory * write * (1.0 - tf.square(candidate)),
            upstream[0] * squashed * output * (1.0 - output),
        ]
        gate = tf.concat(parts, axis=-1)
        return gate, gate, [tf.zeros_like(memory), memory * forget]


LAYERS = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}


def _scan(layer, inputs, is_real, recurrent_kernel, recurrent_bias, states):
    """Runs a layer over steps.

    Args:
        layer: Has `step` and `step_back`.
        inputs: Projected `[S, N, G]`, G wide as all gates.
        is_real: Whether a step is to be done, boolean `[S, N, 1]`, or None for all.
        recurrent_kernel: `[H, G]`, of the type that products are made in.
        recurrent_bias: `[G]`.
        states: The state before the first step, a list of `[N, H]`.

    Returns:
        Hidden states `[S, N, H]`, then the last state.
    """

    @tf.custom_gradient
    def run(inputs, kernel, bias, *states):
        history, kept = _forward(layer, inputs, is_real, kernel, bias, states)

        def gradient(outputs, *last):
            before = [
                tf.concat([state[None], part[:-1]], axis=0) for state, part in zip(states, history)
            ]
            gates, recurrent, first = _backward(
                layer, kernel, is_real, history, kept, before, outputs, last
            )
            rows = tf.reshape(tf.cast(before[0], kernel.dtype), [-1, kernel.shape[0]])
            columns = tf.reshape(recurrent, [-1, kernel.shape[1]])
            products = tf.matmul(rows, tf.cast(columns, kernel.dtype), transpose_a=True)
            return gates, products, tf.reduce_sum(columns, axis=0), *first

        return (history[0], *(part[-1] for part in history)), gradient

    return run(inputs, recurrent_kernel, recurrent_bias, *states)


def _forward(layer, inputs, is_real, kernel, bias, states):
    """All states, and what the steps keep: lists of `[S, N, ...]`."""

    def body(time, states, arrays):
        recurrent = precise(tf.matmul(tf.cast(states[0], kernel.dtype), kernel))
        new, kept = layer.step(inputs[time], recurrent + bias, states)
        if is_real is not None:
            new = [tf.where(is_real[time], after, before) for after, before in zip(new, states)]
        return time + 1, new, written(arrays, time, [*new, *kept])

    length = tf.shape(inputs)[0]
    arrays = _arrays(len(states) + layer.kept_count, bias.dtype, length)
    _, _, arrays = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), list(states), arrays)
    )
    stacked = [array.stack() for array in arrays]
    return stacked[: len(states)], stacked[len(states) :]


def _backward(layer, kernel, is_real, history, kept, before, upstream, last):
    """Gradients of inputs and of recurrent products `[S, N, G]`, and of the first state."""
    transposed = tf.transpose(kernel)  # once, not in every product

    def body(time, gradients, arrays):
        gradients = [gradients[0] + upstream[time], *gradients[1:]]
        new = gradients
        if is_real is not None:
            new = [
                tf.where(is_real[time], gradient, tf.zeros_like(gradient)) for gradient in gradients
            ]
        at_time = ([part[time] for part in parts] for parts in (kept, before, history))
        inputs, recurrent, direct = layer.step_back(*at_time, new)
        product = tf.matmul(tf.cast(recurrent, kernel.dtype), transposed)
        direct[0] += precise(product)
        if is_real is not None:
            direct = [
                tf.where(is_real[time], gradient, passed)
                for gradient, passed in zip(direct, gradients)
            ]
        return time - 1, direct, written(arrays, time, [inputs, recurrent])

    length = tf.shape(upstream)[0]
    _, gradients, arrays = tf.while_loop(
        lambda time, *_: time >= 0,
        body,
        (length - 1, list(last), _arrays(2, upstream.dtype, length)),
    )
    inputs, recurrent = (array.stack() for array in arrays)
    return inputs, recurrent, gradients


def _arrays(count, dtype, length):
    return [tf.TensorArray(dtype, length) for _ in range(count)]
