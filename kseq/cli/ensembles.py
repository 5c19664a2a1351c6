"""The command that trains several models to be used as one: ensemble."""

from kseq.cli.corpus_options import add_data
from kseq.cli.devices import add_devices, choose_strategy
from kseq.cli.options import add_command, path_name
from kseq.cli.runs import start_tensorflow
from kseq.cli.training import add_cache, add_settings, add_start, open_new
from kseq.console import show

_ENSEMBLE_EXAMPLES = """
examples:
  kseq ensemble --corpus en-fr --out runs/five
  kseq ensemble --train words.tsv --seeds 3 --out runs/three --set monitor=val_exact_match
  kseq ensemble --recipe sigmorphon2020-g2p --language ice --data data --out runs/icelandic
  kseq evaluate runs/five
  kseq export runs/five exported/five

The runs are in seed-1, seed-2, ... below the folder, which can be given wherever a run can be used:
the probabilities of all models are then averaged at every step. The same command goes on with an
ensemble that was stopped; with a larger --seeds it adds models.
"""


def add_ensemble_command(subparsers):
    """Adds `kseq ensemble`."""
    command = add_command(
        subparsers,
        "ensemble",
        ensemble,
        "train several models that differ in their seeds, to be used as one",
        _ENSEMBLE_EXAMPLES,
    )
    add_data(command)
    command.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="number of models (default: %(default)s)"
    )
    add_settings(command)
    command.add_argument(
        "--out", type=path_name, required=True, metavar="DIR", help="folder to create"
    )
    command.add_argument("--overwrite", action="store_true", help="replace runs that are in it")
    add_start(command)
    add_cache(command)
    add_devices(command)


def ensemble(options):
    """Trains an ensemble: `kseq.train_ensemble`.

    Raises:
        ValueError: The number of models is not at least 2.
    """
    if options.seeds < 2:
        raise ValueError(f"--seeds must be at least 2; received {options.seeds}")
    corpus, config, out = open_new(options)
    start_tensorflow()
    from kseq.training.ensemble import train_ensemble

    try:
        train_ensemble(
            corpus,
            config,
            out=out,
            seeds=options.seeds,
            start=options.start,
            overwrite=options.overwrite,
            strategy=choose_strategy(options.devices),
            cache=options.cache,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the same command goes on with {out}") from None
    show(f"the ensemble is in {out}; next: kseq evaluate {out}")
