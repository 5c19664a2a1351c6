"""Training speed: target tokens per second along the same path as `kseq train`.

Usage: python benchmarks/train.py [--data FOLDER] [--kinds NAME ...] [--precisions NAME ...]
           [--set FIELD=VALUE ...] [--steps N] [--rounds N] [--out FOLDER]

Measures Keras' `fit` with everything that `kseq train` does: the input pipeline, dropout, clipping,
Adam, metrics. The data are the words of Multi30k German-English if FOLDER is given (`kseq fetch
multi30k FOLDER`), otherwise the embedded English-French corpus. Padding is not counted. The floor
is the time that the matrix products of the model would take at the speed of large products on this
machine.
"""

import argparse
import math
import statistics
import time

from measuring import format_table, measure_in_turn, measure_product_rate, publish, table_row

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.kernels.process_memory import keep_freed_memory
from kseq.kernels.processor import share_cores
from kseq.recipes import load_recipe

KINDS = {
    "gru, bahdanau": [],
    "lstm, bahdanau": ["cell=lstm"],
    "rnn, bahdanau": ["cell=rnn"],
    "gru, coverage": ["attention=coverage"],
    "gru, luong_general": ["attention=luong_general"],
    "gru, luong_general, not fed": ["attention=luong_general", "input_feeding=false"],
    "gru, luong_dot": ["attention=luong_dot"],
    "gru, luong_scaled_dot": ["attention=luong_scaled_dot"],
    "gru, luong_concat": ["attention=luong_concat"],
    "gru, local_m": ["attention=local_m"],
    "gru, local_p": ["attention=local_p"],
    "gru, none": ["attention=none"],
    "transformer": [
        "architecture=transformer",
        "encoder_layers=2",
        "decoder_layers=2",
        "embedding_dim=512",
    ],
}
PRECISIONS = ("float32", "mixed_bfloat16")
WARM_UP = 15  # steps, in which shapes are traced and buffers filled


def main():
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", help="folder with Multi30k")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--set", nargs="+", default=[])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    import_tensorflow_quietly()
    share_cores()
    corpus = open_corpus(options.data)
    trainings = {
        f"{kind}, {precision}": Training(
            corpus, [*KINDS[kind], f"precision={precision}", *options.set], options.steps
        )
        for kind in options.kinds
        for precision in options.precisions
    }
    floors = {dtype: [] for dtype in ("float32", "bfloat16")}
    measurements = {kind: training.measure_rate for kind, training in trainings.items()}
    for dtype in floors:
        measurements[dtype] = lambda dtype=dtype: measure_product_rate(dtype)
    rates = measure_in_turn(measurements, options.rounds)
    floors = {dtype: statistics.median(rates.pop(dtype)) for dtype in floors}
    text = "\n".join(
        [
            f"{corpus.train}: " + ", ".join(options.set or ["settings of the package"]),
            "",
            format_table(
                rates, "target tokens per second", baseline=next(iter(trainings)), digits=0
            ),
            "",
            *format_floors(trainings, rates, floors),
        ]
    )
    results = {
        "corpus": str(corpus.train),
        "settings": options.set,
        "tokens_per_second": rates,
        "product_flops": floors,
    }
    publish(results, text, options.out)


def open_corpus(data):
    """Opens Multi30k in a folder, or the embedded corpus."""
    if data is None:
        return kseq.load_corpus("en-fr")
    return load_recipe("multi30k-de-en-words").open_corpus(data)


class Training:
    """A model, compiled as by `kseq.train`, and its pipeline."""

    def __init__(self, corpus, settings, steps):
        from kseq.models.factory import build_seq2seq, use_dtype_policy
        from kseq.pipeline.batching import training_pipeline
        from kseq.pipeline.encoded import prepare
        from kseq.training.setup import compile_teacher

        self.config = kseq.Config().with_settings(["case=lower", "dropout=0.2", *settings])
        prepared = prepare(corpus, self.config, "off")
        self.survey, training = prepared.surveys[0], self.config.training
        with use_dtype_policy(training.precision):
            self.model = build_seq2seq(self.config.model, *prepared.codecs.vocabulary_sizes)
        self.learner = compile_teacher(self.model, training, self.survey)
        self.dataset = training_pipeline(
            prepared.splits[0], prepared.codecs, training, self.survey
        ).repeat()
        self.steps = steps

    def measure_rate(self):
        """Target tokens per second, not counting padding."""
        clock = _make_clock(WARM_UP)
        with keep_freed_memory():
            self.learner.fit(
                self.dataset,
                steps_per_epoch=WARM_UP + self.steps,
                callbacks=[clock],
                shuffle=False,
                verbose=0,
            )
        return clock.tokens / clock.seconds

    def count_operations(self):
        """Floating-point operations in matrix products per target token, forward and backward."""
        sizes = {}
        for part in ("encoder", "decoder"):
            weights = self.model.get_layer(part).trainable_variables
            weights = [weight for weight in weights if not weight.path.endswith("embeddings")]
            shapes = [weight.shape for weight in weights if len(weight.shape) > 1]
            sizes[part] = sum(map(math.prod, shapes))
        if self.config.model.tie_output:
            embeddings = self.model.get_layer("decoder").get_layer("target_embedding").embeddings
            sizes["decoder"] += math.prod(embeddings.shape)
        return 6 * (sizes["encoder"] / self.survey.length_ratio + sizes["decoder"])


def _make_clock(warm_up):
    import keras

    class Clock(keras.callbacks.Callback):
        """Measures the seconds and the tokens of the steps after warming up."""

        def on_train_batch_end(self, batch, logs=None):
            if batch + 1 == warm_up:
                self._before = self._tokens()
                self._started = time.perf_counter()

        def on_train_end(self, logs=None):
            self.seconds = time.perf_counter() - self._started
            self.tokens = self._tokens() - self._before

        def _tokens(self):
            return float(self.model.metrics[0].count)

    return Clock()


def format_floors(trainings, rates, floors):
    """Formats how close each kind comes to its floor, as lines of Markdown."""
    products = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {dtype}" for dtype, rate in floors.items())
    lines = [
        f"Large matrix products: {products}.",
        "",
        table_row(["", "million operations per token", "floor, tokens per second", "reached"]),
        table_row(["---"] * 4),
    ]
    for kind, training in trainings.items():
        is_float32 = training.config.training.precision == "float32"
        operations = training.count_operations()
        floor = floors["float32" if is_float32 else "bfloat16"] / operations
        share = 100 * statistics.median(rates[kind]) / floor
        lines.append(table_row([kind, f"{operations / 1e6:.0f}", f"{floor:,.0f}", f"{share:.0f}%"]))
    return lines


if __name__ == "__main__":
    main()
