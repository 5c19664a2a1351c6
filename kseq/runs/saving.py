"""A trained model, written as a run."""

import keras

from kseq.models.factory import build_seq2seq, use_dtype_policy
from kseq.runs import directory as run_directory
from kseq.runs.weights import save_weights


def save_run(run, model, codecs, config, record, *, overwrite=False):
    """Writes a run directory, as a whole or not at all.

    Args:
        run: Run directory to create.
        model: Model of `build_seq2seq`.
        codecs: `CodecPair`.
        config: `Config`.
        record: `RunRecord`.
        overwrite: Whether an existing run may be replaced.

    Raises:
        FileExistsError: `run` exists and is not a run, or must not be overwritten.
    """
    with run_directory.NewRun(run, overwrite) as new_run:
        save_weights(_as_loaded(model, codecs, config), new_run.folder / run_directory.WEIGHTS)
        run_directory.write_description(new_run.folder, config, codecs, record)
        new_run.publish()


def _as_loaded(model, codecs, config):
    """Returns a copy of a model in the form in which runs are loaded: float32, with logits."""
    with use_dtype_policy("float32"):
        copy = build_seq2seq(config.model, **codecs.sizes)
    # A user's model may have half precision, or a softmax, which has no weights.
    for old, new in zip(model.weights, copy.weights, strict=True):
        new.assign(keras.ops.cast(old, "float32"))
    return copy
