"""Inputs and outputs of a SavedModel: strings or padded values as source, and as target."""

import tensorflow as tf

from kseq.search.free_run import LONGEST_PREDICTION
from kseq.search.hypotheses import is_possible
from kseq.special_tokens import END, PAD


class TextSource:
    """Sources that are strings `[N]`.

    Args:
        codecs: `TextCodec` of each model.

    Attributes:
        specs: `tf.TensorSpec` of each input of the SavedModel, by name.
    """

    def __init__(self, codecs):
        self._codecs = codecs
        self.specs = codecs[0].side.serving_specs

    def read(self, inputs):
        """Reads the inputs of the SavedModel.

        Args:
            inputs: Tensors by name, as in `Side.serving_specs`.

        Returns:
            Inputs of the encoder of each model; source tokens without END, `[N, S-1]`; and
            outputs of the SavedModel by name: `source_tokens`, string `[N, S]`.
        """
        tokens = self._codecs[0].tokenize(inputs["text"])
        outputs = {"source_tokens": _displayed(self._codecs[0], tokens)}
        return _encoder_inputs(self._codecs, tokens), tokens.to_tensor(""), outputs


class FeaturedSource(TextSource):
    """Sources that are strings `[N]`, with features, strings `[N]`.

    Args:
        codecs: `TextCodec` of each model.
        feature_codecs: `FeatureCodec` of each model.

    Attributes:
        specs: As in `TextSource`.
    """

    def __init__(self, codecs, feature_codecs):
        super().__init__(codecs)
        self._feature_codecs = feature_codecs
        self.specs = {**self.specs, **feature_codecs[0].side.serving_specs}

    def read(self, inputs):
        """Reads the inputs of the SavedModel; results as in `TextSource.read`.

        Another number of features than of sources stops the graph with an error.
        """
        check = tf.debugging.assert_equal(
            tf.size(inputs["features"]),
            tf.size(inputs["text"]),
            "features must hold a string for each text",
        )
        with tf.control_dependencies([check]):
            features = tf.identity(inputs["features"])
        encoder_inputs, source_tokens, outputs = super().read(inputs)
        codec = self._feature_codecs[0]
        tokens = codec.tokenize(features)
        further = _encoder_inputs(self._feature_codecs, tokens)
        encoder_inputs = [{**a, **b} for a, b in zip(encoder_inputs, further)]
        return (
            encoder_inputs,
            source_tokens,
            {**outputs, "feature_tokens": _displayed(codec, tokens)},
        )


def _encoder_inputs(codecs, tokens):
    """The ids of ragged tokens, END included, as the input of the encoder of each model."""
    return [
        {
            name: _with_a_column(ids)
            for name, ids in codec.side.source_inputs(codec.with_end(tokens)).items()
        }
        for codec in codecs
    ]


def _displayed(codec, tokens):
    """Ragged tokens as they are displayed, END included, padded with empty strings."""
    ends = tf.repeat(codec.tokens([[END]]), tokens.nrows(), axis=0)
    tokens = tf.concat([tokens, tf.RaggedTensor.from_tensor(ends)], axis=1)
    return codec.display(tokens.to_tensor(""))


class ValueSource:
    """Sources that are padded real values `[N, S, F]`, with their lengths `[N]`.

    Args:
        codecs: `ValueCodec` of each model.

    Attributes:
        specs: As in `TextSource`.
    """

    def __init__(self, codecs):
        self._codecs = codecs
        self.specs = codecs[0].side.serving_specs

    def read(self, inputs):
        """Reads the inputs of the SavedModel; results as in `TextSource.read`, without tokens.

        A length that is not from 1 to S, another number of lengths than of sources, or a number
        that is not finite within a length stops the graph with an error.
        """
        lengths = _check_lengths(inputs["lengths"], inputs["source"])
        source = _check_finite(_with_a_column(inputs["source"]), lengths)
        mask = tf.sequence_mask(lengths, tf.shape(source)[1])
        encoder_inputs = [
            {
                "source": tf.where(mask[:, :, None], codec.standardize(source), 0.0),
                "source_mask": mask,
            }
            for codec in self._codecs
        ]
        return encoder_inputs, tf.zeros([tf.shape(mask)[0], 0], tf.string), {}


def _check_lengths(lengths, source):
    """Returns the lengths `[N]` of sources `[N, S, F]`, after checking them in the graph."""
    count, longest = tf.shape(source)[0], tf.shape(source)[1]
    checks = [
        tf.debugging.assert_equal(
            tf.size(lengths), count, "lengths must hold one length for each source"
        ),
        tf.debugging.assert_positive(lengths, "lengths must be at least 1"),
        tf.debugging.assert_less_equal(
            lengths, longest, "lengths must be at most the number of steps of the source"
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(lengths)


def _check_finite(source, lengths):
    """Returns sources `[N, S, F]`, after checking their values in the graph; padding may be NaN."""
    is_real = tf.sequence_mask(lengths, tf.shape(source)[1])[:, :, None]
    places = tf.where(is_real & ~tf.math.is_finite(source))
    message = "source must hold finite numbers; others are at (row, step, feature), counted from 0:"
    check = tf.debugging.Assert(tf.equal(tf.size(places), 0), [message, places[:1]])
    with tf.control_dependencies([check]):
        return tf.identity(source)


def make_source(codecs):
    """Makes the source of a SavedModel from the `CodecPair` of each model."""
    sources = [pair.source for pair in codecs]
    if codecs[0].features is not None:
        return FeaturedSource(sources, [pair.features for pair in codecs])
    return (TextSource if sources[0].is_text else ValueSource)(sources)


class TextTarget:
    """Translations.

    Args:
        inference: `Inference`.
        strategy: `BeamSearch`.
        forbidden: Ids that are never written.
        dictionary: `Dictionary` for replacing unknown words; None to keep them.
        squeezed: Whether to return only the best translation of each source, without an axis N.
    """

    specs = {}

    def __init__(self, inference, strategy, *, forbidden, dictionary, squeezed):
        self._inference = inference
        self._strategy = strategy
        self._forbidden = forbidden
        self._dictionary = dictionary
        self._squeezed = squeezed

    def write(self, encoder_inputs, source_tokens, inputs):
        """Searches for translations.

        Args:
            encoder_inputs: Inputs of the encoder of each model.
            source_tokens: Source tokens without END, `[N, S-1]`.
            inputs: Inputs of the SavedModel by name.

        Returns:
            Outputs of the SavedModel by name, as `export` describes them.
        """
        result = self._inference.search(encoder_inputs, self._strategy, self._forbidden)
        texts, tokens = self._inference.texts_and_tokens(result, source_tokens, self._dictionary)
        # JSON has no -inf, so missing hypotheses have a score of 0; the count says which are real.
        is_real = is_possible(result.scores)
        outputs = {
            "translation": texts,
            "score": tf.where(is_real, result.scores, 0.0),
            "is_cut": result.is_cut,
            "output_tokens": tf.where(result.ids == PAD, "", tokens),
            **result.attention,
        }
        if self._squeezed:
            outputs = {name: tensor[:, 0] for name, tensor in outputs.items()}
        count = tf.math.count_nonzero(is_real, axis=1, dtype=tf.int32)
        return {**outputs, "hypothesis_count": count}


class ValueTarget:
    """Predicted real values; their number of steps is an input of the SavedModel.

    Args:
        inference: `Inference`.
    """

    specs = {"steps": tf.TensorSpec([], tf.int32, name="steps")}

    def __init__(self, inference):
        self._inference = inference

    def write(self, encoder_inputs, source_tokens, inputs):
        """Predicts values; arguments and results as in `TextTarget.write`."""
        checks = [
            tf.debugging.assert_positive(inputs["steps"], "steps must be at least 1"),
            tf.debugging.assert_less_equal(
                inputs["steps"], LONGEST_PREDICTION, f"steps must be at most {LONGEST_PREDICTION:,}"
            ),
        ]
        with tf.control_dependencies(checks):
            steps = tf.identity(inputs["steps"])
        values, attention = self._inference.predict(encoder_inputs, steps)
        return {"values": values, **attention}


def _with_a_column(tensor):
    """Adds a column of padding if there is no column: an empty batch has a width of 0."""
    missing = tf.maximum(0, 1 - tf.shape(tensor)[1])
    return tf.pad(tensor, [[0, 0], [0, missing], *[[0, 0]] * (tensor.shape.rank - 2)])
