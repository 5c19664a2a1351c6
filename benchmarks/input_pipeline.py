"""Batches per second of the input pipeline, without a model and with one.

Usage: python benchmarks/input_pipeline.py --train FILE [FILE ...] [--valid FILE [FILE ...]]
           [--set FIELD=VALUE ...] [--batches N] [--rounds N] [--out FOLDER]

The pipeline reads text (tokenised again in every epoch, as small corpora are) and the encoded
files that a large corpus is kept as; the model takes what the pipeline gives. All three in turn,
several rounds, medians. FOLDER gets results.json and table.md.
"""

import argparse
import functools
import itertools
import tempfile
import time

from measuring import in_turn, publish, table

import kseq
from kseq.console import import_tensorflow_quietly


def main():
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--valid", nargs="+")
    parser.add_argument("--set", nargs="+", default=[])
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    import_tensorflow_quietly()
    corpus = kseq.load_corpus(*options.train, valid=options.valid)
    config = kseq.Config().with_settings(options.set)
    rates = measured(corpus, config, options.batches, options.rounds)
    results = {
        "corpus": str(corpus.train),
        "settings": options.set,
        "batches_per_second": rates,
    }
    publish(results, table(rates, "batches per second"), options.out)


def measured(corpus, config, batches, rounds):
    """Batches per second of each of the three, a list of one figure for each round."""
    from kseq.models.factory import build_seq2seq, computing_in
    from kseq.pipeline import encoded
    from kseq.pipeline.batching import batch_count, training_pipeline
    from kseq.training import compiled

    encoded.SMALLEST = 0  # keeps every corpus as ids
    with tempfile.TemporaryDirectory() as cache:
        from_text = encoded.prepare(corpus, config, "off")
        from_ids = encoded.prepare(corpus, config, cache)
        text, ids = (
            training_pipeline(each.splits[0], each.codecs, config.training, each.surveys[0])
            for each in (from_text, from_ids)
        )
        with computing_in(config.training.precision):
            model = build_seq2seq(config.model, *from_ids.codecs.vocabulary_sizes)
        batches = batch_count(from_ids.surveys[0], config.training)
        learner = compiled(model, config.training, batches)
        ways = {
            "pipeline alone, from text": (text, lambda batch: None),
            "pipeline alone, from encoded files": (ids, lambda batch: None),
            "with the model, from encoded files": (
                ids,
                lambda batch: learner.train_on_batch(*batch),
            ),
        }
        # Alone it is so fast that what was made beforehand would count for much.
        return in_turn(
            {
                name: functools.partial(
                    rate, *way, batches * 50 if name.startswith("pipeline alone") else batches
                )
                for name, way in ways.items()
            },
            rounds,
        )


def rate(dataset, use, batches):
    """Batches per second, after the first ten, which find out shapes and fill buffers."""
    stream = iter(dataset.repeat())
    for batch in itertools.islice(stream, 10):
        use(batch)
    started = time.monotonic()
    for batch in itertools.islice(stream, batches):
        use(batch)
    return batches / (time.monotonic() - started)


if __name__ == "__main__":
    main()
