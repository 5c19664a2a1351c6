"""The command that finds the best settings: tune."""

from kseq.cli.corpus_options import add_data
from kseq.cli.options import add_command, add_fields, given_fields, path_name
from kseq.cli.runs import start_tensorflow
from kseq.cli.training import add_cache, add_settings, open_new
from kseq.console import show
from kseq.tuning.options import StudyOptions

_TUNE_EXAMPLES = """
examples:
  kseq tune --space space.yaml --corpus dates --out studies/dates --trials 20
  kseq train --corpus dates --config studies/dates/best.yaml --out runs/dates

The space says which settings vary, by the names that --set has. This is a space.yaml:

  units: [128, 256, 512]
  cell: [gru, lstm]
  dropout: {low: 0.0, high: 0.5, step: 0.1}
  learning_rate: {low: 0.0001, high: 0.01, log: true}

All other settings are those of --config, --set, the corpus or the recipe. The first trial has the
values of these settings too, as far as the space contains them; Optuna (pip install kseq[tune])
proposes the others. The study can be stopped at any time: the same command goes on where it
stopped, and a larger number of --trials adds trials. DIR holds the table trials.csv, the picture
tuning.png, the best settings best.yaml, and in trials/ the run of the best trial.
"""


def add_tune(subparsers):
    """Adds `kseq tune`."""
    command = add_command(
        subparsers,
        "tune",
        tune,
        "find good settings: train with many, and compare them on the validation pairs",
        _TUNE_EXAMPLES,
    )
    command.add_argument(
        "--space",
        type=path_name,
        required=True,
        metavar="FILE",
        help="settings that vary, each with choices or a range: a .yaml or .json file",
    )
    add_data(command)
    add_settings(command)
    command.add_argument(
        "--out", type=path_name, required=True, metavar="DIR", help="folder of the study"
    )
    add_fields(command, "study", StudyOptions)
    add_cache(command)
    command.set_defaults(refuse=command.error, start=None)


def tune(options):
    """Finds good settings: `kseq.tune`."""
    from kseq.tuning.space import Space

    StudyOptions(**given_fields(options, StudyOptions))
    space = Space.load(options.space)
    _refuse_fixed(space, options.set)
    corpus, config, out = open_new(options)
    start_tensorflow()
    from kseq.tuning import folder
    from kseq.tuning.tune import tune as tune_settings

    study = given_fields(options, StudyOptions)
    try:
        tuning = tune_settings(corpus, space, config, out=out, cache=options.cache, **study)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; the same command goes on with the study in {out}"
        ) from None
    show(tuning)
    if tuning.best:
        show(
            f"settings: {tuning.folder / folder.BEST} (kseq train --config); run: {tuning.best_run}"
        )
    show(f"table: {tuning.folder / folder.TABLE}; picture: {tuning.folder / folder.PICTURE}")


def _refuse_fixed(space, settings):
    """Raises a ValueError if `--set` gives a value to a setting of the space."""
    from kseq.config import locate_field

    for setting in settings:
        name, separator, _ = setting.partition("=")
        if separator and locate_field(name.strip())[1] in space.settings:
            raise ValueError(
                f"{name.strip()} varies in the space, and --set fixes it; remove one of the two"
            )
