"""The `Translator`: text, model and search behind four verbs: translate, score, evaluate, plot."""

import dataclasses
import functools
import itertools
import numbers

import numpy as np
import tensorflow as tf

from kseq import run_directory
from kseq.losses import token_cross_entropy
from kseq.models import build_seq2seq, split_for_inference
from kseq.pipeline import TextPair
from kseq.search import beam_search
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, START

READ_AHEAD = 1024  # sentences that are sorted by length together
BATCH_SENTENCES = 64
BATCH_TOKENS = 4096  # source tokens of a batch, padding included
LONGEST_OUTPUT = 1000  # tokens
WIDEST_BEAM = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Translation:
    """One sentence and what became of it.

    Args:
        source: The sentence as it was given.
        text: The translation.
        score: What the search ranked by: the log-probability over the length penalty.
        log_probability: Sum over the output tokens, in nats.
        tokens: Output tokens, END included.
        source_tokens: Source tokens, END included.
        attention: Weights, float32 `[T, S]`, a row for each output token.
    """

    source: str
    text: str
    score: float
    log_probability: float
    tokens: list
    source_tokens: list
    attention: np.ndarray = dataclasses.field(repr=False)


class Translator:
    """A trained model with its text, ready for use.

    Args:
        model: Model of `build_seq2seq`.
        text: `TextPair`.
        config: `Config` of the run.
        record: What the run remembers of its making: a dict with `length_ratio` (target tokens
            per source token in the training split), `corpus` (arguments of `load_corpus`).
    """

    def __init__(self, model, text, config, record):
        self.model = model
        self.text = text
        self.config = config
        self.record = record
        self.encoder, self._step = split_for_inference(model)
        self._decoder = model.get_layer("decoder")
        self._search_function = functools.cache(self._make_search_function)

    @classmethod
    def load(cls, run):
        """Reads a run directory.

        Raises:
            FileNotFoundError: The directory is missing.
            ValueError: It is not a run, or damaged.
        """
        folder, config, record = run_directory.read_run(run)
        text = TextPair.load(folder, config.text)
        model = build_seq2seq(config.model, text.source.size, text.target.size)
        try:
            model.load_weights(folder / run_directory.WEIGHTS)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{folder / run_directory.WEIGHTS}: cannot be read into the model that "
                f"{run_directory.CONFIG} describes: {reason}"
            ) from error
        return cls(model, text, config, record)

    def translate(self, texts, beam_size=1, n_best=None, alpha=1.0):
        """Translates sentences.

        Args:
            texts: Sentences.
            beam_size: Hypotheses K that the search follows; 1 is greedy search.
            n_best: How many translations of each sentence to return, at most `beam_size`.
            alpha: Exponent of the length penalty (Wu et al. 2016); 0 for none.

        Returns:
            A list of `Translation`, or, with `n_best`, a list of lists, best first.

        Raises:
            TypeError: `texts` is a single string.
            ValueError: `beam_size` or `n_best` is out of range.
        """
        return list(self.stream(texts, beam_size, n_best, alpha))

    def stream(self, texts, beam_size=1, n_best=None, alpha=1.0, read_ahead=READ_AHEAD):
        """Translates an endless iterable: yields what `translate` returns, in the same order.

        Up to `read_ahead` sentences are read before the first is translated, beside others of
        its length.
        """
        check_beam_size(beam_size)
        if isinstance(texts, str):
            raise TypeError("expected a list of sentences, received one string; wrap it in [ ]")
        if n_best is not None and not 1 <= n_best <= beam_size:
            raise ValueError(f"n_best must be from 1 to beam_size ({beam_size}); received {n_best}")
        texts = iter(texts)
        while chunk := list(itertools.islice(texts, read_ahead)):
            for hypotheses in self._translate_chunk(chunk, beam_size, n_best or 1, alpha):
                yield hypotheses[0] if n_best is None else hypotheses

    def score(self, pairs):
        """Reads given translations with the model, teacher forced.

        Args:
            pairs: (source, target) sentences.

        Returns:
            A list of `Translation`, in the order of `pairs`, whose tokens are those of the
            target; `score` is the log-probability per token.
        """
        results = []
        pairs = iter(pairs)
        while chunk := list(itertools.islice(pairs, READ_AHEAD)):
            for pair in chunk:
                if isinstance(pair, str) or len(pair) != 2:
                    raise TypeError(f"expected pairs of source and target; received {pair!r}")
            results.extend(self._score_chunk(*zip(*chunk)))
        return results

    def evaluate(self, pairs, alignments=None, beam_size=1, alpha=1.0):
        """Measures translations against references; see `kseq.evaluation.evaluate`."""
        from kseq.evaluation import evaluate

        return evaluate(self, pairs, alignments, beam_size, alpha)

    def plot(self, text, beam_size=1, axes=None):
        """Translates one sentence and draws its attention; returns the matplotlib Axes."""
        from kseq.heatmap import plot_attention

        return plot_attention(self.translate([text], beam_size)[0], axes)

    def export(self, folder, beam_size=1, alpha=1.0):
        """Writes a SavedModel from strings to strings; see `kseq.export.export`."""
        from kseq.export import export

        return export(self, folder, beam_size, alpha)

    def search(self, source_ids, beam_size, alpha):
        """The search as a graph: source ids `[B, S]` to a `SearchResult`.

        Output is at most twice as long as the source would let one expect from the training
        split, and ten tokens more.
        """
        encoded = self.encoder({"source_ids": source_ids}, training=False)
        state = encoded.pop("state")

        def step(ids, state):
            outputs = self._step({"ids": ids, **encoded, "state": state}, training=False)
            return outputs["logits"], outputs["state"], outputs["attention"]

        lengths = tf.reduce_sum(tf.cast(source_ids != PAD, tf.float32), axis=1)
        limits = 10 + tf.cast(2.0 * self.record["length_ratio"] * lengths, tf.int32)
        # An empty sentence, END alone, has an empty translation.
        limits = tf.where(lengths > 1.0, tf.minimum(limits, LONGEST_OUTPUT), 0)
        return beam_search(step, state, tf.shape(source_ids)[1], limits, beam_size, alpha)

    def _make_search_function(self, beam_size):
        specs = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.float32)]

        @tf.function(input_signature=specs)
        def search(source_ids, alpha):
            result = self.search(source_ids, beam_size, alpha)
            flat = tf.reshape(result.ids, [-1, tf.shape(result.ids)[-1]])
            texts = tf.reshape(self.text.target.decode(flat), tf.shape(result.lengths))
            return result, texts, self.text.target.shown(self.text.target.tokens(result.ids))

        return search

    @functools.cached_property
    def _forced(self):
        specs = [tf.TensorSpec([None, None], tf.int32)] * 2

        @tf.function(input_signature=specs)
        def forced(source_ids, targets):
            encoded = self.encoder({"source_ids": source_ids}, training=False)
            outputs = self._decoder({"target_ids": targets[:, :-1], **encoded}, training=False)
            return -token_cross_entropy(targets[:, 1:], outputs["logits"]), outputs["attention"]

        return forced

    def _translate_chunk(self, texts, beam_size, n_best, alpha):
        search = self._search_function(beam_size)
        source_tokens, source_ids = self._read(self.text.source, texts)
        results = [None] * len(texts)
        for rows in _batches(source_ids.row_lengths().numpy()):
            batch = tf.gather(source_ids, rows).to_tensor(PAD)
            found, *strings = search(batch, alpha)
            found = type(found)(*(tensor.numpy() for tensor in found))
            strings = [_decoded(tensor) for tensor in strings]
            for place, row in enumerate(rows):
                results[row] = [
                    _translation(texts[row], source_tokens[row], found, strings, place, rank)
                    for rank in range(n_best)
                    if rank == 0 or np.isfinite(found.scores[place, rank])
                ]
        return results

    def _score_chunk(self, sources, targets):
        source_tokens, source_ids = self._read(self.text.source, sources)
        target_tokens, target_ids = self._read(self.text.target, targets)
        starts = tf.fill([target_ids.nrows(), 1], START)
        target_ids = tf.concat([tf.RaggedTensor.from_tensor(starts), target_ids], axis=1)
        results = [None] * len(sources)
        lengths = np.maximum(source_ids.row_lengths(), target_ids.row_lengths())
        for rows in _batches(lengths):
            log_probabilities, attention = self._forced(
                tf.gather(source_ids, rows).to_tensor(PAD),
                tf.gather(target_ids, rows).to_tensor(PAD),
            )
            for place, row in enumerate(rows):
                length, width = len(target_tokens[row]), len(source_tokens[row])
                total = float(tf.reduce_sum(log_probabilities[place, :length]))
                results[row] = Translation(
                    source=sources[row],
                    text=targets[row],
                    score=total / length,
                    log_probability=total,
                    tokens=target_tokens[row],
                    source_tokens=source_tokens[row],
                    attention=attention[place, :length, :width].numpy(),
                )
        return results

    def _read(self, codec, texts):
        """The tokens of sentences, to be shown, END included, and their ids."""
        tokens = codec.tokenize(tf.constant([_utf8(text) for text in texts]))
        shown = _decoded(tokens.with_flat_values(codec.shown(tokens.flat_values)).to_list())
        return [[*row, SPECIAL_TOKENS[END]] for row in shown], codec.ids(tokens)


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


def _translation(source, source_tokens, found, strings, place, rank):
    texts, tokens = strings
    length = found.lengths[place, rank]
    return Translation(
        source=source,
        text=texts[place][rank],
        score=float(found.scores[place, rank]),
        log_probability=float(found.log_probabilities[place, rank]),
        tokens=tokens[place][rank][:length],
        source_tokens=source_tokens,
        attention=found.attention[place, rank, :length, : len(source_tokens)],
    )


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


def _utf8(text):
    if not isinstance(text, str):
        raise TypeError(f"expected sentences as strings; received {text!r}")
    return text.encode("utf-8", "replace")


def _decoded(strings):
    """Nested lists of bytes, or a tensor of them, as nested lists of str."""
    if isinstance(strings, tf.Tensor):
        strings = strings.numpy().tolist()
    if isinstance(strings, bytes):
        return strings.decode("utf-8")
    return [_decoded(string) for string in strings]
