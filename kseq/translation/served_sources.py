"""The sources of a SavedModel, read inside its graphs: strings, padded values or samples."""

import collections

import tensorflow as tf

from kseq.special_tokens import END

Reading = collections.namedtuple("Reading", ["encoder_inputs", "numbers", "tokens", "outputs"])
Reading.__doc__ = """Sources as a SavedModel has read them.

Fields:
    encoder_inputs: Inputs of the encoder of each model.
    numbers: Ids by the codec of the first model, END included, ragged `[N, (S)]`; None for values.
    tokens: Source tokens without END, padded with empty ones, `[N, S-1]`; `[N, 0]` for values.
    outputs: Outputs of the SavedModel by name, such as `source_tokens`, string `[N, S]`.
"""


class TextSource:
    """Sources that are strings `[N]`.

    Args:
        codecs: `TextCodec` of each model.

    Attributes:
        specs: `tf.TensorSpec` of each input of the SavedModel, by name.
        is_absent: Whether there are no sources: the strings are the beginnings of texts.
    """

    def __init__(self, codecs):
        self._codecs = codecs
        self.specs = codecs[0].side.serving_specs
        self.is_absent = codecs[0].side.is_absent

    def read(self, inputs):
        """Reads the inputs of the SavedModel.

        Args:
            inputs: Tensors by name, as in `Side.serving_specs`.

        Returns:
            A `Reading`.
        """
        codec = self._codecs[0]
        tokens = codec.tokenize(inputs["text"])
        outputs = {"source_tokens": displayed(codec, tokens)}
        encoder_inputs = _encoder_inputs(self._codecs, tokens)
        return Reading(encoder_inputs, codec.with_end(tokens), tokens.to_tensor(""), outputs)


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
        features = check_count(inputs["features"], tf.size(inputs["text"]), "features")
        reading = super().read(inputs)
        codec = self._feature_codecs[0]
        tokens = codec.tokenize(features)
        further = _encoder_inputs(self._feature_codecs, tokens)
        return reading._replace(
            encoder_inputs=[{**a, **b} for a, b in zip(reading.encoder_inputs, further)],
            outputs={**reading.outputs, "feature_tokens": displayed(codec, tokens)},
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


def displayed(codec, tokens):
    """Returns ragged tokens as they are displayed, END included, padded with empty strings."""
    ends = tf.repeat(codec.tokens([[END]]), tokens.nrows(), axis=0)
    tokens = tf.concat([tokens, tf.RaggedTensor.from_tensor(ends)], axis=1)
    return codec.display(tokens.to_tensor(""))


class ValueSource:
    """Sources that are padded real values `[N, S, F]`, with their lengths `[N]`.

    Args:
        codecs: `ValueCodec` of each model.

    Attributes:
        specs: As in `TextSource`.
        is_absent: False.
    """

    is_absent = False

    def __init__(self, codecs):
        self._codecs = codecs
        self.specs = codecs[0].side.serving_specs

    def read(self, inputs):
        """Reads the inputs of the SavedModel; results as in `TextSource.read`, without tokens.

        A length that is not from 1 to S, another number of lengths than of sources, or a number
        that is not finite within a length stops the graph with an error.
        """
        lengths = check_lengths(inputs["lengths"], inputs["source"])
        source = check_finite(_with_a_column(inputs["source"]), lengths)
        mask = tf.sequence_mask(lengths, tf.shape(source)[1])
        encoder_inputs = [
            {
                "source": tf.where(mask[:, :, None], codec.standardize(source), 0.0),
                "source_mask": mask,
            }
            for codec in self._codecs
        ]
        return Reading(encoder_inputs, None, tf.zeros([tf.shape(mask)[0], 0], tf.string), {})


class RecordingSource(ValueSource):
    """Sources that are padded samples of recordings `[N, samples]`, with their lengths `[N]`.

    Args:
        codecs: `ValueCodec` of each model, with one `LogMel`.

    Attributes:
        specs: As in `TextSource`.
    """

    def __init__(self, codecs):
        super().__init__(codecs)
        self._log_mel = codecs[0].log_mel
        self.specs = {
            "samples": tf.TensorSpec([None, None], name="samples"),
            "lengths": self.specs["lengths"],
        }

    def read(self, inputs):
        """Reads the inputs of the SavedModel; results and errors as in `ValueSource.read`.

        A recording that is shorter than a frame stops the graph with an error, too.
        """
        window = self._log_mel.window
        lengths = check_lengths(inputs["lengths"], inputs["samples"])
        samples = check_finite(inputs["samples"][..., None], lengths, "samples")[..., 0]
        check = tf.debugging.assert_greater_equal(
            lengths, window, f"lengths must be at least {window} samples, one frame"
        )
        with tf.control_dependencies([check]):
            counts = tf.identity(self._log_mel.count(lengths))
        # An empty batch may have no samples; and padding may be NaN.
        is_real = tf.sequence_mask(lengths, tf.shape(samples)[1])
        missing = tf.maximum(0, window - tf.shape(samples)[1])
        samples = tf.pad(tf.where(is_real, samples, 0.0), [[0, 0], [0, missing]])
        return super().read({"source": self._log_mel.frames(samples), "lengths": counts})


def check_count(texts, count, name):
    """Returns strings `[N]`, after checking in the graph that N is `count`."""
    message = f"{name} must hold a string for each source"
    check = tf.debugging.assert_equal(tf.size(texts), count, message)
    with tf.control_dependencies([check]):
        return tf.identity(texts)


def check_lengths(lengths, values, name="lengths", side="source"):
    """Returns the lengths `[N]` of values `[N, S, F]`, after checking them in the graph."""
    count, longest = tf.shape(values)[0], tf.shape(values)[1]
    checks = [
        tf.debugging.assert_equal(
            tf.size(lengths), count, f"{name} must hold one length for each {side}"
        ),
        tf.debugging.assert_positive(lengths, f"{name} must be at least 1"),
        tf.debugging.assert_less_equal(
            lengths, longest, f"{name} must be at most the number of steps of the {side}"
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(lengths)


def check_finite(values, lengths, side="source"):
    """Returns values `[N, S, F]`, after checking them in the graph; padding may be NaN."""
    is_real = tf.sequence_mask(lengths, tf.shape(values)[1])[:, :, None]
    places = tf.where(is_real & ~tf.math.is_finite(values))
    message = (
        f"{side} must hold finite numbers; others are at (row, step, feature), counted from 0:"
    )
    check = tf.debugging.Assert(tf.equal(tf.size(places), 0), [message, places[:1]])
    with tf.control_dependencies([check]):
        return tf.identity(values)


def make_source(codecs):
    """Makes the source of a SavedModel from the `CodecPair` of each model."""
    sources = [pair.source for pair in codecs]
    if codecs[0].features is not None:
        return FeaturedSource(sources, [pair.features for pair in codecs])
    if sources[0].is_text:
        return TextSource(sources)
    return (ValueSource if sources[0].log_mel is None else RecordingSource)(sources)


def _with_a_column(tensor):
    """Adds a column of padding if there is no column: an empty batch has a width of 0."""
    missing = tf.maximum(0, 1 - tf.shape(tensor)[1])
    return tf.pad(tensor, [[0, 0], [0, missing], *[[0, 0]] * (tensor.shape.rank - 2)])
