"""The part of benchmarks/peers.py that runs kseq: trains or translates, and prints the speed."""

import argparse
import json
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
    parser.add_argument("verb", choices=["train", "translate", "loop", "learn"])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    import_tensorflow_quietly()
    if options.verb != "loop":
        share_cores()  # as the commands do
    verbs = {"train": train, "translate": translate, "loop": translate_in_loop, "learn": learn}
    verbs[options.verb](options.data, options.run, *options.arguments)


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
    callbacks = [Clock()] if int(steps) else []
    kseq.train(corpus, config, out=run, overwrite=True, cache="off", callbacks=callbacks)


def learn(data, run, settings):
    """Trains on words, and prints the figures of each epoch as JSON."""
    import keras

    class Clock(keras.callbacks.Callback):
        """Prints the time and the share of correct validation words after each epoch."""

        def on_train_begin(self, logs=None):
            self._start, self._training = time.perf_counter(), 0.0

        def on_epoch_begin(self, epoch, logs=None):
            self._epoch_start = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self._last = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self._training += self._last - self._epoch_start
            figures = {
                "epoch": epoch + 1,
                "seconds": round(time.perf_counter() - self._start, 3),
                "training_seconds": round(self._training, 3),
                "exact_match": logs["val_exact_match"] / 100,
            }
            print(json.dumps(figures), flush=True)

    sides = ["source", "target"]
    if (data / "train.features").exists():
        sides.append("features")
    files, valid = ([data / f"{split}.{side}" for side in sides] for split in ("train", "valid"))
    config = kseq.Config().with_settings(json.loads(settings))
    corpus = kseq.load_corpus(*files, valid=valid)
    kseq.train(corpus, config, out=run, overwrite=True, cache="off", callbacks=[Clock()])


def translate(data, run, name, beam, precision):
    """Translates a file and prints the time in seconds."""
    translator = kseq.Translator.load(run, precision=precision)
    options = {"beam_size": int(beam)}
    features = data / f"{name}.features"
    if features.exists():
        options["features"] = features.read_text(encoding="utf-8").splitlines()

    def translate_texts(texts):
        return [result.text for result in translator.translate(texts, **options)]

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
