"""The results of a study: its trials, the best settings, and both as a table."""

import base64
import csv
import dataclasses
import functools
import html
import io
import math
import pathlib

from kseq.config import Config
from kseq.counts import counted
from kseq.tuning.space import Space, apply_settings, spell_settings, spell_value

STATES = ("finished", "pruned", "failed", "invalid")
_LONGEST_REASON = 60  # characters, in a table


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial: the training of a model with settings from the space.

    Args:
        number: Its number, from 1.
        state: `"finished"`; `"pruned"`, after an epoch in which it was worse than most; `"failed"`,
            because the loss was not finite, or there was too little memory; or `"invalid"`, because
            no model can have these settings.
        settings: Values of the settings that vary, by name.
        figure: The best figure of all validations; None before the first one.
        epoch: Number of epochs after which it was measured, perhaps with a fraction.
        epochs: Number of epochs in total.
        seconds: Duration of these epochs.
        reason: Why the trial is invalid or failed.
    """

    number: int
    state: str
    settings: dict
    figure: float | None = None
    epoch: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""


@dataclasses.dataclass(frozen=True, repr=False)
class Tuning:
    """The results of a study. They print as a table; a notebook adds a picture.

    Args:
        name: Name of the corpus.
        monitor: Name of the figure that is compared, such as `"val_cross_entropy"`.
        maximizes: Whether larger figures are better.
        folder: Folder of the study.
        config: `Config`: the settings that do not vary.
        space: `Space`: those that do.
        trials: A `Trial` for each trial.
        importances: Importance of each setting that varies, by name, as shares of 1; empty if
            there are too few trials to tell.
    """

    name: str
    monitor: str
    maximizes: bool
    folder: pathlib.Path
    config: Config
    space: Space
    trials: tuple
    importances: dict

    @property
    def best(self):
        """The finished `Trial` with the best figure; None if no trial has finished."""
        return min(self._of("finished"), key=self.rank, default=None)

    @property
    def best_config(self):
        """`Config` of the best trial; None if no trial has finished."""
        return self.best and apply_settings(self.config, self.best.settings)

    @property
    def best_run(self):
        """Run directory of the best trial; None if no trial has finished."""
        return self.best and trial_folder(self.folder, self.best.number)

    def rank(self, trial):
        """Returns a key that sorts trials: the better their figures, the smaller."""
        if trial.figure is None:
            return math.inf
        return -trial.figure if self.maximizes else trial.figure

    def _of(self, state):
        return [trial for trial in self.trials if trial.state == state]

    def headline(self):
        """Returns the numbers of trials as a sentence."""
        counts = [(len(self._of(state)), state) for state in STATES]
        parts = ", ".join(f"{count} {state}" for count, state in counts if count)
        return f"{counted(len(self.trials), 'trial')} on {self.name}: {parts or 'none yet'}"

    def __str__(self):
        lines = [self.headline(), "", _format_table(self)]
        if self.best:
            figure = f"{self.monitor} {self.best.figure:.4g}"
            lines += ["", f"best: trial {self.best.number}, {figure}"]
            lines.append(f"--set {spell_settings(self.best.settings)}")
        return "\n".join(lines)

    def __repr__(self):
        return f"<kseq.Tuning: {self.headline()}>"

    @functools.cached_property
    def _picture(self):
        from kseq.tuning.plots import to_png

        return to_png(self)

    def _repr_png_(self):
        return self._picture

    def _repr_html_(self):
        picture = base64.b64encode(self._picture).decode()
        return f'<pre>{html.escape(str(self))}</pre><img src="data:image/png;base64,{picture}">'

    def to_csv(self):
        """Returns all trials as the text of a CSV file, in the order of their numbers."""
        names = list(self.space.settings)
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        columns = ("trial", "state", self.monitor, "epoch", "epochs", "seconds")
        writer.writerow([*columns, *names, "reason"])
        for trial in self.trials:
            figure = "" if trial.figure is None else f"{trial.figure:.6g}"
            values = [trial.number, trial.state, figure, trial.epoch, trial.epochs, trial.seconds]
            settings = [spell_value(trial.settings[name]) for name in names]
            writer.writerow([*values, *settings, trial.reason])
        return file.getvalue()


def trial_folder(folder, number):
    """Returns the run directory of a trial in the folder of a study."""
    return pathlib.Path(folder) / "trials" / f"{number:04d}"


def _format_table(tuning):
    """Returns the trials as a table of plain text, the best one first."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from kseq.text.scripts import shorten

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    names = list(tuning.space.settings)
    for name in ("trial", tuning.monitor, "epoch", "seconds", *names):
        table.add_column(name, justify="right")
    table.add_column("state")
    order = {state: number for number, state in enumerate(STATES)}
    for trial in sorted(tuning.trials, key=lambda trial: (order[trial.state], tuning.rank(trial))):
        figure = "" if trial.figure is None else f"{trial.figure:.4g}"
        epoch = f"{trial.epoch:g} of {trial.epochs}" if trial.epoch else ""
        settings = [spell_value(trial.settings[name]) for name in names]
        reason = f": {shorten(trial.reason, _LONGEST_REASON)}" if trial.reason else ""
        seconds = f"{trial.seconds:,.0f}" if trial.epochs else ""
        cells = [str(trial.number), figure, epoch, seconds, *settings]
        table.add_row(*cells, trial.state + reason)
    file = io.StringIO()
    plain = {"highlight": False, "markup": False, "emoji": False}
    # Wide enough for every row. In a notebook, rich would display the table itself.
    Console(file=file, width=1000, force_terminal=False, force_jupyter=False, **plain).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
