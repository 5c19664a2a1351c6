"""The `Translator`: translate, predict, score, evaluate and plot with a trained model."""

import numbers
import os
import reprlib
import textwrap

import numpy as np
import tensorflow as tf

from kseq import run_directory
from kseq.arrays import check_values, read_values
from kseq.codecs import CodecPair
from kseq.inference import Inference
from kseq.models import build_seq2seq
from kseq.pipeline import source_inputs, with_first
from kseq.results import Prediction, Translation
from kseq.special_tokens import END, SPECIAL_TOKENS
from kseq.survey import CHUNK, chunks

BATCH_SENTENCES = 64
BATCH_TOKENS = 4096  # source tokens of a batch, padding included; or steps of real values
LONGEST_PREDICTION = 100_000  # steps
WIDEST_BEAM = 1000


class Translator:
    """A trained model with its codecs, ready for use.

    A real-valued source is an array `[S, F]`, or the path of a `.npy` file of one. A model of
    real-valued targets has `predict` in place of `translate`.

    Args:
        model: Model of `build_seq2seq`.
        codecs: `CodecPair`.
        config: `Config` of the run.
        record: What the run remembers of its making: a dict with `length_ratio` (target tokens
            per source token in the training split), `corpus` (arguments of `load_corpus`).
    """

    def __init__(self, model, codecs, config, record):
        self.model = model
        self.codecs = codecs
        self.config = config
        self.record = record
        self.inference = Inference(model, codecs, record["length_ratio"])

    @classmethod
    def load(cls, run):
        """Reads a run directory.

        Raises:
            FileNotFoundError: The directory is missing.
            ValueError: It is not a run, or damaged.
        """
        folder, config, record = run_directory.read_run(run)
        codecs = CodecPair.load(folder, config)
        model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
        if model.count_params() != record["parameters"]:
            raise ValueError(
                f"{folder / run_directory.CONFIG}: describes a model of {model.count_params():,} "
                f"parameters, but the run was trained with {record['parameters']:,}; it has been "
                "changed"
            )
        try:
            model.load_weights(folder / run_directory.WEIGHTS)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = textwrap.shorten(str(error), 200, placeholder=" …")
            raise ValueError(
                f"{folder / run_directory.WEIGHTS}: cannot be read into the model that "
                f"{run_directory.CONFIG} describes: {reason}"
            ) from error
        return cls(model, codecs, config, record)

    @property
    def read_ahead(self):
        """Sources that are read at once, to be sorted by length."""
        return CHUNK[self.codecs.kind]

    @property
    def predicts_values(self):
        """Whether the targets are real-valued."""
        return not self.codecs.target.is_text

    def translate(self, texts, beam_size=1, n_best=None, alpha=1.0):
        """Translates sentences.

        Args:
            texts: Sentences, or real-valued sources.
            beam_size: Hypotheses K that the search follows; 1 is greedy search.
            n_best: How many translations of each sentence to return, at most `beam_size`.
            alpha: Exponent of the length penalty (Wu et al. 2016); 0 for none.

        Returns:
            A list of `Translation`, or, with `n_best`, a list of lists, best first.

        Raises:
            TypeError: `texts` is a single string, or the targets are real-valued.
            ValueError: `beam_size` or `n_best` is out of range, or a source cannot be used.
        """
        return list(self.stream(texts, beam_size, n_best, alpha))

    def stream(self, texts, beam_size=1, n_best=None, alpha=1.0, read_ahead=None):
        """Translates an endless iterable: yields what `translate` returns, in the same order.

        Up to `read_ahead` sentences (1,024, or 64 sequences of real values, by default) are read
        before the first is translated, beside others of its length.
        """
        check_beam_size(beam_size)
        if self.predicts_values:
            raise TypeError("this model predicts real values: use predict(sources, steps)")
        _refuse_single(texts)
        if n_best is not None and not 1 <= n_best <= beam_size:
            raise ValueError(f"n_best must be from 1 to beam_size ({beam_size}); received {n_best}")
        for chunk in chunks(map(self._source, texts), read_ahead or self.read_ahead):
            for hypotheses in self._translate_chunk(chunk, beam_size, n_best or 1, alpha):
                yield hypotheses[0] if n_best is None else hypotheses

    def predict(self, sources, steps):
        """Predicts real values, each step from the ones before.

        Args:
            sources: Sentences, or real-valued sources.
            steps: Number of steps to predict: one for all, or one for each source.

        Returns:
            A list of `Prediction`.

        Raises:
            TypeError: `sources` is a single string, or the targets are text.
            ValueError: A number of steps is out of range, or a source cannot be used.
        """
        if not self.predicts_values:
            raise TypeError("this model writes text: use translate(texts)")
        _refuse_single(sources)
        sources = list(sources)
        steps = _steps_of_each(steps, len(sources))
        results = []
        for chunk in chunks(zip(map(self._source, sources), steps), self.read_ahead):
            results.extend(self._predict_chunk(*zip(*chunk)))
        return results

    def score(self, pairs):
        """Reads given targets with the model, teacher forced.

        Args:
            pairs: (source, target) sentences, or real values.

        Returns:
            A list of `Translation`, in the order of `pairs`, whose tokens are those of the
            target; `score` is the log-probability per token. For real-valued targets a list of
            `Prediction`: every step as predicted from the true ones before.
        """
        results = []
        for chunk in chunks(map(self._pair, pairs), self.read_ahead):
            results.extend(self._score_chunk(*zip(*chunk)))
        return results

    def evaluate(self, pairs, alignments=None, beam_size=1, alpha=1.0):
        """Measures results against references; see `kseq.evaluation.evaluate`."""
        from kseq.evaluation import evaluate

        check_beam_size(beam_size)
        return evaluate(self, list(map(self._pair, pairs)), alignments, beam_size, alpha)

    def plot(self, text, beam_size=1, axes=None):
        """Translates one sentence and draws its attention; returns the matplotlib Axes.

        A `Prediction` of real values is drawn with `kseq.plot_attention`.
        """
        from kseq.heatmap import plot_attention

        return plot_attention(self.translate([text], beam_size)[0], axes)

    def export(self, folder, beam_size=1, alpha=1.0):
        """Writes a SavedModel; see `kseq.export.export`."""
        from kseq.export import export

        return export(self, folder, beam_size, alpha)

    def _source(self, source):
        return _checked("source", self.codecs.source, source)

    def _pair(self, pair):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            received = reprlib.repr(pair)
            raise TypeError(f"expected pairs of source and target; received {received}")
        return self._source(pair[0]), _checked("target", self.codecs.target, pair[1])

    def _translate_chunk(self, sources, beam_size, n_best, alpha):
        search = self.inference.searching(beam_size)
        tokens, sequences = _read(self.codecs.source, sources)

        def translate_batch(rows):
            found, *strings = search(source_inputs(tf.gather(sequences, rows)), alpha)
            found = tf.nest.map_structure(lambda tensor: tensor.numpy(), found)
            strings = [_decoded(tensor) for tensor in strings]
            for place, row in enumerate(rows):
                source = sources[row], tokens[row]
                yield [
                    self._translation(source, found, strings, place, rank)
                    for rank in range(n_best)
                    if rank == 0 or np.isfinite(found.scores[place, rank])
                ]

        return _by_length(translate_batch, sequences.row_lengths())

    def _translation(self, source, found, strings, place, rank):
        texts, tokens = strings
        length = found.lengths[place, rank]
        attention = {name: array[place, rank] for name, array in found.attention.items()}
        return Translation(
            text=texts[place][rank],
            score=float(found.scores[place, rank]),
            log_probability=float(found.log_probabilities[place, rank]),
            tokens=tokens[place][rank][:length],
            **self._attended(*source, length, attention),
        )

    def _predict_chunk(self, sources, steps):
        tokens, sequences = _read(self.codecs.source, sources)

        def predict_batch(rows):
            inputs = source_inputs(tf.gather(sequences, rows))
            values, attention = self.inference.predicting(inputs, max(steps[row] for row in rows))
            for place, row in enumerate(rows):
                weights = {name: tensor[place].numpy() for name, tensor in attention.items()}
                yield Prediction(
                    values=values[place, : steps[row]].numpy(),
                    **self._attended(sources[row], tokens[row], steps[row], weights),
                )

        return _by_length(predict_batch, sequences.row_lengths())

    def _score_chunk(self, sources, targets):
        tokens, sequences = _read(self.codecs.source, sources)
        target_tokens, target_sequences = _read(self.codecs.target, targets)
        target_sequences = with_first(self.codecs.target, target_sequences)

        def score_batch(rows):
            padded = tf.gather(target_sequences, rows)
            lengths = padded.row_lengths().numpy() - 1
            padded = padded.to_tensor(tf.zeros([], padded.dtype))
            inputs = source_inputs(tf.gather(sequences, rows))
            measures, values, attention = self.inference.forcing(inputs, padded)
            for place, (row, length) in enumerate(zip(rows, lengths)):
                weights = {name: tensor[place].numpy() for name, tensor in attention.items()}
                attended = self._attended(sources[row], tokens[row], length, weights)
                total = float(tf.reduce_sum(measures[place, :length]))
                if self.predicts_values:
                    predicted = values[place, :length].numpy()
                    yield Prediction(values=predicted, error=total / int(length), **attended)
                else:
                    yield Translation(
                        text=targets[row],
                        score=total / int(length),
                        log_probability=total,
                        tokens=target_tokens[row],
                        **attended,
                    )

        lengths = np.maximum(sequences.row_lengths(), target_sequences.row_lengths())
        return _by_length(score_batch, lengths)

    def _attended(self, source, tokens, length, attention):
        """Arguments of a result: the source, and the attention without padding."""
        width = len(source) if tokens is None else len(tokens)
        if self.config.model.pyramid:
            width = -(-width // 2 ** (self.config.model.encoder_layers - 1))
        cut = {name: array[:length, ..., :width] for name, array in attention.items()}
        if "attention_heads" in cut:
            cut["attention_heads"] = np.moveaxis(cut["attention_heads"], 0, 2)
        return {"source": source, "source_tokens": tokens, **cut}


def check_beam_size(beam_size):
    """Checks that a beam size can be searched with.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is out of range.
    """
    if not isinstance(beam_size, numbers.Integral):
        raise TypeError(f"beam_size must be a whole number; received {beam_size!r}")
    if not 1 <= beam_size <= WIDEST_BEAM:
        raise ValueError(f"beam_size must be from 1 to {WIDEST_BEAM}; received {beam_size}")


def _refuse_single(sources):
    if isinstance(sources, str):
        raise TypeError("expected a list of sentences, received one string; wrap it in [ ]")
    if isinstance(sources, os.PathLike) or getattr(sources, "ndim", None) == 2:
        raise TypeError("expected a list of real-valued sources, received one; wrap it in [ ]")


def _steps_of_each(steps, count):
    steps = list(steps) if np.ndim(steps) else [steps] * count
    if len(steps) != count:
        raise ValueError(
            f"expected a number of steps for each of {count} sources; received {len(steps)}"
        )
    for number in steps:
        if not isinstance(number, numbers.Integral) or not 1 <= number <= LONGEST_PREDICTION:
            raise ValueError(
                f"steps must be whole numbers from 1 to {LONGEST_PREDICTION:,}; received {number}"
            )
    return steps


def _checked(side, codec, sequence):
    """A sentence, or real values as a float32 array of as many features as the model knows."""
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


def _read(codec, sequences):
    """Tokens to be shown of each sequence, END included, or None; and ragged numbers."""
    if not codec.is_text:
        flat = codec.encode(np.concatenate(sequences))
        lengths = [len(values) for values in sequences]
        return [None] * len(sequences), tf.RaggedTensor.from_row_lengths(flat, lengths)
    texts = [text.encode("utf-8", "replace") for text in sequences]
    tokens = codec.tokenize(tf.constant(texts))
    shown = _decoded(tokens.with_flat_values(codec.shown(tokens.flat_values)).to_list())
    return [[*row, SPECIAL_TOKENS[END]] for row in shown], codec.ids(tokens)


def _by_length(run, lengths):
    """The results of `run` for all rows, in order, though sequences of a length run together."""
    results = [None] * len(lengths)
    for rows in _batches(np.asarray(lengths)):
        for row, result in zip(rows, run(rows)):
            results[row] = result
    return results


def _batches(lengths):
    """Cuts rows, shortest first, into batches of bounded size; yields arrays of row numbers."""
    batch = []
    for row in np.argsort(lengths, kind="stable"):
        if len(batch) == BATCH_SENTENCES or lengths[row] * (len(batch) + 1) > BATCH_TOKENS:
            if batch:
                yield np.array(batch)
            batch = []
        batch.append(row)
    if batch:
        yield np.array(batch)


def _decoded(strings):
    """Nested lists of bytes, or a tensor of them, as nested lists of str."""
    if isinstance(strings, tf.Tensor):
        strings = strings.numpy().tolist()
    if isinstance(strings, bytes):
        return strings.decode("utf-8")
    return [_decoded(string) for string in strings]
