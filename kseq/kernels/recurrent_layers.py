"""Recurrent layers over whole sequences, with a backward pass of their own.

Autodiff of a loop keeps every tensor of every step, and makes the gradient of the recurrent
kernel as a sum of small products. Here a step keeps its gates alone, and that gradient is one
large product behind the loop. States and gates are float32 at least, whatever the products are
in. Where there is cuDNN it serves in place of all this.
"""

import collections

import keras
import tensorflow as tf

from kseq.kernels.recurrence import arrays_of, precise, split, written


class _OwnLoop:
    """Puts a loop of ours into a layer of Keras.

    Subclasses define a step, of projected inputs and recurrent products by gate, and its gradient.
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
        outputs, *states = self._scan(steps, is_real, states, training)
        last_output = outputs[-1]
        if mask is not None:
            outputs = tf.where(is_real, outputs, tf.zeros_like(outputs))  # as from cuDNN
        outputs = tf.transpose(outputs, [1, 0, 2])
        outputs.set_shape([*sequences.shape[:2], self.units])
        return last_output, outputs, states

    def _scan(self, steps, is_real, states, training):
        dtype = states[0].dtype
        kernels, recurrent_kernels = (
            tf.split(tf.cast(weight, steps.dtype), self.gates, axis=-1)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel)
        )
        biases, recurrent_biases = self.biases(dtype)
        inputs = [
            precise(tf.tensordot(steps, kernel, 1)) + bias
            for kernel, bias in zip(kernels, tf.split(biases, self.gates))
        ]
        run = _scan if training else _run
        return run(self, inputs, is_real, recurrent_kernels, recurrent_biases, states)

    def biases(self, dtype):
        """Of the inputs `[G]`, and a list of that of the last gate's recurrent product, `[H]`."""
        return tf.cast(self.cell.bias, dtype), []


@keras.saving.register_keras_serializable("kseq")
class SimpleRNN(_OwnLoop, keras.layers.SimpleRNN):
    """`h = tanh(x + U h')` for projected inputs x: Elman 1990, as in Keras."""

    gates, kept_count = 1, 0
    of_inputs = of_products = (0,)

    @staticmethod
    def step(inputs, products, states):
        return [tf.tanh(inputs[0] + products[0])], []

    @staticmethod
    def step_back(kept, before, after, upstream):
        inner = _tanh_gradient(after[0], upstream[0])
        return [inner], [tf.zeros_like(inner)]


@keras.saving.register_keras_serializable("kseq")
class GRU(_OwnLoop, keras.layers.GRU):
    """Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8, reset gate after the product."""

    gates, kept_count = 3, 4
    of_inputs, of_products = (0, 1, 2), (0, 1, 3)

    def biases(self, dtype):
        biases, recurrent = tf.unstack(tf.cast(self.cell.bias, dtype))
        # Those of update and reset gate are added to the same sums.
        added = tf.concat([recurrent[: -self.units], tf.zeros([self.units], dtype)], axis=0)
        return biases + added, [recurrent[-self.units :]]

    @staticmethod
    def step(inputs, products, states):
        (before,) = states
        update, reset = (tf.sigmoid(inputs[gate] + products[gate]) for gate in (0, 1))
        candidate = tf.tanh(inputs[2] + reset * products[2])
        return [candidate + update * (before - candidate)], [update, reset, candidate, products[2]]

    @staticmethod
    def step_back(kept, before, after, upstream):
        update, reset, candidate, product = kept
        (upstream,) = upstream
        passed = upstream * update
        inner = _tanh_gradient(candidate, upstream - passed)
        gates = [
            _sigmoid_gradient(update, upstream * (before[0] - candidate)),
            _sigmoid_gradient(reset, inner * product),
            inner,
            inner * reset,
        ]
        return gates, [passed]


@keras.saving.register_keras_serializable("kseq")
class LSTM(_OwnLoop, keras.layers.LSTM):
    """Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in Keras."""

    gates, kept_count = 4, 4
    of_inputs = of_products = (0, 1, 2, 3)

    @staticmethod
    def step(inputs, products, states):
        parts = [gate + product for gate, product in zip(inputs, products)]
        write, forget, output = (tf.sigmoid(parts[gate]) for gate in (0, 1, 3))
        candidate = tf.tanh(parts[2])
        memory = forget * states[1] + write * candidate
        return [output * tf.tanh(memory), memory], [write, forget, candidate, output]

    @staticmethod
    def step_back(kept, before, after, upstream):
        write, forget, candidate, output = kept
        squashed = tf.tanh(after[1])
        memory = upstream[1] + _tanh_gradient(squashed, upstream[0] * output)
        gates = [
            _sigmoid_gradient(write, memory * candidate),
            _sigmoid_gradient(forget, memory * before[1]),
            _tanh_gradient(candidate, memory * write),
            _sigmoid_gradient(output, upstream[0] * squashed),
        ]
        return gates, [tf.zeros_like(memory), memory * forget]


LAYERS = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}


def _scan(layer, inputs, is_real, kernels, biases, states):
    """Runs a layer over steps, with a backward pass of its own.

    Every gate has products and tensors of its own: to split and to join them, step by step,
    takes longer than the products do.

    Args:
        layer: Has `step` and `step_back`. Of the gradients that the latter returns, those at
            `of_inputs` belong to inputs, those at `of_products` to recurrent products.
        inputs: Projected, for each gate `[S, N, H]`.
        is_real: Whether a step is to be done, boolean `[S, N, 1]`, or None for all.
        kernels: For each gate `[H, H]`, of the type that products are made in.
        biases: That of the recurrent product of the last gate, `[H]`, if it has one: a list.
        states: The state before the first step, a list of `[N, H]`.

    Returns:
        Hidden states `[S, N, H]`, then the last state.
    """

    @tf.custom_gradient
    def run(*tensors):
        inputs, kernels, biases, states = split(tensors, *sizes)
        outputs, last, kept = _forward(layer, inputs, is_real, kernels, biases, states, keeps=True)

        def gradient(outputs, *last):
            gates, first = _backward(layer, kernels, is_real, kept, outputs, last)
            recurrent = [gates[place] for place in layer.of_products]
            rows = _rows(kept.before[0].stack(), kernels[0].dtype)
            of_kernels = [
                tf.matmul(rows, _rows(gate, rows.dtype), transpose_a=True) for gate in recurrent
            ]
            of_biases = [tf.reduce_sum(recurrent[-1], axis=[0, 1]) for _ in biases]
            return *(gates[place] for place in layer.of_inputs), *of_kernels, *of_biases, *first

        return (outputs, *last), gradient

    sizes = len(inputs), len(kernels), len(biases), len(states)
    return run(*inputs, *kernels, *biases, *states)


def _run(layer, inputs, is_real, kernels, biases, states):
    """The same while not training: nothing is kept."""
    outputs, last, _ = _forward(layer, inputs, is_real, kernels, biases, states, keeps=False)
    return outputs, *last


_Kept = collections.namedtuple("_Kept", ["after", "before", "gates"])
_Kept.__doc__ = """What the steps keep, lists of arrays: the state after and before, and gates."""


def _forward(layer, inputs, is_real, kernels, biases, states, keeps):
    """Hidden states `[S, N, H]`, the last state, and what is kept, or None."""

    def body(time, states, arrays):
        hidden = tf.cast(states[0], kernels[0].dtype)
        products = [precise(tf.matmul(hidden, kernel)) for kernel in kernels]
        for bias in biases:
            products[-1] += bias
        new, gates = layer.step([gate[time] for gate in inputs], products, states)
        if is_real is not None:
            new = [tf.where(is_real[time], after, before) for after, before in zip(new, states)]
        made = [*new, *states, *gates] if keeps else new[:1]
        return time + 1, new, written(arrays, time, made)

    length, count = tf.shape(inputs[0])[0], len(states)
    made = 2 * count + layer.kept_count if keeps else 1
    arrays = arrays_of(made * [states[0].dtype], length)
    _, last, arrays = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), list(states), arrays)
    )
    kept = _Kept(*split(arrays, count, count, layer.kept_count)) if keeps else None
    return arrays[0].stack(), last, kept


def _backward(layer, kernels, is_real, kept, upstream, last):
    """Gradients of all that `step_back` names, `[S, N, H]` each, and of the first state."""
    transposed = [tf.transpose(kernel) for kernel in kernels]  # once, not in every product

    def body(time, gradients, arrays):
        gradients = [gradients[0] + upstream[time], *gradients[1:]]
        new = gradients
        if is_real is not None:
            new = [
                tf.where(is_real[time], gradient, tf.zeros_like(gradient)) for gradient in gradients
            ]
        after, before, gates = ([array.read(time) for array in arrays] for arrays in kept)
        found, direct = layer.step_back(gates, before, after, new)
        direct[0] += tf.add_n(
            [
                precise(tf.matmul(tf.cast(found[place], kernel.dtype), kernel))
                for place, kernel in zip(layer.of_products, transposed)
            ]
        )
        if is_real is not None:
            direct = [
                tf.where(is_real[time], gradient, passed)
                for gradient, passed in zip(direct, gradients)
            ]
        return time - 1, direct, written(arrays, time, found)

    length = tf.shape(upstream)[0]
    arrays = arrays_of((1 + max(layer.of_products)) * [upstream.dtype], length)
    _, gradients, arrays = tf.while_loop(
        lambda time, *_: time >= 0, body, (length - 1, list(last), arrays)
    )
    return [array.stack() for array in arrays], gradients


def _tanh_gradient(outputs, upstream):
    """`(1 - y²) u` in one operation."""
    return tf.raw_ops.TanhGrad(y=outputs, dy=upstream)


def _sigmoid_gradient(outputs, upstream):
    """`y (1 - y) u` in one operation."""
    return tf.raw_ops.SigmoidGrad(y=outputs, dy=upstream)


def _rows(tensor, dtype):
    """`[S, N, H]` as `[S·N, H]`."""
    return tf.reshape(tf.cast(tensor, dtype), [-1, tensor.shape[-1]])
