"""Sources of any lengths as batches of about equal ones, and their results in order again."""

import os
import reprlib
import threading

import numpy as np
import tensorflow as tf

from kseq.corpora.arrays import check_values, read_values
from kseq.kernels.processor import AT_ONCE, usable_cores
from kseq.special_tokens import END, SPECIAL_TOKENS
from kseq.text.codec import decoded, strip_marks

LEAST_SENTENCES = 16  # that are worth a batch of their own, only for there to be so many
BATCH_SENTENCES = 256
BATCH_TOKENS = 4096  # source tokens of a batch, padding included; or steps of real values
LOGITS_AT_ONCE = 2**24  # by all batches that are at work, 64 MiB
LEAST_LOGITS = 2**12  # What a hypothesis counts for even so: it has a state, and attends.


class Sequences:
    """Sequences of one side, read by a codec, or by several that split text alike.

    Args:
        codecs: `TextCodec`s or `ValueCodec`s.
        sequences: Sentences, or arrays of real values.
    """

    def __init__(self, codecs, sequences):
        self._codecs = codecs
        self._tokens = None
        if codecs[0].is_text:
            texts = [text.encode("utf-8", "replace") for text in sequences]
            self._tokens = codecs[0].tokenizing(tf.constant(texts))
            self.numbers = [codec.numbering(self._tokens) for codec in codecs]
        else:
            values, lengths = np.concatenate(sequences), [len(array) for array in sequences]
            self.numbers = [
                tf.RaggedTensor.from_row_lengths(codec.standardize(values), lengths)
                for codec in codecs
            ]

    @property
    def lengths(self):
        """Numbers of tokens, END included, or of steps."""
        return self.numbers[0].row_lengths().numpy()

    def shown(self):
        """Tokens of each sequence as a person sees them, END included; None for real values."""
        if self._tokens is None:
            return [None] * len(self.lengths)
        shown = decoded(self._tokens.with_flat_values(strip_marks(self._tokens.flat_values)))
        return [[*row, SPECIAL_TOKENS[END]] for row in shown]

    def inputs(self, rows):
        """Inputs of the encoder of each codec's model."""
        side = self._codecs[0].side
        return tuple(side.source_inputs(tf.gather(numbers, rows)) for numbers in self.numbers)

    def tokens(self, rows):
        """Tokens `[B, S - 1]` without END, empty behind the last one; no column of real values."""
        if self._tokens is None:
            return tf.zeros([len(rows), 0], tf.string)
        return tf.gather(self._tokens, rows).to_tensor("")


def checked(side, codec, sequence):
    """Returns a sentence, or real values as a float32 array as wide as the model expects.

    Args:
        side: `"source"` or `"target"`, for the message.
        codec: Codec of that side.
        sequence: A sentence; or real values, or the path of a `.npy` file of them.

    Raises:
        TypeError, ValueError: It is something else.
    """
    if codec.is_text:
        if not isinstance(sequence, str):
            received = reprlib.repr(sequence)
            raise TypeError(f"expected sentences as strings; received {received}")
        return sequence
    name = f"a {side} of real values"
    if isinstance(sequence, str) or hasattr(sequence, "__fspath__"):
        name, sequence = sequence, read_values(sequence)
    values = check_values(sequence, name)
    if values.shape[1] != codec.features:
        raise ValueError(
            f"{name}: expected {codec.features} values per step, as the model was trained with; "
            f"received {values.shape[1]}"
        )
    return values


def refuse_single(sources):
    """Raises a TypeError where a list of sources is expected and one is given."""
    if isinstance(sources, str):
        raise TypeError("expected a list of sentences, received one string; wrap it in [ ]")
    if isinstance(sources, os.PathLike) or getattr(sources, "ndim", None) == 2:
        raise TypeError("expected a list of real-valued sources, received one; wrap it in [ ]")


def by_length(run, lengths, sentence_logits=1, token_logits=1):
    """Returns the results of `run` for all rows, in order; rows of a length run together.

    Args:
        run: Function of an array of row numbers to as many results; on a processor another
            thread calls it too, at the same time.
        lengths: Length of each row.
        sentence_logits: Logits that are made at once for each row.
        token_logits: Likewise for each unit of its length.
    """
    has_gpu = bool(tf.config.list_logical_devices("GPU"))
    at_once = 1 if has_gpu else min(AT_ONCE, usable_cores())
    least = -(-len(lengths) // BATCH_SENTENCES)
    if len(lengths) >= at_once * LEAST_SENTENCES:
        least = max(least, at_once)
    share = -(-len(lengths) // max(1, least))
    logits = LOGITS_AT_ONCE // at_once
    sentences = max(1, min(share, logits // sentence_logits))
    tokens = max(1, min(BATCH_TOKENS, logits // token_logits))
    batches = list(_batches(np.asarray(lengths), sentences, tokens))
    results = [None] * len(lengths)
    for rows, found in zip(batches, _run_all(run, batches, at_once)):
        for row, result in zip(rows, found):
            results[row] = result
    return results


def _batches(lengths, sentences, tokens):
    """Cuts rows, longest first, into batches of bounded size; yields arrays of row numbers."""
    batch = []
    for row in np.argsort(-lengths, kind="stable"):
        if batch and (len(batch) == sentences or lengths[batch[0]] * (len(batch) + 1) > tokens):
            yield np.array(batch)
            batch = []
        batch.append(row)
    if batch:
        yield np.array(batch)


def _run_all(run, batches, at_once):
    """Returns a list of results for each batch; this thread and others take one after the other.

    After an error no batch is begun. No executor: there is none any more once the main thread
    has ended, though others live on.
    """
    results, errors = [None] * len(batches), []
    numbers = iter(range(len(batches)))

    def work():
        try:
            for number in numbers:
                if errors:
                    break
                results[number] = list(run(batches[number]))
        except BaseException as error:
            errors.append(error)

    helpers = _started(work, min(at_once, len(batches)) - 1)
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return results


def _started(work, threads):
    """Starts threads, as many as can be had: none while the interpreter is being shut down."""
    started = []
    for _ in range(threads):
        thread = threading.Thread(target=work)
        try:
            thread.start()
        except RuntimeError:
            break
        started.append(thread)
    return started
