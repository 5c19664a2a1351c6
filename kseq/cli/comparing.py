"""Commands that show runs side by side: runs, compare."""

import json
import shutil
import sys

from kseq.cli.options import add_command, path_name, require_suffix
from kseq.console import show
from kseq.files import require_folder_of

_RUNS_EXAMPLES = """
examples:
  kseq runs
  kseq runs runs --sort best
  kseq runs runs --json

Runs are found in folders of folders, too. The validation figure is that of the best epoch; figures
of different corpora, or of different tokens, cannot be compared.
"""


def add_runs(subparsers):
    """Adds `kseq runs`."""
    command = add_command(subparsers, "runs", runs, "list the runs below a folder", _RUNS_EXAMPLES)
    command.add_argument(
        "folder",
        type=path_name,
        nargs="?",
        default=".",
        metavar="DIR",
        help="folder to search (default: this one)",
    )
    command.add_argument(
        "--sort",
        default="name",
        choices=("name", "date", "best", "duration", "parameters"),
        help="order of the runs: by name, the newest first, the best validation figure first, the "
        "longest training first, or the largest model first (default: %(default)s)",
    )
    _add_json(command)


def runs(options):
    """Lists runs: `kseq.list_runs`."""
    from kseq.runs.overview import list_runs
    from kseq.runs.tables import overview_table

    found = list_runs(options.folder, options.sort)
    if options.json:
        _print_json([run.to_dict() for run in found])
    elif found:
        show(overview_table(found, _terminal_width()))
    else:
        show(f"no runs below {options.folder}")


_COMPARE_EXAMPLES = """
examples:
  kseq compare runs/gru runs/lstm
  kseq compare runs/* --out curves.png

kseq heatmap RUN SENTENCE --compare-with OTHER compares the outputs and the attention of runs.
Whether two runs were trained on the same pairs is known from their ids; if they were read with
other tokenizers or lengths, only whether the corpus has the same name or the same files.
"""


def add_compare(subparsers):
    """Adds `kseq compare`."""
    command = add_command(
        subparsers,
        "compare",
        compare,
        "show how runs differ, and their figures side by side",
        _COMPARE_EXAMPLES,
    )
    command.add_argument(
        "runs", type=path_name, nargs="+", metavar="RUN", help="run directories, two or more"
    )
    command.add_argument(
        "--out",
        type=path_name,
        metavar="PICTURE",
        help="draw their learning curves in one picture: .png, .svg or .pdf",
    )
    _add_json(command)


def compare(options):
    """Compares runs: `kseq.compare_runs`."""
    from kseq.runs.comparison import compare_runs
    from kseq.runs.tables import comparison_table

    if options.out:
        require_suffix(options.out, (".png", ".svg", ".pdf"))
        require_folder_of(options.out)
    comparison = compare_runs(options.runs)
    if options.out:
        from kseq.analysis.compared_curves import save_comparison

        save_comparison(comparison, options.out)
    if options.json:
        _print_json(comparison.to_dict())
    else:
        show(comparison_table(comparison, _terminal_width() or 120))


def _add_json(command):
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _print_json(value):
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _terminal_width():
    """Returns the width of the terminal; None if the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
