"""Finding a run by its name, and reading its settings and its record."""

import pathlib

from kseq import files
from kseq.runs.directory import (
    RECORD,
    REQUIRED,
    STATISTICS,
    SUBWORDS,
    is_ensemble,
    is_run,
    load_config,
)
from kseq.runs.hub import find_run
from kseq.runs.record import RunRecord


def require_run(folder):
    """Returns the resolved path of a run directory.

    Args:
        folder: The run directory, or `hf://user/name[@revision]`.

    Raises:
        FileNotFoundError: The folder is missing.
        ValueError: It is not a run.
    """
    path = files.find_folder(pathlib.Path(find_run(folder)).resolve())
    if not path.exists():
        raise FileNotFoundError(f"run directory not found: {folder}")
    if not is_run(path):
        if is_ensemble(path):
            raise ValueError(f"{folder} is an ensemble; name one of the runs in it")
        if path.is_file() and path.suffix == ".kseq":
            raise ValueError(f"{folder} is a packed run: kseq unpack {folder} DIR")
        raise ValueError(
            f"not a run directory: {folder}; expected {', '.join(REQUIRED)} in it (for subwords "
            f"{' or '.join(SUBWORDS)}, for real values {' or '.join(STATISTICS)}), as kseq train "
            "writes them"
        )
    return path


def read_run(folder):
    """Returns the path of a run, its `Config` and its `RunRecord`.

    Raises:
        FileNotFoundError: The folder is missing.
        ValueError: It is not a run, or a file in it is damaged.
    """
    path = require_run(folder)
    return path, load_config(path), RunRecord.load(path / RECORD)
