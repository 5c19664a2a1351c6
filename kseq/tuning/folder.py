"""The folder of a study: what the study is about, its results, and the runs of its trials."""

import contextlib
import csv
import hashlib
import json
import math
import pathlib

import kseq
from kseq import files, locks
from kseq.config import Config
from kseq.runs import directory as run_directory
from kseq.runs.differences import compare_configs
from kseq.tuning.plots import save_tuning
from kseq.tuning.results import trial_folder
from kseq.tuning.space import Space

DESCRIPTION = "study.json"
STORAGE = "trials.journal"
TABLE = "trials.csv"
PICTURE = "tuning.png"
BEST = "best.yaml"


class StudyFolder:
    """The folder of a study. Every file in it is written as a whole or not at all.

    Args:
        place: Path of the folder.
    """

    def __init__(self, place):
        self.place = pathlib.Path(place).resolve()

    @property
    def storage(self):
        """Path of the storage of Optuna."""
        return self.place / STORAGE

    @contextlib.contextmanager
    def opened(self, config, space, seed, pairs):
        """Context manager that makes the folder, or goes on with the study in it.

        No other process can work on the study at the same time.

        Args:
            config: `Config`: the settings that do not vary.
            space: `Space`.
            seed: Seed of the proposals.
            pairs: Digest of the pairs, a string; None if they are unknown.

        Raises:
            FileExistsError: The folder is something else, holds a study with other settings or
                data, or another process works on it.
        """
        with locks.lock(self.place):
            if not self._holds_study():
                self._refuse_other_files()
                self.place.mkdir(exist_ok=True)
                self._write_description(config, space, seed, pairs)
            elif differences := self._find_differences(config, space, seed, pairs):
                raise FileExistsError(
                    f"{self.place} holds a study with other settings or data "
                    f"({'; '.join(differences)}); choose another folder, or remove this one"
                )
            yield

    def _holds_study(self):
        return (self.place / DESCRIPTION).is_file()

    def _refuse_other_files(self):
        """Raises FileExistsError if the folder is a file, or holds files of the user."""
        if self.place.is_dir():
            foreign = [path.name for path in self.place.iterdir() if path.suffix != ".kseq"]
        if self.place.exists() and (not self.place.is_dir() or foreign):
            raise FileExistsError(f"{self.place} exists and is not a study; choose another folder")

    def _write_description(self, config, space, seed, pairs):
        description = {
            "kseq": kseq.__version__,
            "space": space.describe(),
            "config": config.to_dict(),
            "seed": seed,
            "pairs": pairs,
        }
        files.write_text(self.place / DESCRIPTION, json.dumps(description, indent=2) + "\n")

    def _find_differences(self, config, space, seed, pairs):
        """Returns how the recorded study differs, a list of descriptions."""
        path = self.place / DESCRIPTION
        try:
            recorded = json.loads(path.read_text(encoding="utf-8"))
            old_space, old_config = Space(recorded["space"]), Config.from_dict(recorded["config"])
            old_seed, old_pairs = recorded["seed"], recorded["pairs"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path}: damaged: {error}; remove the folder") from error
        old, new = old_space.describe(), space.describe()
        differences = [
            f"space of {name}: {old.get(name)} in the study, now {new.get(name)}"
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        ]
        differences += compare_configs(old_config, config, "study")
        if seed != old_seed:
            differences.append(f"seed of the study: {old_seed}, now {seed}")
        return differences + ["the pairs are not the same"] * (pairs != old_pairs)

    def trial(self, number):
        """Returns the run directory of a trial, which need not exist."""
        return trial_folder(self.place, number)

    def read_trial(self, number, monitor, maximizes):
        """Reads the history of a trial.

        Args:
            number: Number of the trial.
            monitor: Name of the figure that is compared.
            maximizes: Whether larger figures are better.

        Returns:
            The fields `figure`, `epoch`, `epochs` and `seconds` of a `Trial`, by name; an empty
            dict before the first validation.
        """
        path = self.trial(number) / run_directory.HISTORY
        if not path.is_file():
            return {}
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        choose = max if maximizes else min
        finite = [row for row in rows if math.isfinite(float(row[monitor]))]
        best = choose(finite, key=lambda row: float(row[monitor]))
        return {
            "figure": float(best[monitor]),
            "epoch": json.loads(best["epoch"]),  # 3 or 2.75
            "epochs": int(float(rows[-1]["epoch"])),
            "seconds": round(sum(float(row["seconds"]) for row in rows), 1),
        }

    def write_results(self, tuning):
        """Writes the table and the best settings."""
        files.write_text(self.place / TABLE, tuning.to_csv())
        if tuning.best:
            files.write_text(self.place / BEST, tuning.best_config.dumps(".yaml"))

    def draw(self, tuning):
        """Draws the picture."""
        save_tuning(tuning, self.place / PICTURE)

    def remove_runs(self, tuning):
        """Removes the runs of all trials that have ended, except for the best one."""
        for trial in tuning.trials:
            folder = self.trial(trial.number)
            if trial == tuning.best:
                continue
            if folder.exists() or locks.hidden_folder(folder).exists():
                files.remove_folder(folder, run_directory.RUN)
            failed_batch = f"{folder.name}.{run_directory.FAILED_BATCH}"
            folder.with_name(failed_batch).unlink(missing_ok=True)


def digest_pairs(corpus):
    """Returns a digest of the files of a corpus, for training and validation.

    Args:
        corpus: `Corpus`.

    Returns:
        A string; None if the corpus is in RAM.
    """
    digest = hashlib.blake2b(digest_size=16)
    paths = [path for split in (corpus.train, corpus.valid) for path in split.files]
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest() if paths else None
