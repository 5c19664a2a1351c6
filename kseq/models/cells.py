"""The recurrent cells: their equations and derivatives, and one step of each in a decoder.

A cell is defined on *sums*, the arguments of its gates' activations, each `[N, H]`. Most are an
input plus a recurrent product. `equations` computes the new state from them, and `derivatives`
computes their gradients from the tensors that `equations` saved.
"""

from typing import Any

import keras
import tensorflow as tf

from kseq.kernels.initializers import Orthogonal
from kseq.kernels.parameters import PLAIN, UnchangedVariables, precise
from kseq.kernels.scan import add_up
from kseq.settings.own_parts import tried_out


class Cell(keras.layers.Layer):
    """Base class of the cells: one step on projected inputs, with one kernel for all gates.

    A cell of one's own is a subclass, registered with Keras, whose constructor passes `**kwargs` on
    (docs/own_parts.md). It defines `gates`, what differs of the other attributes, and `equations`,
    which may read weights that its `build` has added. It needs no `derivatives`: without them,
    autodiff differentiates the equations, step by step. With them it cannot have such weights.

    Attributes:
        gates: Number of gates G.
        state_count: Number of tensors in the state.
        saved_count: Number of tensors that `equations` saves.
        sums_of_inputs: For each gate, the index of the sum that its input belongs to.
        sums_of_products: The same for its recurrent product.

    Args:
        units: Width H of the state; None in a description of a cell, for which the model chooses.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    gates = state_count = 1
    saved_count = 0
    sums_of_inputs = sums_of_products = (0,)

    def __init__(self, units: int | None = None, **kwargs: Any) -> None:
        # Gates and state are at least float32, whatever type the product is computed in.
        super().__init__(autocast=False, **kwargs)
        self.units = units

    @staticmethod
    def equations(sums, state):
        """Computes the new state.

        Args:
            sums: A list of `[N, H]`.
            state: The state before the step, a list of `[N, H]`, the hidden state first.

        Returns:
            The new state, and a list of tensors `[N, H]` that `derivatives` needs.
        """
        raise NotImplementedError

    @staticmethod
    def derivatives(saved, before, after, upstream):
        """Computes the gradients of `equations`.

        Args:
            saved: The tensors that `equations` saved, a list of `[N, H]`.
            before: The state before the step, a list of `[N, H]`.
            after: The new state, likewise.
            upstream: Gradients of the new state, likewise.

        Returns:
            Gradients of the sums, and of the state before the step where it enters the equations
            directly, both lists of `[N, H]`.
        """
        raise NotImplementedError

    def build(self, input_shape=None):
        """Creates the recurrent kernel `[H, G·H]`."""
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.gates * self.units),
            initializer=Orthogonal,
        )
        self.built = True

    def call(self, inputs, state, parameters=PLAIN):
        """Runs one step.

        Args:
            inputs: Projected inputs of all gates side by side, `[N, G·H]`.
            state: The state before the step, a list of `[N, H]`.
            parameters: `Parameters` of the step.

        Returns:
            The new state, a list of `[N, H]`.
        """
        products = parameters.multiply(state[0], self.recurrent_kernel)
        new_state, _ = self.equations(self.add_up(inputs, products, parameters), state)
        return new_state

    def add_up(self, inputs, products, parameters):
        """Returns the sums, for inputs and recurrent products of all gates `[N, G·H]`."""
        inputs, products = (tf.split(terms, self.gates, axis=-1) for terms in (inputs, products))
        return add_up(self, inputs, products)

    @property
    def has_derivatives(self):
        """Whether the class has derivatives; otherwise autodiff takes their place."""
        return type(self).derivatives is not Cell.derivatives

    @property
    def state_size(self):
        """The widths of the state, as Keras' recurrent layers ask for them."""
        return [self.units] * self.state_count

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}


class RNNCell(Cell):
    """Simple recurrent cell of Elman 1990: `h = tanh(x + U h')`."""

    @staticmethod
    def equations(sums, state):
        """See `Cell.equations`; the state is `[hidden]`."""
        return [tf.tanh(sums[0])], []

    @staticmethod
    def derivatives(saved, before, after, upstream):
        """See `Cell.derivatives`."""
        inner = _tanh_gradient(after[0], upstream[0])
        return [inner], [tf.zeros_like(inner)]

    def add_up(self, inputs, products, parameters):
        """See `Cell.add_up`."""
        return [inputs + products]


class GRUCell(Cell):
    """Gated recurrent unit.

    Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8, with the reset gate applied after the
    recurrent product, as in `keras.layers.GRU`. The order of the gates is update, reset, candidate.
    The candidate has two sums, because the reset gate multiplies only its product.
    """

    gates = 3
    saved_count = 4
    sums_of_inputs, sums_of_products = (0, 1, 2), (0, 1, 3)

    @staticmethod
    def equations(sums, state):
        """See `Cell.equations`; the state is `[hidden]`."""
        (hidden,) = state
        update, reset = tf.sigmoid(sums[0]), tf.sigmoid(sums[1])
        candidate = tf.tanh(sums[2] + reset * sums[3])
        return [candidate + update * (hidden - candidate)], [update, reset, candidate, sums[3]]

    @staticmethod
    def derivatives(saved, before, after, upstream):
        """See `Cell.derivatives`."""
        update, reset, candidate, product = saved
        (hidden_gradient,) = upstream
        direct = hidden_gradient * update
        inner = _tanh_gradient(candidate, hidden_gradient - direct)
        sum_gradients = [
            _sigmoid_gradient(update, hidden_gradient * (before[0] - candidate)),
            _sigmoid_gradient(reset, inner * product),
            inner,
            inner * reset,
        ]
        return sum_gradients, [direct]

    def build(self, input_shape=None):
        """Creates the recurrent kernel, and the bias `[H]` of the candidate's product."""
        super().build(input_shape)
        self.recurrent_bias = self.add_weight(
            name="recurrent_bias", shape=(self.units,), initializer="zeros"
        )

    def add_up(self, inputs, products, parameters):
        """See `Cell.add_up`."""
        update, reset, candidate = tf.split(inputs, 3, axis=-1)
        products = tf.split(products, 3, axis=-1)
        bias = precise(parameters.value(self.recurrent_bias))
        return [update + products[0], reset + products[1], candidate, products[2] + bias]


class LSTMCell(Cell):
    """Long short-term memory.

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in
    `keras.layers.LSTM`. The order of the gates is input, forget, candidate, output.
    """

    gates = saved_count = 4
    state_count = 2
    sums_of_inputs = sums_of_products = (0, 1, 2, 3)

    @staticmethod
    def equations(sums, state):
        """See `Cell.equations`; the state is `[hidden, cell state]`."""
        write, forget, output = (tf.sigmoid(sums[gate]) for gate in (0, 1, 3))
        candidate = tf.tanh(sums[2])
        cell_state = forget * state[1] + write * candidate
        return [output * tf.tanh(cell_state), cell_state], [write, forget, candidate, output]

    @staticmethod
    def derivatives(saved, before, after, upstream):
        """See `Cell.derivatives`."""
        write, forget, candidate, output = saved
        squashed = tf.tanh(after[1])
        cell_gradient = upstream[1] + _tanh_gradient(squashed, upstream[0] * output)
        sum_gradients = [
            _sigmoid_gradient(write, cell_gradient * candidate),
            _sigmoid_gradient(forget, cell_gradient * before[1]),
            _tanh_gradient(candidate, cell_gradient * write),
            _sigmoid_gradient(output, upstream[0] * squashed),
        ]
        return sum_gradients, [tf.zeros_like(cell_gradient), cell_gradient * forget]

    def build(self, input_shape=None):
        """Creates the recurrent kernel, and the bias `[H]` of the forget gate."""
        super().build(input_shape)
        self.forget_bias = self.add_weight(
            name="forget_bias", shape=(self.units,), initializer="ones"
        )

    def add_up(self, inputs, products, parameters):
        """See `Cell.add_up`."""
        write, forget, candidate, output = tf.split(inputs + products, 4, axis=-1)
        return [write, forget + precise(parameters.value(self.forget_bias)), candidate, output]


CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}


def cell_class(kind):
    """Returns the class of a cell, for a key of `CELLS` or the `OwnPart` of another."""
    return CELLS[kind] if isinstance(kind, str) else kind.find("cell")


def make_cell(kind, units, name):
    """Makes a cell of a kind, as in `cell_class`, with a width and a name."""
    if isinstance(kind, str):
        return CELLS[kind](units, name=name)
    return kind.make("cell", units=units, name=name)


def build_cell(cell):
    """Creates the weights of a cell; one that is not in kseq is checked with a tiny step.

    Raises:
        ValueError: The cell does not do what `Cell` promises.
    """
    cell.build()
    if type(cell) not in CELLS.values():
        with tf.init_scope():
            _check(cell)


def _check(cell):
    """Checks a cell with zeros in two rows, which builds the layers inside it."""
    name, shape = type(cell).__name__, (2, cell.units)
    counts = len(cell.sums_of_inputs), len(cell.sums_of_products)
    if counts != (cell.gates, cell.gates):
        raise ValueError(
            f"expected the cell {name} to have an entry in sums_of_inputs and in sums_of_products "
            f"for each of its {cell.gates} gates; received {counts[0]} and {counts[1]}"
        )
    indices = sorted({*cell.sums_of_inputs, *cell.sums_of_products})
    if indices != list(range(len(indices))):
        raise ValueError(
            f"expected the cell {name} to number its sums from 0 without a gap, in sums_of_inputs "
            f"and sums_of_products; received {indices}"
        )
    if cell.has_derivatives and len(cell.weights) > 1:
        raise ValueError(
            f"expected the cell {name} to have no weights of its own, which would get no gradient "
            "from its derivatives; leave the derivatives out, or the weights"
        )
    dtype = precise(tf.zeros([], cell.compute_dtype)).dtype
    state = [tf.zeros(shape, dtype) for _ in range(cell.state_count)]
    inputs = tf.zeros([2, cell.gates * cell.units], dtype)
    remark = (
        "; its equations must return two lists: the new state, and what its derivatives need, "
        "which may be empty"
    )
    with tried_out(f"the cell {name}", "equations", remark):
        cell(inputs, state)
        with UnchangedVariables():
            new_state = cell(inputs, state, training=True)
    shapes = [tuple(tensor.shape) for tensor in new_state]
    if shapes != [shape] * cell.state_count:
        raise ValueError(
            f"expected the equations of the cell {name} to return a list with a new state of "
            f"{cell.state_count} tensors {list(shape)} (its state_count), and a list of what its "
            f"derivatives need, which may be empty; received a state of shapes {shapes}"
        )


def _tanh_gradient(outputs, upstream):
    """`(1 - y²) u` in one operation."""
    return tf.raw_ops.TanhGrad(y=outputs, dy=upstream)


def _sigmoid_gradient(outputs, upstream):
    """`y (1 - y) u` in one operation."""
    return tf.raw_ops.SigmoidGrad(y=outputs, dy=upstream)
