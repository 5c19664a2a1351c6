"""Options that several commands share, and options made from the fields of settings."""

import argparse
import dataclasses
import inspect
import pathlib
import re
import types
import typing

from kseq.search.strategies import BeamSearch, Rules, Sampling

# All others are the name of the field.
_FLAGS = {"base": "--from", "start": "--from", "beam_size": "--beam"}
_METAVARS = {
    "beam_size": "K",
    "colormap": "NAME",
    "dictionary": "FILE",
    "forbid": "TOKEN",
    "low_probability": "P",
    int: "N",
    float: "X",
}


def add_command(subparsers, name, run, summary, examples):
    """Adds a command to the parser.

    Args:
        subparsers: Result of `ArgumentParser.add_subparsers`.
        name: Name of the command.
        run: Function that takes the parsed options and does the work.
        summary: Short description that begins with a verb.
        examples: Text below the options in the help.

    Returns:
        The parser of the command.
    """
    command = subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def path_name(text):
    """Returns the name of a file or folder, as an argument of a command; it must not be empty."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file or folder; received none")
    return text


def add_run(command):
    """Adds the argument for the run directory."""
    command.add_argument(
        "run_directory",
        type=path_name,
        metavar="RUN",
        help="run directory made by kseq train, folder made by kseq ensemble, or hf://user/name",
    )
    add_import(command)


def add_import(command):
    """Adds the option for modules with layers of the user's own."""
    command.add_argument(
        "--import",
        dest="modules",
        action="append",
        metavar="MODULE",
        help="import a module first that defines a layer of your own, such as my_layers for a file "
        "my_layers.py in this folder (may be repeated)",
    )


def add_new_run(command, required=True):
    """Adds the options for a run directory to write."""
    command.add_argument(
        "--out", type=path_name, required=required, metavar="RUN", help="run directory to create"
    )
    command.add_argument("--overwrite", action="store_true", help="replace an existing run")


def add_test_files(command):
    """Adds the options for test pairs."""
    command.add_argument(
        "--test",
        type=path_name,
        nargs="+",
        metavar="FILE",
        help="test pairs (default: those of the corpus that you trained the run on)",
    )
    add_order(command, "of --test")
    add_values(command)


def add_values(command):
    """Adds the options for an index of real values."""
    command.add_argument(
        "--covariates",
        metavar="COLUMN",
        help="column of a TSV that names .npy files of known inputs [T, C] of each step of a "
        "real-valued target, by number or by name",
    )
    command.add_argument(
        "--allow-outside",
        action="store_true",
        help="let a TSV name .npy and .wav files outside its folder",
    )


def add_order(command, scope="in all files"):
    """Adds the options that say which columns, or which of two files, hold the sources."""
    command.add_argument(
        "--columns",
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="columns of a TSV or CSV, by number or by the names in the first line, or fields of "
        f"JSON objects ({scope}; default: 1 2)",
    )
    command.add_argument(
        "--features",
        metavar="COLUMN",
        help="column or field of features, such as tags or a language, likewise; source and target "
        f"are then the first two others ({scope}). Of three files whose lines correspond, the "
        "third holds features",
    )
    command.add_argument(
        "--swap",
        action="store_true",
        help=f"take the second column, or the second of two files, as the source ({scope})",
    )


def add_context(command, purpose):
    """Adds the option that says that files hold conversations.

    Args:
        command: Parser of the command.
        purpose: What is then done with up to N turns, for the help.
    """
    command.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="the files hold conversations, a turn on each line and an empty line between two of "
        f"them: {purpose}",
    )


def given_order(options):
    """Returns the options of `add_order` by name, for `kseq.load_corpus`."""
    return {name: getattr(options, name) for name in ("swap", "columns", "features")}


def add_alignments(command):
    """Adds the option for gold alignments of the test pairs."""
    command.add_argument(
        "--alignments",
        type=path_name,
        metavar="FILE",
        help="gold word alignments of --test, a line for each of its lines: 0-0 1-2, source before "
        "target, positions from 0",
    )


def add_ensemble(command):
    """Adds the options for an ensemble."""
    command.add_argument(
        "--ensemble",
        type=path_name,
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="more runs with the same target vocabulary; their predictions are averaged",
    )
    command.add_argument(
        "--ensemble-average",
        choices=("probability", "log_probability"),
        help="what an ensemble averages (default: probability)",
    )


def add_precision(command):
    """Adds the option for the precision in which a run is loaded."""
    command.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "bfloat16"),
        help="precision of weights and matrix products; bfloat16 is faster on processors and GPUs "
        "that support it, and changes some results (default: %(default)s)",
    )


def add_steps(command):
    """Adds the option for the number of steps to predict."""
    command.add_argument(
        "--steps", type=int, metavar="T", help="steps to predict, if targets are real-valued"
    )


def add_head(command, name="--head", model="a Transformer"):
    """Adds the option for a single attention head of a Transformer."""
    command.add_argument(
        name,
        type=int,
        nargs=2,
        metavar=("LAYER", "HEAD"),
        help=f"attention head of {model}, both numbers from 1 (default: the mean over all heads)",
    )


def add_search(command, note="", n_best=False):
    """Adds the options of `kseq.BeamSearch`.

    Args:
        command: Parser of the command.
        note: Text to add to the title of the options.
        n_best: Whether the command can give several results for a source.
    """
    add_fields(command, "beam search" + note, BeamSearch, leave_out=() if n_best else ("n_best",))
    add_fields(command, "constraints on the output" + note, Rules)


def add_sampling(command):
    """Adds the options of `kseq.Sampling` that `kseq.BeamSearch` does not have."""
    add_fields(command, "sampling instead of beam search (requires --samples)", Sampling)


def add_prefix(command):
    """Adds the option for a text that every output starts with."""
    command.add_argument("--prefix", metavar="TEXT", help="text that every output starts with")


def add_fields(command, title, kind, leave_out=()):
    """Adds an option for every field that a dataclass of settings does not inherit.

    An option that is not given is None, and the field keeps its default.

    Args:
        command: Parser of the command.
        title: Title of the options in the help.
        kind: Dataclass. The first sentence about a field in its docstring is the option's help.
        leave_out: Names of fields that get no option.
    """
    group = command.add_argument_group(title)
    summaries = summarize_fields(kind)
    field_types = typing.get_type_hints(kind)
    inherited = {name for base in kind.__mro__[1:] for name in getattr(base, "__annotations__", ())}
    for field in dataclasses.fields(kind):
        if field.name not in inherited and field.name not in leave_out:
            text = summaries.get(field.name, "") + _default(field.default)
            group.add_argument(
                flag(field.name),
                dest=field.name,
                help=text.replace("%", "%%"),
                **_value(field.name, field_types[field.name], field.default),
            )


def _default(value):
    if value is None or value is False or value == ():
        return ""
    if value is True:
        return " (default: on)"
    return f" (default: {value if isinstance(value, str) else f'{value:,g}'})"


def _value(name, field_type, default):
    """Returns the arguments of `add_argument` that describe the value of an option."""
    if isinstance(field_type, types.UnionType):
        field_type, _ = typing.get_args(field_type)
    if field_type is bool:
        return {
            "action": argparse.BooleanOptionalAction if default else "store_true",
            "default": None,
        }
    if typing.get_origin(field_type) is typing.Literal:
        return {"metavar": "{" + ",".join(typing.get_args(field_type)) + "}"}
    metavar = _METAVARS.get(name) or _METAVARS.get(field_type)
    if field_type is tuple:
        return {"nargs": "+", "action": "extend", "metavar": metavar}
    return {"type": field_type, "metavar": metavar}


def summarize_fields(kind):
    """Extracts the help texts of the fields from the docstring of a dataclass.

    Args:
        kind: Dataclass whose docstring has a section `Args:`.

    Returns:
        The first sentence about each field by name, in the style of option help: without quotes,
        full stop and "Whether to", and with other fields as flags.
    """
    _, _, section = (inspect.getdoc(kind) or "").partition("\nArgs:\n")
    section, _, _ = section.partition("\n\n")
    entries = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: _as_help(" ".join(text.split()), names) for name, text in entries}


def _as_help(text, names):
    sentence = re.split(r"\.(?: (?=[A-Z`\"(])|$)", text)[0].removeprefix("Whether to ")
    sentence = re.sub(
        r"`([^`]+)`", lambda code: flag(code[1]) if code[1] in names else code[1], sentence
    ).replace('"', "")
    return sentence[0].lower() + sentence[1:]


def flag(name):
    """Returns the command-line option that sets the field `name`."""
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


def given_fields(options, kind):
    """Returns the fields of a dataclass of settings that were given as options, by name."""
    values = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if value is not None}


def require_suffix(path, suffixes, name="out"):
    """Checks the suffix of a file to write.

    Raises:
        ValueError: The file has another suffix.
    """
    if pathlib.Path(path).suffix.lower() not in suffixes:
        *first, last = suffixes
        expected = f"{', '.join(first)} or {last}" if first else last
        raise ValueError(f"{flag(name)} must end in {expected}; received {path}")
