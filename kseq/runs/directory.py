"""The run directory: which files it holds, and how a new run replaces an old one."""

import contextlib
import dataclasses
import pathlib
import re
import shutil
import zlib

from kseq import files
from kseq.config import Config
from kseq.runs.provenance import Stopwatch, add_device, utc_now
from kseq.runs.record import RunRecord

CONFIG = "config.json"
RECORD = "run.json"
WEIGHTS = "model.weights.h5"
HISTORY = "history.csv"
CURVES = "curves.png"
FILM = "attention.gif"  # of a training with `kseq.AttentionFilm`
VOCABULARIES = ("source_vocabulary.txt", "target_vocabulary.txt")
FEATURES = "feature_vocabulary.txt"  # of a run that reads features
CHECKPOINTS = "checkpoints"
FAILED_BATCH = "failed_batch.npz"  # whose loss or gradient was not a finite number
STATES = ("training_state.1.npz", "training_state.2.npz")  # of a training that has not ended
SUBWORDS = ("source_subwords.model", "target_subwords.model")  # of a side with subwords
STATISTICS = ("source_values.json", "target_values.json")  # of a real-valued side
ENSEMBLE = "ensemble.json"  # in a folder of several runs
VECTORIZATIONS = ("source_vectorization.json", "target_vectorization.json")  # of Keras' layer

CODECS = (*VOCABULARIES, *SUBWORDS, *STATISTICS, *VECTORIZATIONS, FEATURES)
_BLOCK = 2**20  # bytes that are read at once
REQUIRED = (CONFIG, RECORD, *VOCABULARIES, WEIGHTS)
# Of runs whose `config.json` does not have these fields yet.
_OLD_SETTINGS = {"text": {"normalization": "nfkc"}}
_ALTERNATIVES = {
    names[0]: names for names in zip(VOCABULARIES, SUBWORDS, STATISTICS, VECTORIZATIONS)
}


_CHECKPOINT = re.compile(r"epoch-(\d+)\.weights\.h5")
# Files that older versions began to write, and could not remove because they were killed.
_UNFINISHED = re.compile(r"^\.\d+\.")


def is_run(folder):
    """Returns whether a folder holds all files that a translator needs."""
    folder = pathlib.Path(folder)
    return all(
        any((folder / name).is_file() for name in _ALTERNATIVES.get(required, (required,)))
        for required in REQUIRED
    )


def is_ensemble(folder):
    """Returns whether a folder holds the runs of an ensemble."""
    return (pathlib.Path(folder) / ENSEMBLE).is_file()


def load_config(folder):
    """Returns the `Config` of a run, which may be incomplete."""
    path = pathlib.Path(folder) / CONFIG
    try:
        return Config.loads(path.read_text(encoding="utf-8"), absent=_OLD_SETTINGS)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: damaged: {error}") from error


def write_description(folder, config, codecs, record):
    """Writes all files of a run except the weights.

    Args:
        folder: The run directory.
        config: `Config`.
        codecs: `CodecPair`.
        record: `RunRecord`; it is written with the checksums of all files that are there.
    """
    files.write_text(folder / CONFIG, config.dumps())
    codecs.save(folder)
    dataclasses.replace(record, checksums=_checksums(folder)).save(folder / RECORD)


def check_codecs(folder, record):
    """Checks that the vocabularies, or the files that replace them, have not changed.

    Raises:
        ValueError: A file has changed since training, so that ids would mean other tokens.
    """
    for name in CODECS:
        if not _has_checksum(folder / name, record.checksums.get(name)):
            raise ValueError(
                f"{folder / name}: has been changed since the run was trained, so that ids no "
                "longer mean what the model learnt; restore the file, or train again"
            )


def check_weights(path, record):
    """Checks that weights have not changed; those of older runs have no checksums.

    A checkpoint of the same run may take the place of the best weights.

    Args:
        path: Path of weights in the run directory.
        record: `RunRecord`.

    Raises:
        ValueError: The file has changed since training.
    """
    checksums = record.checksums.items()
    written = {checksum for name, checksum in checksums if name.endswith(".weights.h5")}
    if written and _checksum(path) not in written:
        raise ValueError(
            f"{path}: has been changed since the run was trained; restore the file, or train "
            f"again. If you changed it on purpose, remove the checksums of weights from {RECORD}"
        )


def _has_checksum(path, expected):
    """Returns whether a file has a checksum, or none is expected."""
    return expected is None or (path.is_file() and _checksum(path) == expected)


def _checksums(folder):
    """Returns the CRC-32 of codecs, weights and checkpoints, by name in the run directory."""
    paths = [folder / name for name in (*CODECS, WEIGHTS)]
    paths += checkpoint_paths(folder).values()
    return {
        path.relative_to(folder).as_posix(): _checksum(path) for path in paths if path.is_file()
    }


def weights_checksum(folder):
    """Returns the CRC-32 of the weights of a run."""
    return _checksum(folder / WEIGHTS)


def _checksum(path):
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def checkpoint_path(folder, epoch):
    """Returns the path of the weights of an epoch; epochs count from 1."""
    return folder / CHECKPOINTS / f"epoch-{epoch:04d}.weights.h5"


def checkpoint_paths(folder):
    """Returns the paths of the checkpoints that exist, by epoch, in order."""
    paths = (pathlib.Path(folder) / CHECKPOINTS).glob("epoch-*.weights.h5")
    names = ((_CHECKPOINT.fullmatch(path.name), path) for path in paths if path.is_file())
    return dict(sorted((int(name[1]), path) for name, path in names if name))


def _owns(path):
    """Returns whether a path relative to a run directory is one of the files that kseq writes."""
    folder, name = path.parent.as_posix(), _UNFINISHED.sub("", path.name)
    if folder == CHECKPOINTS:
        return _CHECKPOINT.fullmatch(name) is not None
    names = {*REQUIRED, *CODECS, *STATES}
    names |= {HISTORY, CURVES, FILM, CHECKPOINTS, FAILED_BATCH}
    return folder == "." and name in names


def state_paths(folder):
    """Returns the paths of both states of training in a folder, the newer one first.

    They need not exist. A path without a file comes last.
    """
    paths = [pathlib.Path(folder) / name for name in STATES]
    return sorted(paths, key=lambda path: -path.stat().st_mtime_ns if path.exists() else 0)


def find_stopped(folder):
    """Returns the folder of a run whose training was stopped, possibly before it had a result.

    If there is none, the folder itself is returned.
    """
    folder = pathlib.Path(folder).resolve()
    unfinished = files.find_unfinished(folder)
    return unfinished if has_state(unfinished) else folder


def has_state(folder):
    """Returns whether training can go on in a folder."""
    return any(path.exists() for path in state_paths(folder))


RUN = files.FolderKind("a run", is_run, _owns, has_state)


class NewRun(files.NewFolder):
    """A context manager that writes a new run, in a hidden folder until it is complete.

    While it is open, no other process can write a run to the same destination. An incomplete run
    is removed at the end; the record of a complete one gets the checksums of the weights, which
    change until then.

    Args:
        folder: Destination of the run.
        overwrite: Whether an existing run may be replaced. Files in its directory that kseq did
            not write are kept.
        goes_on: Whether to go on with a run whose training has not ended, if there is one.

    Attributes:
        folder: Folder to write to: the hidden folder and, after `publish`, the destination.
        stopwatch: `Stopwatch` of the training.

    Raises:
        FileExistsError: The destination is not free, or another process writes to it.
    """

    def __init__(self, folder, overwrite=False, goes_on=False):
        super().__init__(files.require_replaceable(folder, RUN), RUN, goes_on)
        self.stopwatch = Stopwatch()
        self._overwrite = overwrite

    def __enter__(self):
        super().__enter__()
        if self._goes_on and not has_state(self.folder) and is_run(self.destination):
            self.folder.rmdir()
            self.folder = self.destination
        elif is_run(self.destination) and not self._overwrite:
            super().__exit__()
            raise FileExistsError(
                f"{self.destination} already holds a run; choose another destination, or replace "
                "it with --overwrite (overwrite=True)"
            )
        return self

    def __exit__(self, *error):
        # A run without the checksums of its weights is complete, too, even if the disk is full.
        with contextlib.suppress(OSError):
            self._write_checksums()
        return super().__exit__(*error)

    @property
    def has_state(self):
        """Whether training can go on."""
        return has_state(self.folder)

    @property
    def existed(self):
        """Whether the run was there before this training: it has ended, or it goes on."""
        return self.has_state or self.is_published

    @property
    def has_ended(self):
        """Whether this is a run whose training has ended."""
        return self.is_published and not self.has_state

    def _write_checksums(self):
        path = self.folder / RECORD
        if self.is_published and WEIGHTS not in (record := RunRecord.load(path)).checksums:
            record = dataclasses.replace(record, checksums=_checksums(self.folder))
            with self.replaced_file(path) as unfinished:
                record.save(unfinished)

    def publish(self):
        """Moves the run to its destination, if it is complete, and removes the run it replaces."""
        if not self.is_published and is_run(self.folder):
            super().publish()

    def go_on(self, device):
        """Forgets the checksums of weights, which will change, until training stops again.

        Args:
            device: Description of the devices of this process, for the record.
        """
        path = self.folder / RECORD
        record = RunRecord.load(path)
        checksums = {name: record.checksums[name] for name in CODECS if name in record.checksums}
        with self.replaced_file(path) as unfinished:
            dataclasses.replace(
                record, checksums=checksums, device=add_device(record.device, device)
            ).save(unfinished)

    def start_over(self):
        """Leaves the training that was to go on, and begins another one in its place."""
        if self.is_published:
            self.folder = self.new_folder
        else:
            shutil.rmtree(self.folder)
        self.folder.mkdir()

    def give_up(self):
        """Removes the states of a training that cannot succeed, unless its run has weights."""
        if not self.is_published:
            self._remove_states()

    def finish(self):
        """Records that training has ended, and removes its states; returns the `RunRecord`."""
        path = self.folder / RECORD
        duration = round(self.stopwatch.seconds, 1)
        record = dataclasses.replace(
            RunRecord.load(path), is_finished=True, ended=utc_now(), duration=duration
        )
        with self.replaced_file(path) as unfinished:
            record.save(unfinished)
        self._remove_states()
        return record

    def _remove_states(self):
        for state in state_paths(self.folder):
            state.unlink(missing_ok=True)
