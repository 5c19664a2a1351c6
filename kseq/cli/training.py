"""The command that trains: train."""

from kseq.cli.devices import add_devices, choose_strategy, ends_all_workers, join_workers
from kseq.cli.options import (
    add_alignments,
    add_allow_outside,
    add_command,
    add_import,
    add_new_run,
    add_order,
    flag,
    path_name,
)
from kseq.cli.runs import start_tensorflow
from kseq.console import show

_TRAIN_EXAMPLES = """
examples:
  kseq train --corpus dates --out runs/dates
  kseq train --corpus en-fr --out runs/en-fr --film "My sister did not help us."
  kseq train --train pairs.tsv --out runs/mine --set epochs=20 units=256
  kseq train --train train.de.gz train.en.gz --valid val.de.gz val.en.gz --out runs/de-en
  kseq train --train parts/*.tsv --config settings.yaml --out runs/mine --overwrite
  kseq train --train 'de/*.gz' 'en/*.gz' --out runs/de-en
  kseq train --train sentences.csv --columns english french --out runs/mine
  kseq train --train inflections.tsv --features 2 --out runs/inflection
  kseq train --train spa-eng.zip --swap --apart both --out runs/es-en
  kseq train --recipe multi30k-de-en --data data --out runs/de-en
  kseq train --recipe multi30k-de-en --data data --out runs/de-en --devices all
  kseq train --recipe sigmorphon2020-g2p --language ice --data data --out runs/icelandic
  kseq train --from runs/de-en --train new.tsv --out runs/new --set freeze=encoder,source_embedding

A pattern in quotes stands for all files of one side; without quotes, the shell expands it to
several files of pairs. Without --valid, one source sentence in twenty is held out for validation
and another one in twenty for testing. Training can be stopped at any time: the best epoch so far is
kept, and the same command goes on where it stopped.
"""


# Options of `load_corpus` by which files of pairs are read.
_DATA_OPTIONS = (
    "valid",
    "test",
    "swap",
    "columns",
    "features",
    "apart",
    "skip_faulty",
    "alignments",
    "train_alignments",
    "allow_outside",
)


def add_train(subparsers):
    """Adds `kseq train`."""
    command = add_command(
        subparsers, "train", train, "train a model and write a run directory", _TRAIN_EXAMPLES
    )
    add_data(command).add_argument(
        "--resume",
        type=path_name,
        metavar="RUN",
        help="go on with a training of yours that was stopped, as the same command would",
    )
    add_settings(command)
    add_new_run(command, required=False)
    add_start(command)
    add_cache(command)
    add_devices(command)
    command.add_argument(
        "--tensorboard",
        type=path_name,
        nargs="?",
        const=True,
        metavar="DIR",
        help="write curves, outputs and heatmaps for TensorBoard (default: to tensorboard/NAME "
        "next to the run NAME)",
    )
    command.add_argument(
        "--film",
        nargs="+",
        metavar="SENTENCE",
        help="animate the attention to a sentence in attention.gif of the run, a frame for each "
        "validation; the model always reads the same target, that of the corpus or a second "
        "SENTENCE",
    )
    command.set_defaults(refuse=command.error)


def add_settings(command):
    """Adds the options that say with which settings to train."""
    command.add_argument(
        "--config", type=path_name, metavar="FILE", help="settings: a .json or .yaml file"
    )
    command.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="change settings, such as units=256 epochs=20 (may be repeated)",
    )
    add_import(command)


def add_start(command):
    """Adds the option for the run that training starts from."""
    command.add_argument(
        "--from",
        dest="start",
        type=path_name,
        metavar="RUN",
        help="start from the weights, the tokens and the settings of another run, with a fifth of "
        "its learning rate",
    )


def add_cache(command):
    """Adds the option that says where tokenised corpora are kept."""
    command.add_argument(
        "--cache",
        type=path_name,
        metavar="DIR",
        help="where to keep tokenised corpora of 32 MB or more (default: KSEQ_CACHE, or "
        "kseq in XDG_CACHE_HOME or ~/.cache); off to keep none",
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
    add_alignments(command)
    command.add_argument(
        "--train-alignments",
        type=path_name,
        metavar="FILE",
        help="word alignments of --train, likewise, for guided_alignment; kseq align writes them",
    )
    add_order(command)
    add_allow_outside(command)
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


def train(options):
    """Trains a model: `kseq.train`."""
    if len(options.film or ()) > 2:
        raise ValueError(
            f"--film takes a sentence, and perhaps its translation; received {len(options.film)} "
            "arguments: write each sentence in quotes"
        )
    strategy = join_workers()
    with ends_all_workers(strategy):
        corpus, config, out = open_training(options)
    start_tensorflow()
    _train(options, corpus, config, out, strategy or choose_strategy(options.devices))


def _train(options, corpus, config, out, strategy):
    from kseq.runs.directory import find_stopped, has_state, is_run
    from kseq.training.film import AttentionFilm
    from kseq.training.tensorboard import TensorBoard
    from kseq.training.train import train as train_model
    from kseq.training.workers import Workers

    callbacks = []
    if options.tensorboard:
        callbacks = [TensorBoard(None if options.tensorboard is True else options.tensorboard)]
    if options.film:
        callbacks.append(AttentionFilm(*options.film))
    try:
        translator = train_model(
            corpus,
            config,
            out=out,
            start=options.start,
            overwrite=options.overwrite,
            resume=True,
            callbacks=callbacks,
            strategy=strategy,
            cache=options.cache,
        )
    except KeyboardInterrupt:
        if not Workers(strategy).is_chief:
            raise KeyboardInterrupt("stopped") from None
        state = "holds the best epoch so far" if is_run(out) else "was not written"
        if has_state(find_stopped(out)):
            state += "; the same command goes on with the training"
        raise KeyboardInterrupt(f"stopped; {out} {state}") from None
    if translator is not None:
        show(f"the run is in {out}; next: kseq evaluate {out}")


def open_training(options):
    """Returns the corpus, the `Config` and the run directory of a training, new or stopped."""
    return _open_stopped(options) if options.resume else open_new(options)


def open_new(options):
    """Returns the corpus, the `Config` and the run directory of a new training."""
    from kseq.config import Config
    from kseq.runs.fine_tuning import fine_tuning_config

    if options.out is None:
        options.refuse("the following arguments are required: --out (or --resume RUN)")
    config = None
    if options.start:
        config = fine_tuning_config(options.start)
    if options.config:
        config = Config.load(options.config, absent=config and config.to_dict())
    config = config and config.with_settings(options.set)
    corpus = _open_corpus(options)
    return corpus, config or corpus.config.with_settings(options.set), options.out


def _open_stopped(options):
    """Returns the same of a training that was stopped, as its run records them."""
    from kseq.runs.directory import RECORD, find_stopped, load_config
    from kseq.runs.known_corpora import recall_corpus
    from kseq.runs.reading import require_run
    from kseq.runs.record import RunRecord

    given = [
        name
        for name in ("out", "start", "config", "data", "language", "overwrite", "set")
        if getattr(options, name)
    ]
    given += [
        name for name in _DATA_OPTIONS if getattr(options, name) not in (None, False, "source")
    ]
    if given:
        raise ValueError(
            f"{flag(given[0])} is not for --resume, which repeats the recorded training"
        )
    folder = find_stopped(options.resume)
    if not (folder / RECORD).is_file():
        require_run(options.resume)
    description = RunRecord.load(folder / RECORD).corpus
    corpus = description and recall_corpus(description)
    if corpus is None:
        raise ValueError(
            f"the pairs of {options.resume} are not known here; repeat the command that began the "
            "training"
        )
    return corpus, load_config(folder), options.resume


def _open_corpus(options):
    """Opens the corpus to train on, with its own settings."""
    from kseq.corpora.corpus import embedded_corpora, load_corpus
    from kseq.corpora.values import holds_records
    from kseq.recipes import load_recipe

    if not options.train:
        name = options.corpus or options.recipe
        for option in _DATA_OPTIONS:
            if getattr(options, option) not in (None, False, "source"):
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
    files = [options.corpus] if options.corpus else options.train
    if any(map(holds_records, [*files, *(options.valid or ()), *(options.test or ())])):
        start_tensorflow()  # only TFRecord files need it to be checked
    splits = {"valid": options.valid, "test": options.test}
    given = {name: getattr(options, name) for name in _DATA_OPTIONS if name not in splits}
    return load_corpus(*files, **splits, **given)
