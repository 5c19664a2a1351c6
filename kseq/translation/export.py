"""The SavedModel: strings in, strings out, without kseq."""

import contextlib
import errno
import os

import tensorflow as tf

from kseq import files
from kseq.pipeline.codecs import CodecPair
from kseq.search.strategies import BeamSearch, make_strategy
from kseq.special_tokens import END, PAD
from kseq.text.codec import strip_marks
from kseq.translation.graphs import Inference


def export(translator, folder, beam_size=1, n_best=None, **options):
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
        n_best: How many translations of each source to give, best first: the outputs that are
            described above but for `source_tokens` then have an axis `[N, n_best, ...]`. Where
            there are fewer, `score` is -inf.
        **options: Others of `kseq.BeamSearch`.

    Returns:
        `folder`.

    Raises:
        FileExistsError: `folder` exists and holds something else.
        ValueError: There is no such option, or it is out of range.
    """
    options |= {"beam_size": beam_size, "n_best": 1 if n_best is None else n_best}
    strategy = make_strategy(BeamSearch, **options)
    place = files.require_replaceable(folder, "a SavedModel", _is_saved_model)
    module = _Module(translator, strategy, squeezed=n_best is None)
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

    def __init__(self, translator, strategy, squeezed):
        super().__init__()
        members = translator.members
        models = [_portable_copy(member.model) for member in members]
        codecs = [CodecPair.of(*each.codecs.descriptions, each.config.text) for each in members]
        forbidden, dictionary = (
            ((), None) if translator.predicts_values else translator.searching_with(strategy)
        )
        # What is tracked is saved: variables of the models, tables of codecs and dictionary.
        self._weights = [variable.value for model in models for variable in model.weights]
        sides = [side for pair in codecs for side in pair.sides]
        self._tables = [each for each in (*sides, dictionary) if isinstance(each, tf.Module)]
        inference = Inference(
            models, codecs, translator.record.length_ratio, translator.inference.average
        )
        specs = codecs[0].source.side.serving_specs
        if translator.predicts_values:
            specs["steps"] = tf.TensorSpec([], tf.int32, name="steps")

        def serve(**inputs):
            read, source_tokens, source_outputs = _read_source(codecs, inputs)
            if translator.predicts_values:
                steps = _checked_steps(inputs["steps"])
                values, attention = inference.predict(read, steps)
                return {**source_outputs, "values": values, **attention}
            found = inference.search(read, strategy, forbidden)
            outputs = _written(inference, found, source_tokens, dictionary)
            if squeezed:
                outputs = {name: tensor[:, 0] for name, tensor in outputs.items()}
            return {**source_outputs, **outputs}

        self.serve = tf.function(serve).get_concrete_function(**specs)


def _checked_steps(steps):
    check = tf.debugging.assert_positive(steps, "steps must be at least 1")
    with tf.control_dependencies([check]):
        return tf.identity(steps)


def _read_source(codecs, inputs):
    """What the encoders take, the source tokens, and what is given back of the source."""
    codec = codecs[0].source
    if not codec.is_text:
        source = _with_a_column(inputs["source"])
        mask = tf.sequence_mask(inputs["lengths"], tf.shape(source)[1])
        read = [
            {
                "source": tf.where(mask[:, :, None], each.source.standardize(source), 0.0),
                "source_mask": mask,
            }
            for each in codecs
        ]
        return read, tf.zeros([tf.shape(mask)[0], 0], tf.string), {}
    tokens = codec.tokenize(inputs["text"])
    read = [
        {"source_ids": _with_a_column(each.source.with_end(tokens).to_tensor(PAD))}
        for each in codecs
    ]
    return read, tokens.to_tensor(""), {"source_tokens": _shown_source(codec, tokens)}


def _with_a_column(tensor):
    """No sentence at all has no width either, and the encoder needs one."""
    missing = tf.maximum(0, 1 - tf.shape(tensor)[1])
    return tf.pad(tensor, [[0, 0], [0, missing], *[[0, 0]] * (tensor.shape.rank - 2)])


def _written(inference, found, source_tokens, dictionary):
    texts, tokens = inference.written(found, source_tokens, dictionary)
    return {
        "translation": texts,
        "score": found.scores,
        "output_tokens": tf.where(found.ids == PAD, "", tokens),
        **found.attention,
    }


def _shown_source(codec, tokens):
    ends = tf.repeat(codec.tokens([[END]]), tokens.nrows(), axis=0)
    tokens = tf.concat([tokens, tf.RaggedTensor.from_tensor(ends)], axis=1)
    return strip_marks(tokens.to_tensor(""))


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
