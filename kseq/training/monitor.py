"""The validation figure that decides which weights are best, and when training stops early."""

import math

from kseq.errors import SettingError
from kseq.settings.training import DECODED_TEXT

_HIGHER_IS_BETTER = ("val_accuracy", "val_exact_match", "val_bleu", "val_chrf")


def choose_monitor(training, target_side):
    """Returns the name of the validation figure that a training monitors.

    Args:
        training: `TrainingConfig`.
        target_side: `Side` of the target.

    Raises:
        SettingError: Models with such targets do not have this figure.
    """
    name = training.monitor
    if name == "auto":
        return f"val_{target_side.measure}"
    names = {"val_loss", f"val_{target_side.measure}"}
    if target_side.is_text:
        names |= {"val_perplexity", "val_accuracy", *DECODED_TEXT}
    else:
        names |= {"val_free_run_error"}
    if name not in names:
        kind = "text" if target_side.is_text else "real-valued"
        raise SettingError(
            "{monitor}={0} is not measured for this target, which is {1}; choose one of {2}",
            *(name, kind, ", ".join(sorted(names))),
        )
    return name


def is_higher_better(name):
    """Returns whether larger values of a validation figure are better."""
    return name in _HIGHER_IS_BETTER


class Monitor:
    """The best value so far of a validation figure.

    Args:
        name: Name of the figure, such as `"val_cross_entropy"`.

    Attributes:
        best: The best value; None before the first one that is a finite number.
        best_epoch: Number of epochs after which it was measured, perhaps with a fraction.
        without_improvement: Number of validations since then.
    """

    def __init__(self, name):
        self.name = name
        self.best = self.best_epoch = None
        self.without_improvement = 0

    def improves(self, value):
        """Returns whether a value is better than the best one so far."""
        if not math.isfinite(value):
            return False
        if self.best is None:
            return True
        return value > self.best if is_higher_better(self.name) else value < self.best

    def add(self, value, epoch):
        """Adds the value of the next validation, which took place after a number of epochs."""
        if self.improves(value):
            self.best, self.best_epoch, self.without_improvement = value, epoch, 0
        else:
            self.without_improvement += 1

    def get_state(self):
        """Returns what `set_state` needs in another process, for JSON."""
        return dict(vars(self))

    def set_state(self, state):
        """Goes on where another process was when it called `get_state`."""
        vars(self).update(state)
