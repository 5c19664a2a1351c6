"""Decoding speed: sentences per second and latency, from strings to strings.

Usage: python benchmarks/decode.py RUN [--test FILE [FILE]] [--sentences N] [--rounds N]
           [--precision bfloat16] [--threads N] [--out FOLDER]

Measures greedy search and beam 5, with all sentences at once and one by one, in process and with
the SavedModel that `kseq export` writes. The baseline is the loop of tutorials: a compiled step
called from Python until all sentences have ended. `--threads` limits the threads of an operation;
for single sentences, 1 is best. Every variant translates all sentences once before it is measured.
"""

import argparse
import functools
import tempfile
import time

import numpy as np
from measuring import format_table, measure_in_turn, publish
from tutorial_loop import make_python_loop

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.corpora.corpus import open_pairs
from kseq.runs.known_corpora import recall_corpus

BEAMS = (1, 5)
BATCH = 64  # batch size for the SavedModel and the loop
WORDS = 12  # approximate length of sentences that are translated one by one
ALONE = 100  # number of these sentences


def main():
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--test", nargs="+")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out")
    options = parser.parse_args()
    import_tensorflow_quietly()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    translator = kseq.Translator.load(options.run, precision=options.precision)
    texts = read_sources(translator, options.test, options.sentences)
    with tempfile.TemporaryDirectory() as folder:
        variants = {
            f"{place}, {'greedy' if beam == 1 else f'beam {beam}'}": translate
            for beam in BEAMS
            for place, translate in make_variants(translator, beam, folder).items()
        }
        variants["loop in Python, greedy"] = make_python_loop(translator, BATCH)
        alone = sorted(texts, key=lambda text: abs(len(text.split()) - WORDS))[:ALONE]
        for translate in variants.values():
            translate(texts)
            measure_latencies(translate, alone)
        rates = measure_in_turn(
            {
                name: functools.partial(measure_rate, translate, texts)
                for name, translate in variants.items()
            },
            options.rounds,
        )
        latencies = measure_in_turn(
            {
                name: functools.partial(measure_latencies, translate, alone)
                for name, translate in variants.items()
            },
            options.rounds,
        )
    text = "\n".join(
        [
            f"{len(texts):,} sentences.",
            "",
            format_table(rates, "sentences per second"),
            "",
            f"One sentence at a time, {describe_lengths(alone)} ({len(alone)} sentences):",
            "",
            *(
                format_table(
                    {name: [pair[column] for pair in latencies[name]] for name in variants}, unit
                )
                + "\n"
                for column, unit in enumerate(["ms, median", "ms, 99th percentile"])
            ),
        ]
    )
    publish({"sentences_per_second": rates, "milliseconds": latencies}, text, options.out)


def describe_lengths(texts):
    """The smallest and the largest number of words."""
    lengths = [len(text.split()) for text in texts]
    return f"{min(lengths)} to {max(lengths)} words"


def read_sources(translator, test, number):
    """Reads sentences to translate, from a file or from the test split of the run's corpus."""
    pairs = open_pairs(test) if test else recall_corpus(translator.record.corpus).test
    return [source for source, _ in pairs][:number]


def make_variants(translator, beam, folder):
    """Makes two functions that translate a list of strings, in process and with a SavedModel."""
    import tensorflow as tf

    exported = translator.export(f"{folder}/{beam}", beam_size=beam)
    serve = tf.saved_model.load(exported).signatures["serving_default"]

    def translate_in_process(texts):
        return [result.text for result in translator.translate(texts, beam_size=beam)]

    def translate_with_saved_model(texts):
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        outputs = (serve(text=tf.constant(batch))["translation"].numpy() for batch in batches)
        return [text.decode() for output in outputs for text in output]

    return {"in process": translate_in_process, "SavedModel": translate_with_saved_model}


def measure_rate(translate, texts):
    """Sentences per second."""
    started = time.perf_counter()
    translate(texts)
    return len(texts) / (time.perf_counter() - started)


def measure_latencies(translate, texts):
    """Milliseconds of single sentences: the median and the 99th percentile."""
    times = []
    for text in texts:
        started = time.perf_counter()
        translate([text])
        times.append(1000 * (time.perf_counter() - started))
    return [float(np.percentile(times, share)) for share in (50, 99)]


if __name__ == "__main__":
    main()
