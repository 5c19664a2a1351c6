"""The options of a study."""

import dataclasses
from typing import Literal

from kseq.fields import Section, number


@dataclasses.dataclass(frozen=True)
class StudyOptions(Section):
    """How a study is run.

    Args:
        trials: Number of trials, those of earlier calls included.
        timeout: Seconds after which no further trial begins.
        seed: Seed of the settings that are proposed.
        keep: Whose run directories are kept: `"best"` for the best trial, `"all"` for all trials.
        prune: Whether to stop a trial when its best figure so far is worse than the median of the
            finished trials after the same epoch (from the second epoch on, once five trials have
            finished).

    Raises:
        ValueError: A value is out of range, or not among the choices.
        TypeError: A value has the wrong type.
    """

    trials: int = number(20, minimum=1, maximum=1_000_000)
    timeout: float | None = number(None, minimum=0.0, maximum=1e9)
    seed: int = number(1, minimum=0, maximum=2**32 - 1)
    keep: Literal["best", "all"] = "best"
    prune: bool = True
