"""The demo, `make demo`: train, evaluate, translate, draw heatmaps, export, use the export."""

import collections
import itertools
import pathlib
import shlex
import subprocess
import sys

from kseq.console import import_tensorflow_quietly
from kseq.kernels.processor import share_cores

OUT = pathlib.Path("runs/en-fr")
CANDIDATES = 200  # test pairs among which examples are chosen
EXAMPLES = 5
HEATMAPS = 3

_PROGRAM = """
import sys
import tensorflow as tf, tensorflow_text
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serving_default"](text=tf.constant([sys.argv[2]]))
print(outputs["translation"].numpy()[0].decode())
"""


def main():
    """Runs the demo on the embedded English-French corpus."""
    import_tensorflow_quietly()
    share_cores()
    from kseq import load_corpus, train
    from kseq.analysis.heatmap import save_heatmap

    corpus = load_corpus("en-fr")
    _print_heading("1. Training on the embedded English-French corpus")
    translator = train(corpus, out=OUT, overwrite=True)

    _print_heading("2. Evaluating on held-out sentences")
    figures = translator.evaluate(corpus.test, corpus.alignments("test"))
    print(f"BLEU {figures['bleu']:.1f}, exact match {figures['exact_match']:.1f}%", end=", ")
    print(f"alignment error rate {figures['alignment_error_rate']:.3f}")

    _print_heading("3. Translations and their references")
    pairs = _choose_examples(corpus)
    results = translator.translate([source for source, _ in pairs], beam_size=5)
    for result, (source, reference) in zip(results, pairs):
        print(f"{source}\n  kseq       {result.text}\n  reference  {reference}")

    _print_heading("4. Heatmaps of the attention")
    (OUT / "heatmaps").mkdir(exist_ok=True)
    for number, result in enumerate(results[:HEATMAPS], start=1):
        path = OUT / "heatmaps" / f"{number}.png"
        save_heatmap(result, path)
        print(f"{path}  {result.source}")

    _print_heading("5. A SavedModel, used with nothing but tensorflow and tensorflow_text")
    saved_model = translator.export(OUT / "saved_model", beam_size=5)
    sentence = pairs[0][0]
    print(f"{saved_model}  {sentence}  ->  {_translate_with_saved_model(saved_model, sentence)}")

    _print_heading(f"Everything is in {OUT}. What to try next:")
    kseq = ".venv/bin/kseq"
    print(f"  echo {shlex.quote(sentence)} | {kseq} translate {OUT} --beam 5")
    print(f"  {kseq} heatmap {OUT} {shlex.quote(pairs[1][0])} --out picture.png")
    print(f"  {kseq} train --train your-pairs.tsv --out runs/mine")
    print("  notebooks/01_translate_and_look.ipynb, README.md and docs/README.md")


def _choose_examples(corpus):
    """Returns the test pairs whose word order differs most, where attention matters most."""
    aligned = itertools.islice(zip(corpus.test, corpus.alignments("test")), CANDIDATES)
    ranked = sorted(aligned, key=lambda entry: -_count_crossings(entry[1]))
    return [pair for pair, _ in ranked[:EXAMPLES]]


def _count_crossings(alignment):
    """Counts pairs of links that cross; idioms, whose words all have several links, are ignored."""
    counts = collections.Counter(source for source, _ in alignment)
    links = [(source, target) for source, target in alignment if counts[source] == 1]
    return sum(
        source > other_source and target < other_target
        for source, target in links
        for other_source, other_target in links
    )


def _print_heading(title):
    print(f"\n== {title}", flush=True)


def _translate_with_saved_model(saved_model, sentence):
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(saved_model), sentence],
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise RuntimeError(f"the SavedModel could not be used:\n{process.stderr}")
    return process.stdout.strip()


if __name__ == "__main__":
    main()
