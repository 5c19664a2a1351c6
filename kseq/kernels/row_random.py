"""Random numbers for the rows of a batch, which are the same however the batch is divided."""

import collections
import contextlib
import threading

import tensorflow as tf

_thread = threading.local()  # Each replica of a `tf.distribute.Strategy` runs in its own thread.
_VALUES_PER_BLOCK = 8  # 16-bit values in the 128 bits that Philox computes at once


class DividedBatch:
    """A batch whose rows are processed in parts: by one device one after the other, or by several.

    All parts draw with the same seeds, each its own numbers. One instance serves one step of one
    device.
    """

    def __init__(self):
        self._seeds = {}
        self._draws = collections.Counter()
        self.first_row = 0

    @contextlib.contextmanager
    def rows_from(self, first_row):
        """A context in which random numbers are those of rows from `first_row` of the batch on."""
        self.first_row = first_row
        self._draws.clear()
        _thread.batch = self
        try:
            yield
        finally:
            del _thread.batch

    def next_seed(self, generator):
        """Returns the next seed of a generator, which is drawn once for all parts."""
        key = id(generator), self._draws[id(generator)]
        self._draws[id(generator)] += 1
        if key not in self._seeds:
            self._seeds[key] = generator.next()
        return self._seeds[key]


def random_bits(generator, shape):
    """Draws random numbers for all rows of a batch or, in a `DividedBatch`, for some of them.

    The numbers of a row depend on the seed and on its place in the whole batch. This costs
    nothing, because Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3")
    computes the n-th block of numbers from n and the seed alone.

    Args:
        generator: `keras.random.SeedGenerator`.
        shape: Shape of the result; the first axis is the rows. The others must be the same for
            all parts of a batch.

    Returns:
        uint16, from 0 to 65,535.
    """
    batch = getattr(_thread, "batch", None)
    count = tf.reduce_prod(shape)
    if batch is None:
        seed = tf.cast(generator.next(), tf.int32)
        words = tf.random.stateless_uniform([(count + 1) // 2], seed, None, None, tf.uint32)
        return tf.reshape(_as_bits(words)[:count], shape)
    seed = tf.cast(batch.next_seed(generator), tf.int32)
    skipped = tf.cast(batch.first_row, tf.int64) * tf.cast(tf.reduce_prod(shape[1:]), tf.int64)
    rest = tf.cast(skipped % _VALUES_PER_BLOCK, count.dtype)
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    blocks = tf.cast(skipped // _VALUES_PER_BLOCK, tf.uint64)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[(rest + count + 1) // 2],
        key=key,
        counter=counter + tf.stack([blocks, tf.zeros_like(blocks)]),
        alg=tf.random.Algorithm.AUTO_SELECT.value,
        dtype=tf.uint32,
    )
    return tf.reshape(_as_bits(words)[rest : rest + count], shape)


def _as_bits(words):
    return tf.reshape(tf.bitcast(words, tf.uint16), [-1])
