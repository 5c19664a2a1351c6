"""Chunks of sources, run through the graphs of a model in batches, and their results."""

import numpy as np
import tensorflow as tf

from kseq.special_tokens import PAD
from kseq.text.display import to_str
from kseq.translation.assembly import Reading, make_assembler
from kseq.translation.batches import run_by_length
from kseq.translation.graphs import NUMBER_TYPES
from kseq.translation.results import Prediction
from kseq.translation.sources import Sequences, Sources

MIN_LOGITS = 2**12  # counted for a hypothesis: its state and its attention need RAM too


class ChunkRunner:
    """Runs chunks of sources in batches of similar length, and makes the results.

    Args:
        inference: `Inference`.
        codecs: `CodecPair` of each model.
        config: `ModelConfig` of the first.
    """

    def __init__(self, inference, codecs, config):
        self._inference = inference
        self._codecs = codecs
        self._target_codec = codecs[0].target
        self._assembler = make_assembler(codecs[0], config)
        self._step_logits = len(codecs) * (self._target_codec.side.vocabulary_size or 1)
        self._has_logits_by_position = config.attention == "hard"

    def search(self, function, strategy, sources, prefixes, first):
        """Searches for translations.

        Args:
            function: Compiled search, from `Inference.search_function`.
            strategy: `BeamSearch` or `Sampling`, for which the function was compiled.
            sources: Sentences or arrays.
            prefixes: Ids that the outputs start with, a list for each source.
            first: Number of the first source, from which its seed is made.

        Returns:
            A list of `Translation`s for each source.
        """
        read = Sources(self._codecs, sources)
        numbers = {
            name: tf.constant(number, NUMBER_TYPES[name])
            for name, number in strategy.numbers.items()
        }
        prefixes = tf.ragged.constant(prefixes, tf.int32, ragged_rank=1)

        def search_batch(rows):
            result, *strings = function(
                read.inputs(rows),
                read.token_matrix(rows),
                tf.gather(prefixes, rows).to_tensor(PAD),
                tf.constant(first + rows, tf.int32),
                numbers,
            )
            result = _to_numpy(result)
            strings = [to_str(tensor) for tensor in strings]
            for index, row in enumerate(rows):
                yield self._assembler.assemble_search(
                    self._reading(read, sources, row), result, strings, index
                )

        logits = strategy.width * max(self._count_logits(read), MIN_LOGITS)
        return run_by_length(search_batch, read.lengths, sentence_logits=logits)

    def predict(self, sources, covariates, steps):
        """Predicts real values.

        Args:
            sources: Sentences or arrays.
            covariates: Known inputs `[T, C]` for each source, or None for each.
            steps: Number of steps T for each source.

        Returns:
            A list of `Prediction`s.
        """
        read, function = Sources(self._codecs, sources), self._inference.predict_function

        def predict_batch(rows):
            longest = tf.constant(max(steps[row] for row in rows), tf.int32)
            known = _padded([covariates[row] for row in rows])
            values, attention = _to_numpy(function(read.inputs(rows), longest, *known))
            for index, row in enumerate(rows):
                weights = {name: array[index] for name, array in attention.items()}
                attended = self._assembler.attended_fields(
                    self._reading(read, sources, row), steps[row], weights
                )
                yield Prediction(values=values[index, : steps[row]], **attended)

        return run_by_length(predict_batch, read.lengths)

    def force(self, sources, targets):
        """Reads given targets by teacher forcing.

        Args:
            sources: Sentences or arrays.
            targets: A sentence or an array for each source.

        Returns:
            A list of `Translation`s or `Prediction`s.
        """
        read = Sources(self._codecs, sources)
        references = Sequences([self._target_codec], targets)
        target_tokens = references.displayed_tokens()
        lengths, function = references.lengths, self._inference.force_function

        def force_batch(rows):
            losses, values, attention = _to_numpy(
                function(read.inputs(rows), references.targets(rows, read))
            )
            for index, row in enumerate(rows):
                length = lengths[row]
                weights = {name: array[index] for name, array in attention.items()}
                attended = self._assembler.attended_fields(
                    self._reading(read, sources, row), length, weights
                )
                yield self._assembler.assemble_forced(
                    targets[row],
                    target_tokens[row],
                    losses[index, :length],
                    values[index],
                    attended,
                )

        longest = np.maximum(read.lengths, lengths)
        return run_by_length(force_batch, longest, token_logits=self._count_logits(read))

    def guess(self, sources, targets):
        """Compares the most probable token of each step with the correct one.

        Args:
            sources: Sentences or arrays.
            targets: A sentence for each source.

        Returns:
            Two arrays `[T]` for each pair, as from `Inference.guess`; a list.
        """
        read = Sources(self._codecs, sources)
        references = Sequences([self._target_codec], targets)
        lengths, function = references.lengths, self._inference.guess_function

        def guess_batch(rows):
            arrays = function(read.inputs(rows), references.targets(rows, read))
            for length, *guesses in zip(lengths[rows], *_to_numpy(arrays)):
                yield tuple(guess[:length] for guess in guesses)

        longest = np.maximum(read.lengths, lengths)
        return run_by_length(guess_batch, longest, token_logits=self._count_logits(read))

    def _count_logits(self, read):
        """Returns the number of logits of one step for one of the sources that were read."""
        positions = max(read.lengths) if self._has_logits_by_position else 1
        return self._step_logits * int(positions)

    @staticmethod
    def _reading(read, sources, row):
        """The source of a row with its tokens and its features, as a `Reading`."""
        return Reading(sources[row], read.tokens[row], read.feature_tokens[row])


def _padded(arrays):
    """Returns a list of one tensor `[B, T, C]` of B arrays; an empty list if they are None."""
    if arrays[0] is None:
        return []
    lengths = [len(array) for array in arrays]
    return [tf.RaggedTensor.from_row_lengths(np.concatenate(arrays), lengths).to_tensor(0.0)]


def _to_numpy(tensors):
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)
