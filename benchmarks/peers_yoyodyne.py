"""The part of benchmarks/peers.py that runs Yoyodyne: prints times as lines of JSON.

Usage, with the Python of Yoyodyne's virtual environment, and a configuration that names the
callback `peers_yoyodyne.Clock`:

    python benchmarks/peers_yoyodyne.py fit --config FILE
    python benchmarks/peers_yoyodyne.py predict --config FILE ...
"""

import json
import sys
import time

from lightning.pytorch import callbacks
from yoyodyne.cli.main import python_interface


class Clock(callbacks.Callback):
    """Prints time and share of correct validation words after each epoch, and that of decoding.

    A word is correct if, with teacher forcing, the likeliest symbol is right at every step: then
    greedy search writes the same word.
    """

    def on_train_start(self, trainer, module):
        """Starts the clock."""
        self._started, self._validating = time.perf_counter(), 0.0

    def on_validation_start(self, trainer, module):
        """Takes the time."""
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer, module):
        """Adds up the time of the validations."""
        if not trainer.sanity_checking:
            self._validating += time.perf_counter() - self._paused

    def on_train_epoch_end(self, trainer, module):
        """Prints the figures of the epoch."""
        seconds = time.perf_counter() - self._started
        figures = {
            "epoch": trainer.current_epoch + 1,
            "seconds": round(seconds, 3),
            "training_seconds": round(seconds - self._validating, 3),
            "exact_match": float(trainer.callback_metrics["val_accuracy"]),
            "loss": float(trainer.callback_metrics["val_loss"]),
        }
        print(json.dumps(figures), flush=True)

    def on_predict_start(self, trainer, module):
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_predict_end(self, trainer, module):
        """Prints the time of decoding."""
        print(json.dumps({"seconds": time.perf_counter() - self._started}), flush=True)


if __name__ == "__main__":
    python_interface(sys.argv[1:])
