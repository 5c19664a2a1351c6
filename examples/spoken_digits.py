"""Small-scale speech recognition: transcribe strings of 3 to 7 spoken digits.

`python examples/spoken_digits.py [--out FOLDER]` synthesises digits with espeak-ng in many voices,
trains a pyramidal encoder with attention (Chan et al. 2016) on the recordings, and prints the digit
error rate on digit strings that do not occur in training. It writes

    FOLDER/corpus        train.tsv, valid.tsv, test.tsv, one utterance per line, and recordings/
    FOLDER/run           the trained model
    FOLDER/heatmap.png   when the model listened for each digit of a test utterance

The corpus is the same every time, with the same version of espeak-ng.
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
    seconds = make_corpus(folder, arguments.seed, dict(zip(SPLITS, arguments.sizes)))
    print(f"{folder}  {seconds:.1f} seconds per utterance")
    files = {split: folder / f"{split}.tsv" for split in SPLITS}
    corpus = load_corpus(files["train"], valid=files["valid"], test=files["test"])
    translator = train(corpus, arguments.out / "run", arguments.seed)
    metrics = translator.evaluate(corpus.test)
    print(f"digit error rate {metrics['token_error_rate']:.1f}%")

    recording, digits = next(iter(corpus.test))
    result = translator.translate([recording])[0]
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
        Mean length of an utterance, in seconds.

    Raises:
        FileExistsError: The folder exists and is not such a corpus.
    """
    place = require_replaceable(folder, _CORPUS)
    rng, spoken, seconds = np.random.default_rng(seed), set(), 0.0
    with replaced_folder(place, _CORPUS) as unfinished:
        (unfinished / "recordings").mkdir()
        for split, size in sizes.items():
            lines = []
            for number in range(size):
                digits = _draw_digits(rng, spoken)
                samples, rate = _record(digits, rng)
                name = f"recordings/{split}-{number:05}.wav"
                write_recording(unfinished / name, samples, rate)
                lines.append(f"{name}\t{' '.join(digits)}\n")
                seconds += len(samples) / rate
            (unfinished / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    return seconds / sum(sizes.values())


def _is_corpus(folder):
    names = {path.name for path in folder.iterdir()}
    return names == {"recordings", *(f"{split}.tsv" for split in SPLITS)}


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


def write_recording(path, samples, rate):
    """Writes samples from -1 to 1 to a `.wav` file, in 16 bits; what is louder is cut off."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.round(np.clip(samples, -1, 1) * (2**15 - 1)).astype("<i2").tobytes())


def train(corpus, out, seed):
    """Trains a small pyramidal model.

    Args:
        corpus: `Corpus` of recordings and digits.
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
        ),
        kseq.TextConfig(minimum_frequency=1, mel_bands=40),
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
