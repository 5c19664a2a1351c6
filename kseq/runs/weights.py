"""The weights of a run: reading them, and writing them atomically."""

import textwrap

import keras
import tensorflow as tf

from kseq import files
from kseq.fields import check_choice
from kseq.kernels.forks import claim_tensorflow
from kseq.models.factory import build_seq2seq, use_dtype_policy
from kseq.models.size import least_parameters
from kseq.pipeline.codecs import CodecPair
from kseq.runs import directory as run_directory
from kseq.runs.reading import read_run

PRECISIONS = ("float32", "bfloat16")
_DAMAGE = (OSError, ValueError, KeyError, RuntimeError, TypeError)  # which HDF5 finds in a file


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
    claim_tensorflow()
    folder, config, record = read_run(run)
    run_directory.check_codecs(folder, record)
    codecs = CodecPair.load(folder, config)
    path = folder / run_directory.WEIGHTS
    run_directory.check_weights(path, record)
    # A model that is far larger than its weights is not even built.
    if count_parameters(path) != record.parameters:
        raise ValueError(
            f"{path}: holds {count_parameters(path):,} parameters, but the run was trained with "
            f"{record.parameters:,}; restore the file, or train again"
        )
    model, parameters = None, least_parameters(config.model, **codecs.sizes)
    if parameters <= record.parameters:
        with use_dtype_policy(precision):
            model = build_seq2seq(config.model, **codecs.sizes)
        parameters = model.count_params()
    if parameters != record.parameters:
        raise ValueError(
            f"{folder / run_directory.CONFIG}: describes a model of {parameters:,} parameters"
            f"{'' if model else ' or more'}, but the run was trained with {record.parameters:,}; "
            "restore the file, or train again"
        )
    load_weights(model, path)
    return model, codecs, config, record


def count_parameters(path):
    """Returns the number of parameters in a file that `save_weights` wrote.

    Raises:
        ValueError: The file is damaged.
    """
    import h5py

    sizes, bytes_of_arrays = [], []

    def add(_, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size)
            bytes_of_arrays.append(item.size * item.dtype.itemsize)

    try:
        with h5py.File(path) as file:
            file.visititems(add)
    except _DAMAGE as error:
        raise _make_reading_error(path, error) from error
    if sum(bytes_of_arrays) > path.stat().st_size:
        raise ValueError(f"{path}: damaged: it is smaller than the arrays in it")
    return sum(sizes)


def load_weights(model, path):
    """Loads a file that `save_weights` wrote into a model.

    Raises:
        ValueError: The file does not fit the model, is damaged, or holds numbers that are not
            finite.
    """
    try:
        model.load_weights(path)
    except _DAMAGE as error:
        raise _make_reading_error(path, error) from error
    for weight in model.weights:
        if not tf.reduce_all(tf.math.is_finite(weight.value)):
            raise ValueError(
                f"{path}: {weight.path} holds numbers that are not finite (NaN or infinity); "
                "restore the file, or train again"
            )


def _make_reading_error(path, error):
    reason = textwrap.shorten(str(error), 200, placeholder=" …")
    return ValueError(
        f"{path}: cannot be read into the model that {run_directory.CONFIG} describes: {reason}"
    )


def save_weights(model, path):
    """Writes the weights to a file whose name ends in `.weights.h5`.

    Raises:
        OSError: The disk is too full; the HDF5 library would crash the process.
    """
    files.require_room(path.parent, 2 * 4 * model.count_params())
    without_optimizer(model).save_weights(path)


def without_optimizer(model):
    """Returns a model of the same layers without an optimizer.

    The state of the optimizer would make up two thirds of a file of weights.
    """
    return keras.Model(model.input, model.output, name=model.name)
