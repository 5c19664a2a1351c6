"""Start-up: import, building a model, its first batch, the first translation of a command.

Usage: python benchmarks/start.py RUN [--rounds N] [--out FOLDER]

Each in a process of its own, several times. RUN is a run directory of text.
"""

import argparse
import functools
import subprocess
import sys
import time

from measuring import in_turn, publish, table

_MODEL = """
import kseq
translator = kseq.Translator.load({run!r})
codecs, config = translator.codecs, translator.config
model = kseq.build_seq2seq(config.model, *codecs.vocabulary_sizes)
"""
_BATCH = """
import tensorflow as tf
from kseq.training import compiled
learner = compiled(model, config.training, 100)
ids = tf.fill([config.training.batch_size, 12], 4)
learner.train_on_batch({{"source_ids": ids, "target_ids": ids}}, ids, tf.ones([len(ids), 12]))
"""
PROGRAMS = {
    "python": "",
    "import kseq": "import kseq",
    "import tensorflow": "import tensorflow",
    "load a run and build its model": _MODEL,
    "and its first training batch": _MODEL + _BATCH,
}


def main():
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    ways = {
        name: functools.partial(seconds, ["-c", program.format(run=options.run)])
        for name, program in PROGRAMS.items()
    }
    ways["kseq translate, one sentence"] = functools.partial(
        seconds, ["-m", "kseq", "translate", options.run], "A sentence.\n"
    )
    figures = in_turn(ways, options.rounds)
    publish({"seconds": figures}, table(figures, "seconds", digits=2), options.out)


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
