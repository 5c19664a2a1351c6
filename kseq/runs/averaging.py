"""The average of a run's last checkpoints, as a new run."""

import dataclasses
import pathlib

import numpy as np

from kseq.errors import SettingError
from kseq.path_names import PathName
from kseq.runs import directory as run_directory
from kseq.runs.reading import require_run
from kseq.runs.saving import save_run
from kseq.runs.weights import load_model, load_weights


def average_checkpoints(
    run: PathName, out: PathName, last: int | None = None, overwrite: bool = False
) -> list[int]:
    """Writes a run whose weights are the mean of the last checkpoints of another run.

    The average of the last checkpoints is often better than the best of them (Vaswani et al. 2017,
    arXiv 1706.03762, section 6.1).

    Args:
        run: Run directory, trained with the setting `checkpoints`.
        out: Run directory to create.
        last: Number of checkpoints to average, counted from the last; all by default.
        overwrite: Whether an existing run may be replaced.

    Returns:
        The numbers of the epochs that were averaged.

    Raises:
        FileNotFoundError: The run is missing.
        FileExistsError: `out` exists and is not a run, or must not be overwritten.
        ValueError: The run has fewer checkpoints, or one of them is damaged.
    """
    if pathlib.Path(run).resolve() == pathlib.Path(out).resolve():
        raise ValueError(f"out must not be the directory of the run that is averaged: {run}")
    model, codecs, config, record = load_model(run)
    folder = require_run(run)
    checkpoints = _last_checkpoints(folder, last)
    sums = [np.zeros(weight.shape, np.float64) for weight in model.weights]
    for path in checkpoints.values():
        run_directory.check_weights(path, record)
        load_weights(model, path)
        for total, weight in zip(sums, model.get_weights()):
            total += weight
    model.set_weights([total / len(checkpoints) for total in sums])
    record = dataclasses.replace(record, averaged=[*checkpoints], is_finished=True)
    save_run(out, model, codecs, config, record, overwrite=overwrite)
    return [*checkpoints]


def _last_checkpoints(run, last):
    checkpoints = run_directory.checkpoint_paths(run)
    if not checkpoints:
        raise ValueError(
            f"{run} has no checkpoints; train with checkpoints=5, for instance, to keep those of "
            "the last five epochs (--set checkpoints=5)"
        )
    if last is not None and not (type(last) is int and 1 <= last <= len(checkpoints)):
        raise SettingError(
            "{last} must be from 1 to {0}, the number of checkpoints in {1}; received {2!r}",
            *(len(checkpoints), run, last),
        )
    return dict(list(checkpoints.items())[-(last or len(checkpoints)) :])
