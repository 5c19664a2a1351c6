"""Random numbers of training steps, which depend on nothing but the seed and the step.

They have no state that would have to be saved, and are drawn for whole batches, so that they do not
depend on the number of parts or of replicas that a batch is cut into.
"""

import tensorflow as tf

SOURCE_WORDS, TARGET_WORDS, POSITIONS, DRAWN_WORDS = PURPOSES = range(4)


def uniform(shape, seed, step, purpose, place=None):
    """Draws numbers from 0 up to but excluding 1, float32.

    Args:
        shape: Shape of the result, rows first.
        seed: Seed of the training.
        step: Number of the training step, a scalar.
        purpose: One of `PURPOSES`, so that no two of them have the same numbers.
        place: The place of these rows in the batch, as from `Portions.cut`; None if they are the
            whole batch.
    """
    number = tf.cast(step, tf.int64) * len(PURPOSES) + purpose
    seeds = tf.stack([tf.constant(seed, tf.int64), number])
    if place is None:
        return tf.random.stateless_uniform(shape, seeds)
    numbers = tf.random.stateless_uniform([place["rows"], *tf.unstack(shape[1:])], seeds)
    return numbers[place["first_row"] :][: shape[0]]
