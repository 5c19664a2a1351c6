"""Batches per second of the input pipeline, with and without a model, and their padding.

Usage: python benchmarks/input_pipeline.py --train FILE [FILE ...] [--valid FILE [FILE ...]]
           [--set FIELD=VALUE ...] [--batches N] [--rounds N] [--out FOLDER]

Measures the pipeline from text (tokenised in every epoch, like a large corpus without a cache),
the pipeline from encoded files, and a model that trains on the latter. They take turns for several
rounds. Padding is counted over one epoch of text. The results are written to FOLDER: results.json
and table.md.
"""

import argparse
import collections
import functools
import itertools
import tempfile
import time

from measuring import format_table, measure_in_turn, publish

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.kernels.processor import share_cores


def main():
    """Measures, prints and writes the results."""
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
    rates, shares = measure_pipelines(corpus, config, options.batches, options.rounds)
    results = {
        "corpus": str(corpus.train),
        "settings": options.set,
        "batches_per_second": rates,
        "padding": shares,
    }
    listed = ", ".join(f"{side} {100 * share:.1f}%" for side, share in shares.items())
    text = f"{format_table(rates, 'batches per second')}\n\nPadding: {listed}"
    publish(results, text, options.out)


def measure_pipelines(corpus, config, batches, rounds):
    """Batches per second of all three variants, one number per round; and shares of padding."""
    from kseq.models.factory import build_seq2seq, use_dtype_policy
    from kseq.pipeline import encoded
    from kseq.pipeline.batching import training_pipeline
    from kseq.training.setup import compile_teacher

    encoded.SMALLEST = 0  # so that every corpus goes through the cache
    with tempfile.TemporaryDirectory() as cache:
        from_text = encoded.prepare(corpus, config, "off")
        from_ids = encoded.prepare(corpus, config, cache)
        text, ids = (
            training_pipeline(
                prepared.splits[0], prepared.codecs, config.training, prepared.surveys[0]
            )
            for prepared in (from_text, from_ids)
        )
        with use_dtype_policy(config.training.precision):
            model = build_seq2seq(config.model, *from_ids.codecs.vocabulary_sizes)
        learner = compile_teacher(model, config.training, from_ids.surveys[0])
        variants = {
            "pipeline alone, from text": (text, lambda batch: None),
            "pipeline alone, from encoded files": (ids, lambda batch: None),
            "with the model, from encoded files": (
                ids,
                lambda batch: learner.train_on_batch(*batch),
            ),
        }
        # The pipeline alone is so fast that prefetched batches would distort a short measurement.
        rates = measure_in_turn(
            {
                name: functools.partial(
                    measure_rate,
                    *variant,
                    batches * 50 if name.startswith("pipeline alone") else batches,
                )
                for name, variant in variants.items()
            },
            rounds,
        )
        return rates, measure_padding(text)


def measure_padding(dataset):
    """Shares of padding in the source positions, the target positions and all of an epoch."""
    real, padded = collections.Counter(), collections.Counter()
    for inputs, _, weights in dataset:
        for side, ids in (("source", inputs["source_ids"]), ("target", weights)):
            real[side] += int((ids.numpy() != 0).sum())
            padded[side] += ids.numpy().size
    shares = {side: 1 - real[side] / padded[side] for side in padded}
    return {**shares, "both": 1 - real.total() / padded.total()}


def measure_rate(dataset, use, batches):
    """Batches per second after the first ten, in which shapes are traced and buffers filled."""
    stream = iter(dataset.repeat())
    for batch in itertools.islice(stream, 10):
        use(batch)
    started = time.monotonic()
    for batch in itertools.islice(stream, batches):
        use(batch)
    return batches / (time.monotonic() - started)


if __name__ == "__main__":
    main()
