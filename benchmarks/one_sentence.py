"""One sentence at a time on one thread: a SavedModel against models for LiteRT.

Usage: python benchmarks/one_sentence.py [RUN] [--corpus NAME] [--units N] [--beam K]
           [--sentences N]

Without RUN, the model is untrained: its weights are random, it has 7,859 source and 5,922 target
words, and an output is as long as its source. Prints size, median and 95th percentile of the time
of a sentence, strings to strings, with the attention.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time
import warnings

import numpy as np

from kseq.console import import_tensorflow_quietly

SOURCE_WORDS, TARGET_WORDS, WORDS = 7855, 5918, 12
WARM_UP = 5
THREADS = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"


def main():
    """Exports a model in all forms, and times each."""
    options = parse_options()
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before TensorFlow starts its threads
    warnings.simplefilter("ignore")  # about outputs that are cut
    import_tensorflow_quietly()
    import tensorflow as tf

    translator, sentences, search = make_model(options)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        print("| model | MB | p50, ms | p95, ms |\n|---|---|---|---|")
        translator.export(folder / "saved", beam_size=options.beam, **search)
        serve = tf.saved_model.load(folder / "saved").signatures["serving_default"]
        time_model(
            "SavedModel",
            folder / "saved",
            lambda text: serve(text=tf.constant([text]))["translation"].numpy(),
            sentences,
        )
        for quantize in ("none", "float16", "dynamic"):
            time_lite(translator, folder / quantize, quantize, options.beam, sentences, **search)


def time_lite(translator, folder, quantize, beam, sentences, **search):
    """Exports and times a model for LiteRT."""
    import kseq.lite

    translator.export(folder, beam_size=beam, format="litert", quantize=quantize, **search)
    lite = kseq.lite.Translator(folder)
    name = f"LiteRT, {quantize}"
    time_model(name, folder, lambda text: lite.translate([text]), sentences)


def parse_options():
    """Returns the options of the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", nargs="?", help="a trained run")
    parser.add_argument("--corpus", default="en-fr", help="corpus of the sentences for a run")
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--sentences", type=int, default=200)
    return parser.parse_args()


def make_model(options):
    """Returns a translator, sentences and options of the search."""
    from kseq import Translator, load_corpus

    if options.run:
        pairs = list(load_corpus(options.corpus).test)[: options.sentences]
        return Translator.load(options.run), [source for source, _ in pairs], {}
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))
    from untrained import untrained_translator

    source, target = (
        [f"{letter}{number}" for number in range(count)]
        for letter, count in (("w", SOURCE_WORDS), ("v", TARGET_WORDS))
    )
    settings = [f"units={options.units}", f"embedding_dim={options.units // 2}"]
    random = np.random.default_rng(0)
    sentences = [" ".join(random.choice(source, WORDS)) for _ in range(options.sentences)]
    bounds = {"minimum_length": WORDS, "maximum_length": WORDS}
    return untrained_translator(settings, source, target), sentences, bounds


def time_model(name, folder, translate, sentences):
    """Prints a row: size of the folder, and percentiles of the time of a sentence."""
    for sentence in sentences[:WARM_UP]:
        translate(sentence)
    times = []
    for sentence in sentences:
        start = time.perf_counter()
        translate(sentence)
        times.append(1000 * (time.perf_counter() - start))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    median, high = np.percentile(times, [50, 95])
    print(f"| {name} | {size:.1f} | {median:.2f} | {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
