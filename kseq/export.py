"""The SavedModel: strings in, strings out, without kseq."""

import contextlib
import errno
import os

import keras
import tensorflow as tf

from kseq import files
from kseq.models import build_seq2seq
from kseq.pipeline import TextPair
from kseq.special_tokens import END, PAD
from kseq.translator import Translator, check_beam_size


def export(translator, folder, beam_size=1, alpha=1.0):
    """Writes a SavedModel whose `serving_default` takes and gives strings.

    It needs tensorflow and tensorflow_text to be loaded, nothing else. Its signature takes
    `text`, string `[N]`, and returns a dict of

    - `translation`: string `[N]`,
    - `score`: log-probability over the length penalty, float32 `[N]`,
    - `source_tokens`: string `[N, S]`, END included, empty behind it,
    - `output_tokens`: string `[N, T]`, likewise,
    - `attention`: float32 `[N, T, S]`, 0 on padding.

    Args:
        translator: A `Translator`.
        folder: Where to write; a SavedModel that is already there is replaced.
        beam_size: Hypotheses K that the search follows; 1 is greedy search.
        alpha: Exponent of the length penalty.

    Returns:
        `folder`.

    Raises:
        FileExistsError: `folder` exists and holds something else.
        ValueError: `beam_size` is less than 1.
    """
    check_beam_size(beam_size)
    place = files.require_replaceable(folder, "a SavedModel", _is_saved_model)
    module = _Module(translator, beam_size, alpha)
    try:
        with files.replaced_folder(place) as unfinished, _without_notices():
            tf.saved_model.save(module, unfinished, signatures={"serving_default": module.serve})
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
    return folder


@contextlib.contextmanager
def _without_notices():
    """TensorFlow would announce the hidden folder that the model is made in."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_saved_model(folder):
    return (folder / "saved_model.pb").is_file()


class _Module(tf.Module):
    """All that the graph needs: the variables, the tables, and the one signature."""

    def __init__(self, translator, beam_size, alpha):
        super().__init__()
        copy = _portable_copy(translator)
        self._source, self._target = copy.text.source, copy.text.target
        self._weights = [variable.value for variable in copy.model.weights]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(text):
            tokens = self._source.tokenize(text)
            source_ids = self._source.ids(tokens).to_tensor(PAD)
            # No sentence at all has no width either, and the encoder needs one.
            width = tf.shape(source_ids)[1]
            source_ids = tf.pad(source_ids, [[0, 0], [0, tf.maximum(0, 1 - width)]])
            result = copy.search(source_ids, beam_size, alpha)
            ids = result.ids[:, 0]
            return {
                "translation": self._target.decode(ids),
                "score": result.scores[:, 0],
                "source_tokens": _shown_source(self._source, tokens),
                "output_tokens": tf.where(
                    ids == PAD, "", self._target.shown(self._target.tokens(ids))
                ),
                "attention": result.attention[:, 0],
            }

        self.serve = serve


def _shown_source(codec, tokens):
    ends = tf.repeat(codec.tokens([[END]]), tokens.nrows(), axis=0)
    tokens = tf.concat([tokens, tf.RaggedTensor.from_tensor(ends)], axis=1)
    return codec.shown(tokens.to_tensor(""))


def _portable_copy(translator):
    """A copy that runs anywhere: cuDNN operations, once traced, would need a GPU to be served."""
    text = TextPair.of(
        translator.text.source.vocabulary, translator.text.target.vocabulary, translator.config.text
    )
    model = build_seq2seq(translator.config.model, text.source.size, text.target.size)
    model.set_weights(translator.model.get_weights())
    for layer in model.get_layer("encoder").layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layer.forward_layer.use_cudnn = layer.backward_layer.use_cudnn = False
    return Translator(model, text, translator.config, translator.record)
