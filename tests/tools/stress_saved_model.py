"""Calls a SavedModel of text from many threads, with difficult strings.

    kseq export RUN FOLDER
    python tests/tools/stress_saved_model.py FOLDER --calls 20000

Reports whether equal inputs had equal answers, and how much memory the process gained after the
first calls. It imports TensorFlow and tensorflow-text, but not kseq, as a service would.
"""

import argparse
import concurrent.futures
import itertools
import pathlib
import random
import sys

import tensorflow as tf
import tensorflow_text  # noqa: F401 (the operations of the model)

WARM_UP = 1000  # calls before memory is measured
TEXTS = (
    b"",
    b" ",
    b"\x00",
    b"a\x00b",
    b"\xff\xfe\xc3",
    b"caf\xe9",
    b"\xed\xa0\x80",
    "\ufdd0￭＿▁ 中文 ไทย".encode(),
    b"The red car is old.",
    b"My aunt buys two keys today.",
    b"x" * 100_000,
    b"The red car is old. " * 40,
    "e\u0301".encode() * 3000,
)


def resident_memory():
    """Returns the resident memory of this process, in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def make_calls(count, seed=1):
    """Returns batches of texts, each a tuple of indices of `TEXTS`."""
    generator = random.Random(seed)
    batches = [tuple(generator.choices(range(len(TEXTS)), k=k)) for k in (1, 1, 2, 3) * 10]
    return [generator.choice(batches) for _ in range(count)]


def main():
    """Makes the calls and prints the results; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    model = tf.saved_model.load(options.folder)
    serve = model.signatures["serving_default"]

    def answer(batch):
        outputs = serve(text=tf.constant([TEXTS[number] for number in batch]))
        return tuple(outputs["translation"].numpy().tolist()), outputs["score"].numpy().tobytes()

    answers, unequal, memory = {}, 0, None
    calls = make_calls(options.calls)
    with concurrent.futures.ThreadPoolExecutor(options.threads) as pool:
        chunks = (calls[start : start + WARM_UP] for start in itertools.count(0, WARM_UP))
        for chunk in itertools.takewhile(bool, chunks):
            for batch, result in zip(chunk, pool.map(answer, chunk)):
                unequal += answers.setdefault(batch, result) != result
            memory = memory or resident_memory()
            print(f"{resident_memory():.0f} MB", flush=True)
    growth = resident_memory() - memory
    print(f"{len(calls):,} calls, {unequal} unequal answers, memory grew by {growth:.1f} MB")
    return int(unequal > 0 or growth > 20)


if __name__ == "__main__":
    sys.exit(main())
