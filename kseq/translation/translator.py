"""The `Translator`: translate, sample, predict, score, evaluate and plot with trained models."""

import copy
import itertools
import numbers
import reprlib

import numpy as np
import tensorflow as tf

from kseq.corpora.lines import chunks
from kseq.errors import SettingError
from kseq.fields import suggestion
from kseq.runs.weights import load_model
from kseq.search.strategies import BeamSearch, Sampling, make_strategy
from kseq.special_tokens import PAD
from kseq.text.codec import decoded
from kseq.translation.batches import LEAST_LOGITS, Sequences, by_length, checked, refuse_single
from kseq.translation.graphs import AVERAGES, Inference
from kseq.translation.results import Prediction, Translation
from kseq.translation.unknown_words import Dictionary, load_dictionary

LONGEST_PREDICTION = 100_000  # steps
_MISSING = object()


class Translator:
    """A trained model with its codecs, or an ensemble of several, ready for use.

    A real-valued source is an array `[S, F]`, or the path of a `.npy` file of one. A model of
    real-valued targets has `predict` in place of `translate` and `sample`.

    Args:
        model: Model of `build_seq2seq`.
        codecs: `CodecPair`.
        config: `Config` of the run.
        record: `RunRecord` of the run.
        others: `Translator`s that make an ensemble with this one.
        average: What an ensemble averages at every step: `"probability"`, or
            `"log_probability"`, which is normalised again.

    Attributes:
        members: The translator itself, and the others of the ensemble.
        has_attention: Whether results come with attention.

    Raises:
        ValueError: The models cannot make an ensemble.
    """

    def __init__(self, model, codecs, config, record, others=(), average="probability"):
        self.model = model
        self.codecs = codecs
        self.config = config
        self.record = record
        self.members = self, *others
        self.has_attention = any(member.config.model.attention != "none" for member in self.members)
        self._source_codecs = [member.codecs.source for member in self.members]
        self._logits = len(self.members) * (codecs.target.size if codecs.target.is_text else 1)
        if average not in AVERAGES:
            raise ValueError(
                f"average must be {' or '.join(map(repr, AVERAGES))}; received {average!r}"
                f"{suggestion(average, AVERAGES)}"
            )
        for number, other in enumerate(others, start=2):
            _check_member(self, other, f"model {number} of the ensemble")
        self.inference = Inference(
            [member.model for member in self.members],
            [member.codecs for member in self.members],
            record.length_ratio,
            average,
        )

    def __deepcopy__(self, memo):
        """Returns a translator with models of its own; its graphs are made when they are used."""
        copied = [
            Translator(
                copy.deepcopy(member.model, memo),
                member.codecs,
                member.config,
                copy.deepcopy(member.record, memo),
            )
            for member in self.members
        ]
        if len(copied) == 1:
            return copied[0]
        first, *others = copied
        parts = first.model, first.codecs, first.config, first.record
        return Translator(*parts, others, self.inference.average)

    @classmethod
    def load(cls, run, *others, average="probability", precision="float32"):
        """Reads a run directory, or several of one target vocabulary as an ensemble.

        Args:
            run: Run directory.
            *others: More of them, which make an ensemble with the first.
            average: As in `Translator`.
            precision: Of weights and products. `"bfloat16"` takes half the memory, is faster on
                processors and GPUs that multiply in it, and changes some results.

        Raises:
            FileNotFoundError: A directory is missing.
            ValueError: It is not a run, or damaged; the runs cannot make an ensemble; or there
                is no such precision.
        """
        translator, *more = (cls(*load_model(each, precision)) for each in (run, *others))
        if not others:
            return translator
        for name, other in zip(others, more):
            _check_member(translator, other, name)
        parts = translator.model, translator.codecs, translator.config, translator.record
        return cls(*parts, more, average)

    @property
    def read_ahead(self):
        """Sources that are read at once, to be sorted by length."""
        return self.codecs.pairs_per_chunk

    @property
    def has_heads(self):
        """Whether results come with the attention of single heads."""
        return len(self.members) == 1 and self.config.model.architecture == "transformer"

    @property
    def predicts_values(self):
        """Whether the targets are real-valued."""
        return not self.codecs.target.is_text

    def translate(self, texts, beam_size=1, n_best=None, prefix=None, **options):
        """Translates sentences by beam search.

        Args:
            texts: Sentences, or real-valued sources.
            beam_size: Hypotheses K that the search follows; 1 is greedy search.
            n_best: How many translations of each sentence to return, at most `beam_size`.
            prefix: Text that translations must start with: one for all, or one for each. An
                empty sentence has an empty translation all the same.
            **options: Others of `kseq.BeamSearch`, such as `alpha`, `maximum_length`.

        Returns:
            A list of `Translation`, or, with `n_best`, a list of lists, best first.

        Raises:
            TypeError: `texts` is a single string, or the targets are real-valued.
            ValueError: There is no such option, or it is out of range; a source cannot be used;
                the vocabulary has not all words of a prefix; or nothing is left that could be
                written.
        """
        options |= {"beam_size": beam_size, "n_best": 1 if n_best is None else n_best}
        results = self.stream(texts, make_strategy(BeamSearch, **options), prefix)
        return [result if n_best is not None else result[0] for result in results]

    def sample(self, texts, samples=1, prefix=None, **options):
        """Draws translations at random, as probable as the model holds them.

        Args:
            texts: Sentences, or real-valued sources.
            samples: Translations to draw for each.
            prefix: As in `translate`.
            **options: Others of `kseq.Sampling`, such as `seed`, `temperature`, `top_p`.

        Returns:
            For each source a list of `Translation`, in the order in which they were drawn.

        Raises:
            TypeError, ValueError: As in `translate`.
        """
        strategy = make_strategy(Sampling, samples=samples, **options)
        return list(self.stream(texts, strategy, prefix))

    def stream(self, texts, strategy=None, prefix=None, read_ahead=None):
        """Translates an endless iterable: yields lists of `Translation`, in the same order.

        Up to `read_ahead` sentences (1,024, or 64 sequences of real values, by default) are read
        before the first is translated, beside others of its length.

        Args:
            texts: Iterable of sentences, or of real-valued sources. It may have a method
                `is_waiting` that tells whether the next one is not there yet; then those that
                are there are translated meanwhile.
            strategy: `kseq.BeamSearch` or `kseq.Sampling`; greedy search by default.
            prefix: As in `translate`.
            read_ahead: Number of sentences.
        """
        strategy = strategy or BeamSearch()
        if self.predicts_values:
            raise TypeError("this model predicts real values: use predict(sources, steps)")
        if not isinstance(strategy, (BeamSearch, Sampling)):
            raise TypeError(f"strategy must be a BeamSearch or a Sampling; received {strategy!r}")
        if read_ahead is not None and (type(read_ahead) is not int or read_ahead < 1):
            raise ValueError(
                f"read_ahead must be a whole number from 1 on; received {read_ahead!r}"
            )
        refuse_single(texts)
        search = self.inference.searching(strategy, *self.searching_with(strategy))
        first = 0
        sources = self._with_prefixes(texts, prefix, strategy)
        is_waiting = getattr(texts, "is_waiting", lambda: False)
        logits = strategy.width * max(self._logits, LEAST_LOGITS)
        for chunk in chunks(sources, read_ahead or self.read_ahead, is_waiting):
            results = self._search_chunk(search, first, chunk, logits)
            for number, (hypotheses, (source, _)) in enumerate(zip(results, chunk), first + 1):
                yield hypotheses or _refuse_nothing(number, source)
            first += len(chunk)

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
        refuse_single(sources)
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
            target, END included; `score` is the log-probability per token. (To an empty source
            a search writes nothing, not even END.) For real-valued targets a list of
            `Prediction`: every step as predicted from the true ones before.
        """
        results = []
        for chunk in chunks(map(self._pair, pairs), self.read_ahead):
            results.extend(self._score_chunk(*zip(*chunk)))
        return results

    def evaluate(self, pairs, alignments=None, beam_size=1, **options):
        """Measures results against references; see `kseq.analysis.evaluation.evaluate`."""
        from kseq.analysis.evaluation import evaluate

        make_strategy(BeamSearch, beam_size=beam_size, **options)
        if "n_best" in options:
            raise SettingError("evaluate compares the best translations; {n_best} is for translate")
        return evaluate(self, list(map(self._pair, pairs)), alignments, beam_size, **options)

    def plot(self, text, beam_size=1, axes=None, **options):
        """Translates one sentence and draws its attention; returns the matplotlib Axes.

        A `Prediction` of real values is drawn with `kseq.plot_attention`.
        """
        from kseq.analysis.heatmap import plot_attention

        return plot_attention(self.translate([text], beam_size, **options)[0], axes)

    def export(self, folder, beam_size=1, **options):
        """Writes a SavedModel; see `kseq.translation.export.export`."""
        from kseq.translation.export import export

        return export(self, folder, beam_size, **options)

    def searching_with(self, strategy):
        """What a strategy means for this model: forbidden ids, and a `Dictionary` or None.

        Raises:
            ValueError: The model cannot search in this way.
        """
        codec = self.codecs.target
        for name in ("beam_size", "top_k"):
            if getattr(strategy, name, 0) > codec.size:
                raise SettingError(
                    "{name} must be at most {0:,}, the size of the target vocabulary; received "
                    "{1:,}",
                    *(codec.size, getattr(strategy, name)),
                    name=name,
                )
        if getattr(strategy, "beta", 0.0) and not self.has_attention:
            raise SettingError("{beta} is for what was attended to; the model has no attention")
        if strategy.replace_unknown and not (self.has_attention and self.codecs.source.is_text):
            raise SettingError("{replace_unknown} needs a model with attention over source words")
        forbidden = tuple(id_ for token in strategy.forbid for id_ in codec.ids_shown_as(token))
        if not strategy.replace_unknown:
            return forbidden, None
        path = strategy.dictionary
        return forbidden, load_dictionary(path, self.codecs.source) if path else Dictionary({})

    def _source(self, source):
        return checked("source", self.codecs.source, source)

    def _pair(self, pair):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            received = reprlib.repr(pair)
            raise TypeError(f"expected pairs of source and target; received {received}")
        return self._source(pair[0]), checked("target", self.codecs.target, pair[1])

    def _with_prefixes(self, texts, prefix, strategy):
        """Yields each source with the ids that its outputs start with."""
        if prefix is None or isinstance(prefix, str):
            ids = self._prefix_ids(prefix, strategy)
            for text in texts:
                yield self._source(text), ids
            return
        if isinstance(prefix, bytes) or not hasattr(prefix, "__iter__"):
            raise TypeError(f"a prefix must be a string; received {reprlib.repr(prefix)}")
        for text, one in itertools.zip_longest(texts, prefix, fillvalue=_MISSING):
            if text is _MISSING or one is _MISSING:
                raise ValueError("expected one prefix for all sources, or as many as sources")
            yield self._source(text), self._prefix_ids(one, strategy)

    def _prefix_ids(self, prefix, strategy):
        if prefix is not None and not isinstance(prefix, str):
            raise TypeError(f"a prefix must be a string; received {reprlib.repr(prefix)}")
        ids = self.codecs.target.prefix_ids(prefix) if prefix else []
        longest = strategy.maximum_length
        if longest is not None and len(ids) > longest:
            raise SettingError(
                "the prefix {0!r} has {1} tokens, over {maximum_length} ({2})",
                *(prefix, len(ids), longest),
            )
        return ids

    def _search_chunk(self, search, first, chunk, logits):
        sources, prefixes = zip(*chunk)
        read = Sequences(self._source_codecs, sources)
        shown = read.shown()
        prefixes = tf.ragged.constant(prefixes, tf.int32, ragged_rank=1)

        def search_batch(rows):
            found, *strings = search(
                read.inputs(rows),
                read.tokens(rows),
                tf.gather(prefixes, rows).to_tensor(PAD),
                tf.constant(first + rows, tf.int32),
            )
            found = tf.nest.map_structure(lambda tensor: tensor.numpy(), found)
            strings = [decoded(tensor) for tensor in strings]
            for place, row in enumerate(rows):
                source = sources[row], shown[row]
                yield [
                    self._translation(source, found, strings, place, rank)
                    for rank in range(found.scores.shape[1])
                    if np.isfinite(found.scores[place, rank])
                ]

        return by_length(search_batch, read.lengths, sentence_logits=logits)

    def _translation(self, source, found, strings, place, rank):
        texts, tokens = strings
        length = found.lengths[place, rank]
        attention = {name: array[place, rank] for name, array in found.attention.items()}
        return Translation(
            text=texts[place][rank],
            score=float(found.scores[place, rank]),
            log_probability=float(found.log_probabilities[place, rank]),
            tokens=tokens[place][rank][:length],
            token_log_probabilities=found.token_log_probabilities[place, rank, :length],
            **self._attended(*source, length, attention),
        )

    def _predict_chunk(self, sources, steps):
        read = Sequences(self._source_codecs, sources)
        shown, predicting = read.shown(), self.inference.predicting

        def predict_batch(rows):
            longest = tf.constant(max(steps[row] for row in rows), tf.int32)
            values, attention = predicting(read.inputs(rows), longest)
            for place, row in enumerate(rows):
                weights = {name: tensor[place].numpy() for name, tensor in attention.items()}
                yield Prediction(
                    values=values[place, : steps[row]].numpy(),
                    **self._attended(sources[row], shown[row], steps[row], weights),
                )

        return by_length(predict_batch, read.lengths)

    def _score_chunk(self, sources, targets):
        read, wanted = (
            Sequences(codecs, sequences)
            for codecs, sequences in (
                (self._source_codecs, sources),
                ([self.codecs.target], targets),
            )
        )
        shown, tokens = read.shown(), wanted.shown()
        side, forcing = self.codecs.target.side, self.inference.forcing
        labels = side.with_first_step(wanted.numbers[0])

        def score_batch(rows):
            forced = forcing(read.inputs(rows), side.pad_targets(tf.gather(labels, rows)))
            measures, values, attention = tf.nest.map_structure(lambda each: each.numpy(), forced)
            for place, row in enumerate(rows):
                length = wanted.lengths[row]
                weights = {name: array[place] for name, array in attention.items()}
                attended = self._attended(sources[row], shown[row], length, weights)
                measured = measures[place, :length]
                if self.predicts_values:
                    predicted = values[place, :length]
                    error = float(measured.mean(dtype=np.float64))
                    yield Prediction(values=predicted, error=error, **attended)
                else:
                    yield Translation(
                        text=targets[row],
                        score=float((-measured).mean(dtype=np.float64)),
                        log_probability=float((-measured).sum(dtype=np.float64)),
                        tokens=tokens[row],
                        token_log_probabilities=-measured,
                        **attended,
                    )

        lengths = np.maximum(read.lengths, wanted.lengths)
        return by_length(score_batch, lengths, token_logits=self._logits)

    def _attended(self, source, tokens, length, attention):
        """Arguments of a result: the source, and the attention without padding."""
        width = len(source) if tokens is None else len(tokens)
        if self.config.model.pyramid:
            width = -(-width // 2 ** (self.config.model.encoder_layers - 1))
        cut = {name: array[:length, ..., :width] for name, array in attention.items()}
        if "attention_heads" in cut:
            cut["attention_heads"] = np.moveaxis(cut["attention_heads"], 0, 2)
        return {"source": source, "source_tokens": tokens, **cut}


def _check_member(first, other, name):
    """Checks that a model can be in one ensemble with the first."""
    if first.predicts_values or other.predicts_values:
        raise ValueError(f"{name}: an ensemble is for text; this model predicts real values")
    for side, codecs in zip(("source", "target"), zip(first.codecs.sides, other.codecs.sides)):
        reads = [
            (getattr(first.config.text, f"{side}_tokenizer"), first.config.text.case),
            (getattr(other.config.text, f"{side}_tokenizer"), other.config.text.case),
        ]
        kinds = [one if codec.is_text else codec.features for one, codec in zip(reads, codecs)]
        if kinds[0] != kinds[1] or first.config.model.pyramid != other.config.model.pyramid:
            raise ValueError(
                f"{name}: an ensemble must read the {side} in one way; this model does not split "
                "it as the first does (tokenizer, case, pyramid, width of real values)"
            )
    one, two = (each.codecs.target.vocabulary for each in (first, other))
    if one != two:
        raise ValueError(
            f"{name}: an ensemble needs one target vocabulary; this one has {len(two):,} tokens "
            f"and is not that of the first, with {len(one):,}: train both on the same pairs"
        )


def _refuse_nothing(number, source):
    raise SettingError(
        "source {0}: nothing can be written for {1} that keeps to all rules; loosen them "
        "({minimum_length}, {minimum_ratio}, {no_repeat_ngram}, {forbid})",
        *(number, reprlib.repr(source)),
    )


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
