"""A loop over steps with a backward pass of its own.

Autodiff of a loop keeps every tensor of every step, adds the gradient of every kernel up step by
step, and converts all kernels in every step. Here a step keeps its state, and what went into the
large products and came out of them; all else is made anew on the way back. The gradients of the
kernels are one product each, behind the loop.
"""

import contextlib
import contextvars

import keras
import tensorflow as tf

_products = contextvars.ContextVar("products", default=None)


def product(inputs, kernel):
    """Multiplies, within a step.

    Args:
        inputs: `[..., I]`.
        kernel: A Keras variable `[I, O]`; each is used once in a step.

    Returns:
        `[..., O]`, float32 at least; within a loop multiplied in the type of its inputs, outside
        in that of `inputs` or of the kernel, whichever is smaller.
    """
    products = _products.get()
    if products is not None and kernel.path in products.names:
        return precise(products.multiply(inputs, kernel.path))
    factors = inputs, kernel.value
    smaller = min((factor.dtype for factor in factors), key=lambda dtype: dtype.size)
    return precise(_multiply(*(tf.cast(factor, smaller) for factor in factors)))


def precise(tensor):
    """A tensor in float32 at least: in what is summed up, or squashed, step by step."""
    return tf.cast(tensor, keras.backend.result_type(tensor.dtype, "float32"))


def batch_product(inputs, constant, name, transpose=False):
    """Multiplies every row with a matrix of its own, within a step.

    Args:
        inputs: `[B, Q, I]`.
        constant: One of the constants of the loop: `[B, I, O]`, or transposed `[B, O, I]`.
        name: Its name; each is used once in a step.
        transpose: Whether it is transposed.

    Returns:
        `[B, Q, O]`.
    """
    products = _products.get()
    if products is not None and name in products.names:
        return products.multiply(inputs, name, constant, transpose)
    return tf.matmul(inputs, constant, transpose_b=transpose)


def dense(layer, inputs):
    """A `keras.layers.Dense`, within a step."""
    outputs = product(inputs, layer.kernel)
    if layer.use_bias:
        outputs += tf.cast(layer.bias.value, outputs.dtype)
    return layer.activation(outputs)


def recur(step, inputs, state, constants, kernels, vectors, batched, dtypes, keeps):
    """Runs a step over all inputs.

    Args:
        step: A function of inputs (a list of `[N, ...]`), a state and constants to outputs (a
            tuple of tensors `[N, ...]`) and the new state.
        inputs: What every step reads: a list of `[T, N, ...]`.
        state: The state before the first step, nested tensors `[N, ...]`.
        constants: What all steps read: a dict of tensors.
        kernels: The Keras variables of the step that `product` multiplies with.
        vectors: All its other Keras variables.
        batched: Names of the constants that `batch_product` multiplies with, and nothing else.
        dtypes: Types of the outputs.
        keeps: Whether to keep what the backward pass needs: while training.

    Returns:
        Outputs of all steps, a list of `[T, N, ...]`, and the last state.
    """
    loop = _Loop(step, state, list(constants), kernels, vectors, batched, dtypes)
    leaves = keras.tree.flatten(state)
    weights = [variable.value for variable in (*kernels, *vectors)]
    given = [inputs, leaves, list(constants.values()), weights]
    if not keeps:
        outputs, leaves, _ = loop.forward(*given, keeps=False)
        return outputs, keras.tree.pack_sequence_as(state, leaves)

    @tf.custom_gradient
    def run(*tensors):
        parts = split(tensors, *map(len, given))
        outputs, last, kept = loop.forward(*parts, keeps=True)

        def gradient(*upstream):
            return loop.backward(*parts, kept, *split(upstream, len(outputs), len(last)))

        return [*outputs, *last], gradient

    outputs, leaves = split(run(*sum(map(list, given), [])), len(dtypes), len(leaves))
    return outputs, keras.tree.pack_sequence_as(state, leaves)


class _Loop:
    """A step as a function of flat lists of tensors, and the loops over it; see `recur`."""

    def __init__(self, step, state, names, kernels, vectors, batched, dtypes):
        self._step = step
        self._state = state
        self._names = names
        self._paths = [kernel.path for kernel in kernels]
        self._vectors = vectors
        self._batched = batched
        self._dtypes = dtypes

    def forward(self, inputs, leaves, constants, weights, keeps):
        """Outputs, the last leaves of the state, and arrays of what is kept: leaves, products."""
        kernels, vectors = self._cast(weights, inputs[0].dtype)

        def body(time, leaves, arrays):
            products = _Products(kernels, self._batched)
            now = [each[time] for each in inputs]
            outputs, new = self._run(now, leaves, constants, vectors, products)
            kept = [*leaves, *products.inputs, *products.outputs] if keeps else []
            return time + 1, new, written(arrays, time, [*outputs, *kept])

        dtypes = list(self._dtypes)
        if keeps:
            dtypes += [leaf.dtype for leaf in leaves]
            dtypes += 2 * [inputs[0].dtype] * (len(kernels) + len(self._batched))
        length = tf.shape(inputs[0])[0]
        _, leaves, arrays = tf.while_loop(
            lambda time, *_: time < length,
            body,
            (tf.constant(0), list(leaves), arrays_of(dtypes, length)),
        )
        count = len(self._dtypes)
        return [array.stack() for array in arrays[:count]], leaves, arrays[count:]

    def backward(self, inputs, leaves, constants, weights, kept, upstream, last):
        """Gradients of all that `forward` was given; None for what is no real number."""
        kernels, vectors = self._cast(weights, inputs[0].dtype)
        kernels = {path: tf.transpose(kernel) for path, kernel in kernels.items()}
        count = len(kernels) + len(self._batched)
        states, read, made = split(kept, len(leaves), count, count)
        is_real = [leaf.dtype.is_floating for leaf in leaves]
        is_added = [name not in self._batched for name in self._names]
        transposed = set()

        def body(time, later, totals, arrays):
            products = _Products(kernels, self._batched, [array.read(time) for array in made])
            now = [[each[time] for each in inputs], [array.read(time) for array in states]]
            now += [[tf.identity(each) for each in part] for part in (constants, vectors)]
            sources = [now[0], _those(is_real, now[1]), _those(is_added, now[2]), now[3]]
            with tf.GradientTape() as tape:
                tape.watch(sources)
                outputs, new = self._run(*now, products)
            found = tape.gradient(
                [*outputs, *_those(is_real, new)],
                sources,
                [*(each[time] for each in upstream), *later],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            for gradient, leaf in zip(found[1], later):
                gradient.set_shape(leaf.shape)
            totals = [
                total + tf.cast(more, total.dtype)
                for total, more in zip(totals, [*found[2], *found[3]])
            ]
            transposed.update(products.transposed)
            arrays = written(arrays, time, [*found[0], *products.upstream])
            return time - 1, found[1], totals, arrays

        length = tf.shape(inputs[0])[0]
        added = [*_those(is_added, constants), *vectors]
        dtypes = [each.dtype for each in inputs] + [inputs[0].dtype] * count
        _, first, totals, arrays = tf.while_loop(
            lambda time, *_: time >= 0,
            body,
            (
                length - 1,
                _those(is_real, last),
                [precise(tf.zeros_like(each)) for each in added],
                arrays_of(dtypes, length),
            ),
        )
        totals = iter(tf.cast(total, each.dtype) for total, each in zip(totals, added))
        first = iter(first)
        stacked = [array.stack() for array in arrays]
        pairs = [(array.stack(), up) for array, up in zip(read, stacked[len(inputs) :])]
        of_batches = {
            name: _batch_gradient(*pair, name in transposed)
            for name, pair in zip(self._batched, pairs[len(kernels) :])
        }
        return [
            *stacked[: len(inputs)],
            *(next(first) if real else None for real in is_real),
            *(of_batches[name] if name in of_batches else next(totals) for name in self._names),
            *(
                _kernel_gradient(*pair, kernel)
                for pair, kernel in zip(pairs, weights[: len(kernels)])
            ),
            *totals,
        ]

    def _cast(self, weights, dtype):
        """Kernels by path, in the type of the products, and the vectors as they are."""
        kernels, vectors = split(weights, len(self._paths), len(self._vectors))
        return {path: tf.cast(each, dtype) for path, each in zip(self._paths, kernels)}, vectors

    def _run(self, inputs, leaves, constants, vectors, products):
        state = keras.tree.pack_sequence_as(self._state, leaves)
        constants = dict(zip(self._names, constants))
        mapping = list(zip(self._vectors, vectors))
        with products.used(), keras.StatelessScope(state_mapping=mapping):
            outputs, state = self._step(inputs, state, constants)
        return list(outputs), keras.tree.flatten(state)


class _Products:
    """The large products of one step.

    Args:
        kernels: Tensors `[I, O]` by the path of their variable; on the way back `[O, I]`.
        batched: Names of constants that rows are multiplied with.
        outputs: What the products gave on the way forth, while going back.
    """

    def __init__(self, kernels, batched, outputs=None):
        self.kernels = kernels
        self.names = [*kernels, *batched]
        self._goes_back = outputs is not None
        self.transposed = set()
        self._inputs, self._upstream = {}, {}
        self._outputs = dict(zip(self.names, outputs)) if self._goes_back else {}

    @contextlib.contextmanager
    def used(self):
        """Makes `product` and `batch_product` multiply here."""
        token = _products.set(self)
        try:
            yield
        finally:
            _products.reset(token)

    def multiply(self, inputs, name, matrix=None, transpose=False):
        """The product, or what it was; notes what went in and out, or its gradient."""
        matrix = self.kernels.get(name, matrix)
        inputs = tf.cast(inputs, matrix.dtype)
        if transpose:
            self.transposed.add(name)
        if not self._goes_back:
            self._inputs[name] = inputs
            self._outputs[name] = _multiply(inputs, matrix, transpose)
            return self._outputs[name]

        @tf.custom_gradient
        def known(inputs):
            def gradient(upstream):
                self._upstream[name] = upstream
                return _multiply(upstream, matrix, not (transpose or name in self.kernels))

            return tf.identity(self._outputs[name]), gradient

        return known(inputs)

    @property
    def inputs(self):
        return [self._inputs[name] for name in self.names]

    @property
    def outputs(self):
        return [self._outputs[name] for name in self.names]

    @property
    def upstream(self):
        return [self._upstream[name] for name in self.names]


def _multiply(inputs, matrix, transpose=False):
    if inputs.shape.rank == matrix.shape.rank:
        return tf.matmul(inputs, matrix, transpose_b=transpose)
    rows = tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), matrix, transpose_b=transpose)
    return tf.reshape(rows, tf.concat([tf.shape(inputs)[:-1], rows.shape[1:]], axis=0))


def _kernel_gradient(inputs, upstream, kernel):
    """`Σ xᵀ y` over all steps and rows, for what is `[T, N, ...]`."""
    rows, columns = (tf.reshape(each, [-1, each.shape[-1]]) for each in (inputs, upstream))
    return tf.cast(tf.matmul(rows, columns, transpose_a=True), kernel.dtype)


def _batch_gradient(inputs, upstream, transposed):
    """`Σ xᵀ y`, or `Σ yᵀ x`, over all steps for every row, for what is `[T, B, Q, ...]`."""
    rows, columns = (
        tf.reshape(tf.transpose(each, [1, 0, 2, 3]), [tf.shape(each)[1], -1, tf.shape(each)[-1]])
        for each in (inputs, upstream)
    )
    return tf.matmul(*((columns, rows) if transposed else (rows, columns)), transpose_a=True)


def split(things, *counts):
    """Lists of so many things each."""
    things = iter(things)
    return [[next(things) for _ in range(count)] for count in counts]


def _those(chosen, things):
    return [thing for is_chosen, thing in zip(chosen, things) if is_chosen]


def arrays_of(dtypes, length):
    """Where a loop writes what so many steps make."""
    return [tf.TensorArray(dtype, length, clear_after_read=False) for dtype in dtypes]


def written(arrays, time, tensors):
    """The arrays of a loop with what one of its steps made."""
    return [array.write(time, tensor) for array, tensor in zip(arrays, tensors)]
