"""Decoding speed: sentences per second and latency, from strings to strings.

Usage: python benchmarks/decode.py RUN [--test FILE [FILE]] [--sentences N] [--rounds N]
           [--precision bfloat16] [--threads N] [--out FOLDER]

Greedy search and beam 5, all sentences at once and one by one, in process and through the
SavedModel that `kseq export` writes; beside them the loop that tutorials show, a compiled step
called from Python until all sentences have ended. With `--threads` so many threads at most work
on one operation: for sentences one by one, 1 is best. Everything is warm: every way has translated
all sentences once before it is measured.
"""

import argparse
import functools
import tempfile
import time

import numpy as np
from measuring import in_turn, publish, table
from tutorial_loop import loop_in_python

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.corpora.corpus import open_pairs, reopen_corpus

BEAMS = (1, 5)
BATCH = 64  # sentences that the SavedModel and the loop get at once
WORDS = 12  # about so many has a sentence that is translated alone
ALONE = 100  # such sentences


def main():
    """Measures, prints and writes."""
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
    texts = sources(translator, options.test, options.sentences)
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            f"{where}, {'greedy' if beam == 1 else f'beam {beam}'}": way
            for beam in BEAMS
            for where, way in in_and_out_of_process(translator, beam, folder).items()
        }
        ways["loop in Python, greedy"] = loop_in_python(translator, BATCH)
        alone = sorted(texts, key=lambda text: abs(len(text.split()) - WORDS))[:ALONE]
        for way in ways.values():
            way(texts)
            latencies(way, alone)
        rates = in_turn(
            {name: functools.partial(rate, way, texts) for name, way in ways.items()},
            options.rounds,
        )
        waits = in_turn(
            {name: functools.partial(latencies, way, alone) for name, way in ways.items()},
            options.rounds,
        )
    text = "\n".join(
        [
            f"{len(texts):,} sentences.",
            "",
            table(rates, "sentences per second"),
            "",
            f"One sentence at a time, {said_lengths(alone)} ({len(alone)} of them):",
            "",
            *(
                table({name: [each[share] for each in waits[name]] for name in ways}, unit) + "\n"
                for share, unit in enumerate(["ms, median", "ms, 99th percentile"])
            ),
        ]
    )
    publish({"sentences_per_second": rates, "milliseconds": waits}, text, options.out)


def said_lengths(texts):
    """The least and the largest number of words."""
    lengths = [len(text.split()) for text in texts]
    return f"{min(lengths)} to {max(lengths)} words"


def sources(translator, test, most):
    """Sentences to translate: of a file, or of the test split that the run names."""
    pairs = open_pairs(test) if test else reopen_corpus(translator.record["corpus"]).test
    return [source for source, _ in pairs][:most]


def in_and_out_of_process(translator, beam, folder):
    """Two functions that translate a list of strings."""
    import tensorflow as tf

    exported = translator.export(f"{folder}/{beam}", beam_size=beam)
    serve = tf.saved_model.load(exported).signatures["serving_default"]

    def in_process(texts):
        return [result.text for result in translator.translate(texts, beam_size=beam)]

    def served(texts):
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        outputs = (serve(text=tf.constant(batch))["translation"].numpy() for batch in batches)
        return [text.decode() for output in outputs for text in output]

    return {"in process": in_process, "SavedModel": served}


def rate(way, texts):
    """Sentences per second."""
    started = time.perf_counter()
    way(texts)
    return len(texts) / (time.perf_counter() - started)


def latencies(way, texts):
    """Milliseconds of single sentences: the median, and the 99th percentile."""
    times = []
    for text in texts:
        started = time.perf_counter()
        way([text])
        times.append(1000 * (time.perf_counter() - started))
    return [float(np.percentile(times, share)) for share in (50, 99)]


if __name__ == "__main__":
    main()
