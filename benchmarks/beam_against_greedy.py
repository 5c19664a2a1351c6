"""How often beam search reaches at least the score of greedy search, under the same normalisation.

Usage: python benchmarks/beam_against_greedy.py RUN [--beam K] [--test FILE [FILE]]

Beam search may prune what greedy search would have found; the sentences where it did are shown,
with what both found. Without --test all held-out sentences of the run's corpus are searched.
"""

import argparse
import itertools

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.corpora.corpus import open_pairs, reopen_corpus

NORMALISATIONS = (
    {"alpha": 1.0},
    {"alpha": 0.6},
    {"alpha": 0.0},
    {"length_penalty": "average"},
)
ROUNDING = 1e-4


def main():
    """Searches both ways and prints the shares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--test", nargs="+")
    options = parser.parse_args()
    import_tensorflow_quietly()
    translator = kseq.Translator.load(options.run)
    sources = [source for source, _ in held_out(translator, options.test)]
    print(f"{options.run}: {len(sources):,} sentences, beam {options.beam}")
    for normalisation in NORMALISATIONS:
        compare(translator, sources, options.beam, normalisation)


def held_out(translator, files):
    """The pairs to search for."""
    if files:
        return open_pairs(files)
    corpus = reopen_corpus(translator.record["corpus"])
    return itertools.chain(corpus.valid, corpus.test)


def compare(translator, sources, beam_size, normalisation):
    """Prints how often the beam does as well, and where it does not."""
    greedy, beam = (
        [
            found[0]
            for found in translator.stream(sources, kseq.BeamSearch(beam_size=k, **normalisation))
        ]
        for k in (1, beam_size)
    )
    worse = [pair for pair in zip(greedy, beam) if pair[1].score < pair[0].score - ROUNDING]
    share = 100.0 * (1.0 - len(worse) / len(sources))
    print(f"{normalisation}: {share:.2f}% as good or better, {len(worse)} worse")
    for one, other in worse[:10]:
        print(f"  {one.source}\n    greedy {one.score:.3f} {one.text}")
        print(f"    beam   {other.score:.3f} {other.text}")


if __name__ == "__main__":
    main()
