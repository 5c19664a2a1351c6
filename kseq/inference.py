"""A trained model as graphs: the search, the free run of real values, and teacher forcing."""

import functools

import tensorflow as tf

from kseq.losses import measure
from kseq.models import split_for_inference
from kseq.pipeline import target_inputs
from kseq.search import beam_search, free_run
from kseq.special_tokens import PAD

LONGEST_OUTPUT = 1000  # tokens
_ATTENTION = ("attention", "attention_heads")


class Inference:
    """The graphs of a model, for batches of numbers.

    Args:
        model: Model of `build_seq2seq`.
        codecs: `CodecPair`.
        length_ratio: Target tokens per source token, as in the training split.
    """

    def __init__(self, model, codecs, length_ratio):
        self._model = model
        self._codecs = codecs
        self._length_ratio = length_ratio
        self._encoder, self._step = split_for_inference(model)
        self.searching = functools.cache(self._make_searching)

    def search(self, inputs, beam_size, alpha):
        """Searches for translations.

        Output is at most twice as long as the source would let one expect from the training
        split, and ten tokens more.

        Args:
            inputs: Inputs of the encoder.
            beam_size: Hypotheses K.
            alpha: Exponent of the length penalty.

        Returns:
            A `SearchResult` whose attention is a dict of `attention` and, for a Transformer,
            `attention_heads`; empty without attention.
        """
        step, state, attention_spec = self._stepping("ids", "logits", inputs)
        lengths = _lengths(inputs)
        limits = 10 + tf.cast(2.0 * self._length_ratio * lengths, tf.int32)
        limits = tf.minimum(limits, LONGEST_OUTPUT)
        if "source_ids" in inputs:
            # An empty sentence, END alone, has an empty translation.
            limits = tf.where(lengths > 1.0, limits, 0)
        return beam_search(step, state, attention_spec, limits, beam_size, alpha)

    def predict(self, inputs, steps):
        """Predicts real values `[B, T, F]` in T steps; returns them and a dict of attention."""
        step, state, attention_spec = self._stepping("value", "values", inputs)
        first = tf.zeros([tf.shape(_lengths(inputs))[0], self._codecs.target.features])
        values, attention = free_run(step, state, first, steps, attention_spec)
        return self._codecs.target.decode(values), attention

    def force(self, inputs, targets):
        """Reads given targets, teacher forced.

        Args:
            inputs: Inputs of the encoder.
            targets: Ids `[B, T+1]` with START, or values `[B, T+1, F]` with a first step of 0.

        Returns:
            Log-probabilities, or errors of real values, `[B, T]`; the predicted values
            `[B, T, F]`, or `()`; and a dict of attention.
        """
        encoded = self._encoder(inputs, training=False)
        target, labels = target_inputs(targets)
        decoder = self._model.get_layer("decoder")
        outputs = decoder({**target, **encoded}, training=False)
        attention = {name: outputs[name] for name in _ATTENTION if name in outputs}
        _, function = measure(self._model.config)
        if "logits" in outputs:
            return -function(labels, outputs["logits"]), (), attention
        values = outputs["values"]
        return function(labels, values), self._codecs.target.decode(values), attention

    def _stepping(self, last, head, inputs):
        """Runs the encoder: the decoder step as a search can call it, and its first state."""
        encoded = self._encoder(inputs, training=False)
        state = encoded.pop("state")
        outputs = self._step.output
        spec = {
            name: tf.TensorSpec(outputs[name].shape[1:]) for name in _ATTENTION if name in outputs
        }

        def step(value, state):
            # A search knows nothing of the shapes of a state that may grow.
            state = tf.nest.map_structure(
                lambda tensor, known: tf.ensure_shape(tensor, known.shape),
                state,
                self._step.input["state"],
            )
            outputs = self._step({last: value, **encoded, "state": state}, training=False)
            return outputs[head], outputs["state"], {name: outputs[name] for name in spec}

        return step, state, spec

    @property
    def source_spec(self):
        """`tf.TensorSpec` of the inputs of the encoder."""
        if self._codecs.source.is_text:
            return {"source_ids": tf.TensorSpec([None, None], tf.int32)}
        return {
            "source": tf.TensorSpec([None, None, self._codecs.source.features]),
            "source_mask": tf.TensorSpec([None, None], tf.bool),
        }

    def _make_searching(self, beam_size):
        """`search` as a compiled function, with the texts and the tokens to be shown."""

        @tf.function(input_signature=[self.source_spec, tf.TensorSpec([], tf.float32)])
        def searching(inputs, alpha):
            codec = self._codecs.target
            result = self.search(inputs, beam_size, alpha)
            flat = tf.reshape(result.ids, [-1, tf.shape(result.ids)[-1]])
            texts = tf.reshape(codec.decode(flat), tf.shape(result.lengths))
            return result, texts, codec.shown(codec.tokens(result.ids))

        return searching

    @functools.cached_property
    def predicting(self):
        """`predict` as a compiled function."""
        return tf.function(
            self.predict, input_signature=[self.source_spec, tf.TensorSpec([], tf.int32)]
        )

    @functools.cached_property
    def forcing(self):
        """`force` as a compiled function."""
        target_spec = tf.TensorSpec([None, None], tf.int32)
        if not self._codecs.target.is_text:
            target_spec = tf.TensorSpec([None, None, self._codecs.target.features])
        return tf.function(self.force, input_signature=[self.source_spec, target_spec])


def _lengths(inputs):
    """Numbers of real source positions, float32 `[B]`."""
    real = inputs["source_ids"] != PAD if "source_ids" in inputs else inputs["source_mask"]
    return tf.reduce_sum(tf.cast(real, tf.float32), axis=1)
