"""The SavedModel: strings in, strings out, without kseq."""

import contextlib
import dataclasses
import errno
import os
import pathlib
import tempfile

import tensorflow as tf

from kseq import files
from kseq.errors import SettingError
from kseq.pipeline.codecs import CodecPair
from kseq.search.strategies import BeamSearch, make_strategy
from kseq.translation.graphs import Inference
from kseq.translation.portable import portable_copy
from kseq.translation.served_files import OWN_FILES, refuse_foreign, write_files
from kseq.translation.served_sources import make_source
from kseq.translation.signatures import TextSignatures, ValueSignatures


def export(translator, folder, beam_size=1, n_best=None, version=None, **options):
    """Writes a SavedModel whose signatures take and return strings.

    Loading it needs only tensorflow and tensorflow_text. `kseq.translation.signatures` describes
    its signatures: `serving_default`, `nbest`, `details`, `score` and `encode`.

    Args:
        translator: A `Translator`.
        folder: Where to write. A SavedModel of kseq that is already there is replaced; files in its
            folder that kseq did not write are kept.
        beam_size: Hypotheses K that the search follows; 1 is greedy search.
        n_best: Number of translations that `nbest` and `details` return; by default K, and 1.
        version: Number of a version, from 1. The SavedModel is then written to a folder of this
            name inside `folder`, as TensorFlow Serving expects.
        **options: Other options of `kseq.BeamSearch`.

    Returns:
        The folder of the SavedModel.

    Raises:
        FileExistsError: The folder exists and holds something else.
        ValueError: An option does not exist, or is out of range.
    """
    search = {**options, "beam_size": beam_size, "n_best": 1 if n_best is None else n_best}
    strategy = make_strategy(BeamSearch, **search)
    name = pathlib.Path(folder).resolve().name
    folder = _version_folder(folder, version)
    place = files.require_replaceable(folder, SAVED_MODEL)
    refuse_foreign(place)
    with contextlib.ExitStack() as stack:
        assets = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        translator.codecs.save(assets)
        module, signatures = _make_module(translator, strategy, n_best, sorted(assets.iterdir()))
        try:
            unfinished = stack.enter_context(files.replaced_folder(place, SAVED_MODEL))
            stack.enter_context(silence_notices())
            tf.saved_model.save(module, unfinished, signatures=signatures)
            write_files(unfinished, translator, signatures, name)
        except tf.errors.ResourceExhaustedError as error:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
    return folder


def _version_folder(folder, version):
    """Returns the folder of a version, after making the one that it is in; or `folder`."""
    if version is None:
        return folder
    if type(version) is not int or version < 1:
        raise SettingError("{version} must be a whole number, at least 1; received {0!r}", version)
    if (pathlib.Path(folder) / "saved_model.pb").exists():
        raise FileExistsError(
            f"{folder} is a SavedModel, not a folder of versions; choose another destination"
        )
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    return pathlib.Path(folder) / str(version)


@contextlib.contextmanager
def silence_notices():
    """A context without TensorFlow's notices, which name the hidden folder of the model."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_saved_model(folder):
    """Returns whether a folder holds a SavedModel with a signature of `export`."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        graphs = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    except (OSError, DecodeError):
        return False
    signatures = [each for graph in graphs for each in graph.signature_def.values()]
    return any(
        "output_tokens" in signature.outputs
        or ({"steps", "covariates"} & set(signature.inputs) and "values" in signature.outputs)
        for signature in signatures
    )


def _owns(path):
    """Returns whether a path relative to a SavedModel is one that `export` writes."""
    name = path.as_posix()
    return name in OWN_FILES or (name.startswith("variables/variables.") and name.count("/") == 1)


SAVED_MODEL = files.FolderKind("a SavedModel of kseq", _is_saved_model, _owns)


def _make_module(translator, strategy, n_best, assets):
    """Makes the module to save, with all variables, tables and assets, and its signatures.

    Args:
        translator: A `Translator`.
        strategy: `BeamSearch`.
        n_best: Number of translations that a user has asked for, or None.
        assets: Paths of files.

    Returns:
        A `tf.Module`, and the concrete function of each signature, by name.
    """
    members = translator.members
    models = [portable_copy(member.model) for member in members]
    codecs = [_copy_codecs(member) for member in members]
    inference = Inference(
        models, codecs, translator.record.length_ratio, translator.inference.average
    )
    described = inference, models, make_source(codecs), codecs[0].target
    if translator.predicts_values:
        signatures, dictionary = ValueSignatures(*described), None
    else:
        forbidden, dictionary = translator.resolve(strategy)
        signatures = TextSignatures(
            *described,
            best=dataclasses.replace(strategy, n_best=1),
            several=dataclasses.replace(strategy, n_best=n_best or strategy.beam_size),
            forbidden=forbidden,
            dictionary=dictionary,
            details_of_all=n_best is not None,
        )
    module = tf.Module()
    module._weights = [variable.value for model in models for variable in model.weights]
    parts = [dictionary, *(codec for pair in codecs for codec in pair.columns)]
    module._tables = [part for part in parts if isinstance(part, tf.Module)]
    module._assets = [tf.saved_model.Asset(str(path)) for path in assets]
    return module, signatures.make()


def _copy_codecs(member):
    """Copies the codecs of a model, without functions that they have compiled."""
    return CodecPair.of(
        *member.codecs.descriptions,
        member.config.text,
        features=member.codecs.feature_vocabulary,
        copies=member.config.model.copy,
    )
