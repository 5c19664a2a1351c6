"""The command that trains: train."""

from kseq.cli.corpus_options import add_data, given_data_options, open_corpus
from kseq.cli.devices import add_devices, choose_strategy, ends_all_workers, join_workers
from kseq.cli.options import (
    add_command,
    add_import,
    add_new_run,
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
  kseq train --train dialogues.txt --context 2 --out runs/dialogue
  kseq train --language-model poems.txt --out runs/poems
  kseq train --recipe multi30k-de-en --data data --out runs/de-en
  kseq train --recipe multi30k-de-en --data data --out runs/de-en --devices all
  kseq train --recipe sigmorphon2020-g2p --language ice --data data --out runs/icelandic
  kseq train --from runs/de-en --train new.tsv --out runs/new --set freeze=encoder,source_embedding

A pattern in quotes stands for all files of one side; without quotes, the shell expands it to
several files of pairs. Without --valid, one source sentence in twenty is held out for validation
and another one in twenty for testing. Training can be stopped at any time: the best epoch so far is
kept, and the same command goes on where it stopped.
"""


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
    corpus = open_corpus(options)
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
    given += given_data_options(options)
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
