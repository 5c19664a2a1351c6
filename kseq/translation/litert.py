"""The export for LiteRT: ids in, ids out, with the search inside; and what text needs beside it."""

import contextlib
import dataclasses
import json
import os
import re
import sys

import tensorflow as tf

import kseq
from kseq import files
from kseq.errors import SettingError
from kseq.fields import check_choice
from kseq.kernels.lists import arrays_of_constant_size
from kseq.lite.folder import DESCRIPTION, FORMAT, MODEL, QUANTIZATIONS, VERSION
from kseq.runs.directory import FEATURES, STATISTICS, SUBWORDS, VOCABULARIES
from kseq.search.strategies import BeamSearch, make_strategy
from kseq.text.vectorization import VectorizationCodec
from kseq.translation.assembly import source_steps
from kseq.translation.export import silence_notices
from kseq.translation.litert_file import knows_shapes
from kseq.translation.portable import portable_copy
from kseq.translation.source_graphs import SourceInference

_NAMES = (DESCRIPTION, MODEL, *VOCABULARIES, *SUBWORDS, *STATISTICS, FEATURES)
_WITHOUT = ("no_repeat_ngram", "repetition_penalty", "replace_unknown", "dictionary")


def export_litert(translator, folder, beam_size=1, n_best=None, quantize="none", **options):
    """Writes a folder for `kseq.lite.Translator`: a `.tflite` file and what its text needs.

    The file has builtin operations of LiteRT only. docs/litert.md describes the folder, and the
    inputs and outputs of the file.

    Args:
        translator: A `Translator` of one model.
        folder: Where to write. A folder that this function wrote is replaced; files in it that
            kseq did not write are kept.
        beam_size: Hypotheses K that the search follows; 1 is greedy search.
        n_best: Number of translations of each source to return, best first; None for the best one.
        quantize: `"none"`; `"dynamic"`, where products have weights of 8 bits, a quarter of the
            size; or `"float16"`, half the size, where weights become float32 when it is loaded.
        **options: Other options of `kseq.BeamSearch`, except those that change unknown words or
            penalise repetitions.

    Returns:
        `folder`.

    Raises:
        FileExistsError: `folder` exists and holds something else.
        ValueError: An option does not exist, is out of range or is not supported; or the model
            has operations that LiteRT has not.
    """
    check_choice("quantize", quantize, QUANTIZATIONS)
    options |= {"beam_size": beam_size, "n_best": 1 if n_best is None else n_best}
    strategy = make_strategy(BeamSearch, **options)
    _check(translator, strategy)
    place = files.require_replaceable(folder, LITERT_FOLDER)
    content = _convert(translator, strategy, quantize)
    description = _describe(translator, strategy, n_best)
    description |= {"quantize": quantize, "plans_memory": knows_shapes(content)}
    with files.replaced_folder(place, LITERT_FOLDER) as unfinished:
        (unfinished / MODEL).write_bytes(content)
        translator.codecs.save(unfinished)
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        (unfinished / DESCRIPTION).write_text(text, encoding="utf-8", newline="\n")
    return folder


def _is_litert_folder(folder):
    """Returns whether a folder holds an export for LiteRT."""
    try:
        return json.loads((folder / DESCRIPTION).read_bytes())["format"] == FORMAT
    except (OSError, ValueError, TypeError, KeyError):
        return False


LITERT_FOLDER = files.FolderKind(
    "a model for LiteRT", _is_litert_folder, lambda path: path.as_posix() in _NAMES
)


def _check(translator, strategy):
    """Refuses what a model for LiteRT cannot have."""
    if len(translator.members) > 1:
        raise ValueError(
            f"a model for LiteRT is a single one; received an ensemble of "
            f"{len(translator.members)}: export one of its runs, or use format=savedmodel"
        )
    if translator.config.model.is_language_model:
        raise SettingError(
            "a language model goes on with the beginnings of texts, which {format}=litert cannot "
            "read; use {format}=savedmodel"
        )
    if translator.model.get_config()["dtype_policy"] == "bfloat16":
        raise SettingError(
            "{precision}=bfloat16 is not possible with {format}=litert; use {quantize}=float16"
        )
    source = translator.codecs.source
    if not source.is_text and source.log_mel is not None:
        raise ValueError(
            "a model that reads recordings (.wav) is not possible with format=litert; use "
            "format=savedmodel"
        )
    if translator.config.model.target_covariates:
        raise SettingError(
            "{target_covariates} is not possible with {format}=litert; use {format}=savedmodel"
        )
    for name in _WITHOUT:
        if getattr(strategy, name) != getattr(BeamSearch, name):
            raise SettingError(
                "{name} is not possible with {format}=litert; leave it out, or use "
                "{format}=savedmodel",
                name=name,
            )
    for side, codec in zip(("source", "target"), translator.codecs.sides):
        if isinstance(codec, VectorizationCodec):
            raise ValueError(
                f"the text of the {side} is read by a TextVectorization of Keras, which LiteRT "
                "cannot do; use format=savedmodel"
            )


def _convert(translator, strategy, quantize):
    """Returns the content of the `.tflite` file, bytes."""
    model = portable_copy(translator.model, "float32")
    module = _Module(model, translator, strategy)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        with _without_messages(), silence_notices():
            return converter.convert()
    except Exception as error:
        if type(error).__name__ != "ConverterError":
            raise
        names = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
        raise ValueError(
            f"this model has operations that LiteRT has not ({', '.join(names) or 'arrays'}); use "
            "format=savedmodel"
        ) from error


class _Module(tf.Module):
    """The graph of one source, and the variables that it reads."""

    def __init__(self, model, translator, strategy):
        super().__init__()
        self._weights = [variable.value for variable in model.weights]
        codecs = translator.codecs
        inference = SourceInference([model], [codecs], translator.record.length_ratio)
        specs = {
            name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name)
            for name, spec in model.source_specs.items()
            if name != "source_mask"
        }
        specs["positions"] = tf.TensorSpec([None], tf.int32, "positions")
        if not translator.predicts_values:
            specs["minimum"] = tf.TensorSpec([], tf.int32, "minimum")
            forbidden, _ = translator.resolve(strategy)

        def serve(positions, minimum=None, **source):
            if "source" in source:
                # All is real. Not `tf.ones_like`: its shape would only be known in the run.
                source["source_mask"] = tf.zeros_like(source["source"][:, :, 0]) == 0.0
            if minimum is None:
                values, attention = inference.predict_source((source,), positions)
                return {"values": values, **attention}
            return inference.search_source((source,), strategy, forbidden, positions, minimum)

        with arrays_of_constant_size():
            self.serve = tf.function(serve, autograph=False).get_concrete_function(**specs)


@contextlib.contextmanager
def _without_messages():
    """A context in which the converter prints nothing: on an error, it prints whole programs."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _describe(translator, strategy, n_best):
    """Returns the content of the description, a dict."""
    codecs, config = translator.codecs, translator.config.model
    source, target = (
        _describe_side(codec, codec.file_names[number]) for number, codec in enumerate(codecs.sides)
    )
    features = None
    if codecs.features is not None:
        separator, normalization = codecs.features.reading
        features = {"separator": separator, "normalization": normalization, "file": FEATURES}
    search = dataclasses.asdict(strategy)
    names = ("beam_size", "length_penalty", "alpha", "beta", "forbid")
    lengths = ("minimum_length", "maximum_length", "minimum_ratio", "maximum_ratio")
    return {
        "format": FORMAT,
        "version": VERSION,
        "kseq": kseq.__version__,
        "model": MODEL,
        "source": source,
        "features": features,
        "target": target,
        "copies": config.copy,
        "source_steps": source_steps(config),
        "search": {name: search[name] for name in names} | {"n_best": n_best},
        "lengths": {"ratio": translator.record.length_ratio}
        | {name: search[name] for name in lengths},
    }


def _describe_side(codec, name):
    """Returns the description of a side: how its text is read, or that it is real-valued."""
    if not codec.is_text:
        return {"kind": "values", "file": name}
    tokenizer, case, normalization = codec.reading
    reading = {"tokenizer": tokenizer, "case": case, "normalization": normalization}
    return {"kind": "text", **reading, "file": name}
