"""The SavedModel: strings in, strings out, without kseq."""

import contextlib
import errno
import os
import re

import tensorflow as tf

from kseq import files
from kseq.pipeline.codecs import CodecPair
from kseq.search.strategies import BeamSearch, make_strategy
from kseq.translation.graphs import Inference
from kseq.translation.portable import portable_copy
from kseq.translation.signatures import TextTarget, ValueTarget, make_source


def export(translator, folder, beam_size=1, n_best=None, **options):
    """Writes a SavedModel whose `serving_default` takes and returns strings.

    Loading it needs only tensorflow and tensorflow_text. Its signature takes `text`, string
    `[N]`, and returns a dict of

    - `translation`: string `[N]`,
    - `score`: log-probability over the length penalty, plus the coverage penalty, float32 `[N]`,
    - `is_cut`: whether the translation was cut at its maximum length, boolean `[N]`,
    - `source_tokens`: string `[N, S]`, END included, padded with empty strings,
    - `output_tokens`: string `[N, T]`, likewise,
    - `hypothesis_count`: number of translations of each source, int32 `[N]`: `n_best`, or fewer if
      the rules allow no more,
    - `attention`: float32 `[N, T, S]`, 0 on padding, if the model has attention; for a
      Transformer also `attention_heads`, float32 `[N, T, layers, heads, S]`,
    - `generation_probability`: float32 `[N, T]`, if the model copies.

    A model that reads features also takes `features`, string `[N]`. If it attends to them, it also
    returns `feature_tokens`, string `[N, F]`, and `feature_attention`, float32 `[N, T, F]`.

    For a real-valued source it takes `source`, float32 `[N, S, F]`, and `lengths`, int32 `[N]`,
    from 1 to S, and returns no `source_tokens`. Values beyond a length are ignored; within it, a
    number that is not finite is an error. For a real-valued target it also takes `steps`, int32,
    from 1 to 100,000, and returns `values`, float32 `[N, T, F]`, and the attention.

    Args:
        translator: A `Translator`.
        folder: Where to write. A SavedModel of kseq that is already there is replaced; files in its
            folder that kseq did not write are kept.
        beam_size: Hypotheses K that the search follows; 1 is greedy search.
        n_best: Number of translations of each source to return, best first: all outputs except
            `source_tokens` and `hypothesis_count` then have an axis `[N, n_best, ...]`. After the
            first `hypothesis_count`, scores and attention are 0 and strings are empty.
        **options: Other options of `kseq.BeamSearch`.

    Returns:
        `folder`.

    Raises:
        FileExistsError: `folder` exists and holds something else.
        ValueError: An option does not exist, or is out of range.
    """
    options |= {"beam_size": beam_size, "n_best": 1 if n_best is None else n_best}
    strategy = make_strategy(BeamSearch, **options)
    place = files.require_replaceable(folder, SAVED_MODEL)
    module = _Module(translator, strategy, squeezed=n_best is None)
    try:
        with files.replaced_folder(place, SAVED_MODEL) as unfinished, _silence_notices():
            tf.saved_model.save(module, unfinished, signatures={"serving_default": module.serve})
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
    return folder


@contextlib.contextmanager
def _silence_notices():
    """A context without TensorFlow's notices, which name the hidden folder of the model."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_saved_model(folder):
    """Returns whether a folder holds a SavedModel with a signature that `export` gives it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        graphs = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    except (OSError, DecodeError):
        return False
    signatures = [graph.signature_def["serving_default"] for graph in graphs]
    return any(
        "output_tokens" in signature.outputs
        or ("steps" in signature.inputs and "values" in signature.outputs)
        for signature in signatures
    )


def _owns(path):
    """Returns whether a path relative to a SavedModel is one that TensorFlow has written."""
    pattern = r"saved_model\.pb|fingerprint\.pb|assets|variables(/variables\.[^/]+)?"
    return re.fullmatch(pattern, path.as_posix()) is not None


SAVED_MODEL = files.FolderKind("a SavedModel of kseq", _is_saved_model, _owns)


class _Module(tf.Module):
    """The graph of the one signature, and all variables and tables that it uses."""

    def __init__(self, translator, strategy, squeezed):
        super().__init__()
        members = translator.members
        models = [portable_copy(member.model) for member in members]
        codecs = [
            CodecPair.of(
                *member.codecs.descriptions,
                member.config.text,
                features=member.codecs.feature_vocabulary,
                copies=member.config.model.copy,
            )
            for member in members
        ]
        inference = Inference(
            models, codecs, translator.record.length_ratio, translator.inference.average
        )
        source = make_source(codecs)
        if translator.predicts_values:
            target, dictionary = ValueTarget(inference), None
        else:
            forbidden, dictionary = translator.resolve(strategy)
            target = TextTarget(
                inference, strategy, forbidden=forbidden, dictionary=dictionary, squeezed=squeezed
            )
        # Only attributes are saved: variables, and the tables of codecs and dictionary.
        self._weights = [variable.value for model in models for variable in model.weights]
        parts = [dictionary, *(codec for pair in codecs for codec in pair.columns)]
        self._tables = [part for part in parts if isinstance(part, tf.Module)]

        def serve(**inputs):
            encoder_inputs, source_tokens, source_outputs = source.read(inputs)
            return {**source_outputs, **target.write(encoder_inputs, source_tokens, inputs)}

        specs = {**source.specs, **target.specs}
        self.serve = tf.function(serve, autograph=False).get_concrete_function(**specs)
