"""The runs below a folder: what they are, and how far their training has come."""

import dataclasses
import html
import math
import os
import pathlib
import re

from kseq import files, locks
from kseq.fields import check_choice
from kseq.path_names import PathName
from kseq.runs import directory as run_directory
from kseq.runs.history import HIGHER_IS_BETTER, find_best, find_measure, read_history
from kseq.runs.known_corpora import name_corpus
from kseq.runs.reading import require_run
from kseq.runs.record import RunRecord

ORDERS = ("name", "date", "best", "duration", "parameters")
_FILES = (
    *(run_directory.CONFIG, run_directory.RECORD),
    *(run_directory.WEIGHTS, run_directory.HISTORY),
)
_HIDDEN = re.compile(r"\.(.+)\.kseq")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOverview:
    """What a run is, and how far its training has come.

    What is not known, such as the date of an older run, is None.

    Args:
        name: Its path, relative to the folder whose runs are listed.
        folder: Its path.
        state: `"finished"`, `"running"` (a process is training it), `"unfinished"`, `"averaged"`
            (the mean of another run's checkpoints), `"saved"` (a model that kseq has not trained)
            or `"damaged"`.
        problem: What is wrong with a damaged run.
        corpus: Name of the corpus, or of its files if this user has trained on them.
        model: The architecture in short.
        parameters: Number of the model's parameters.
        epochs: Number of epochs that have ended.
        planned_epochs: Maximum number of epochs.
        best_epoch: Number of epochs, perhaps with a fraction, after which the weights were best.
        measure: Name of the figure by which they were, such as `"val_cross_entropy"`.
        figure: Value of this figure then.
        duration: Seconds that training took; of an unfinished one, those of its ended epochs.
        began: Time at which training began, in UTC.
        device: Description of the devices.
        command: The command that began the training, without folders.
        kseq: Version of kseq.
    """

    name: str
    folder: str
    state: str
    problem: str | None = None
    corpus: str | None = None
    model: str | None = None
    parameters: int | None = None
    epochs: int | None = None
    planned_epochs: int | None = None
    best_epoch: float | None = None
    measure: str | None = None
    figure: float | None = None
    duration: float | None = None
    began: str | None = None
    device: str | None = None
    command: str | None = None
    kseq: str | None = None

    def to_dict(self):
        """Returns the fields as strings and numbers, for JSON."""
        return dataclasses.asdict(self)


class RunList(tuple):
    """A tuple of `RunOverview` that prints, and shows in a notebook, as a table."""

    def __str__(self):
        from kseq.runs.tables import overview_table

        return overview_table(self)

    def _repr_html_(self):
        return f"<pre>{html.escape(str(self))}</pre>"


def list_runs(folder: PathName = ".", sort: str = "name") -> RunList:
    """Lists the runs below a folder, without loading their models.

    A run that cannot be read is listed as damaged. Links to runs are followed, links to other
    folders are not.

    Args:
        folder: The folder; or a run directory.
        sort: Order of the runs: by `"name"`, `"date"` (the newest first), `"best"` (the best
            validation figure first), `"duration"` or `"parameters"` (the largest first). Runs that
            lack this come last.

    Returns:
        A `RunList`, a tuple of `RunOverview`.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: `sort` is something else.
    """
    check_choice("sort", sort, ORDERS)
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder not found: {folder}")
    runs = [describe_run(path, name) for name, path in _find_runs(folder)]
    runs.sort(key=lambda run: _natural(run.name))
    if sort != "name":
        runs.sort(key=_ORDER_KEYS[sort], reverse=sort != "best")
    return RunList(runs)


def describe_run(folder, name):
    """Describes a run, which may be incomplete or damaged.

    Args:
        folder: Run directory.
        name: Its name in the overview.

    Returns:
        A `RunOverview`.
    """
    folder = pathlib.Path(folder)
    try:
        return _describe(folder, name)
    except (OSError, ValueError) as error:
        return RunOverview(name=name, folder=str(folder), state="damaged", problem=str(error))


def _describe(folder, name):
    config = run_directory.load_config(folder)
    record = RunRecord.load(folder / run_directory.RECORD)
    rows = read_history(folder)
    if record.is_finished is not False:
        require_run(folder)
    measure = find_measure(rows, config.training)
    best = find_best(rows, measure)
    duration = record.duration
    if duration is None and rows:
        duration = sum(row.get("seconds", math.nan) for row in rows)
    has_no_epochs = record.averaged or record.origin
    return RunOverview(
        name=name,
        folder=str(folder),
        state=_find_state(record, folder),
        corpus=name_corpus(record.corpus),
        model=describe_model(config.model),
        parameters=record.parameters,
        epochs=None if has_no_epochs else int(max((row["epoch"] for row in rows), default=0)),
        planned_epochs=None if record.origin else config.training.epochs,
        best_epoch=best and best["epoch"],
        measure=measure,
        figure=best and best[measure],
        duration=duration if duration is not None and math.isfinite(duration) else None,
        began=record.began,
        device=record.device,
        command=record.command,
        kseq=record.kseq or None,
    )


def _find_state(record, folder):
    if record.averaged:
        return "averaged"
    if record.origin:
        return "saved"
    if record.is_finished is not False:
        return "finished"
    folder = folder.absolute()
    hidden = _HIDDEN.fullmatch(folder.parent.name)
    place = folder.parent.with_name(hidden[1]) if hidden else folder
    return "running" if locks.is_locked(place) else "unfinished"


def describe_model(model):
    """Returns the architecture of a `ModelConfig` in short, such as `"gru 512, bahdanau"`."""
    encoder = model.cell if model.has_recurrent_encoder else "transformer"
    decoder = model.cell if model.decoder_cell == "same" else model.decoder_cell
    if not model.has_recurrent_decoder:
        decoder = "transformer"
    kind = encoder if encoder == decoder else f"{encoder}/{decoder}"
    layers = model.encoder_layers, model.decoder_layers
    if model.is_language_model:
        depth = "" if layers[1] == 1 else f" x{layers[1]}"
        return f"{decoder} {model.units}{depth}, language model"
    depth = "" if layers == (1, 1) else " x{}+{}".format(*layers)
    if not model.has_recurrent_decoder:
        return f"{kind} {model.units}{depth}"
    attention = "no attention" if model.attention == "none" else model.attention
    return f"{kind} {model.units}{depth}, {attention}"


def _find_runs(folder):
    """Yields the name and the path of every run below a folder, which may be a run itself."""
    if _looks_like_run(folder):
        yield folder.resolve().name, folder
        return
    for root, names, _ in os.walk(folder):
        root = pathlib.Path(root)
        for name in list(names):
            path, hidden = root / name, _HIDDEN.fullmatch(name)
            if hidden:
                yield from _find_hidden_runs(folder, root / hidden[1])
            elif _looks_like_run(path):
                yield path.relative_to(folder).as_posix(), path
            elif not name.startswith("."):
                continue
            names.remove(name)  # A run has no runs in it.


def _find_hidden_runs(folder, place):
    """Yields what a training or a killed process has left in the hidden folder of a place."""
    name = place.relative_to(folder).as_posix()
    new, old = files.find_unfinished(place), files.find_folder(place)
    if not (locks.hidden_folder(place) / locks.MARK).is_file():
        return
    if old != place and _looks_like_run(old):
        yield name, old
    if run_directory.has_state(new) or _looks_like_run(new):
        yield f"{name} (begun)" if old.exists() else name, new


def _looks_like_run(folder):
    """Whether a folder has at least two of the files that make a run; other tools use the names."""
    return sum((folder / name).is_file() for name in _FILES) >= 2


def _natural(name):
    """A key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _best_first(run):
    if run.figure is None:
        return (True, "", 0.0)
    return (False, run.measure, -run.figure if run.measure in HIGHER_IS_BETTER else run.figure)


_ORDER_KEYS = {
    "date": lambda run: run.began or "",
    "best": _best_first,
    "duration": lambda run: run.duration or 0,
    "parameters": lambda run: run.parameters or 0,
}
