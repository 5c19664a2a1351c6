"""A check inside a graph that a number is finite."""

import tensorflow as tf

MARK = "kseq: not a finite number:"


def require_finite(number, name):
    """Returns a scalar unchanged, if it is finite.

    Everything that is computed from the result waits for the check.

    Args:
        number: A scalar.
        name: What it is, for `find_not_finite`.

    Raises:
        tf.errors.InvalidArgumentError: When the graph runs: the number is not finite.
    """
    check = tf.debugging.Assert(tf.math.is_finite(number), [f"{MARK} {name};"])
    # Eagerly, there is no operation to wait for.
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(number)


def find_not_finite(error):
    """Returns the name of the number that was not finite, or None if that was not the error.

    Args:
        error: A `tf.errors.OpError`.
    """
    _, mark, rest = str(error).partition(MARK)
    return rest.partition(";")[0].strip() if mark else None
