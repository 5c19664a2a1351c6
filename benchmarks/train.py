"""Training speed: target tokens per second on the way that `kseq train` goes.

Usage: python benchmarks/train.py [--data FOLDER] [--kinds NAME ...] [--precisions NAME ...]
           [--set FIELD=VALUE ...] [--steps N] [--rounds N] [--out FOLDER]

Keras' fit with everything that belongs to it: the pipeline from text, dropout, clipping, Adam,
metrics. Words of Multi30k German-English where FOLDER holds it (`kseq fetch multi30k FOLDER`),
else the embedded English-French corpus. Padding counts as nothing. The floor is what the matrix
products of the model would take if they ran as fast as large ones do on this machine.
"""

import argparse
import math
import statistics
import time

from measuring import in_turn, product_rate, publish, row, table

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.kernels.memory import freed_memory_kept
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
WARM_UP = 15  # steps that find out shapes and fill buffers


def main():
    """Measures, prints and writes."""
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
    ways = {kind: training.rate for kind, training in trainings.items()}
    for dtype in floors:
        ways[dtype] = lambda dtype=dtype: product_rate(dtype)
    figures = in_turn(ways, options.rounds)
    floors = {dtype: statistics.median(figures.pop(dtype)) for dtype in floors}
    text = "\n".join(
        [
            f"{corpus.train}: " + ", ".join(options.set or ["settings of the package"]),
            "",
            table(figures, "target tokens per second", next(iter(trainings)), digits=0),
            "",
            *floor_table(trainings, figures, floors),
        ]
    )
    results = {
        "corpus": str(corpus.train),
        "settings": options.set,
        "tokens_per_second": figures,
        "product_flops": floors,
    }
    publish(results, text, options.out)


def open_corpus(data):
    """Multi30k from its folder, or the embedded corpus."""
    if data is None:
        return kseq.load_corpus("en-fr")
    return load_recipe("multi30k-de-en-words").open_corpus(data)


class Training:
    """A model, compiled as `kseq.train` does, and its pipeline."""

    def __init__(self, corpus, settings, steps):
        from kseq.models.factory import build_seq2seq, computing_in
        from kseq.pipeline.batching import training_pipeline
        from kseq.pipeline.encoded import prepare
        from kseq.training.train import compiled

        self.config = kseq.Config().with_settings(["case=lower", "dropout=0.2", *settings])
        prepared = prepare(corpus, self.config, "off")
        self.survey, training = prepared.surveys[0], self.config.training
        with computing_in(training.precision):
            self.model = build_seq2seq(self.config.model, *prepared.codecs.vocabulary_sizes)
        self.learner = compiled(self.model, training, self.survey)
        self.dataset = training_pipeline(
            prepared.splits[0], prepared.codecs, training, self.survey
        ).repeat()
        self.steps = steps

    def rate(self):
        """Target tokens per second, padding not counted."""
        clock = _clock(WARM_UP)
        with freed_memory_kept():
            self.learner.fit(
                self.dataset,
                steps_per_epoch=WARM_UP + self.steps,
                callbacks=[clock],
                shuffle=False,
                verbose=0,
            )
        return clock.tokens / clock.seconds

    def products(self):
        """Floating-point operations of matrix products for a target token, there and back."""
        sizes = {}
        for part in ("encoder", "decoder"):
            weights = self.model.get_layer(part).trainable_variables
            kernels = [each for each in weights if not each.path.endswith("embeddings")]
            sizes[part] = sum(math.prod(each.shape) for each in kernels if len(each.shape) > 1)
        if self.config.model.tie_output:
            table = self.model.get_layer("decoder").get_layer("target_embedding").embeddings
            sizes["decoder"] += table.shape[0] * table.shape[1]
        return 6 * (sizes["encoder"] / self.survey.length_ratio + sizes["decoder"])


def _clock(warm_up):
    import keras

    class Clock(keras.callbacks.Callback):
        """Seconds and tokens of the steps after the first few."""

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


def floor_table(trainings, figures, floors):
    """How near each kind comes to its floor, as lines of Markdown."""
    rates = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {dtype}" for dtype, rate in floors.items())
    lines = [
        f"Large matrix products: {rates}.",
        "",
        row(["", "million operations per token", "floor, tokens per second", "reached"]),
        row(["---"] * 4),
    ]
    for kind, training in trainings.items():
        is_float32 = training.config.training.precision == "float32"
        floor = floors["float32" if is_float32 else "bfloat16"] / training.products()
        share = 100 * statistics.median(figures[kind]) / floor
        lines.append(
            row([kind, f"{training.products() / 1e6:.0f}", f"{floor:,.0f}", f"{share:.0f}%"])
        )
    return lines


if __name__ == "__main__":
    main()
