"""The `kseq` command: its parser, its warnings, and its exit codes."""

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings

import kseq
from kseq.backend import require_tensorflow_backend
from kseq.cli.errors import explain
from kseq.cli.runs import import_modules
from kseq.console import printable, show_warning
from kseq.errors import KseqWarning
from kseq.runs.provenance import recorded_command

_EXAMPLES = """
a first run in four commands:
  kseq train --corpus en-fr --out runs/en-fr
  kseq evaluate runs/en-fr
  kseq heatmap runs/en-fr "The red car is old." --out heatmap.png
  echo "The red car is old." | kseq translate runs/en-fr

Pairs are read from TSV or CSV files (source and target; other columns are ignored, or chosen with
--columns), from JSON lines (.jsonl), from two files whose lines correspond, or from a pronouncing
dictionary whose name ends in .dict. Files are UTF-8, plain, .gz or .zip.

Run "kseq COMMAND --help" for more. With KSEQ_DEBUG=1 in the environment, an
error shows its traceback.
"""

# The module of each command and the function that adds it, in the order of the help. A command
# that is named by the first word is the only one that is imported.
_COMMANDS = {
    "fetch": "data.add_fetch",
    "inspect": "data.add_inspect",
    "clean": "data.add_clean",
    "train": "training.add_train",
    "ensemble": "ensembles.add_ensemble_command",
    "launch": "launching.add_launch",
    "tune": "tuning.add_tune",
    "average": "averaging.add_average",
    "runs": "comparing.add_runs",
    "compare": "comparing.add_compare",
    "translate": "translating.add_translate",
    "chat": "chatting.add_chat",
    "evaluate": "translating.add_evaluate",
    "score": "translating.add_score",
    "heatmap": "looking.add_heatmap",
    "align": "looking.add_align",
    "report": "looking.add_report",
    "export": "exporting.add_export",
    "pack": "sharing.add_pack",
    "unpack": "sharing.add_unpack",
    "push": "sharing.add_push",
    "serve": "serving.add_serve",
    "recipes": "listing.add_recipes",
    "models": "listing.add_models",
}
_RUNS_ANOTHER = {"launch": ("train", "launch")}


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: Command-line arguments, a list of strings; `sys.argv[1:]` by default.

    Returns:
        The exit code: 0 success, 1 failure, 2 a mistake in the command or its data.
    """
    options = _parse(arguments)
    _show_only_our_warnings()
    try:
        require_tensorflow_backend()
        words = sys.argv[1:] if arguments is None else arguments
        with _end_like_ctrl_c(), recorded_command(words):
            import_modules(options)
            options.run(options)
        print(end="", flush=True)
    except BrokenPipeError:
        # The reader of the output has stopped reading, as `head` does.
        _discard_output()
        return 1
    except (Exception, KeyboardInterrupt) as error:
        explanation = explain(error, options)
        if explanation is None:
            raise
        if os.environ.get("KSEQ_DEBUG"):
            traceback.print_exception(error)
        message, code = explanation
        print(f"kseq: {printable(' '.join(message.split()))}", file=sys.stderr)
        _discard_output()
        return code
    return 0


@contextlib.contextmanager
def _end_like_ctrl_c():
    """A context in which SIGTERM ends the command as Ctrl-C does: it cleans up, and says so."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread receives signals.
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)


def _discard_output():
    """Discards output that cannot be written; Python would report it again at exit."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(arguments):
    """Parses the command line; FILEs may follow options, where argparse does not expect them."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = _make_parser(*words[:1])
    options, rest = parser.parse_known_args(words)
    are_files = not any(word.startswith("-") for word in rest)
    if rest and are_files and getattr(options, "files", None) == []:
        options.files = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Ends the command with a message, which may name files."""
        super().error(printable(message))


def _make_parser(command=None):
    """Makes the parser of a command, or of all commands if there is none of this name."""
    parser = _Parser(
        prog="kseq",
        description="Train, run and analyse sequence-to-sequence models with attention.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kseq {kseq.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    names = _RUNS_ANOTHER.get(command, (command,)) if command in _COMMANDS else _COMMANDS
    for name in names:
        module, _, function = _COMMANDS[name].partition(".")
        getattr(importlib.import_module(f"kseq.cli.{module}"), function)(subparsers)
    return parser


def _show_only_our_warnings():
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", KseqWarning)
    warnings.showwarning = show_warning
