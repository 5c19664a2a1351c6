"""Drawing at random from distributions, with given random numbers."""

import tensorflow as tf


def draw(probabilities, random_numbers):
    """Draws an index from each distribution: the first at which the running sum exceeds a number.

    Args:
        probabilities: Probabilities, which need not add up to 1, float32 `[N, C]`.
        random_numbers: Numbers from 0 up to but excluding 1, float32 `[N]`.

    Returns:
        Indices, int32 `[N]`.
    """
    sums = tf.cumsum(probabilities, axis=1)
    threshold = random_numbers[:, None] * sums[:, -1:]
    drawn = tf.reduce_sum(tf.cast(sums <= threshold, tf.int32), axis=1)
    # The product can be rounded up to the last sum.
    return tf.minimum(drawn, tf.shape(probabilities)[1] - 1)
