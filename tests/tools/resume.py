"""Kills trainings at random moments, goes on with them, and compares the weights at the end.

    python tests/tools/resume.py --kills 100

Each of five trainings runs once without a kill. Then it is killed again and again, each time after
a random part of that time, by SIGKILL, SIGTERM and SIGINT in turn, until it has ended. Its weights
must be the same to the last bit, and nothing else may be left.

The state is saved after every batch. Every training runs in a fork of this process, which has
imported TensorFlow but not used it.
"""

import argparse
import hashlib
import itertools
import pathlib
import random
import shutil
import sys
import tempfile
import time

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import killed_commands
import kills

SMALL = [
    "save_minutes=0",
    "units=16",
    "embedding_dim=8",
    "epochs=3",
    "dropout=0.3",
]
SETTINGS = {
    "gru": ["batch_size=16"],
    "lstm, mixed_bfloat16": ["batch_size=16", "cell=lstm", "precision=mixed_bfloat16"],
    "transformer": ["batch_size=16", "architecture=transformer", "heads=2"],
    "batch_tokens": ["batch_tokens=60"],
    "real values": ["batch_size=16"],
}


class Training(killed_commands.Command):
    """`kseq train` with some settings.

    Args:
        folder: Working folder, empty.
        name: Key of `SETTINGS`.
    """

    modules = ("kseq.cli.main", "kseq.training.train")

    def __init__(self, folder, name):
        super().__init__(folder)
        self.has_values = name == "real values"
        file = "index.tsv" if self.has_values else "pairs.tsv"
        self.words = ["train", "--train", file, "--out", "result", "--set", *SMALL, *SETTINGS[name]]

    def write_inputs(self):
        """Writes the pairs, and walks of real values with what they are read as."""
        super().write_inputs()
        random_numbers = np.random.default_rng(0)
        lines = []
        for number in range(120):
            walk = random_numbers.normal(size=(4 + number % 5, 3)).cumsum(axis=0)
            np.save(self.folder / f"{number}.npy", walk.astype("float32"))
            lines.append(f"{number}.npy\tx{number % 7} y{number % 5}\n")
        (self.folder / "index.tsv").write_text("".join(lines))

    def run(self):
        """Runs the command; it saves the state after every batch."""
        from kseq.training import state

        state.SHARE = 0
        return super().run()

    def reset(self):
        """Removes the run."""
        shutil.rmtree(self.place, ignore_errors=True)

    def weights(self):
        """Returns a digest of the weights."""
        digest = hashlib.sha256()
        with h5py.File(self.place / "model.weights.h5") as file:
            file.visititems(lambda _, item: hasattr(item, "shape") and digest.update(item[()]))
        return digest.hexdigest()[:16]

    def leftovers(self):
        """Returns the names of files that should not be there after the command."""
        walks = {f"{number}.npy" for number in range(120)} | {"index.tsv"}
        run = {path.name for path in self.place.iterdir()}
        return sorted({*self.find_leftovers()} - walks | {n for n in run if "state" in n})


def main():
    """Runs all trainings; exits with 1 if one ended with other weights or left something."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="in all trainings together")
    parser.add_argument("--only", choices=list(SETTINGS), help="a single training")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    faults, total = 0, 0
    names = [options.only] if options.only else list(SETTINGS)
    for number, name in enumerate(names, start=1):
        with tempfile.TemporaryDirectory() as folder:
            training = Training(pathlib.Path(folder).resolve(), name)
            with training.prepared():
                last = options.kills * number // len(names)
                while total < last:
                    count, fault = kill_until_it_ends(training, chance, last - total)
                    total, faults = total + count, faults + bool(fault)
                    print(f"{name}: {count} kills, {fault or 'the same weights'}", flush=True)
    print(f"{total} kills: {faults} faults")
    return int(faults > 0)


def kill_until_it_ends(training, chance, most):
    """Trains once with and once without kills; returns the number of kills and what went wrong."""
    training.reset()
    begin = time.monotonic()
    code, output = kills.wait(kills.start(training))
    seconds = time.monotonic() - begin
    if code:
        return most, f"the command failed with {code}: {output}"
    expected = training.weights()
    training.reset()
    count = 0
    for kind in itertools.cycle(kills.SIGNALS):
        if count == most:
            break
        process = kills.start(training)
        time.sleep(chance.uniform(0.2, 1.0) * seconds)
        is_running = kills.send(process, kind)
        code, output = kills.wait(process)
        if not is_running:
            break
        count += 1
    code, output = kills.wait(kills.start(training))
    if code:
        return count, f"the same command ended with {code}: {output.strip()[-300:]}"
    if training.weights() != expected:
        return count, "OTHER WEIGHTS"
    return count, ", ".join(training.leftovers())


if __name__ == "__main__":
    sys.exit(main())
