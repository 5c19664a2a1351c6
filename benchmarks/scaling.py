"""Cost of training and beam search by length, vocabulary, batch and units, and of large corpora.

Usage: python benchmarks/scaling.py [--what NAME ...] [--rounds N] [--out FOLDER]

One quantity grows at a time; the others stay at 128 sentences of 16 tokens on each side, 512 units
and 8,000 different tokens. In every round, training and search run in separate processes. They
measure the milliseconds of a training step (median), the milliseconds of a search step for all
sentences (beam 5, random weights, float32, in as many batches as needed), and the peak memory of
each process. For a corpus: the seconds until the first batch, on the first start and on the second
(from the cache). A plot is also written to FOLDER.
"""

import argparse
import functools
import json
import math
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import measure_in_turn, publish, table_row

DEFAULTS = {"length": 16, "vocabulary": 8_000, "batch": 128, "units": 512}
GROWING = {
    "length": (10, 30, 100, 300, 1_000),
    "vocabulary": (1_000, 8_000, 50_000, 200_000),
    "batch": (1, 8, 32, 128, 1_024),
    "units": (64, 256, 512, 1_024, 2_048),
    "pairs": (10_000, 100_000, 1_000_000),
}
# Nobody trains on batches of 128 sentences of 1,000 tokens.
LONG_BATCH = 16
STEPS = 8
MAXIMUM_SEARCH_STEPS = 100


def main():
    """Measures, prints, plots and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--what", nargs="+", default=list(GROWING), choices=list(GROWING))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=["precision=mixed_bfloat16"])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_measure_here(json.loads(options.one), options.set)))
        return
    results = {}
    for what in options.what:
        measurements = {
            size: functools.partial(measure_size, what, size, options) for size in GROWING[what]
        }
        results[what] = {
            size: {name: [values[name] for values in rounds] for name in rounds[0]}
            for size, rounds in measure_in_turn(measurements, options.rounds).items()
        }
    publish(results, format_tables(results), options.out)
    if options.out:
        draw(results, options.out / "scaling.png")


def measure_size(what, size, options):
    """Measures one size in separate processes; returns a dict of values."""
    if what == "pairs":
        return _measure_in_process({what: size}, options)
    sizes = {**DEFAULTS, what: size}
    if what == "length":
        sizes["batch"] = LONG_BATCH
    parts = [_measure_in_process({**sizes, "part": part}, options) for part in PARTS]
    return {name: value for part in parts for name, value in part.items()}


def _measure_in_process(sizes, options):
    command = [sys.executable, __file__, "--one", json.dumps(sizes), "--set", *options.set]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])


def _measure_here(sizes, settings):
    if "pairs" in sizes:
        return {**_measure_corpus(sizes["pairs"]), "MB": _peak_megabytes()}
    import kseq
    from kseq.kernels.processor import share_cores

    share_cores()
    config = kseq.Config().with_settings(
        [f"units={sizes['units']}", f"batch_size={sizes['batch']}", "dropout=0.2", *settings]
    )
    return PARTS[sizes["part"]](config, sizes)


def _peak_megabytes():
    """The peak memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _measure_training(config, sizes):
    """Milliseconds of a training step on random ids."""
    import numpy as np

    import kseq
    from kseq.kernels.process_memory import keep_freed_memory
    from kseq.models.factory import use_dtype_policy
    from kseq.pipeline.survey import Survey
    from kseq.training.setup import compile_teacher

    with use_dtype_policy(config.training.precision):
        model = kseq.build_seq2seq(config.model, sizes["vocabulary"], sizes["vocabulary"])
    random = np.random.default_rng(0)
    shape = sizes["batch"], sizes["length"]
    survey = Survey(kept=shape[0], blank=0, overlong=0, length_ratio=1.0, tokens=math.prod(shape))
    learner = compile_teacher(model, config.training, survey)
    ids = random.integers(4, sizes["vocabulary"], (2, *shape), dtype="int32")
    batch = {"source_ids": ids[0], "target_ids": ids[1]}, ids[1], np.ones(shape, "float32")
    times = []
    with keep_freed_memory():
        for _ in range(STEPS):
            started = time.perf_counter()
            learner.train_on_batch(*batch)
            times.append(1000 * (time.perf_counter() - started))
    return {"ms, training": statistics.median(times[2:]), "MB, training": _peak_megabytes()}


def _measure_search(config, sizes):
    """Milliseconds of a step of beam search for all sentences, which are random ids."""
    import types

    import numpy as np
    import tensorflow as tf

    import kseq
    from kseq.search.strategies import BeamSearch
    from kseq.translation.batches import run_by_length
    from kseq.translation.graphs import Inference

    steps = min(sizes["length"], MAXIMUM_SEARCH_STEPS)
    model = kseq.build_seq2seq(config.model, sizes["vocabulary"], sizes["vocabulary"])
    strategy = BeamSearch(beam_size=5, minimum_length=steps, maximum_length=steps)
    text = types.SimpleNamespace(source=None, target=None)
    inference = Inference([model], [text], length_ratio=1.0)
    shape = sizes["batch"], sizes["length"]
    ids = np.random.default_rng(1).integers(4, sizes["vocabulary"], shape, dtype="int32")
    logits = strategy.width * sizes["vocabulary"]

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def search(ids):
        return inference.search([{"source_ids": ids}], strategy).ids

    times = []
    for _ in range(3):
        started = time.perf_counter()
        run_by_length(lambda rows: search(ids[rows]), [sizes["length"]] * len(ids), logits)
        times.append(1000 * (time.perf_counter() - started) / (steps + 1))
    return {"ms, search": min(times), "MB, search": _peak_megabytes()}


def _measure_corpus(pairs):
    """Seconds until the first batch of a corpus in one file, for two starts."""
    import kseq
    from kseq.pipeline.batching import training_pipeline
    from kseq.pipeline.encoded import prepare

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "pairs.tsv"
        sentences = list(kseq.load_corpus("en-fr").train)
        with path.open("w", encoding="utf-8") as file:
            for number in range(pairs):
                source, target = sentences[number % len(sentences)]
                file.write(f"{source} {number}\t{target} {number}\n")
        seconds = {}
        for name in ("s, first", "s, again"):
            started = time.perf_counter()
            corpus = kseq.load_corpus(path)
            prepared = prepare(corpus, corpus.config, f"{folder}/cache")
            pipeline = training_pipeline(
                prepared.splits[0], prepared.codecs, corpus.config.training, prepared.surveys[0]
            )
            next(iter(pipeline))
            seconds[name] = time.perf_counter() - started
    return seconds


PARTS = {"training": _measure_training, "search": _measure_search}


def format_tables(results):
    """Formats medians and ranges as a Markdown table for each quantity that grows."""
    parts = []
    for what, by_size in results.items():
        names = list(next(iter(by_size.values())))
        lines = [table_row([what, *names]), table_row(["---"] * (1 + len(names)))]
        for size, values in by_size.items():
            lines.append(table_row([f"{size:,}", *map(_format_cell, values.values())]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _format_cell(rounds):
    spread = f" ({min(rounds):,.1f} to {max(rounds):,.1f})" if len(rounds) > 1 else ""
    return f"{statistics.median(rounds):,.1f}{spread}"


def draw(results, path):
    """Draws a panel with logarithmic axes for each quantity that grows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(results), 3.6), layout="constrained")
    for axes, (what, by_size) in zip(
        figure.subplots(1, len(results), squeeze=False)[0], results.items()
    ):
        for name in next(iter(by_size.values())):
            values = [statistics.median(rounds[name]) for rounds in by_size.values()]
            axes.loglog(list(by_size), values, marker="o", label=name)
        axes.set(xlabel=what)
        axes.grid(alpha=0.3, which="both")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
