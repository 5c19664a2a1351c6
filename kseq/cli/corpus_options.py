"""The options that say which corpus to train on, and the corpus that they name."""

import pathlib

from kseq.cli.options import (
    add_alignments,
    add_context,
    add_order,
    add_values,
    flag,
    path_name,
)
from kseq.cli.runs import start_tensorflow

# Options of `load_corpus` by which files of pairs are read.
_DATA_OPTIONS = (
    "valid",
    "test",
    "swap",
    "columns",
    "features",
    "covariates",
    "apart",
    "skip_faulty",
    "alignments",
    "train_alignments",
    "allow_outside",
    "context",
)


def add_data(command):
    """Adds the options that say what to train on; returns the group of those that exclude others.

    Args:
        command: Parser of the command.
    """
    data = command.add_mutually_exclusive_group(required=True)
    data.add_argument("--corpus", metavar="NAME", help="embedded corpus: en-fr or dates")
    data.add_argument("--train", type=path_name, nargs="+", metavar="FILE", help="training pairs")
    data.add_argument(
        "--language-model",
        type=path_name,
        nargs="+",
        metavar="FILE",
        help="training texts, one on each line: train a decoder alone, which writes such texts",
    )
    data.add_argument(
        "--recipe", metavar="NAME", help="recipe for a public corpus; kseq recipes lists them"
    )
    command.add_argument(
        "--data",
        type=path_name,
        metavar="DIR",
        help="where kseq fetch put the corpus of a recipe (default: data)",
    )
    command.add_argument(
        "--language", metavar="NAME", help="language, for a recipe that has several"
    )
    for name, summary in (("valid", "validation pairs"), ("test", "test pairs, for kseq evaluate")):
        command.add_argument(f"--{name}", type=path_name, nargs="+", metavar="FILE", help=summary)
    add_context(command, "train a model that reads up to N turns, and replies")
    add_alignments(command)
    command.add_argument(
        "--train-alignments",
        type=path_name,
        metavar="FILE",
        help="word alignments of --train, likewise, for guided_alignment; kseq align writes them",
    )
    add_order(command)
    add_values(command)
    command.add_argument(
        "--skip-faulty",
        action="store_true",
        help="leave out lines that cannot be used, and report their number (default: stop)",
    )
    command.add_argument(
        "--apart",
        default="source",
        choices=("source", "both"),
        help="which sentences may appear in only one split: source sentences, or those of both "
        "sides; pairs that share one with a held-out pair are then left out of training "
        "(default: %(default)s)",
    )
    return data


def given_data_options(options):
    """Returns the names of the options about files of pairs that were given."""
    return [name for name in _DATA_OPTIONS if getattr(options, name) not in (None, False, "source")]


def open_corpus(options):
    """Opens the corpus to train on, with its own settings."""
    from kseq.corpora.corpus import embedded_corpora, load_corpus
    from kseq.corpora.values import holds_records
    from kseq.recipes import load_recipe

    texts = options.language_model
    if options.corpus or options.recipe:
        for option in given_data_options(options):
            name = options.corpus or options.recipe
            raise ValueError(f"{flag(option)} requires --train; {name} has its own splits")
    if options.recipe:
        if options.config:
            raise ValueError(
                "--config and --recipe both choose the settings: use only one of them; change "
                f"single settings of {options.recipe} with --set FIELD=VALUE"
            )
        if options.start:
            raise ValueError(
                "--from and --recipe both choose the settings: use only one of them; name the "
                "files of the corpus with --train"
            )
        return load_recipe(options.recipe).open_corpus(options.data or "data", options.language)
    for option in ("data", "language"):
        if getattr(options, option):
            raise ValueError(f"--{option} requires --recipe; name files of pairs with --train")
    if options.corpus and options.corpus not in embedded_corpora():
        names = " or ".join(embedded_corpora())
        raise ValueError(
            f"unknown corpus: {options.corpus!r}; expected {names}, or name files with --train"
        )
    files = [options.corpus] if options.corpus else texts or options.train
    if any(map(holds_records, [*files, *(options.valid or ()), *(options.test or ())])):
        start_tensorflow()  # only TFRecord files need it to be checked
    splits = {"valid": options.valid, "test": options.test}
    given = {name: getattr(options, name) for name in _DATA_OPTIONS if name not in splits}
    if texts:
        given["language_model"] = True
        splits = {name: names and list(map(pathlib.Path, names)) for name, names in splits.items()}
    return load_corpus(*files, **splits, **given)
