"""The SavedModel: strings in, strings out, without kseq."""

import contextlib
import errno
import os

import tensorflow as tf

from kseq import files
from kseq.codecs import CodecPair
from kseq.inference import Inference
from kseq.special_tokens import END, PAD
from kseq.translator import check_beam_size


def export(translator, folder, beam_size=1, alpha=1.0):
    """Writes a SavedModel whose `serving_default` takes and gives strings.

    It needs tensorflow and tensorflow_text to be loaded, nothing else. Its signature takes
    `text`, string `[N]`, and returns a dict of

    - `translation`: string `[N]`,
    - `score`: log-probability over the length penalty, float32 `[N]`,
    - `source_tokens`: string `[N, S]`, END included, empty behind it,
    - `output_tokens`: string `[N, T]`, likewise,
    - `attention`: float32 `[N, T, S]`, 0 on padding, where the model has one; of a Transformer
      also `attention_heads`, float32 `[N, T, layers, heads, S]`.

    For a real-valued source it takes `source`, float32 `[N, S, F]`, and `lengths`, int32 `[N]`,
    and gives no `source_tokens`. For a real-valued target it takes `steps`, int32, too, and
    gives `values`, float32 `[N, T, F]`, and the attention.

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
        model = _portable_copy(translator.model)
        codecs = CodecPair.of(*translator.codecs.descriptions, translator.config.text)
        # What is tracked is saved: the variables of the model, the tables of the codecs.
        self._weights = [variable.value for variable in model.weights]
        self._codecs = [codec for codec in codecs.sides if isinstance(codec, tf.Module)]
        inference = Inference(model, codecs, translator.record["length_ratio"])
        specs = _source_specs(codecs.source)
        if translator.predicts_values:
            specs["steps"] = tf.TensorSpec([], tf.int32, name="steps")

        def serve(**inputs):
            encoder_inputs, source_outputs = _read_source(codecs.source, inputs)
            if translator.predicts_values:
                steps = _checked_steps(inputs["steps"])
                values, attention = inference.predict(encoder_inputs, steps)
                return {**source_outputs, "values": values, **attention}
            found = inference.search(encoder_inputs, beam_size, alpha)
            best = {name: tensor[:, 0] for name, tensor in found.attention.items()}
            return {**source_outputs, **_written(codecs.target, found), **best}

        self.serve = tf.function(serve).get_concrete_function(**specs)


def _checked_steps(steps):
    check = tf.debugging.assert_positive(steps, "steps must be at least 1")
    with tf.control_dependencies([check]):
        return tf.identity(steps)


def _source_specs(codec):
    if codec.is_text:
        return {"text": tf.TensorSpec([None], tf.string, name="text")}
    return {
        "source": tf.TensorSpec([None, None, codec.features], name="source"),
        "lengths": tf.TensorSpec([None], tf.int32, name="lengths"),
    }


def _read_source(codec, inputs):
    """What the encoder takes, and what is given back of the source."""
    if not codec.is_text:
        # As below: the encoder needs a step, though there may be no sequence at all.
        width = tf.shape(inputs["source"])[1]
        source = tf.pad(inputs["source"], [[0, 0], [0, tf.maximum(0, 1 - width)], [0, 0]])
        values = codec.encode(source)
        mask = tf.sequence_mask(inputs["lengths"], tf.shape(values)[1])
        return {"source": tf.where(mask[:, :, None], values, 0.0), "source_mask": mask}, {}
    tokens = codec.tokenize(inputs["text"])
    source_ids = codec.ids(tokens).to_tensor(PAD)
    # No sentence at all has no width either, and the encoder needs one.
    width = tf.shape(source_ids)[1]
    source_ids = tf.pad(source_ids, [[0, 0], [0, tf.maximum(0, 1 - width)]])
    return {"source_ids": source_ids}, {"source_tokens": _shown_source(codec, tokens)}


def _written(codec, found):
    ids = found.ids[:, 0]
    return {
        "translation": codec.decode(ids),
        "score": found.scores[:, 0],
        "output_tokens": tf.where(ids == PAD, "", codec.shown(codec.tokens(ids))),
    }


def _shown_source(codec, tokens):
    ends = tf.repeat(codec.tokens([[END]]), tokens.nrows(), axis=0)
    tokens = tf.concat([tokens, tf.RaggedTensor.from_tensor(ends)], axis=1)
    return codec.shown(tokens.to_tensor(""))


def _portable_copy(model):
    """A copy that runs anywhere: cuDNN operations, once traced, would need a GPU to be served."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    for part in ("encoder", "decoder"):
        for layer in copy.get_layer(part).layers:
            # Of a Bidirectional layer, those of both ways; nothing else has the attribute.
            for way in (layer, *(getattr(layer, f"{name}_layer", None) for name in _WAYS)):
                if hasattr(way, "use_cudnn"):
                    way.use_cudnn = False
    return copy


_WAYS = ("forward", "backward")
