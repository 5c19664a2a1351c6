"""The weights of a run: reading them, and writing them atomically."""

import pathlib
import shutil
import tempfile
import textwrap

import keras

from kseq import files
from kseq.fields import check_choice
from kseq.models.factory import build_seq2seq, use_dtype_policy
from kseq.pipeline.codecs import CodecPair
from kseq.runs import directory as run_directory

PRECISIONS = ("float32", "bfloat16")


def load_model(run, precision="float32"):
    """Reads the model of a run directory.

    Args:
        run: Run directory.
        precision: Precision of weights and products, one of `PRECISIONS`.

    Returns:
        The model, its `CodecPair`, the `Config` and the `RunRecord`.

    Raises:
        FileNotFoundError: The directory is missing.
        ValueError: It is not a run, or it is damaged; or the precision is unknown.
    """
    check_choice("precision", precision, PRECISIONS)
    folder, config, record = run_directory.read_run(run)
    codecs = CodecPair.load(folder, config)
    run_directory.check_codecs(folder, record)
    with use_dtype_policy(precision):
        model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
    if model.count_params() != record.parameters:
        raise ValueError(
            f"{folder / run_directory.CONFIG}: describes a model of {model.count_params():,} "
            f"parameters, but the run was trained with {record.parameters:,}; restore the file, "
            "or train again"
        )
    load_weights(model, folder / run_directory.WEIGHTS)
    return model, codecs, config, record


def load_weights(model, path):
    """Loads a file that `save_weights` wrote into a model.

    Raises:
        ValueError: The file does not fit the model, or is damaged.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = textwrap.shorten(str(error), 200, placeholder=" …")
        raise ValueError(
            f"{path}: cannot be read into the model that {run_directory.CONFIG} describes: {reason}"
        ) from error


def save_weights(model, path):
    """Writes the weights to a temporary file, and copies it to `path`.

    The HDF5 library crashes the process when a disk is full; a copy raises an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        files.require_room(folder, 2 * 4 * model.count_params())
        temporary = pathlib.Path(folder) / run_directory.WEIGHTS
        without_optimizer(model).save_weights(temporary)
        with files.replaced_file(path) as unfinished:
            shutil.copyfile(temporary, unfinished)


def without_optimizer(model):
    """Returns a model of the same layers without an optimizer.

    The state of the optimizer would make up two thirds of a file of weights.
    """
    return keras.Model(model.input, model.output, name=model.name)
