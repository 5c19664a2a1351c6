"""The links of word alignments on their way to batches: counted, checked, and as matrices."""

import itertools

import numpy as np
import tensorflow as tf

ALIGNMENT = "alignment"  # the name of the alignments among the inputs of a batch
SIZE = 2  # numbers of a link: the positions of its source word and of its target word


def pack_links(alignments):
    """Packs alignments into arrays.

    Args:
        alignments: Sets of links, (source, target) positions.

    Returns:
        The numbers of all links in one array, int32 `[n]`, and how many of them belong to each
        alignment, int32 `[N]`.
    """
    rows = [sorted(links) for links in alignments]
    numbers = np.array([*itertools.chain(*rows)], np.int32).reshape(-1)
    return numbers, np.array([SIZE * len(row) for row in rows], np.int32)


def check_links(chunk, lengths, pairs):
    """Checks that links connect tokens that exist.

    Args:
        chunk: (source, target, links) of N pairs.
        lengths: Number of tokens of both sides, `[2, N]`.
        pairs: Where they come from, for messages.

    Raises:
        ValueError: A position is too large.
    """
    for (source, target, links), sizes in zip(chunk, lengths.T.tolist()):
        for link in links:
            if any(position >= size for position, size in zip(link, sizes)):
                raise ValueError(
                    f"{pairs.alignments}: the link {link[0]}-{link[1]} is outside of {source!r}, "
                    f"{target!r}, which have {sizes[0]} and {sizes[1]} tokens; positions count the "
                    "tokens of the run from 0, source before target"
                )


class LinkColumn:
    """The links of pairs as a column of a dataset, packed and unpacked as by a `Side`."""

    packed_specs = (tf.TensorSpec([None], tf.int32),) * 2

    def pack(self, alignments):
        """Returns the arrays of `pack_links`."""
        return pack_links(alignments)

    def unpack(self, numbers, counts):
        """Returns the numbers of the links, ragged `[N, (n)]`."""
        return tf.RaggedTensor.from_row_lengths(numbers, tf.cast(counts, tf.int64))


def alignment_matrices(links, target_length, source_length):
    """Makes the alignments of a batch, in which every linked target word has a weight of 1.

    Source words that are linked to the same target word share its weight equally.

    Args:
        links: Ragged numbers of links, int32 `[B, (n)]`.
        target_length: T.
        source_length: S.

    Returns:
        float32 `[B, T, S]`; rows of target words without links are zeros.
    """
    positions = tf.reshape(links.flat_values, [-1, SIZE])
    rows = tf.repeat(tf.range(links.nrows(tf.int32)), links.row_lengths() // SIZE)
    indices = tf.stack([rows, positions[:, 1], positions[:, 0]], axis=1)
    shape = tf.stack([links.nrows(tf.int32), target_length, source_length])
    matrices = tf.scatter_nd(indices, tf.ones(tf.shape(rows)), shape)
    return tf.math.divide_no_nan(matrices, tf.reduce_sum(matrices, axis=-1, keepdims=True))
