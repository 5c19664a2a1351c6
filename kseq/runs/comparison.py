"""Runs side by side: how their settings and their data differ, and how well they have learnt."""

import base64
import dataclasses
import functools
import html
import json
import math
import pathlib
from collections.abc import Iterable

from kseq import files
from kseq.path_names import PathName
from kseq.runs import directory as run_directory
from kseq.runs.ensembles import runs_of
from kseq.runs.history import find_best, read_history
from kseq.runs.hub import find_run
from kseq.runs.overview import describe_run
from kseq.runs.reading import require_run
from kseq.runs.record import RunRecord
from kseq.settings.own_parts import OwnPart


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """Runs side by side. It prints as tables; a notebook adds the curves.

    Args:
        names: Short names of the runs, which differ.
        runs: A `RunOverview` of each run.
        settings: The settings that differ, by name: a tuple of the values in the order of the runs.
        data: For each run how its data relate to those of the first: `"same"`, `"same corpus"`
            (read with other settings, or not encoded), `"different"` or `"unknown"`.
        figures: Figures of the best epoch by name: a tuple in the order of the runs, with None
            where a run has no such figure.
        histories: Rows of the history of each run, as `read_history` returns them.
    """

    names: tuple
    runs: tuple
    settings: dict
    data: tuple
    figures: dict
    histories: tuple

    def to_dict(self):
        """Returns everything as dicts, lists, strings and finite numbers, for JSON."""
        return _without_infinity(dataclasses.asdict(self))

    def __str__(self):
        from kseq.runs.tables import comparison_table

        return comparison_table(self)

    def __repr__(self):
        return f"<kseq.Comparison of {', '.join(self.names)}>"

    @functools.cached_property
    def _picture(self):
        from kseq.analysis.compared_curves import to_png

        return to_png(self)

    def _repr_png_(self):
        return self._picture

    def _repr_html_(self):
        picture = base64.b64encode(self._picture).decode()
        return f'<pre>{html.escape(str(self))}</pre><img src="data:image/png;base64,{picture}">'


def compare_runs(runs: Iterable[PathName]) -> Comparison:
    """Compares runs, without loading their models.

    Args:
        runs: Two run directories or more; a folder of `kseq.train_ensemble` stands for its runs.
            Their training need not have ended.

    Returns:
        A `Comparison`.

    Raises:
        TypeError: `runs` is a single name.
        ValueError: There are fewer than two runs, or one of them is damaged.
        FileNotFoundError: A run is missing.
    """
    if isinstance(runs, (str, pathlib.PurePath)):
        raise TypeError(f"expected a list of two runs or more; received {str(runs)!r}")
    given = [pathlib.Path(find_run(run)) for name in runs for run in runs_of(name)]
    if len(given) < 2:
        raise ValueError(f"expected two runs or more to compare; received {len(given)}")
    folders = [_find_run(folder) for folder in given]
    names = shortest_names([folder.absolute() for folder in given])
    overviews = tuple(map(describe_run, folders, names))
    for overview in overviews:
        if overview.problem is not None:
            raise ValueError(overview.problem)
    configs = [run_directory.load_config(folder) for folder in folders]
    records = [RunRecord.load(folder / run_directory.RECORD) for folder in folders]
    histories = tuple(map(read_history, folders))
    first, *others = zip(configs, records)
    return Comparison(
        names=names,
        runs=overviews,
        settings=_differing_settings(configs),
        data=("same", *(_relate_data(first, other) for other in others)),
        figures=_best_figures(overviews, histories),
        histories=histories,
    )


def _without_infinity(value):
    """Replaces numbers that JSON does not have by None."""
    if isinstance(value, dict):
        return {name: _without_infinity(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_infinity(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _find_run(folder):
    """Returns where a run is, which may be in its first epoch.

    Raises:
        FileNotFoundError, ValueError: It is missing, or it is no run.
    """
    unfinished = files.find_unfinished(folder.absolute())
    if not folder.exists() and (unfinished / run_directory.RECORD).is_file():
        return unfinished
    return require_run(folder)


def shortest_names(folders):
    """Returns names of runs, a tuple: as many of the last parts of their paths as differ.

    Args:
        folders: Absolute paths; if some are the same, all names get a number.
    """
    distinct = len(set(folders))
    longest = max(len(folder.parts) for folder in folders)
    for count in range(1, longest + 1):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == distinct:
            break
    if distinct == len(names):
        return tuple(names)
    return tuple(f"{name} ({number})" for number, name in enumerate(names, start=1))


def _differing_settings(configs):
    """Returns the values of the settings that are not the same in all runs, by name."""
    values = {}
    for section in dataclasses.fields(configs[0]):
        settings = [vars(getattr(config, section.name)) for config in configs]
        values |= {name: tuple(each[name] for each in settings) for name in settings[0]}
    return {
        name: tuple(map(_plain, each))
        for name, each in values.items()
        if any(value != each[0] for value in each)
    }


def _plain(value):
    """Returns the value of a setting; for a layer of the user its name, and its arguments."""
    if not isinstance(value, OwnPart):
        return value
    return f"{value} {json.dumps(value.config)}" if value.config else str(value)


def _relate_data(first, other):
    """Describes how the data of a run relate to those of the first; see `Comparison`."""
    (first_config, first_record), (config, record) = first, other
    fingerprints = first_record.fingerprint, record.fingerprint
    if None not in fingerprints and len(set(fingerprints)) == 1:
        return "same"
    if None not in fingerprints and _encoding(first_config) == _encoding(config):
        return "different"
    if None in (first_record.corpus, record.corpus):
        return "unknown"
    if first_record.corpus == record.corpus:
        return "same corpus"
    are_embedded = "key" not in first_record.corpus and "key" not in record.corpus
    return "different" if are_embedded else "unknown"


def _encoding(config):
    """Returns the settings on which the ids of a corpus depend."""
    training = config.training
    limits = training.maximum_length, training.maximum_frames
    return config.text, config.shares_vocabulary, limits


def _best_figures(runs, histories):
    """Returns the figures of the best epoch of each run by name, those of validation first."""
    best = [find_best(rows, run.measure) or {} for run, rows in zip(runs, histories)]
    names = dict.fromkeys(name for row in best for name in row)
    names = sorted(names, key=lambda name: not name.startswith("val_"))
    return {
        name: tuple(row.get(name) for row in best)
        for name in names
        if name not in ("epoch", "seconds", "step")
    }
