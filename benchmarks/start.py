"""Start-up: imports, building a model, its first batch, the first translation of a command.

Usage: python benchmarks/start.py RUN [--rounds N] [--out FOLDER]

Each in a process of its own, several times; what a step takes is the difference to the process
without it in the same round. RUN is a run directory of text, which translates a sentence; the
model that is built has the default settings and 8,000 different tokens on either side.
"""

import argparse
import functools
import subprocess
import sys
import time

from measuring import in_turn, publish, table

_MODEL = """
import kseq
config = kseq.Config()
model = kseq.build_seq2seq(config.model, 8_000, 8_000)
"""
_BATCH = """
import tensorflow as tf
from kseq.pipeline.survey import Survey
from kseq.training.train import compiled
ids = tf.fill([config.training.batch_size, 12], 4)
survey = Survey(kept=len(ids), blank=0, overlong=0, length_ratio=1.0, tokens=12 * len(ids))
learner = compiled(model, config.training, survey)
learner.train_on_batch({"source_ids": ids, "target_ids": ids}, ids, tf.ones([len(ids), 12]))
"""
TENSORFLOW, TRANSLATION = "import tensorflow", "kseq translate, one sentence"
PROGRAMS = {
    "python": "",
    TENSORFLOW: "import tensorflow",
    "import kseq": "import kseq",
    "and build a model": _MODEL,
    "and train on a first batch": _MODEL + _BATCH,
}
STEPS = {
    TENSORFLOW: "python",
    "import kseq": "python",
    "and build a model": TENSORFLOW,
    "and train on a first batch": "and build a model",
    TRANSLATION: TENSORFLOW,
}


def main():
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    ways = {name: functools.partial(seconds, ["-c", program]) for name, program in PROGRAMS.items()}
    ways[TRANSLATION] = functools.partial(
        seconds, ["-m", "kseq", "translate", options.run], "A sentence.\n"
    )
    figures = in_turn(ways, options.rounds)
    beyond = {
        f"{name}, beyond {before}": [
            whole - part for whole, part in zip(figures[name], figures[before])
        ]
        for name, before in STEPS.items()
    }
    text = f"{table(figures, 'seconds', digits=2)}\n\n{table(beyond, 'seconds', digits=2)}"
    publish({"seconds": figures, "beyond": beyond}, text, options.out)


def seconds(arguments, standard_input=""):
    """How long a Python process takes."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        input=standard_input,
        text=True,
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
