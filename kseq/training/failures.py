"""Training that failed: a number that is not finite, or too little memory."""

import numpy as np

from kseq import files
from kseq.runs import directory as run_directory


class TrainingFailed(RuntimeError):
    """Training ended without a usable model."""


def explain_not_finite(name, training, place, saved):
    """Returns the message about a loss or a gradient that is not a finite number.

    Args:
        name: `"loss"` or `"gradient"`.
        training: `TrainingConfig`.
        place: The number of the batch in its epoch, and of the epoch, both from 1.
        saved: Path of the batch; None if another worker has written it.
    """
    batch, epoch = place
    kept = f", and the batch is in {saved}" if saved else ""
    return (
        f"the {name} of batch {batch:,} of epoch {epoch} is not a finite number; training has "
        f"stopped before the update{kept}: begin again with a lower "
        f"learning_rate (now {training.learning_rate:g}) or more warmup_steps (now "
        f"{training.warmup_steps:,})"
    )


def explain_exhausted_memory(training):
    """Returns the message about too little memory on the device."""
    size = f"batch_size (now {training.batch_size:,})"
    if training.batch_tokens:
        size = f"batch_tokens (now {training.batch_tokens:,})"
    return (
        f"the device has too little memory for a batch: lower {size} or maximum_length (now "
        f"{training.maximum_length:,}); gradient_accumulation makes up for smaller batches"
    )


def save_batch(batch, codecs, run):
    """Writes a batch to a run or, if the run has no weights yet, next to its destination.

    Args:
        batch: Inputs, labels and weights, as from `training_pipeline`.
        codecs: `CodecPair`.
        run: `NewRun`.

    Returns:
        The path of a `.npz` file of the arrays by name; for text, also of the texts as
        `source_text` and `target_text`.
    """
    inputs, labels, weights = batch
    tensors = {**inputs, "labels": labels, "weights": weights}
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    sides = ("source", inputs.get("source_ids")), ("target", labels)
    for (name, ids), codec in zip(sides, codecs.sides):
        if codec.is_text:
            texts = [text.decode() for text in codec.decode(ids).numpy()]
            arrays[f"{name}_text"] = np.array(texts)
    name, replaced_file = run_directory.FAILED_BATCH, run.replaced_file
    path = run.folder / name
    if not run.is_published:
        path, replaced_file = (
            run.destination.with_name(f"{run.destination.name}.{name}"),
            files.replaced_file,
        )
    with replaced_file(path) as unfinished:
        np.savez(unfinished, **arrays)
    return path
