"""The free run of a model of real values: each prediction is the input of the next step."""

import tensorflow as tf

from kseq.search.history import array_shapes, make_arrays, stack_batch_first
from kseq.search.hypotheses import varying_shape

LONGEST_PREDICTION = 100_000  # steps


def free_run(step, state, constants, first, steps, attention_spec, *, make_input=None):
    """Predicts real values, each from those before it.

    Args:
        step: Function of the previous values `[B, F]` (or what `make_input` makes of them), a
            state and the constants that returns the next values `[B, F]`, the new state and the
            attention, as in `search`.
        state: Initial state, a nest of tensors `[B, ...]`.
        constants: Tensors that every step reads, a nest of tensors `[B, ...]`.
        first: Input of the first step, `[B, F]`.
        steps: Number of steps T, at least 1, int32.
        attention_spec: As in `search`.
        make_input: Function from the number of a step, from 0, and the previous values to the
            input of the step, which may hold more than these values.

    Returns:
        Values `[B, T, F]` and the attention, a nest of `[B, T, ...]`.
    """

    def extend(time, values, state, history):
        read = make_input(time, values) if make_input else values
        values, state, attention = step(read, state, constants)
        history = tf.nest.map_structure(
            lambda array, tensor: array.write(time, tensor), history, (values, attention)
        )
        return time + 1, values, state, history

    values_spec = tf.TensorSpec([first.shape[-1]], first.dtype)
    history = make_arrays((values_spec, attention_spec), [None])
    *_, history = tf.while_loop(
        lambda time, *_: time < steps,
        extend,
        (tf.constant(0), first, state, history),
        shape_invariants=(
            tf.TensorShape([]),
            first.shape,
            varying_shape(state),
            array_shapes(history),
        ),
    )
    return tf.nest.map_structure(lambda array: stack_batch_first(array, 1), history)
