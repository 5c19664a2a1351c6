"""The weights of a run: read, written whole or not at all, and averaged over epochs."""

import pathlib
import shutil
import tempfile
import textwrap

import keras
import numpy as np

from kseq import files
from kseq.fields import suggestion
from kseq.models.factory import build_seq2seq, computing_in
from kseq.pipeline.codecs import CodecPair
from kseq.runs import directory as run_directory

PRECISIONS = ("float32", "bfloat16")


def load_model(run, precision="float32"):
    """Reads the model of a run directory.

    Args:
        run: Run directory.
        precision: Of weights and products, one of `PRECISIONS`.

    Returns:
        The model, its `CodecPair`, the `Config` and the record of the run, a dict.

    Raises:
        FileNotFoundError: The directory is missing.
        ValueError: It is not a run, or damaged; or there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision must be {' or '.join(map(repr, PRECISIONS))}; received {precision!r}"
            f"{suggestion(precision, PRECISIONS)}"
        )
    folder, config, record = run_directory.read_run(run)
    codecs = CodecPair.load(folder, config)
    run_directory.check_codecs(folder, record)
    with computing_in(precision):
        model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
    if model.count_params() != record["parameters"]:
        raise ValueError(
            f"{folder / run_directory.CONFIG}: describes a model of {model.count_params():,} "
            f"parameters, but the run was trained with {record['parameters']:,}; it has been "
            "changed"
        )
    load_weights(model, folder / run_directory.WEIGHTS)
    return model, codecs, config, record


def load_weights(model, path):
    """Reads what `save_weights` wrote.

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
    """Writes the weights, whole or not at all, by way of the folder for temporary files.

    The HDF5 library crashes the process when a disk is full; plain copying raises an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        files.require_room(folder, 2 * 4 * model.count_params())
        copy = pathlib.Path(folder) / run_directory.WEIGHTS
        without_optimizer(model).save_weights(copy)
        with files.replaced_file(path) as unfinished:
            shutil.copyfile(copy, unfinished)


def without_optimizer(model):
    """The same layers in a model of its own: the optimizer's state is two thirds of a file."""
    return keras.Model(model.input, model.output, name=model.name)


def average_checkpoints(run, out, last=None, overwrite=False):
    """Makes a run whose weights are the mean of what a run kept of its last epochs.

    The average of the last weights often does better than the best of them (Vaswani et al.
    2017, arXiv 1706.03762, section 6.1).

    Args:
        run: Run directory, trained with the setting `checkpoints`.
        out: Run directory to make.
        last: How many of the last checkpoints to average; all that are there by default.
        overwrite: Whether a run that is already there may be replaced.

    Returns:
        The numbers of the epochs that were averaged.

    Raises:
        FileNotFoundError: There is no such run.
        FileExistsError: `out` exists and is not a run, or must not be overwritten.
        ValueError: The run has not so many checkpoints, or one is damaged.
    """
    if pathlib.Path(run).resolve() == pathlib.Path(out).resolve():
        raise ValueError(f"out must be another directory than the run that is averaged: {run}")
    model, codecs, config, record = load_model(run)
    checkpoints = _last_checkpoints(run, last)
    sums = [np.zeros(weight.shape, np.float64) for weight in model.weights]
    for path in checkpoints.values():
        load_weights(model, path)
        for total, weight in zip(sums, model.get_weights()):
            total += weight
    model.set_weights([total / len(checkpoints) for total in sums])
    with run_directory.NewRun(out, overwrite) as made:
        run_directory.describe(made.folder, config, codecs, {**record, "averaged": [*checkpoints]})
        save_weights(model, made.folder / run_directory.WEIGHTS)
        made.settle()
    return [*checkpoints]


def _last_checkpoints(run, last):
    checkpoints = run_directory.checkpoints(run)
    if not checkpoints:
        raise ValueError(
            f"{run} kept no checkpoints; train with checkpoints=5, say, to keep the last five "
            "epochs (--set checkpoints=5)"
        )
    if last is not None and not 1 <= last <= len(checkpoints):
        raise ValueError(f"last must be from 1 to {len(checkpoints)}, as many as {run} has kept")
    return dict(list(checkpoints.items())[-(last or len(checkpoints)) :])
