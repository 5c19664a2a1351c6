"""The rows of each batch that the replicas of a process train on."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Portions:
    """Which rows of a batch are for which replica: equally many up to one, in their order.

    Every process makes the same batches in the same order and needs nothing from the others for
    that; it pads only the rows of its own replicas. The batches are those of a single device,
    however many replicas share them.

    Args:
        first: Number of the first replica of this process.
        count: Number of replicas of this process.
        total: Number of replicas of all processes.
    """

    first: int
    count: int
    total: int

    @classmethod
    def of(cls, strategy):
        """Returns the portions of this process in a `tf.distribute.Strategy`.

        If there is only one replica, it returns None.
        """
        if strategy.num_replicas_in_sync == 1:
            return None
        numbers = []
        strategy.experimental_distribute_values_from_function(
            lambda context: numbers.append(context.replica_id_in_sync_group) or 0
        )
        return cls(numbers[0], len(numbers), strategy.num_replicas_in_sync)

    def cut(self, pad):
        """Returns a function that makes padded rows for each replica of this process.

        Args:
            pad: Function from the columns of a batch (ragged sources, targets with the first step,
                perhaps links) to padded `(inputs, labels, weights)`.

        Returns:
            A function from the columns of a whole batch to a tuple of `(inputs, labels, weights,
            place)`, padded to the lengths of the whole batch. `place` holds `"first_row"`, the
            number of the first of these rows, `"rows"`, the number of all rows, both int32, and
            `"weight"`, the sum of the weights of all rows. A replica without rows gets one of
            weight 0, because not every operation accepts that there are none.
        """

        def cut(*columns):
            rows = columns[0].nrows(tf.int32)
            longest = [_longest_row(column) for column in columns]
            weight = tf.reduce_sum(columns[1].row_lengths() - 1)

            def portion(number):
                first, end = rows * number // self.total, rows * (number + 1) // self.total
                own = slice(first, tf.maximum(end, first + 1))
                # With one row of the greatest length, which is removed again, the others are
                # padded to that length.
                parts = [tf.concat([column[own], row], 0) for column, row in zip(columns, longest)]
                inputs, labels, weights = tf.nest.map_structure(lambda rows: rows[:-1], pad(*parts))
                weights *= tf.cast(end > first, weights.dtype)
                place = {"first_row": first, "rows": rows}
                return inputs, labels, weights, {**place, "weight": tf.cast(weight, weights.dtype)}

            return tuple(portion(self.first + number) for number in range(self.count))

        return cut


def _longest_row(column):
    """A row of zeros that is as long as the longest one, ragged `[1, (T)]` or `[1, (T), F]`."""
    shape = [1, column.bounding_shape(axis=1), *column.flat_values.shape[1:]]
    return tf.RaggedTensor.from_tensor(
        tf.zeros(shape, column.dtype), row_splits_dtype=column.row_splits.dtype
    )
