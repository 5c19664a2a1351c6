"""Helpers of commands about a run: loading it, its test pairs, its search options, its metrics."""

import importlib
import os
import sys

from kseq.cli.options import flag, given_fields, given_order
from kseq.console import import_tensorflow_quietly
from kseq.kernels.processor import share_cores
from kseq.runs.ensembles import runs_of
from kseq.search.strategies import BeamSearch, Sampling, make_strategy


def start_tensorflow():
    """Imports TensorFlow and sets up its threads, before anything else uses TensorFlow."""
    import_tensorflow_quietly()
    share_cores()


def import_modules(options):
    """Imports the modules of `--import`, which register layers of the user's own.

    They are found in the current folder too.

    Raises:
        ValueError: A module cannot be imported.
    """
    names = getattr(options, "modules", None) or ()
    if names:
        start_tensorflow()
        sys.path.append(os.getcwd())
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise ValueError(
                f"--import {name}: expected a module that can be imported, named without .py; "
                f"received {type(error).__name__}: {error}"
            ) from error


def load_translator(options):
    """Loads the run or the ensemble that a command is about.

    Raises:
        ValueError: There is an average, but no ensemble.
    """
    ensemble, average = (getattr(options, name, None) for name in ("ensemble", "ensemble_average"))
    is_single = not ensemble and len(runs_of(options.run_directory)) == 1
    if average and is_single:
        raise ValueError("--ensemble-average is for an ensemble: add --ensemble RUN")
    return load_runs(
        options.run_directory,
        *(ensemble or ()),
        average=average or "probability",
        precision=getattr(options, "precision", "float32"),
    )


def load_runs(*runs, **options):
    """Loads runs as a `Translator`; a missing run is reported before TensorFlow is imported.

    Args:
        *runs: Run directories, or folders of ensembles.
        **options: Further arguments of `Translator.load`.
    """
    from kseq.runs.reading import require_run

    for name in runs:
        for run in runs_of(name):
            require_run(run)
    start_tensorflow()
    from kseq.translation.translator import Translator

    return Translator.load(*runs, **options)


def read_test_pairs(options):
    """Opens the pairs to measure a run with, before the run is loaded.

    Returns:
        The pairs, and their gold alignments or None.
    """
    from kseq.runs.pairs import open_test_pairs
    from kseq.runs.reading import read_run

    run, *_ = runs_of(options.run_directory)
    _, config, _ = read_run(run)
    if config.model.source_features or config.model.target_features:
        start_tensorflow()  # TensorFlow reads TFRecord files
    reading = given_order(options)
    reading |= {name: getattr(options, name) for name in ("covariates", "allow_outside")}
    alignments = getattr(options, "alignments", None)
    return open_test_pairs(run, options.test, alignments, **reading)


def pair_every_line(pairs):
    """Returns a pair for each line of the files, blank ones too, so that output lines match."""
    return pairs.with_blank() if pairs.features == (0, 0) else pairs


def read_search(options):
    """Returns the options of beam search that were given, by name, after checking them."""
    search = given_fields(options, BeamSearch)
    make_strategy(BeamSearch, **search)
    return search


def read_strategy(options, samples=None):
    """Returns the `BeamSearch` or the `Sampling` that the options of a command describe.

    Args:
        options: Parsed options of the command.
        samples: Number of samples, for a command without `--samples`.
    """
    sampling, search = given_fields(options, Sampling), given_fields(options, BeamSearch)
    sampling_only = sorted(set(sampling) - set(search))
    search_only = sorted(set(search) - set(sampling))
    if sampling_only and search_only:
        raise ValueError(
            f"{flag(search_only[0])} is for beam search, {flag(sampling_only[0])} for sampling: "
            "use only one of them"
        )
    if sampling_only and samples is not None:
        sampling["samples"] = samples
    if sampling_only and "samples" not in sampling:
        raise ValueError(f"{flag(sampling_only[0])} is for sampling: add --samples N")
    kind, fields = (Sampling, sampling) if sampling_only else (BeamSearch, search)
    return make_strategy(kind, **fields)


def reject_search(translator, options):
    """Checks that a model of real values is not asked to search.

    Raises:
        ValueError: A search option was given.
    """
    search = given_fields(options, BeamSearch) | given_fields(options, Sampling)
    if getattr(options, "prefix", None) is not None:
        search["prefix"] = options.prefix
    if translator.predicts_values and search:
        raise ValueError(
            f"{flag(next(iter(search)))} is for text; real values are predicted without a search"
        )


def print_metrics(metrics):
    """Prints metrics as a table of two columns.

    Args:
        metrics: Metrics by name, as `Translator.evaluate` returns them.
    """
    width = 2 + max(map(len, metrics))
    for name, value in metrics.items():
        text = f"{value:.3f}" if isinstance(value, float) else value
        print(f"{name.replace('_', ' '):{width}}{text}")
