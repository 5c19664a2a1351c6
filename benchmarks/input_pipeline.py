"""Batches per second of the input pipeline, without a model and with one, and their padding.

Usage: python benchmarks/input_pipeline.py --train FILE [FILE ...] [--valid FILE [FILE ...]]
           [--set FIELD=VALUE ...] [--batches N] [--rounds N] [--out FOLDER]

The pipeline reads text (tokenised again in every epoch, as a large corpus without a cache is) and
the encoded files that it is kept as otherwise; the model takes what the pipeline gives. All three
in turn, several rounds, medians. Padding is counted over one epoch of text. FOLDER gets
results.json and table.md.
"""

import argparse
import collections
import functools
import itertools
import tempfile
import time

from measuring import in_turn, publish, table

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.kernels.processor import share_cores


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
    share_cores()
    corpus = kseq.load_corpus(*options.train, valid=options.valid)
    config = kseq.Config().with_settings(options.set)
    rates, shares = measured(corpus, config, options.batches, options.rounds)
    results = {
        "corpus": str(corpus.train),
        "settings": options.set,
        "batches_per_second": rates,
        "padding": shares,
    }
    shown = ", ".join(f"{side} {100 * share:.1f}%" for side, share in shares.items())
    text = f"{table(rates, 'batches per second')}\n\nPadding: {shown}"
    publish(results, text, options.out)


def measured(corpus, config, batches, rounds):
    """Batches per second of each of the three, one figure for each round; shares of padding."""
    from kseq.models.factory import build_seq2seq, computing_in
    from kseq.pipeline import encoded
    from kseq.pipeline.batching import training_pipeline
    from kseq.training.train import compiled

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
        learner = compiled(model, config.training, from_ids.surveys[0])
        ways = {
            "pipeline alone, from text": (text, lambda batch: None),
            "pipeline alone, from encoded files": (ids, lambda batch: None),
            "with the model, from encoded files": (
                ids,
                lambda batch: learner.train_on_batch(*batch),
            ),
        }
        # Alone it is so fast that what was made beforehand would count for much.
        rates = in_turn(
            {
                name: functools.partial(
                    rate, *way, batches * 50 if name.startswith("pipeline alone") else batches
                )
                for name, way in ways.items()
            },
            rounds,
        )
        return rates, padding(text)


def padding(dataset):
    """Shares of padding in all source and target positions of an epoch, and in both."""
    real, held = collections.Counter(), collections.Counter()
    for inputs, _, weights in dataset:
        for side, ids in (("source", inputs["source_ids"]), ("target", weights)):
            real[side] += int((ids.numpy() != 0).sum())
            held[side] += ids.numpy().size
    shares = {side: 1 - real[side] / held[side] for side in held}
    return {**shares, "both": 1 - real.total() / held.total()}


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
