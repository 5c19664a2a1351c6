"""The signatures of a SavedModel: which inputs they take, and which outputs they return.

Signatures differ in their outputs, as clients cannot choose among those of one: attention has a
size of T·S for each source, and the REST interface of TensorFlow Serving sends all outputs.
They take `text`, string `[N]`, and return a dict:

`serving_default`: the best translations.

- `translation`: string `[N]`,
- `score`: log-probability over the length penalty, plus the coverage penalty, float32 `[N]`,
- `is_cut`: whether the translation was cut at its maximum length, boolean `[N]`,
- `hypothesis_count`: int32 `[N]`, 1, or 0 if the rules allow no translation.

`nbest`: the same for `n_best` translations of each source, best first. All outputs except
`hypothesis_count` have an axis `[N, n_best]`; after the first `hypothesis_count`, scores are 0
and strings are empty.

`details`: the outputs of `serving_default` or, if `n_best` is given, of `nbest`, and

- `source_tokens`: string `[N, S]`, END included, padded with empty strings,
- `output_tokens`: string `[N, T]`, likewise,
- `attention`: float32 `[N, T, S]`, 0 on padding, if the model has attention; for a
  Transformer also `attention_heads`, float32 `[N, T, layers, heads, S]`,
- `generation_probability`: float32 `[N, T]`, if the model copies,
- `feature_tokens`, string `[N, F]`, and `feature_attention`, float32 `[N, T, F]`, if the model
  attends to features.

`score` also takes `target`, string `[N]`, and returns how probable these targets are:
`log_probability`, float32 `[N]`; `score`, the same per token; `token_log_probabilities`,
float32 `[N, T]`; and `target_tokens`, string `[N, T]`.

`encode` returns what the encoder has read, as `kseq.models.encodings.encoding_model` does.
An ensemble does not have it.

For a language model, `text` holds the beginnings of texts, and `translation` whole texts; `score`
takes texts as `target`, and ignores `text`. There is no `encode`.

Every signature of a model that reads features also takes `features`, string `[N]`. For a
real-valued source they take `source`, float32 `[N, S, F]`, and `lengths`, int32 `[N]`, from 1
to S, instead of `text`. For real-valued targets, `serving_default` and `details` also take
`steps`, int32, from 1 to 100,000, and return `values`, float32 `[N, T, F]`; `details` returns
the attention, too; `score` takes `target`, float32 `[N, T, F]`, and `target_lengths`, int32
`[N]`, and returns `error`, float32 `[N]`; there is no `nbest`. If the model reads covariates, all
of these take `covariates`, float32 `[N, T, C]`; `steps`, which is T, is left out.
"""

import abc
import functools

import tensorflow as tf

from kseq.models.encodings import encoding_model
from kseq.search.free_run import LONGEST_PREDICTION
from kseq.search.hypotheses import is_possible
from kseq.special_tokens import PAD
from kseq.translation.served_sources import check_count, check_finite, check_lengths, displayed

_SHORT = ("translation", "score", "is_cut", "hypothesis_count")  # outputs without attention


class Signatures(abc.ABC):
    """The signatures of a SavedModel.

    Args:
        inference: `Inference`.
        models: Models of `inference`.
        source: The source, from `make_source`.
        target_codec: The codec of the target.
    """

    def __init__(self, inference, models, source, target_codec):
        self._inference = inference
        self._source = source
        self._target_codec = target_codec
        # An ensemble has no single memory, and a language model reads nothing.
        reads = len(models) == 1 and not models[0].config.is_language_model
        self._encoding = encoding_model(models[0]) if reads else None

    def make(self):
        """Returns the concrete function of each signature, by name."""
        functions = {**self._outputs(), "score": self._trace(self._score, self._score_specs)}
        if self._encoding is not None:
            functions["encode"] = self._trace(self._encode, {})
        return functions

    @abc.abstractmethod
    def _outputs(self):
        """Returns the concrete functions of the signatures that write outputs, by name."""

    @property
    @abc.abstractmethod
    def _score_specs(self):
        """`tf.TensorSpec`s of the inputs of `score` that describe targets, by name."""

    @abc.abstractmethod
    def _score(self, reading, inputs):
        """Returns how probable given targets are, by name of the output."""

    def _encode(self, reading, inputs):
        return self._encoding(reading.encoder_inputs[0], training=False)

    def _trace(self, function, specs):
        """Traces a function of a `Reading` and the inputs of a signature by name."""

        def serve(**inputs):
            return function(self._source.read(inputs), inputs)

        specs = {**self._source.specs, **specs}
        return tf.function(serve, autograph=False).get_concrete_function(**specs)


class TextSignatures(Signatures):
    """The signatures of a model that writes text.

    Args:
        inference: `Inference`.
        models: Models of `inference`.
        source: The source, from `make_source`.
        target_codec: `TextCodec` of the target.
        best: `BeamSearch` that returns the best translation.
        several: `BeamSearch` that returns several; the same one if there is only one to return.
        forbidden: Ids that are never written.
        dictionary: `Dictionary` for replacing unknown words; None to keep them.
        details_of_all: Whether `details` describes several translations, not only the best one.
    """

    def __init__(
        self,
        *described,
        best,
        several,
        forbidden,
        dictionary,
        details_of_all,
    ):
        super().__init__(*described)
        self._best = best
        self._several = several
        self._forbidden = forbidden
        self._dictionary = dictionary
        self._details_of_all = details_of_all

    def _outputs(self):
        best = several = self._trace_search(self._best)
        if self._several != self._best:
            several = self._trace_search(self._several)
        return {
            "serving_default": _select(best, _SHORT, squeezed=True),
            "nbest": _select(several, _SHORT),
            "details": _select(several) if self._details_of_all else _select(best, squeezed=True),
        }

    def _trace_search(self, strategy):
        return self._trace(functools.partial(self._search, strategy=strategy), {})

    def _search(self, reading, inputs, strategy):
        """Searches for translations; returns all outputs by name, with an axis N."""
        prefix = None
        if self._source.is_absent:
            tokens = self._target_codec.tokenize(inputs["text"])
            ids = tokens.with_flat_values(self._target_codec.ids(tokens.flat_values))
            prefix = ids.to_tensor(PAD)
        search = self._inference.search
        result = search(reading.encoder_inputs, strategy, self._forbidden, prefix)
        texts, tokens = self._inference.texts_and_tokens(result, reading.tokens, self._dictionary)
        # JSON has no -inf, so missing hypotheses have a score of 0; the count says which are real.
        is_real = is_possible(result.scores)
        return {
            **reading.outputs,
            "translation": texts,
            "score": tf.where(is_real, result.scores, 0.0),
            "is_cut": result.is_cut,
            "hypothesis_count": tf.math.count_nonzero(is_real, axis=1, dtype=tf.int32),
            "output_tokens": tf.where(result.ids == PAD, "", tokens),
            **result.attention,
        }

    @property
    def _score_specs(self):
        return {"target": tf.TensorSpec([None], tf.string, name="target")}

    def _score(self, reading, inputs):
        """Reads targets by teacher forcing; returns outputs as `export` describes them."""
        codec, side = self._target_codec, self._target_codec.side
        count = tf.shape(reading.tokens)[0]
        tokens = codec.tokenize(check_count(inputs["target"], count, "target"))
        numbers = codec.with_end(tokens)
        targets = side.pad_targets(side.with_first_step(numbers), reading.numbers)
        losses, _, _ = self._inference.force(reading.encoder_inputs, targets)
        lengths = numbers.row_lengths()
        is_real = tf.sequence_mask(lengths, tf.shape(losses)[1])
        log_probabilities = tf.where(is_real, -losses, 0.0)
        total = tf.reduce_sum(log_probabilities, axis=1)
        return {
            "log_probability": total,
            "score": total / tf.cast(lengths, tf.float32),
            "token_log_probabilities": log_probabilities,
            "target_tokens": displayed(codec, tokens),
        }


class ValueSignatures(Signatures):
    """The signatures of a model that predicts real values.

    Args:
        inference: `Inference`.
        models: Models of `inference`.
        source: The source, from `make_source`.
        target_codec: `ValueCodec` of the target.
    """

    def _outputs(self):
        specs = self._covariate_specs or {"steps": tf.TensorSpec([], tf.int32, name="steps")}
        details = self._trace(self._predict, specs)
        return {"serving_default": _select(details, ("values",)), "details": details}

    def _predict(self, reading, inputs):
        """Predicts values; their number of steps is an input of the signature, or of covariates."""
        known, steps = (), inputs.get("steps")
        if "covariates" in inputs:
            known = (self._known_inputs(reading, inputs["covariates"]),)
            steps = tf.shape(known[0])[1]
        steps = self._check_steps(steps)
        values, attention = self._inference.predict(reading.encoder_inputs, steps, *known)
        return {**reading.outputs, "values": values, **attention}

    @staticmethod
    def _check_steps(steps):
        checks = [
            tf.debugging.assert_positive(steps, "steps must be at least 1"),
            tf.debugging.assert_less_equal(
                steps, LONGEST_PREDICTION, f"steps must be at most {LONGEST_PREDICTION:,}"
            ),
        ]
        with tf.control_dependencies(checks):
            return tf.identity(steps)

    @property
    def _covariate_specs(self):
        """`tf.TensorSpec` of the covariates by name, if the model reads some."""
        count = self._target_codec.covariates
        spec = tf.TensorSpec([None, None, count], name="covariates")
        return {"covariates": spec} if count else {}

    @staticmethod
    def _known_inputs(reading, known, lengths=None):
        """Returns covariates `[N, T, C]`, after checking in the graph their number and values.

        Args:
            reading: `Reading`.
            known: The covariates.
            lengths: Number of steps of each source that they are known for; by default all.
        """
        count = tf.shape(reading.tokens)[0]
        lengths = tf.fill([count], tf.shape(known)[1]) if lengths is None else lengths
        check = tf.debugging.assert_equal(
            tf.shape(known)[0], count, "covariates must hold known inputs for each source"
        )
        with tf.control_dependencies([check]):
            return check_finite(known, lengths, "covariates")

    @property
    def _score_specs(self):
        return {
            **self._covariate_specs,
            "target": tf.TensorSpec([None, None, self._target_codec.features], name="target"),
            "target_lengths": tf.TensorSpec([None], tf.int32, name="target_lengths"),
        }

    def _score(self, reading, inputs):
        """Predicts each step of targets from the true steps before it."""
        target, codec = inputs["target"], self._target_codec
        lengths = check_lengths(inputs["target_lengths"], target, "target_lengths", "target")
        target = check_finite(target, lengths, "target")
        is_real = tf.sequence_mask(lengths, tf.shape(target)[1])
        if "covariates" in inputs:
            known = self._known_inputs(reading, inputs["covariates"], lengths)
            target = tf.concat([target, known], axis=-1)
        target = tf.where(is_real[:, :, None], codec.standardize(target), 0.0)
        first = codec.side.first_step(tf.shape(target)[0])
        targets = tf.concat([first[:, None], target], axis=1)
        losses, _, _ = self._inference.force(reading.encoder_inputs, targets)
        errors = tf.reduce_sum(tf.where(is_real, losses, 0.0), axis=1)
        return {"error": errors / tf.cast(lengths, tf.float32)}


def _select(function, names=None, squeezed=False):
    """Returns a concrete function with some of the outputs of another one.

    Args:
        function: A concrete function that returns a dict.
        names: Names of the outputs to return; all by default.
        squeezed: Whether to return only the first translation of each source, without an axis N.
    """

    def serve(**inputs):
        outputs = function(**inputs)
        selected = {name: outputs[name] for name in names or outputs}
        if squeezed:
            selected = {
                name: tensor if name in _OF_SOURCES else tensor[:, 0]
                for name, tensor in selected.items()
            }
        return selected

    specs = function.structured_input_signature[1]
    return tf.function(serve, autograph=False).get_concrete_function(**specs)


_OF_SOURCES = ("source_tokens", "feature_tokens", "hypothesis_count")  # outputs without an axis N
