"""How often beam search scores at least as high as greedy search, with the same normalisation.

Usage: python benchmarks/beam_against_greedy.py RUN [--beam K] [--test FILE [FILE]]

Beam search may prune the hypothesis that greedy search would have found. The sentences where this
happens are printed with both results. Without --test, all held-out sentences of the run's corpus
are searched.
"""

import argparse
import itertools

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.corpora.corpus import open_pairs
from kseq.runs.known_corpora import recall_corpus

NORMALISATIONS = (
    {"alpha": 1.0},
    {"alpha": 0.6},
    {"alpha": 0.0},
    {"length_penalty": "average"},
)
ROUNDING = 1e-4


def main():
    """Runs both searches and prints the shares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--test", nargs="+")
    options = parser.parse_args()
    import_tensorflow_quietly()
    translator = kseq.Translator.load(options.run)
    sources = [source for source, _ in held_out_pairs(translator, options.test)]
    print(f"{options.run}: {len(sources):,} sentences, beam {options.beam}")
    for normalisation in NORMALISATIONS:
        compare(translator, sources, options.beam, normalisation)


def held_out_pairs(translator, files):
    """The pairs of given files or, without files, of the held-out splits of the run's corpus."""
    if files:
        return open_pairs(files)
    corpus = recall_corpus(translator.record.corpus)
    return itertools.chain(corpus.valid, corpus.test)


def compare(translator, sources, beam_size, normalisation):
    """Prints how often beam search scores at least as high, and where it does not."""
    greedy, beam = (
        translator.translate(sources, beam_size=size, **normalisation) for size in (1, beam_size)
    )
    worse = [pair for pair in zip(greedy, beam) if pair[1].score < pair[0].score - ROUNDING]
    share = 100.0 * (1.0 - len(worse) / len(sources))
    print(f"{normalisation}: {share:.2f}% equal or better, {len(worse)} worse")
    for by_greedy, by_beam in worse[:10]:
        print(f"  {by_greedy.source}")
        print(f"    greedy {by_greedy.score:.3f} {by_greedy.text}")
        print(f"    beam   {by_beam.score:.3f} {by_beam.text}")


if __name__ == "__main__":
    main()
