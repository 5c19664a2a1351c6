"""Small-scale speech recognition: transcribe strings of 3 to 7 spoken digits.

`python examples/spoken_digits.py [--out FOLDER]` synthesises digits with espeak-ng in many voices,
computes log-mel spectrograms, trains a pyramidal encoder with attention on them (Chan et al. 2016)
and prints the digit error rate on digit strings that do not occur in training. It writes

    FOLDER/corpus        train.tsv, valid.tsv, test.tsv, one utterance per line, and their features/
    FOLDER/run           the trained model
    FOLDER/heatmap.png   the frames that the model attended to for each digit of a test utterance

The corpus is the same every time, with the same versions of espeak-ng and TensorFlow.
"""

import argparse
import io
import pathlib
import shutil
import subprocess
import wave

import numpy as np

from kseq.console import import_tensorflow_quietly
from kseq.files import FolderKind, replaced_folder, require_replaceable

SPLITS = {"train": 2000, "valid": 150, "test": 200}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029", "en-us-nyc")
SPEAKERS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4")

BANDS = 40
LOWEST, HIGHEST = 60.0, 8000.0  # edges of the bands, in Hz
WINDOW, HOP = 0.025, 0.010  # seconds
FLOOR = 1e-6  # lowest energy, since the logarithm of silence would be infinite


def main():
    """Makes the corpus, trains on it, evaluates, and plots a test utterance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/spoken-digits"),
        metavar="FOLDER",
        help="folder for the corpus, the model and the heatmap (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the corpus and the training")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs=len(SPLITS),
        default=list(SPLITS.values()),
        metavar=tuple(map(str.upper, SPLITS)),
        help="number of utterances in each split (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        print("skipped: this example needs the speech synthesiser espeak-ng: apt install espeak-ng")
        return
    import_tensorflow_quietly()
    from kseq import load_corpus
    from kseq.analysis.heatmap import save_heatmap

    folder = arguments.out / "corpus"
    frames = make_corpus(folder, arguments.seed, dict(zip(SPLITS, arguments.sizes)))
    print(f"{folder}  {frames:.0f} frames per utterance")
    files = {split: folder / f"{split}.tsv" for split in SPLITS}
    corpus = load_corpus(files["train"], valid=files["valid"], test=files["test"])
    translator = train(corpus, arguments.out / "run", arguments.seed)
    metrics = translator.evaluate(corpus.test)
    print(f"digit error rate {metrics['token_error_rate']:.1f}%")

    values, digits = next(iter(corpus.test))
    result = translator.translate([values])[0]
    save_heatmap(result, arguments.out / "heatmap.png")
    print(f"{arguments.out / 'heatmap.png'}  heard {result.text}, spoken {digits}")


def make_corpus(folder, seed, sizes):
    """Synthesises a corpus; once complete, it replaces an older one.

    Args:
        folder: Folder to write.
        seed: Seed for digits, voices and noise.
        sizes: Number of utterances by split. No string of digits occurs twice, so none is in two
            splits.

    Returns:
        Mean number of frames per utterance.

    Raises:
        FileExistsError: The folder exists and is not such a corpus.
    """
    place = require_replaceable(folder, _CORPUS)
    rng, spoken, frames = np.random.default_rng(seed), set(), 0
    with replaced_folder(place, _CORPUS) as unfinished:
        (unfinished / "features").mkdir()
        for split, size in sizes.items():
            lines = []
            for number in range(size):
                digits = _draw_digits(rng, spoken)
                values = log_mel(*_record(digits, rng))
                name = f"features/{split}-{number:05}.npy"
                np.save(unfinished / name, values)
                lines.append(f"{name}\t{' '.join(digits)}\n")
                frames += len(values)
            (unfinished / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    return frames / sum(sizes.values())


def _is_corpus(folder):
    names = {path.name for path in folder.iterdir()}
    return names == {"features", *(f"{split}.tsv" for split in SPLITS)}


_CORPUS = FolderKind("a corpus of spoken digits", _is_corpus, lambda path: True)


def _draw_digits(rng, spoken):
    """Draws a string of 3 to 7 digits that is not in the set `spoken`, and adds it."""
    while True:
        digits = "".join(map(str, rng.integers(10, size=rng.integers(3, 8))))
        if digits not in spoken:
            spoken.add(digits)
            return digits


def _record(digits, rng):
    """Digits in a random voice, with silence around them and noise: samples and their rate."""
    voice = f"{rng.choice(ACCENTS)}+{rng.choice(SPEAKERS)}"
    speed, pitch, gap = rng.integers([180, 20, 0], [280, 80, 5])
    samples, rate = speak(digits, voice, speed, pitch, gap)
    loudness = np.sqrt(np.mean(np.square(samples)))
    noise = loudness * 10 ** (-rng.uniform(0, 20) / 20)  # up to 20 dB below the voice
    samples = np.pad(samples, rng.integers(rate // 5, size=2))
    return samples + rng.normal(0, noise, len(samples)).astype(np.float32), rate


def speak(digits, voice, speed, pitch, gap):
    """Speaks digits one by one with espeak-ng.

    Args:
        digits: String of digits.
        voice: Name of a voice, such as `"en-us+f2"`.
        speed: Words per minute.
        pitch: 0 to 99.
        gap: Pause between words, in units of 10 ms at ordinary speed.

    Returns:
        Samples from -1 to 1, a float32 array, and the number of samples per second.
    """
    settings = [f"-v{voice}", f"-s{speed}", f"-p{pitch}", f"-g{gap}"]
    text = " ".join(DIGITS[int(digit)] for digit in digits)
    command = ["espeak-ng", *settings, "-z", "--stdout", text]  # -z: no pause at the end
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    with wave.open(io.BytesIO(output)) as sound:
        # In a stream, the header has a huge number instead of the length.
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        return samples.astype(np.float32) / 2**15, sound.getframerate()


def log_mel(samples, rate):
    """Computes a log-mel spectrogram: the log energy in bands that are evenly spaced to the ear.

    Args:
        samples: Float32 array, at least one window of 25 ms long.
        rate: Samples per second, at least 16,000.

    Returns:
        A float32 array `[frames, 40]`, one frame every 10 ms.
    """
    import tensorflow as tf

    spectrum = tf.signal.stft(samples, round(WINDOW * rate), round(HOP * rate))
    bands = tf.signal.linear_to_mel_weight_matrix(BANDS, spectrum.shape[-1], rate, LOWEST, HIGHEST)
    energy = tf.square(tf.abs(spectrum)) @ bands
    return tf.math.log(tf.maximum(energy, FLOOR)).numpy()


def train(corpus, out, seed):
    """Trains a small pyramidal model.

    Args:
        corpus: `Corpus` of log-mel spectrograms and digits.
        out: Run directory; an existing run is replaced.
        seed: Seed for the training.

    Returns:
        A `Translator`.
    """
    import kseq

    config = kseq.Config(
        kseq.ModelConfig(
            cell="lstm",
            units=128,
            embedding_dim=32,
            encoder_layers=3,
            pyramid=True,
            attention="bahdanau",
            source_features=BANDS,
        ),
        kseq.TextConfig(minimum_frequency=1),
        kseq.TrainingConfig(
            epochs=15,
            batch_size=32,
            learning_rate=2e-3,
            warmup_steps=200,
            patience=5,
            seed=seed,
        ),
    )
    return kseq.train(corpus, config, out=out, overwrite=True)


if __name__ == "__main__":
    main()
