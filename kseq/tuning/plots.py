"""The results of a study as a picture: its progress, and the effect of each setting."""

import io
import itertools

from kseq.analysis.fonts import families_for
from kseq.text.scripts import shorten
from kseq.tuning.space import Choices, spell_value

# Okabe and Ito's colours, which remain distinct for colour-blind readers.
_FINISHED, _BEST, _PRUNED = "#0072B2", "#D55E00", "0.55"
_COLUMNS = 3
_TITLE_WIDTH = 110  # in Latin letters
_LOGARITHMIC = 10  # times the smallest figure, from which the axis of figures is logarithmic


def save_tuning(tuning, path):
    """Writes the picture of a `Tuning` to a file, without pyplot."""
    from kseq.files import replaced_file

    figure = draw_tuning(tuning)
    with replaced_file(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def to_png(tuning):
    """Returns the picture of a `Tuning` for a notebook, the bytes of a PNG."""
    picture = io.BytesIO()
    draw_tuning(tuning).savefig(picture, format="png")
    return picture.getvalue()


def draw_tuning(tuning):
    """Draws a panel for the progress of a study and one for each setting, the most important first.

    Args:
        tuning: `Tuning`.

    Returns:
        A matplotlib `Figure` that pyplot does not know.
    """
    from kseq.analysis.figures import TextFigure

    settings = tuning.space.settings
    names = sorted(settings, key=lambda name: -tuning.importances.get(name, 0.0))
    rows = -(-(1 + len(names)) // _COLUMNS)
    title = shorten(tuning.headline(), _TITLE_WIDTH)
    figure = TextFigure(figsize=(13, 0.6 + 3.3 * rows), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharey=True)
    direction = "higher" if tuning.maximizes else "lower"
    for axes in grid[:, 0]:
        axes.set_ylabel(f"{tuning.monitor} ({direction} is better)")
    panels = grid.flat
    _draw_progress(next(panels), tuning)
    for name, axes in zip(names, panels):
        _draw_setting(axes, tuning, name)
    for axes in panels:
        axes.remove()
    names = families_for(title)
    # The legend is on the same line; below it there is an empty one.
    figure.suptitle(f"{title}\n", x=0.01, ha="left", family=names, parse_math=False)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="upper right", ncols=4, frameon=False)
    return figure


def _draw_progress(axes, tuning):
    """Draws the figure of each trial, and the best one so far."""
    _draw_trials(axes, tuning, {trial.number: trial.number for trial in tuning.trials})
    finished = [trial for trial in tuning.trials if trial.state == "finished"]
    best = itertools.accumulate(finished, lambda *pair: min(pair, key=tuning.rank))
    if finished:
        numbers = [*(trial.number for trial in finished), len(tuning.trials)]
        figures = [trial.figure for trial in best]
        axes.step(
            *(numbers, [*figures, figures[-1]]),
            where="post",
            color=_BEST,
            linewidth=1,
            label="best so far",
        )
    axes.set(title="progress", xlabel="trial")
    axes.set_xlim(0.5, max(len(tuning.trials), 1) + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    figures = [trial.figure for trial in tuning.trials if trial.figure is not None]
    if figures and 0 < _LOGARITHMIC * min(figures) < max(figures):
        axes.set_yscale("log")


def _draw_setting(axes, tuning, name):
    """Draws the figures of trials over the values of a setting."""
    setting = tuning.space.settings[name]
    is_choice = isinstance(setting, Choices)
    places = {}
    for trial in tuning.trials:
        value = trial.settings[name]
        if is_choice:
            # Next to one another, so that trials with the same value can be told apart.
            value = setting.values.index(value) + 0.4 * ((0.618 * trial.number) % 1 - 0.5)
        places[trial.number] = value
    _draw_trials(axes, tuning, places)
    if is_choice:
        labels = [shorten(spell_value(value), 16) for value in setting.values]
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif setting.log:
        axes.set_xscale("log")
        axes.set_xlim(setting.low / 1.1, setting.high * 1.1)
    else:
        margin = 0.04 * (setting.high - setting.low)
        axes.set_xlim(setting.low - margin, setting.high + margin)
        axes.xaxis.set_major_formatter("{x:g}")
    share = tuning.importances.get(name)
    axes.set(title=name if share is None else f"{name} (importance {share:.0%})")


def _draw_trials(axes, tuning, places):
    """Draws a dot for each trial that has a figure, at its place on the horizontal axis."""
    styles = {
        "finished": {"color": _FINISHED},
        "pruned": {"facecolors": "none", "edgecolors": _PRUNED},
    }
    for state, style in styles.items():
        trials = [trial for trial in tuning.trials if trial.state == state]
        points = [(places[trial.number], trial.figure) for trial in trials]
        if points:
            axes.scatter(*zip(*points), s=26, label=state, zorder=3, **style)
    if tuning.best:
        best = tuning.best
        axes.scatter(
            places[best.number],
            best.figure,
            s=90,
            marker="*",
            color=_BEST,
            label="best",
            zorder=4,
        )
    axes.grid(alpha=0.3)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
