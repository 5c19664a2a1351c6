"""The folder of an ensemble: a run for each seed, and a file that names the seeds."""

import json
import pathlib

import kseq
from kseq import files
from kseq.runs.directory import ENSEMBLE, is_ensemble, is_run


def member_folder(folder, seed):
    """Returns the run directory of the model of a seed."""
    return pathlib.Path(folder) / f"seed-{seed}"


def write_ensemble(folder, seeds):
    """Makes a folder an ensemble, or changes its seeds.

    Args:
        folder: The folder; it need not exist.
        seeds: Seeds of the models, which need not be trained yet.

    Raises:
        FileExistsError: The folder is something else.
    """
    folder = pathlib.Path(folder)
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and (is_run(folder) or not is_ensemble(folder)):
        raise FileExistsError(f"{folder} exists and is not an ensemble; choose another destination")
    folder.mkdir(parents=True, exist_ok=True)
    description = {"kseq": kseq.__version__, "seeds": list(seeds)}
    files.write_text(folder / ENSEMBLE, json.dumps(description, indent=2) + "\n")


def runs_of(name):
    """Returns the run directories that a name stands for: a run, or the members of an ensemble.

    Args:
        name: A run directory, or the folder of an ensemble; it need not exist.

    Raises:
        FileNotFoundError: A model of the ensemble has not been trained yet.
        ValueError: The file that names the seeds is damaged.
    """
    folder = pathlib.Path(name)
    if not is_ensemble(folder):
        return [name]
    path = folder / ENSEMBLE
    try:
        seeds = json.loads(path.read_text(encoding="utf-8"))["seeds"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int for seed in seeds)):
        raise ValueError(f"{path}: damaged: expected a list of whole numbers as seeds")
    members = [member_folder(folder, seed) for seed in seeds]
    for member in members:
        if not files.find_folder(member.resolve()).exists():
            raise FileNotFoundError(
                f"{member}: this model of the ensemble has not been trained yet; the command that "
                "began the ensemble goes on with it"
            )
    return members
