"""Where training is in its data: an epoch, a pool of pairs, and a batch of that pool."""

import itertools

import numpy as np
import tensorflow as tf

_EPOCHS = 2**20  # more than anyone trains
_ALL = 2**31 - 1  # batches


class Position:
    """The order of the batches of each epoch, and the first one of them.

    The order of a pool depends only on the seed, the epoch and the number of the pool. So training
    can go on at any batch, and the batches before it need not be made again.

    Args:
        seed: Seed of the order.
        pool_size: Number of pairs in a pool.
        can_skip: Whether the data can be read from any pair on. If not, the pairs before the first
            batch are read as well.

    Attributes:
        epoch: Number of the next epoch to be read, from 0. Every iteration over the data is one.
        pool: Number of the first pool, from 0.
        batch: Number of batches of this pool that are left out.
    """

    def __init__(self, seed, pool_size, can_skip):
        self._seed = seed
        self._pool_size = pool_size
        self._can_skip = can_skip
        self.begin(0)

    def begin(self, epoch, pool=0, batch=0):
        """Chooses the epoch and the batch with which the next iteration begins."""
        self.epoch, self.pool, self.batch = epoch, pool, batch
        self._batches = {}

    @property
    def skipped_pairs(self):
        """Number of pairs that are not read at all."""
        return self.pool * self._pool_size if self._can_skip else 0

    def orders(self):
        """Makes a dataset of the order of each pool that is read.

        Returns:
            A `tf.data.Dataset` of: number of the pool; number of its batches to leave out; and the
            seeds of two permutations, int64 `[2, 2]`.
        """
        number = tf.TensorSpec([], tf.int64)
        return tf.data.Dataset.from_generator(
            self._orders, output_signature=(number, number, tf.TensorSpec([2, 2], tf.int64))
        )

    def _orders(self):
        first = self._seed * _EPOCHS + self.epoch
        self.epoch += 1
        for pool in itertools.count(self.pool if self._can_skip else 0):
            left_out = _ALL if pool < self.pool else self.batch if pool == self.pool else 0
            yield pool, left_out, np.array([[first, 2 * pool], [first, 2 * pool + 1]])

    def record(self, pool, batches):
        """Records the number of batches of a pool, which is known when it has been cut."""
        self._batches[int(pool)] = batches

    def after(self, steps):
        """Returns the pool and the batch that follow `steps` batches of this iteration.

        If no such batch has been made yet, perhaps because the epoch is over, it returns None.
        """
        pool, batch = self.pool, self.batch + steps
        while batch >= self._batches.get(pool, batch + 1):
            batch -= self._batches[pool]
            pool += 1
        return (pool, batch) if pool in self._batches else None
