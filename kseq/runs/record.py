"""The record of a run: what it was trained on, and what is needed to use its model."""

import dataclasses
import json
import pathlib
import warnings

from kseq import files
from kseq.errors import KseqWarning
from kseq.fields import Section

_SPLITS = ("train", "valid", "test")
_COUNTS = {"kept", "tokens"}  # of a survey
_LARGEST_RATIO = 100_000
_ABSENT_IN_OLDER_RUNS = (
    *("fingerprint", "optimizer", "start", "is_finished", "origin"),
    *("command", "seed", "device", "began", "ended", "duration"),
)


class UnfinishedRunWarning(KseqWarning):
    """The training of a run was stopped, or is still going on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord(Section):
    """The contents of a run's `run.json`.

    Args:
        kseq: Version of kseq that trained the model.
        corpus: Argument of `recall_corpus`, which opens the corpus again; None if the files of the
            corpus are unknown. Older runs have paths, which are never opened.
        train: Fields of the `Survey` of the training split.
        valid: Fields of the `Survey` of the validation split.
        length_ratio: Target tokens per source token in the training split.
        parameters: Number of the model's parameters.
        checksums: CRC-32 of the vocabularies, or of the files that replace them, and of the weights
            and the checkpoints, by name in the run directory. Older runs have none of weights.
        averaged: Numbers of the epochs whose weights were averaged.
        fingerprint: CRC-32 of the ids of training and validation; None if they are not encoded.
        optimizer: Class and settings of the user's own optimizer; None for that of the settings.
        start: The run that training started from, None for none: its `name`, and the CRC-32 of its
            weights as `checksum`.
        origin: How the model came about, if `kseq train` has not trained it.
        is_finished: Whether training has ended; None for older runs, whose training has.
        command: The command that began the training, without the folders of its files; None in
            Python.
        seed: Seed of the training.
        device: Description of the devices; if training went on with others, of those, too.
        began: Time at which the training began, in UTC: `"2026-11-29T19:11:00Z"`.
        ended: Time at which it ended.
        duration: Seconds that the training took, in all processes together.
        unknown: Fields from a newer version of kseq. They are kept when the record is written
            again.

    Raises:
        ValueError: A field has an invalid value.
        TypeError: A field has the wrong type.
    """

    kseq: str = ""
    corpus: dict | None = None
    train: dict | None = None
    valid: dict | None = None
    length_ratio: float
    parameters: int
    checksums: dict = dataclasses.field(default_factory=dict)
    averaged: list = dataclasses.field(default_factory=list)
    fingerprint: int | None = None
    optimizer: dict | None = None
    start: dict | None = None
    origin: str | None = None
    is_finished: bool | None = None
    command: str | None = None
    seed: int | None = None
    device: str | None = None
    began: str | None = None
    ended: str | None = None
    duration: float | None = None
    unknown: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.length_ratio <= _LARGEST_RATIO:
            raise ValueError(
                f"length_ratio must be greater than 0 and at most {_LARGEST_RATIO:,}; received "
                f"{self.length_ratio}"
            )
        for name, checksum in self.checksums.items():
            if type(checksum) is not int:
                raise ValueError(f"the checksum of {name} must be a whole number")
        kinds = {name: type(value) for name, value in (self.start or {}).items()}
        if self.start is not None and kinds != {"name": str, "checksum": int}:
            raise ValueError("start must have a name and a checksum")
        for split, survey in (("train", self.train), ("valid", self.valid)):
            for name in _COUNTS & (survey or {}).keys():
                if type(survey[name]) is not int:
                    raise ValueError(f"{split}.{name} must be a whole number")
        corpus = {"key"} if self.corpus is None else set(self.corpus)
        if corpus != {"key"} and not set(_SPLITS) <= corpus:
            names = ", ".join(self.corpus) or "nothing"
            raise ValueError(f"corpus must have a key, or train, valid and test; received {names}")

    @classmethod
    def load(cls, path):
        """Reads a `run.json`.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is damaged; the message names the file and the field.
        """
        path = pathlib.Path(path)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls._from_dict(values)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: damaged: {error}") from error
        except RecursionError as error:
            raise ValueError(f"{path}: damaged: nested too deeply") from error

    @classmethod
    def _from_dict(cls, values):
        if not isinstance(values, dict):
            raise ValueError("expected an object with the fields of a record")
        names = {field.name for field in dataclasses.fields(cls)} - {"unknown"}
        for name in ("length_ratio", "parameters", "corpus"):
            if name not in values:
                raise ValueError(f"the field {name} is missing")
        fields = {name: value for name, value in values.items() if name in names}
        unknown = {name: value for name, value in values.items() if name not in names}
        return cls(**fields, unknown=unknown)

    def warn_if_unfinished(self, folder):
        """Warns that the training of a run, in a folder, has not ended."""
        if self.is_finished is False:
            warnings.warn(
                f"the training of {folder} has not ended; kseq train --resume {folder} goes on "
                "with it",
                UnfinishedRunWarning,
                stacklevel=3,
            )

    def save(self, path):
        """Writes the record as JSON."""
        files.write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    def to_dict(self):
        """Returns the fields as they are written, without those that are not set."""
        values = dataclasses.asdict(self)
        unknown = values.pop("unknown")
        unset = [name for name in ("train", "valid", "checksums", "averaged") if not values[name]]
        unset += [name for name in _ABSENT_IN_OLDER_RUNS if values[name] is None]
        return {name: value for name, value in values.items() if name not in unset} | unknown
