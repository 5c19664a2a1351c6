"""Start-up time: imports, building a model, its first batch, one sentence with `kseq translate`.

Usage: python benchmarks/start.py RUN [--rounds N] [--out FOLDER]

Each measurement is a separate process. The time of a step is the difference from the process
without it in the same round. RUN is the run directory of the text model that translates a sentence.
The model that is built has the default settings and 8,000 different tokens on each side.
"""

import argparse
import functools
import subprocess
import sys
import time

from measuring import format_table, measure_in_turn, publish

_MODEL = """
import kseq
config = kseq.Config()
model = kseq.build_seq2seq(config.model, 8_000, 8_000)
"""
_BATCH = """
import tensorflow as tf
from kseq.pipeline.survey import Survey
from kseq.training.setup import compile_teacher
ids = tf.fill([config.training.batch_size, 12], 4)
survey = Survey(kept=len(ids), blank=0, overlong=0, length_ratio=1.0, tokens=12 * len(ids))
learner = compile_teacher(model, config.training, survey)
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
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    measurements = {
        name: functools.partial(measure_process, ["-c", program])
        for name, program in PROGRAMS.items()
    }
    measurements[TRANSLATION] = functools.partial(
        measure_process, ["-m", "kseq", "translate", options.run], "A sentence.\n"
    )
    seconds = measure_in_turn(measurements, options.rounds)
    beyond = {
        f"{name}, beyond {before}": [
            longer - shorter for longer, shorter in zip(seconds[name], seconds[before])
        ]
        for name, before in STEPS.items()
    }
    tables = (format_table(part, "seconds", digits=2) for part in (seconds, beyond))
    text = "\n\n".join(tables)
    publish({"seconds": seconds, "beyond": beyond}, text, options.out)


def measure_process(arguments, standard_input=""):
    """Seconds that a Python process takes."""
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
