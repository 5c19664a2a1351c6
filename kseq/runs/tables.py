"""Lists and comparisons of runs as tables of plain text."""

from rich.cells import cell_len

from kseq.text.scripts import shorten
from kseq.text_tables import escape_invisible, make_table, render

_LONGEST = 60  # width of a cell in Latin letters
_LONGEST_NAME = 30  # of a run, where there is little room
_WIDTH = 120  # of a comparison
_LABELS, _GAP, _SHORTEST = 32, 3, 11  # widths of its rows' names, between columns, and of a column
# Columns of an overview that a narrow terminal does without, one after the other.
_OPTIONAL = ("device", "parameters", "began (UTC)", "corpus", "duration", "epochs", "state")
_UNKNOWN = "-"


def overview_table(runs, width=None):
    """Returns a `RunList` as plain text: a row for each run, and the problems of damaged ones.

    Args:
        runs: A `RunList`.
        width: Maximum length of a line, in characters: columns are left out until the rest fits.
            By default, there is none.
    """
    if not runs:
        return "no runs"
    columns = _overview_columns(runs)
    if width is not None and _table_width(columns) > width:
        columns["run"] = [shorten(name, _LONGEST_NAME) for name in columns["run"]]
    left_out = _leave_out(columns, width)
    notes = [f"{_cell(run.name)}: {escape_invisible(run.problem)}" for run in runs if run.problem]
    if left_out:
        notes.append(f"(not shown: {', '.join(left_out)}; a wider terminal shows more, --json all)")
    return render([_make_overview(columns), *(["\n".join(notes)] if notes else [])], _UNLIMITED)


def _overview_columns(runs):
    """Returns the cells of each column by its name, without columns of which nothing is known."""
    measures = {run.measure for run in runs if run.measure}
    measure = _name_measure(*measures) if len(measures) == 1 else "validation"
    columns = {
        "run": [run.name for run in runs],
        "state": [run.state for run in runs],
        "corpus": [run.corpus for run in runs],
        "model": [run.model for run in runs],
        "parameters": [_format_count(run.parameters) for run in runs],
        "epochs": [_format_epochs(run) for run in runs],
        "best epoch": [_format_epoch(run.best_epoch) for run in runs],
        measure: [_format_figure(run, len(measures) > 1) for run in runs],
        "duration": [_format_duration(run.duration) for run in runs],
        "began (UTC)": [_format_time(run.began) for run in runs],
        "device": [run.device for run in runs],
    }
    return {name: list(map(_cell, cells)) for name, cells in columns.items() if any(cells)}


_UNLIMITED = 100_000  # characters
_ON_THE_LEFT = ("run", "state", "corpus", "model", "began (UTC)", "device")


def _leave_out(columns, width):
    """Removes columns until the table fits; returns the names of those removed."""
    left_out = []
    for name in _OPTIONAL:
        if width is not None and _table_width(columns) > width and columns.pop(name, None):
            left_out.append(name)
    return left_out


def _table_width(columns):
    return sum(_column_width(*column) + _GAP for column in columns.items()) - _GAP


def _column_width(name, cells):
    """Returns the width of a column, whose name may be broken between words."""
    return max(cell_len(text) for text in [*cells, *name.split()])


def _make_overview(columns):
    first, *others = columns
    table = make_table(first, *((name, _alignment(name)) for name in others))
    for column, (name, cells) in zip(table.columns, columns.items()):
        column.width = _column_width(name, cells)
    for row in zip(*columns.values()):
        table.add_row(*row)
    return table


def _alignment(name):
    return "left" if name in _ON_THE_LEFT else "right"


def comparison_table(comparison, width=_WIDTH):
    """Returns a `Comparison` as plain text: its settings, and then its figures.

    Args:
        comparison: A `Comparison`.
        width: Maximum length of a line, in characters.
    """
    names = [_cell(name) for name in comparison.names]
    parts = []
    if _LABELS + sum(max(cell_len(name), _SHORTEST) + _GAP for name in names) > width:
        numbers = [str(number) for number in range(1, len(names) + 1)]
        parts.append("\n".join(f"{number}: {name}" for number, name in zip(numbers, names)))
        names = numbers
    rows = {name: map(_format_setting, values) for name, values in comparison.settings.items()}
    parts.append(
        _make_comparison("settings that differ", names, rows)
        if rows
        else "all settings are the same"
    )
    parts.append(_make_comparison("in the best epoch", names, _figure_rows(comparison)))
    return render(parts, width)


def _make_comparison(title, names, rows):
    table = make_table(title, *((name, "right") for name in names))
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"
    for name, cells in rows.items():
        table.add_row(*map(_cell, (name, *cells)))
    return table


def _figure_rows(comparison):
    """Returns the cells of each row below the settings, by the name of the row."""
    runs = comparison.runs
    rows = {
        _name_measure(name): [None if value is None else f"{value:.4g}" for value in values]
        for name, values in comparison.figures.items()
    }
    rows |= {
        "best epoch": [_format_epoch(run.best_epoch) for run in runs],
        "epochs": [_format_epochs(run) for run in runs],
        "state": [run.state for run in runs],
        "data": [_describe_data(runs[0]), *comparison.data[1:]],
        "parameters": [_format_count(run.parameters) for run in runs],
        "duration": [_format_duration(run.duration) for run in runs],
        "began (UTC)": [_format_time(run.began) for run in runs],
        "device": [run.device for run in runs],
    }
    return {name: cells for name, cells in rows.items() if any(cells)}


def _describe_data(run):
    return run.corpus or "those of this run"


def _name_measure(name):
    """Returns the name of a figure with that of its split."""
    split = "validation" if name.startswith("val_") else "training"
    return f"{split} {_spell(name)}"


def _spell(figure):
    """Returns the name of a figure in words."""
    name = figure.removeprefix("val_").replace("_", " ")
    return name.replace("cross entropy", "cross-entropy")


def _cell(value):
    return shorten(escape_invisible(_UNKNOWN if value is None else value), _LONGEST)


def _format_count(number):
    return None if number is None else f"{number:,}"


def _format_epoch(number):
    return None if number is None else f"{number:g}"


def _format_epochs(run):
    return None if run.epochs is None else f"{run.epochs:,} of {run.planned_epochs:,}"


def _format_figure(run, with_name):
    if run.figure is None:
        return None
    figure = f"{run.figure:.4f}"
    return f"{_spell(run.measure)} {figure}" if with_name else figure


def _format_duration(seconds):
    if seconds is None:
        return None
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _format_time(time):
    """Returns a time such as `"2026-11-29T19:11:00Z"` without its seconds."""
    return time and time[:16].replace("T", " ")


def _format_setting(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
