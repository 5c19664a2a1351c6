"""A recipe that has several languages, in each of them: the share of wrong development outputs.

For each language it trains a model with each seed, unless its run is complete already, so it can be
stopped and started again. It evaluates the models, and all of a language together, with beam 5 on
the development split.

Usage: python benchmarks/recipe_languages.py RECIPE DATA OUT [--languages ice dut] [--seeds 5]
           [--set FIELD=VALUE ...]
"""

import argparse
import pathlib
import statistics
import sys
import time

from measuring import describe_machine, table_row

from kseq import Translator, train
from kseq.recipes import load_recipe


def main(arguments=None):
    """Prints a row for each language, and the means over the languages."""
    options = _parse(arguments)
    recipe = load_recipe(options.recipe)
    print(describe_machine())
    seeds = range(1, options.seeds + 1)
    print(table_row(["", *(f"seed {seed}" for seed in seeds), "mean", "ensemble", "s a model"]))
    print(table_row(["---"] * (len(seeds) + 4)))
    rows = []
    for language in options.languages or recipe.languages:
        corpus = recipe.open_corpus(options.data, language)
        config = corpus.config.with_settings(options.set)
        runs, seconds = _train(corpus, config, seeds, options.out / language)
        wrong = [_wrong(Translator.load(run), corpus) for run in runs]
        together = _wrong(Translator.load(*runs), corpus) if len(runs) > 1 else wrong[0]
        rows.append([*wrong, statistics.mean(wrong), together, statistics.mean(seconds)])
        _print_row(language, rows[-1])
    _print_row("mean", [statistics.mean(column) for column in zip(*rows)])


def _train(corpus, config, seeds, folder):
    """Trains the models that are missing; returns the runs, and the seconds that each took."""
    runs, seconds = [], []
    for seed in seeds:
        run = folder / f"seed-{seed}"
        timing = run.with_suffix(".seconds")
        if not timing.exists():
            start = time.perf_counter()
            seeded = config.with_settings([f"seed={seed}"])
            train(corpus, seeded, out=run, overwrite=True, verbose=False)
            timing.write_text(f"{time.perf_counter() - start:.1f}")
        runs.append(run)
        seconds.append(float(timing.read_text()))
    return runs, seconds


def _wrong(translator, corpus):
    """Share of development outputs that are not exactly right, in percent."""
    return 100 - translator.evaluate(corpus.valid, beam_size=5)["exact_match"]


def _print_row(name, values):
    print(table_row([name, *(f"{value:.1f}" for value in values)]), flush=True)


def _parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--languages", nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
