"""The part of benchmarks/peers.py that runs kseq: trains or translates, and prints the speed."""

import argparse
import pathlib
import sys
import time

from tutorial_loop import make_python_loop

import kseq
from kseq.console import import_tensorflow_quietly
from kseq.kernels.processor import share_cores

SETTINGS = ["case=lower", "minimum_frequency=2", "dropout=0.2", "units=512", "embedding_dim=256"]
STEPS = 10  # between two lines of output


def main():
    """Runs the action given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("verb", choices=["train", "translate", "loop"])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    import_tensorflow_quietly()
    if options.verb != "loop":
        share_cores()  # as the commands do
    {"train": train, "translate": translate, "loop": translate_in_loop}[options.verb](
        options.data, options.run, *options.arguments
    )


def train(data, run, precision, steps, epochs):
    """Trains for some epochs, or for some steps while printing the speed."""
    import keras

    class Clock(keras.callbacks.Callback):
        """Prints target tokens per second, as the peers do."""

        def on_train_batch_end(self, batch, logs=None):
            if (batch + 1) % STEPS == 0:
                tokens, now = float(self.model.metrics[0].count), time.perf_counter()
                if batch + 1 > STEPS:
                    rate = (tokens - self._tokens) / (now - self._time)
                    print(f"tokens per second: {rate:.1f}", flush=True)
                self._tokens, self._time = tokens, now
            if batch + 1 == int(steps):
                sys.exit()

    corpus = kseq.load_corpus(
        data / "train.source",
        data / "train.target",
        valid=[data / "valid.source", data / "valid.target"],
        test=[data / "test.source", data / "test.target"],
    )
    config = kseq.Config().with_settings(
        [*SETTINGS, f"precision={precision}", f"epochs={max(1, int(epochs))}", "warmup_steps=200"]
    )
    if int(steps):
        _add_callback(Clock())
    kseq.train(corpus, config, out=run, overwrite=True, cache="off")


def _add_callback(callback):
    """Adds a callback to every later `fit`, because `kseq.train` does not accept callbacks."""
    import keras

    fit = keras.Model.fit

    def fit_with_callback(self, *arguments, callbacks=(), **options):
        return fit(self, *arguments, callbacks=[*callbacks, callback], **options)

    keras.Model.fit = fit_with_callback


def translate(data, run, name, beam, precision):
    """Translates a file and prints the time in seconds."""
    translator = kseq.Translator.load(run, precision=precision)

    def translate_texts(texts):
        return [result.text for result in translator.translate(texts, beam_size=int(beam))]

    _measure(translate_texts, data, run, name)


def translate_in_loop(data, run, name, batch_size):
    """Translates a file with the loop of TensorFlow's tutorial."""
    translate_texts = make_python_loop(kseq.Translator.load(run), int(batch_size))
    _measure(translate_texts, data, run, name)


def _measure(translate_texts, data, run, name):
    texts = (data / f"{name}.source").read_text(encoding="utf-8").splitlines()
    started = time.perf_counter()
    translations = translate_texts(texts)
    print(f"seconds: {time.perf_counter() - started:.3f}")
    text = "".join(f"{translation}\n" for translation in translations)
    (run / "translations").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
