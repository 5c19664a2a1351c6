"""The run directory: what it holds, and how it changes from one whole state to the next."""

import contextlib
import json
import math
import pathlib
import shutil
import zlib

from kseq import files
from kseq.config import Config

CONFIG = "config.json"
RECORD = "run.json"
WEIGHTS = "model.weights.h5"
HISTORY = "history.csv"
CURVES = "curves.png"
VOCABULARIES = ("source_vocabulary.txt", "target_vocabulary.txt")
CHECKPOINTS = "checkpoints"
SUBWORDS = ("source_subwords.model", "target_subwords.model")  # where a side has subwords
STATISTICS = ("source_values.json", "target_values.json")  # where a side is real-valued

_NEEDED = (CONFIG, RECORD, *VOCABULARIES, WEIGHTS)
_INSTEAD = {name: instead for name, *instead in zip(VOCABULARIES, SUBWORDS, STATISTICS)}


def is_run(folder):
    """Whether a folder holds all that is needed to translate."""
    folder = pathlib.Path(folder)
    return all(
        any((folder / each).is_file() for each in (name, *_INSTEAD.get(name, ())))
        for name in _NEEDED
    )


def require_run(folder):
    """Returns the path of a run directory.

    Raises:
        FileNotFoundError: The folder is missing.
        ValueError: It is not a run.
    """
    place = pathlib.Path(folder).resolve()
    if not place.exists() and place.parent.is_dir():
        # Perhaps a kill came when an old run was about to be replaced.
        with contextlib.suppress(OSError), files.alone_at(place):
            pass
    if not place.exists():
        raise FileNotFoundError(f"run directory not found: {folder}")
    if not is_run(place):
        raise ValueError(
            f"not a run directory: {folder}; expected {', '.join(_NEEDED)} in it (for subwords "
            f"{' or '.join(SUBWORDS)}, for real values {' or '.join(STATISTICS)}), as kseq train "
            "writes them"
        )
    return place


def read_run(folder):
    """Returns the path of a run, its `Config`, and its record, a dict.

    Raises:
        FileNotFoundError: The folder is missing.
        ValueError: It is not a run, or damaged.
    """
    place = require_run(folder)
    path = place / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        ratio, origin = record["length_ratio"], record["corpus"]
        if not (math.isfinite(ratio) and ratio > 0):
            raise ValueError(f"length_ratio must be a number over 0; found {ratio}")
        if type(record["parameters"]) is not int:
            raise ValueError(f"parameters must be a whole number; found {record['parameters']}")
        if origin is not None and not {"train", "valid", "test"} <= set(origin):
            raise ValueError("corpus must have train, valid and test")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    return place, Config.load(place / CONFIG), record


def describe(folder, config, codecs, record):
    """Writes all of a run but its weights: `Config`, `CodecPair` and the record, a dict."""
    files.write_text(folder / CONFIG, config.dumps())
    codecs.save(folder)
    record = {**record, "checksums": _checksums(folder)}
    files.write_text(folder / RECORD, json.dumps(record, indent=2) + "\n")


def check_codecs(folder, record):
    """Checks that nobody has edited a vocabulary, or what stands in its place.

    Raises:
        ValueError: Somebody has; ids would mean other tokens than those that were learnt.
    """
    found = _checksums(folder)
    for name, checksum in record.get("checksums", {}).items():
        if found.get(name) != checksum:
            raise ValueError(
                f"{folder / name}: has been changed since the run was trained, and its lines "
                "stand for what the model learnt; put the file back as it was, or train again"
            )


def _checksums(folder):
    """CRC-32 of the files that say what the ids or values of both sides mean, by name."""
    paths = [folder / name for name in (*VOCABULARIES, *SUBWORDS, *STATISTICS)]
    return {path.name: zlib.crc32(path.read_bytes()) for path in paths if path.is_file()}


def checkpoint(folder, epoch):
    """Returns the path of the weights of an epoch, which counts from 1."""
    return folder / CHECKPOINTS / f"epoch-{epoch:04d}.weights.h5"


def checkpoints(folder):
    """Returns the paths of the checkpoints that are there, by epoch, in order."""
    found = (pathlib.Path(folder) / CHECKPOINTS).glob("epoch-*.weights.h5")
    return dict(sorted((int(path.name[6:].partition(".")[0]), path) for path in found))


class NewRun:
    """A run in the making, a context: beside its place until it is whole, then in it.

    Only one process at a time can be at it. What never became whole is removed at the end.

    Args:
        folder: Where the run will stand.
        overwrite: Whether a run that is already there may be replaced.

    Raises:
        FileExistsError: The place is taken.
    """

    def __init__(self, folder, overwrite=False):
        self.place = files.require_replaceable(folder, "a run", is_run)
        self.folder = None
        self._overwrite = overwrite
        self._alone = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(files.alone_at(self.place))
            if is_run(self.place) and not self._overwrite:
                raise FileExistsError(
                    f"{self.place} already holds a run; choose another place, or replace it "
                    "with --overwrite (overwrite=True)"
                )
            self.folder = files.unfinished_beside(self.place)
            self._alone = stack.pop_all()
        return self

    def __exit__(self, *_):
        with self._alone:
            if self.folder != self.place:
                shutil.rmtree(self.folder, ignore_errors=True)

    def settle(self):
        """Moves the run to its place, in exchange for what is there, once it is whole."""
        if self.folder != self.place and is_run(self.folder):
            files.move_into_place(self.folder, self.place)
            self.folder = self.place
