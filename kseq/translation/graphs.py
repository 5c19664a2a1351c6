"""Trained models as graphs: the search, the free run of real values, and teacher forcing.

Several models make an ensemble: each reads the source on its own, and what they hold probable
next is averaged at every step.
"""

import functools
import math

import tensorflow as tf

from kseq.kernels.cross_entropy import output_logits, padded
from kseq.models.factory import output_layer, split_for_inference
from kseq.search.continuations import padding_of
from kseq.search.free_run import free_run
from kseq.search.loop import search
from kseq.search.rules import Requirements
from kseq.text.codec import strip_marks
from kseq.translation.unknown_words import replace_unknown

LONGEST_OUTPUT = 1000  # tokens, unless more are asked for
AVERAGES = ("probability", "log_probability")
_ATTENTION = ("attention", "attention_heads")
_GRAPHS = 16  # strategies whose graphs are kept


class Inference:
    """The graphs of a model, or of an ensemble, for batches of numbers.

    Args:
        models: Models of `build_seq2seq`, one or, of text, several with one target vocabulary.
        codecs: `CodecPair` of each.
        length_ratio: Target tokens per source token, as in the training split.
        average: What an ensemble averages, `"probability"` or `"log_probability"`; the latter is
            normalised again.
    """

    def __init__(self, models, codecs, length_ratio, average="probability"):
        self._members = [(model, *split_for_inference(model)) for model in models]
        self._source_sides = [model.source_side for model in models]
        self._target_side = models[0].target_side
        self._target = codecs[0].target
        self._length_ratio = length_ratio
        self.average = average
        self.searching = functools.lru_cache(_GRAPHS)(self._make_searching)

    def search(self, inputs, strategy, forbidden=(), prefix=None, seeds=None):
        """Searches for translations.

        Unless a length is asked for, an output is at most twice as long as the source would let
        one expect from the training split, and ten tokens more.

        Args:
            inputs: Inputs of the encoder of each model.
            strategy: `BeamSearch` or `Sampling`.
            forbidden: Ids that are never written.
            prefix: Ids that outputs start with, int32 `[B, P]`, PAD behind.
            seeds: A number for each source, int32 `[B]`, for `Sampling`.

        Returns:
            A `SearchResult` whose attention is a dict of `attention` and, for a Transformer,
            `attention_heads`; empty without attention. That of an ensemble is the mean.
        """
        encoded = self._encode(inputs)
        step, state, fixed, attention_spec = self._stepping("ids", "hidden", encoded)
        lengths = self._source_sides[0].source_lengths(inputs[0])
        if prefix is None:
            prefix = tf.zeros([tf.size(lengths), 0], tf.int32)
        maximum, minimum = self._bounds(lengths, strategy, prefix)
        requirements = Requirements(
            maximum_lengths=maximum,
            minimum_lengths=minimum,
            prefix=prefix,
            forbidden=tf.constant(forbidden, tf.int32),
            seeds=tf.zeros_like(maximum) if seeds is None else seeds,
            mask=next((one["mask"] for one in encoded if "mask" in one), lengths[:, None] < 0),
        )
        head = self._logits()
        return search(step, state, fixed, attention_spec, strategy, requirements, head=head)

    def predict(self, inputs, steps):
        """Predicts real values `[B, T, F]` in T steps; returns them and a dict of attention."""
        encoded = self._encode(inputs)
        step, state, fixed, attention_spec = self._stepping("value", "values", encoded)
        batch = tf.shape(tf.nest.flatten(inputs[0])[0])[0]
        first = self._target_side.first_step(batch)

        def next_values(*arguments):
            (values,), *others = step(*arguments)
            return values, *others

        values, attention = free_run(next_values, state, fixed, first, steps, attention_spec)
        return self._target.decode(values), attention

    def force(self, inputs, targets):
        """Reads given targets, teacher forced.

        Args:
            inputs: Inputs of the encoder of each model.
            targets: Ids `[B, T+1]` with START, or values `[B, T+1, F]` with a first step of 0.

        Returns:
            Losses as of `Side.losses`, `[B, T]`; the predicted values `[B, T, F]`, or `()` for
            text; and a dict of attention.
        """
        target, labels = self._target_side.shift(targets)
        outputs = [
            model.get_layer("decoder")({**target, **encoded}, training=False)
            for (model, *_), encoded in zip(self._members, self._encode(inputs))
        ]
        combined = self._combined([output[self._target_side.output_name] for output in outputs])
        losses = self._target_side.losses(labels, combined)
        return losses, self._target.predicted_values(combined), self._attention(outputs)

    def _encode(self, inputs):
        return [
            encoder(source, training=False)
            for (_, encoder, _), source in zip(self._members, inputs)
        ]

    def _stepping(self, last, output, encoded):
        """The decoder step as a search can call it; its first state, what is fixed, attention.

        It reads what came `last`, and gives that `output` of each model.
        """
        steps = [step for *_, step in self._members]
        fixed = [{name: one[name] for name in one if name != "state"} for one in encoded]
        states = [one["state"] for one in encoded]
        spec = {
            name: tf.TensorSpec(tensor.shape[1:])
            for name, tensor in self._attention([step.output for step in steps]).items()
        }

        def run(value, states, fixed):
            # A search knows nothing of the shapes of a state that may grow.
            states = tf.nest.map_structure(
                lambda tensor, known: tf.ensure_shape(tensor, known.shape),
                states,
                [step.input["state"] for step in steps],
            )
            outputs = [
                step({last: value, **one, "state": state}, training=False)
                for step, one, state in zip(steps, fixed, states)
            ]
            new_states = [output["state"] for output in outputs]
            found = [one[output] for one in outputs]
            return found, new_states, self._attention(outputs)

        return run, states, fixed, spec

    def _logits(self):
        """What makes the logits of a search: a function of the last hidden layer of each model."""
        heads = [_head(*output_layer(model)) for model, *_ in self._members]

        def logits(hidden):
            return self._combined([head(one) for head, one in zip(heads, hidden)])

        return logits

    def _combined(self, logits):
        """What the models make of the next step together."""
        if len(logits) == 1:
            return logits[0]
        each = tf.stack([tf.nn.log_softmax(one) for one in logits])
        if self.average == "log_probability":
            return tf.nn.log_softmax(tf.reduce_mean(each, axis=0))
        return tf.reduce_logsumexp(each, axis=0) - math.log(len(logits))

    @staticmethod
    def _attention(outputs):
        """What the models attended to: of one all there is, of several the mean."""
        if len(outputs) == 1:
            return {name: outputs[0][name] for name in _ATTENTION if name in outputs[0]}
        each = [output["attention"] for output in outputs if "attention" in output]
        return {"attention": sum(each) / len(each)} if each else {}

    def _bounds(self, lengths, strategy, prefix):
        """Most and least ids of outputs, END included, int32 `[B]`."""
        words = self._source_sides[0].content_lengths(lengths)
        least = tf.cast(tf.math.ceil(strategy.minimum_ratio * words - _ROUNDING), tf.int32)
        least = 1 + tf.maximum(least, strategy.minimum_length)
        most = []
        if strategy.maximum_length is not None:
            most.append(tf.zeros_like(least) + strategy.maximum_length + 1)
        if strategy.maximum_ratio is not None:
            most.append(1 + tf.cast(strategy.maximum_ratio * words + _ROUNDING, tf.int32))
        usual = 10 + tf.cast(2.0 * self._length_ratio * lengths, tf.int32)
        usual = tf.maximum(tf.minimum(usual, LONGEST_OUTPUT), least)
        most = functools.reduce(tf.minimum, most) if most else usual
        prefix_lengths = tf.math.count_nonzero(prefix, axis=1, dtype=tf.int32)
        most = tf.maximum(most, prefix_lengths + 1)
        most = tf.where(self._source_sides[0].is_empty(lengths), 0, most)
        return most, tf.minimum(least, most)

    @property
    def source_specs(self):
        """`tf.TensorSpec` of the inputs of the encoder of each model."""
        return tuple(side.source_specs for side in self._source_sides)

    def _make_searching(self, strategy, forbidden=(), dictionary=None):
        """`search` as a compiled function, with the texts and the tokens to be shown.

        It takes the inputs, the source tokens `[B, S - 1]` for `replace_unknown`, and prefix and
        seeds as `search` does.
        """
        ids = tf.TensorSpec([None, None], tf.int32)

        @tf.function(
            input_signature=[
                self.source_specs,
                tf.TensorSpec([None, None], tf.string),
                ids,
                tf.TensorSpec([None], tf.int32),
            ],
            autograph=False,
        )
        def searching(inputs, source_tokens, prefix, seeds):
            found = self.search(inputs, strategy, forbidden, prefix, seeds)
            return found, *self.written(found, source_tokens, dictionary)

        # One graph: called as a function of Python it would warn that so many are made.
        return searching.get_concrete_function()

    def written(self, found, source_tokens, dictionary=None):
        """Texts `[B, N]` and tokens `[B, N, T]` as a person sees them.

        Args:
            found: `SearchResult`.
            source_tokens: Source tokens without END, `[B, S - 1]`.
            dictionary: `Dictionary` with which unknown words are replaced; None to leave them.
        """
        tokens = self._target.tokens(found.ids)
        if dictionary is not None:
            attention = found.attention["attention"]
            tokens = replace_unknown(found.ids, tokens, attention, source_tokens, dictionary)
        flat = [-1, tf.shape(found.ids)[-1]]
        texts = self._target.join(tf.reshape(found.ids, flat), tf.reshape(tokens, flat))
        return tf.reshape(texts, tf.shape(found.lengths)), strip_marks(tokens)

    @functools.cached_property
    def predicting(self):
        """`predict` as a compiled function."""
        specs = self.source_specs, tf.TensorSpec([], tf.int32)
        return _traced(self.predict, *specs)

    @functools.cached_property
    def forcing(self):
        """`force` as a compiled function."""
        return _traced(self.force, self.source_specs, self._target_side.target_spec)


def _traced(function, *specs):
    return tf.function(function, autograph=False).get_concrete_function(*specs)


_ROUNDING = 1e-3  # of a token, so that 0.1 · 30 is 3


def _head(kernel, bias, transposed):
    """A function of the last hidden layer `[N, H]` to logits, padded as `padding_of` requires."""
    added = padding_of(kernel.shape[0 if transposed else 1])
    kernel, bias = kernel.value, None if bias is None else bias.value
    if added:
        # Once for a search, as to pad the logits of every step takes longer.
        kernel, bias = padded(kernel, bias, added, transposed)
    return lambda hidden: output_logits(hidden, kernel, bias, transposed)
