"""Trained models as graphs: the search, the free run of real values, and teacher forcing.

Several models make an ensemble: each reads the source on its own, and their predictions for the
next step are averaged.
"""

import functools
import math

import tensorflow as tf

from kseq.models.factory import split_for_inference
from kseq.search.free_run import free_run
from kseq.search.loop import search
from kseq.search.rules import Requirements
from kseq.translation.heads import search_head
from kseq.translation.unknown_words import replace_unknown

LONGEST_BY_DEFAULT = 1000  # tokens in an output
AVERAGES = ("probability", "log_probability")
_MEANS = ("attention", "feature_attention", "generation_probability")
_ATTENTION = ("attention_heads", *_MEANS)
NUMBER_TYPES = {"seed": tf.int32, "temperature": tf.float32, "top_p": tf.float32}
_CACHED_GRAPHS = 16  # one for each strategy without its numbers
_ROUNDING = 1e-3  # of a token, so that 0.1 · 30 is 3


class Inference:
    """The graphs of a model, or of an ensemble, on batches of numbers.

    It connects trained models to the search, which knows no model: it passes a step function, the
    first state and a head, averaged over the ensemble. The `Translator` handles strings and
    results.

    Args:
        models: Models of `build_seq2seq`: one, or several that write text and have the same
            target vocabulary.
        codecs: `CodecPair` of each.
        length_ratio: Target tokens per source token, as in the training split.
        average: What an ensemble averages, `"probability"` or `"log_probability"`; averaged
            log-probabilities are normalised again.
    """

    def __init__(self, models, codecs, length_ratio, average="probability"):
        self._members = [(model, *split_for_inference(model)) for model in models]
        self._source_sides = [model.source_side for model in models]
        self._target_side = models[0].target_side
        self._target_codec = codecs[0].target
        self._length_ratio = length_ratio
        self.average = average
        self.search_function = functools.lru_cache(_CACHED_GRAPHS)(self._make_search_function)

    def search(self, inputs, strategy, forbidden=(), prefix=None, seeds=None, *, numbers=None):
        """Searches for translations.

        Without a maximum length or ratio in the strategy, an output may be twice as long as
        expected from the length of the source and the training split, plus ten tokens, but not
        longer than `LONGEST_BY_DEFAULT` (or the minimum length, if that is larger).

        Args:
            inputs: Inputs of the encoder of each model.
            strategy: `BeamSearch` or `Sampling`.
            forbidden: Ids that are never written.
            prefix: Ids that outputs start with, int32 `[B, P]`, padded with PAD.
            seeds: A number for each source, int32 `[B]`, for `Sampling`.
            numbers: What to use in place of `strategy.numbers`, scalar tensors by name.

        Returns:
            A `SearchResult` whose attention is a dict of `attention`; for a Transformer also
            `attention_heads`; if features are tokens, `feature_attention`; for a model that copies,
            `generation_probability`. It is empty without attention. For an ensemble these are
            means, without `attention_heads`.
        """
        encoded = self._encode(inputs)
        step, states, constants, attention_spec = self._make_step(self._hidden_names, encoded)
        lengths = self._source_sides[0].source_lengths(inputs[0])
        if prefix is None:
            prefix = tf.zeros([tf.size(lengths), 0], tf.int32)
        maximum, minimum = self._length_bounds(lengths, strategy, prefix)
        no_mask = lengths[:, None] < 0
        requirements = Requirements(
            maximum_lengths=maximum,
            minimum_lengths=minimum,
            prefix=prefix,
            forbidden=tf.constant(forbidden, tf.int32),
            seeds=tf.zeros_like(maximum) if seeds is None else seeds,
            mask=next((outputs["mask"] for outputs in encoded if "mask" in outputs), no_mask),
        )
        head = self._make_head()
        search_from = functools.partial(search, step, states, constants, attention_spec)
        return search_from(strategy, requirements, head=head, numbers=numbers)

    def predict(self, inputs, steps, covariates=None):
        """Predicts real values, each step from the steps before it.

        Args:
            inputs: Inputs of the encoder of the model, in a tuple.
            steps: Number of steps T, a scalar.
            covariates: Known inputs of at least T steps, `[B, T', C]`, if the model reads some.

        Returns:
            Values `[B, T, F]` and a dict of attention, `[B, T, S]`.
        """
        encoded = self._encode(inputs)
        step, states, constants, attention_spec = self._make_step(["values"], encoded)
        batch = tf.shape(tf.nest.flatten(inputs[0])[0])[0]

        def next_values(*arguments):
            (values,), *rest = step(*arguments)
            return values, *rest

        side, make_input = self._target_side, None
        if covariates is not None:
            known = self._target_codec.standardize_covariates(covariates)
            make_input = functools.partial(side.step_input, known)
        first = side.first_step(batch)[:, : side.features]
        arguments = next_values, states, constants, first, steps, attention_spec
        values, attention = free_run(*arguments, make_input=make_input)
        return self._target_codec.decode(values), attention

    def force(self, inputs, targets):
        """Reads given targets by teacher forcing.

        Args:
            inputs: Inputs of the encoder of each model.
            targets: Ids `[B, T+1]` that begin with START, or values `[B, T+1, F + C]`, with their
                covariates, that begin with a step of zeros.

        Returns:
            Losses from `Side.losses`, `[B, T]`; the predicted values `[B, T, F]`, for text
            `[B, 0]`; and a dict of attention, `[B, T, S]`.
        """
        labels, predicted, attention = self._read(inputs, targets)
        losses = self._target_side.losses(labels, predicted)
        return losses, self._target_codec.predicted_values(predicted), attention

    def guess(self, inputs, targets):
        """Compares the most probable token of each step with the correct one, by teacher forcing.

        Args:
            inputs, targets: As in `force`; the targets are text.

        Returns:
            The probabilities of the most probable tokens, float32 `[B, T]`, and whether they are
            the correct ones, boolean `[B, T]`.
        """
        labels, logits, _ = self._read(inputs, targets)
        is_correct = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)
        return tf.exp(tf.reduce_max(tf.nn.log_softmax(logits), axis=-1)), is_correct

    def _read(self, inputs, targets):
        """Returns labels, the outputs of the heads and the attention of `force`."""
        target, labels = self._target_side.shift(targets)
        outputs = [
            model.get_layer("decoder")({**target, **encoded}, training=False)
            for (model, *_), encoded in zip(self._members, self._encode(inputs))
        ]
        name = self._target_side.output_name
        predicted = self._average([output[name] for output in outputs])
        return labels, predicted, self._mean_attention(outputs)

    def _encode(self, inputs):
        return [
            encoder(source, training=False)
            for (_, encoder, _), source in zip(self._members, inputs)
        ]

    def _make_step(self, output_names, encoded):
        """Makes the step function of a search or a free run.

        Args:
            output_names: Name of the requested output of each model's decoder step.
            encoded: Outputs of the encoder of each model.

        Returns:
            A function from the last ids or values, the states and the constants to that output of
            each model, the new states and the attention; the first states; the constants; and
            `tf.TensorSpec`s of the attention of a row.
        """
        steps = [step for *_, step in self._members]
        constants = [
            {name: tensors for name, tensors in outputs.items() if name != "state"}
            for outputs in encoded
        ]
        states = [outputs["state"] for outputs in encoded]
        attention_spec = {
            name: tf.TensorSpec(tensor.shape[1:])
            for name, tensor in self._mean_attention([step.output for step in steps]).items()
        }

        def run_step(last, states, constants):
            # A search does not know the static shapes of a state, as a state may grow.
            states = tf.nest.map_structure(
                lambda tensor, spec: tf.ensure_shape(tensor, spec.shape),
                states,
                [step.input["state"] for step in steps],
            )
            outputs = [
                step({self._target_side.step_name: last, **rest, "state": state}, training=False)
                for step, rest, state in zip(steps, constants, states)
            ]
            new_states = [output["state"] for output in outputs]
            requested = [output[name] for name, output in zip(output_names, outputs)]
            return requested, new_states, self._mean_attention(outputs)

        return run_step, states, constants, attention_spec

    @property
    def _hidden_names(self):
        """Name of the output of each model's decoder step that its head reads."""
        return [
            "logits" if model.config.mixes_distributions else "hidden"
            for model, *_ in self._members
        ]

    def _make_head(self, pads=True):
        """Makes a function from what each model's step returns, `[N, ...]`, to logits `[N, V]`.

        Args:
            pads: Whether the vocabulary is padded by `padding_of(V)` ids.
        """
        heads = [search_head(model, pads) for model, *_ in self._members]

        def logits(outputs):
            return self._average([head(output) for head, output in zip(heads, outputs)])

        return logits

    def _average(self, outputs):
        """The output of a single model; for an ensemble the averaged log-probabilities."""
        if len(outputs) == 1:
            return outputs[0]
        log_probabilities = tf.stack([tf.nn.log_softmax(logits) for logits in outputs])
        if self.average == "log_probability":
            return tf.nn.log_softmax(tf.reduce_mean(log_probabilities, axis=0))
        return tf.reduce_logsumexp(log_probabilities, axis=0) - math.log(len(outputs))

    @staticmethod
    def _mean_attention(outputs):
        """The attention of a single model; for an ensemble the mean over models with attention."""
        if len(outputs) == 1:
            return {name: outputs[0][name] for name in _ATTENTION if name in outputs[0]}
        means = {}
        for name in _MEANS:
            values = [output[name] for output in outputs if name in output]
            if values:
                means[name] = sum(values) / len(values)
        return means

    def _length_bounds(self, lengths, strategy, prefix):
        """Maximum and minimum number of ids of each output, END included, int32 `[B]`."""
        side = self._source_sides[0]
        words = side.content_lengths(lengths)
        minimum = tf.cast(tf.math.ceil(strategy.minimum_ratio * words - _ROUNDING), tf.int32)
        minimum = 1 + tf.maximum(minimum, strategy.minimum_length)
        limits = []
        if strategy.maximum_length is not None:
            limits.append(tf.zeros_like(minimum) + strategy.maximum_length + 1)
        if strategy.maximum_ratio is not None:
            limits.append(1 + tf.cast(strategy.maximum_ratio * words + _ROUNDING, tf.int32))
        prefix_lengths = tf.math.count_nonzero(prefix, axis=1, dtype=tf.int32)
        default = 10 + tf.cast(2.0 * self._length_ratio * lengths, tf.int32)
        if side.is_absent:
            default += prefix_lengths  # A language model goes on with texts of any length.
        default = tf.maximum(tf.minimum(default, LONGEST_BY_DEFAULT), minimum)
        maximum = functools.reduce(tf.minimum, limits) if limits else default
        maximum = tf.maximum(maximum, prefix_lengths + 1)
        maximum = tf.where(side.is_empty(lengths), 0, maximum)
        return maximum, tf.minimum(minimum, maximum)

    @property
    def source_specs(self):
        """`tf.TensorSpec`s of the inputs of the encoder of each model."""
        return tuple(model.source_specs for model, *_ in self._members)

    def _make_search_function(self, strategy, forbidden=(), dictionary=None):
        """Compiles `search` and `texts_and_tokens` into one function.

        Args:
            strategy: `BeamSearch` or `Sampling`, `without_numbers`.
            forbidden: Ids that are never written.
            dictionary: As in `texts_and_tokens`.

        Returns:
            A function from the inputs of each model, source tokens `[B, S-1]`, prefixes `[B, P]`,
            seeds `[B]` and the numbers of a strategy (tensors of `NUMBER_TYPES`) to a
            `SearchResult`, texts and tokens.
        """
        ids = tf.TensorSpec([None, None], tf.int32)

        @tf.function(
            input_signature=[
                self.source_specs,
                tf.TensorSpec([None, None], tf.string),
                ids,
                tf.TensorSpec([None], tf.int32),
                {name: tf.TensorSpec([], NUMBER_TYPES[name]) for name in strategy.numbers},
            ],
            autograph=False,
        )
        def search_and_join(inputs, source_tokens, prefix, seeds, numbers):
            result = self.search(inputs, strategy, forbidden, prefix, seeds, numbers=numbers)
            return result, *self.texts_and_tokens(result, source_tokens, dictionary)

        # Calling a new function for every strategy would make TensorFlow warn about retracing.
        return search_and_join.get_concrete_function()

    def texts_and_tokens(self, result, source_tokens, dictionary=None):
        """Joins the ids of a search to strings.

        Args:
            result: `SearchResult`.
            source_tokens: Source tokens without END, `[B, S-1]`.
            dictionary: `Dictionary` for replacing unknown words; None to keep them.

        Returns:
            Texts `[B, N]`, and tokens as they are displayed, `[B, N, T]`.
        """
        tokens = self._target_codec.output_tokens(result.ids, source_tokens)
        if dictionary is not None:
            attention = result.attention["attention"]
            tokens = replace_unknown(result.ids, tokens, attention, source_tokens, dictionary)
        flat = [-1, tf.shape(result.ids)[-1]]
        texts = self._target_codec.join(tf.reshape(result.ids, flat), tf.reshape(tokens, flat))
        return tf.reshape(texts, tf.shape(result.lengths)), self._target_codec.display(tokens)

    @functools.cached_property
    def predict_function(self):
        """`predict` as a compiled function."""
        count = self._target_side.covariates
        known = [tf.TensorSpec([None, None, count])] if count else []
        steps = tf.TensorSpec([], tf.int32)
        return _compile(lambda *inputs: self.predict(*inputs), self.source_specs, steps, *known)

    @functools.cached_property
    def force_function(self):
        """`force` as a compiled function."""
        return _compile(self.force, self.source_specs, self._target_side.target_spec)

    @functools.cached_property
    def guess_function(self):
        """`guess` as a compiled function."""
        return _compile(self.guess, self.source_specs, self._target_side.target_spec)


def _compile(function, *specs):
    return tf.function(function, autograph=False).get_concrete_function(*specs)
