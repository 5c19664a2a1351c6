"""The run directory: what it holds, and how it changes from one whole state to the next."""

import json
import pathlib
import shutil

from kseq import files
from kseq.config import Config

CONFIG = "config.json"
RECORD = "run.json"
WEIGHTS = "model.weights.h5"
HISTORY = "history.csv"
CURVES = "curves.png"


def is_run(folder):
    """Whether a folder holds all that is needed to translate."""
    folder = pathlib.Path(folder)
    return all((folder / name).is_file() for name in (CONFIG, RECORD, WEIGHTS))


def require_run(folder):
    """Returns the path of a run directory.

    Raises:
        FileNotFoundError: The folder is missing.
        ValueError: It is not a run.
    """
    folder = pathlib.Path(folder)
    files.restore(folder)
    if not folder.exists():
        raise FileNotFoundError(f"run directory not found: {folder}")
    if not is_run(folder):
        raise ValueError(
            f"not a run directory: {folder}; expected {CONFIG}, {RECORD} and {WEIGHTS} in it, "
            "as kseq train writes them"
        )
    return folder


def read_run(folder):
    """Returns the `Config` of a run and its record, a dict."""
    folder = require_run(folder)
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged: {error}") from error
    missing = {"corpus", "length_ratio"} - set(record)
    if missing:
        raise ValueError(f"{path}: expected {' and '.join(sorted(missing))} in it; found none")
    return Config.load(folder / CONFIG), record


def check_replaceable(folder, kind, is_of_kind):
    """Checks that `folder` is free for something new: missing, empty, or of the same kind.

    Args:
        folder: The place.
        kind: What shall stand there, for the message: `"a run"`.
        is_of_kind: Function of a folder that tells whether it holds one.

    Raises:
        FileExistsError: There is something else.
    """
    folder = pathlib.Path(folder)
    files.restore(folder)
    if folder.is_dir() and (is_of_kind(folder) or not any(folder.iterdir())):
        return
    if folder.exists():
        raise FileExistsError(f"{folder} exists and is not {kind}; choose another place")


class NewRun:
    """A run in the making, a context: beside its place until it is whole, then in it.

    What never became whole is removed at the end.

    Args:
        place: Where the run will stand.
        overwrite: Whether a run that is already there may be replaced.

    Raises:
        FileExistsError: The place is taken.
    """

    def __init__(self, place, overwrite=False):
        self.place = pathlib.Path(place)
        self.folder = None
        check_replaceable(self.place, "a run", is_run)
        if is_run(self.place) and not overwrite:
            raise FileExistsError(
                f"{self.place} already holds a run; choose another place, or replace it with "
                "--overwrite (overwrite=True)"
            )

    def __enter__(self):
        self.folder = files.unfinished_beside(self.place)
        return self

    def __exit__(self, *_):
        if self.folder != self.place:
            shutil.rmtree(self.folder, ignore_errors=True)

    def settle(self):
        """Moves the run to its place, in exchange for what is there, once it is whole."""
        if self.folder != self.place and is_run(self.folder):
            files.move_into_place(self.folder, self.place)
            self.folder = self.place
