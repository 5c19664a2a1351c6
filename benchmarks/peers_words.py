"""kseq compared with Yoyodyne and a plain PyTorch loop: words to pronunciations, or inflection.

`python benchmarks/peers.py --words FOLDER` runs it. FOLDER holds SIGMORPHON's pronunciations
(`kseq fetch sigmorphon2020-g2p FOLDER`) or inflections with features (`kseq fetch inflection2023
FOLDER`). All systems read the same tokens, letter by letter, in batches of the same size, with
models of the same size: LSTM encoder 2 x 128, LSTM decoder 256 with additive attention, embeddings
128 (GRUs of these sizes in the plain loop, as in tutorials), dropout 0.3, label smoothing 0.1, Adam
at 0.002. Everything else is what each system does if nothing is said.

In every round each system trains in a process of its own, with another seed. Training: words per
second of training alone, the median over the epochs after the first. Learning: the share of
development words that are right, by epoch and by minute; the clock starts with the first batch and
includes validation. kseq also trains for three times as many epochs, since it has the time; this
model is in the table by minute only. Decoding: development words per second with greedy search; two
passes differ only in the number of words, and the difference of their times is used. The plain loop
reads the features as further symbols of the source.
"""

import bisect
import dataclasses
import gzip
import json
import pathlib
import statistics
import sys

from measuring import format_table, publish, run_command, table_row
from peers_environments import is_ready, python_of

SETTINGS = {
    "units": 256,
    "embedding_dim": 128,
    "dropout": 0.3,
    "label_smoothing": 0.1,
    "batch_size": 64,
    "learning_rate": 0.002,
}
LONGER_TRAINING = 3  # times as many epochs
LONGER = 11  # factor by which the second of two passes has more words
MARKS = (0.25, 0.5, 1, 2, 4)  # minutes
HERE = pathlib.Path(__file__).parent
SPACE = "\N{OPEN BOX}"  # a space within a word, as a token


def compare_words(options):
    """Measures, prints and writes the results; `options` are those of peers.py."""
    work = options.work.resolve() / f"words-{options.language}"
    data = write_words(options.words, options.language, work / "data")
    systems, longer = [Kseq(data, work)], KseqForLonger(data, work)
    if is_ready("Yoyodyne", options.work.resolve()):
        systems += [Yoyodyne(data, work), PlainLoop(data, work)]
    logs = {system.name: [] for system in systems}
    longer_logs = []
    decoding = {system.name: [] for system in systems}
    for seed in range(1, options.rounds + 1):
        for system in systems:
            logs[system.name].append(system.learn(seed, options.epochs or 12))
            decoding[system.name].append(system.measure_decoding(seed))
        longer_logs.append(longer.learn(seed, LONGER_TRAINING * (options.epochs or 12)))
    training = {
        name: [training_rate(log, data.words["train"]) for log in learnt]
        for name, learnt in logs.items()
    }
    last = systems[-1].name
    parts = [
        f"{options.language}, {data.words['train']:,} words. Training:",
        format_table(training, "words per second", baseline=last, digits=0),
        "Greedy search:",
        format_table(decoding, "words per second", baseline=last, digits=0),
        "Development words that are right, in percent, after each epoch (mean of the rounds):",
        format_learning(logs),
        "The same by minutes of the clock:",
        format_minutes({**logs, longer.name: longer_logs}),
    ]
    results = {"training": training, "decoding": decoding, "learning": logs, "longer": longer_logs}
    publish(results, "\n\n".join(parts), options.out)


def training_rate(log, words):
    """Words per second of training, the median over the epochs after the first."""
    ends = [figures["training_seconds"] for figures in log]
    return statistics.median(words / (end - start) for start, end in zip(ends, ends[1:]))


def format_learning(logs):
    """A table of the exact match by epoch, for logs by name."""
    epochs = [figures["epoch"] for figures in next(iter(logs.values()))[0]]
    rows = [["", *map(str, epochs)], ["---"] * (len(epochs) + 1)]
    for name, learnt in logs.items():
        means = [statistics.mean(row["exact_match"] for row in rows) for rows in zip(*learnt)]
        rows.append([name, *(f"{100 * mean:.1f}" for mean in means)])
    return "\n".join(map(table_row, rows))


def format_minutes(logs):
    """A table of the exact match by minutes of the clock, for logs by name."""
    rows = [["", *map(str, MARKS)], ["---"] * (len(MARKS) + 1)]
    for name, learnt in logs.items():
        means = [
            statistics.mean(exact_match_at(log, 60 * minutes) for log in learnt)
            for minutes in MARKS
        ]
        rows.append([name, *(f"{100 * mean:.1f}" for mean in means)])
    return "\n".join(map(table_row, rows))


def exact_match_at(log, seconds):
    """The exact match after the last epoch that had ended by then; 0 before the first."""
    ended = bisect.bisect_right([figures["seconds"] for figures in log], seconds)
    return log[ended - 1]["exact_match"] if ended else 0.0


@dataclasses.dataclass(frozen=True)
class Words:
    """Files of tokens separated by spaces, the same for all systems.

    Args:
        folder: Folder with train, valid, test (the development words) and test-11, each as
            `.source`, `.target` and, with features, `.features`.
        words: Number of words by split.
        has_features: Whether there are features.
    """

    folder: pathlib.Path
    words: dict
    has_features: bool


def write_words(source, language, folder):
    """Writes the words of a language to files of tokens; returns `Words`."""
    folder.mkdir(parents=True, exist_ok=True)
    has_features = (source / f"{language}.trn.tsv.gz").exists()
    counts = {}
    for name, split in (("train", "train"), ("valid", "dev"), ("test", "dev")):
        if has_features:
            split = {"train": "trn"}.get(split, split)
            with gzip.open(source / f"{language}.{split}.tsv.gz", "rt", encoding="utf-8") as file:
                rows = [line.rstrip("\n").split("\t") for line in file]
            columns = {
                "source": [_letters(lemma) for lemma, _, _ in rows],
                "features": [features.replace(";", " ") for _, features, _ in rows],
                "target": [_letters(form) for _, _, form in rows],
            }
        else:
            path = source / split / f"{language}_{split}.tsv"
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [line.split("\t") for line in lines]
            columns = {
                "source": [_letters(word) for word, _ in rows],
                "target": [phones for _, phones in rows],
            }
        counts[name] = len(rows)
        for side, lines in columns.items():
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{name}.{side}").write_text(text, encoding="utf-8")
            if name == "test":
                (folder / f"test-{LONGER}.{side}").write_text(text * LONGER, encoding="utf-8")
    return Words(folder, counts, has_features)


def _letters(word):
    """The letters of a word with spaces between them."""
    return " ".join(SPACE if letter == " " else letter for letter in word)


class WordSystem:
    """A system to measure; it trains and decodes in processes of its own.

    Args:
        data: `Words`.
        work: Folder for its files.
    """

    name = None

    def __init__(self, data, work):
        self.data = data
        self.folder = work / self.name.replace(" ", "-")

    def run_folder(self, seed):
        """The folder of a training."""
        return self.folder / f"seed-{seed}"

    def learn(self, seed, epochs):
        """Trains; returns the figures of each epoch, a list of dicts."""
        folder = self.run_folder(seed)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "epochs.jsonl"
        if not log.exists():
            lines = run_command(self.training_command(folder, seed, epochs)).splitlines()
            log.write_text("\n".join(line for line in lines if line.startswith('{"epoch"')) + "\n")
        return [json.loads(line) for line in log.read_text().splitlines()]

    def measure_decoding(self, seed):
        """Words per second with greedy search, without start-up."""
        short, long = (
            self.read_seconds(run_command(self.decoding_command(self.run_folder(seed), name)))
            for name in ("test", f"test-{LONGER}")
        )
        return (LONGER - 1) * self.data.words["test"] / (long - short)

    def read_seconds(self, output):
        """The time that a decoding process reports."""
        lines = (line for line in output.splitlines() if line.startswith('{"seconds"'))
        return json.loads(next(lines))["seconds"]

    def training_command(self, folder, seed, epochs):
        """The command that trains."""
        raise NotImplementedError

    def decoding_command(self, folder, name):
        """The command that decodes a split."""
        raise NotImplementedError


class Kseq(WordSystem):
    """kseq with its defaults."""

    name = "kseq"

    def training_command(self, folder, seed, epochs):
        """See `WordSystem`."""
        settings = {
            **SETTINGS,
            "cell": "lstm",
            "epochs": epochs,
            "patience": epochs,
            "seed": seed,
            "source_tokenizer": "space",
            "target_tokenizer": "space",
            "normalization": "none",
            "minimum_frequency": 1,
            "decoded_pairs": self.data.words["valid"],
            "monitor": "val_exact_match",
        }
        if self.data.has_features:
            settings |= {"features": "tokens", "feature_separator": " "}
        words = [f"{name}={value}" for name, value in settings.items()]
        return self._program("learn", folder, json.dumps(words))

    def decoding_command(self, folder, name):
        """See `WordSystem`."""
        return self._program("translate", folder, name, "1", "float32")

    def read_seconds(self, output):
        """See `WordSystem`."""
        return float(output.split("seconds: ")[1].split()[0])

    def _program(self, verb, folder, *arguments):
        script = HERE / "peers_kseq.py"
        return [sys.executable, script, self.data.folder, verb, folder / "run", *arguments]


class KseqForLonger(Kseq):
    """kseq with more epochs."""

    name = "kseq, three times the epochs"


class PlainLoop(WordSystem):
    """A model in PyTorch as tutorials write it: see peers_pytorch.py."""

    name = "plain PyTorch loop"

    def training_command(self, folder, seed, epochs):
        """See `WordSystem`."""
        settings = {**SETTINGS, "seed": seed, "epochs": epochs}
        (folder / "settings.json").write_text(json.dumps(settings))
        return self._program("learn", folder)

    def decoding_command(self, folder, name):
        """See `WordSystem`."""
        return self._program("decode", folder, name)

    def _program(self, verb, folder, *arguments):
        python = python_of("Yoyodyne", self.folder.parent.parent)
        return [python, HERE / "peers_pytorch.py", verb, self.data.folder, folder, *arguments]


class Yoyodyne(WordSystem):
    """Yoyodyne 0.5 on PyTorch, soft attention LSTM; its validation is by teacher forcing."""

    name = "Yoyodyne"

    def training_command(self, folder, seed, epochs):
        """See `WordSystem`."""
        for name in ("train", "valid", "test", f"test-{LONGER}"):
            self._write_table(folder, name)
        settings = self._settings(folder, seed, epochs)
        (folder / "settings.json").write_text(json.dumps(settings, indent=1))
        return self._program("fit", folder)

    def decoding_command(self, folder, name):
        """See `WordSystem`."""
        return [
            *self._program("predict", folder),
            *("--ckpt_path", folder / "weights.ckpt"),
            *("--data.predict", folder / f"{name}.tsv"),
            *("--prediction.path", folder / "outputs"),
        ]

    def _program(self, verb, folder):
        python = python_of("Yoyodyne", self.folder.parent.parent)
        return [python, HERE / "peers_yoyodyne.py", verb, "--config", folder / "settings.json"]

    def _write_table(self, folder, name):
        sides = ("source", "features", "target") if self.data.has_features else ("source", "target")
        columns = [
            (self.data.folder / f"{name}.{side}").read_text(encoding="utf-8").splitlines()
            for side in sides
        ]
        lines = ["\t".join(row) for row in zip(*columns)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _settings(self, folder, seed, epochs):
        sizes = {
            "dropout": SETTINGS["dropout"],
            "embedding_size": SETTINGS["embedding_dim"],
            "hidden_size": SETTINGS["units"] // 2,
        }
        encoder = {"class_path": "yoyodyne.models.modules.LSTMEncoder", "init_args": sizes}
        model = {
            "source_encoder": encoder,
            "decoder_dropout": SETTINGS["dropout"],
            "decoder_hidden_size": SETTINGS["units"],
            "embedding_size": SETTINGS["embedding_dim"],
            "label_smoothing": SETTINGS["label_smoothing"],
            "optimizer": {
                "class_path": "yoyodyne.optimizers.Adam",
                "init_args": {"lr": SETTINGS["learning_rate"]},
            },
        }
        columns = {"target_col": 2}
        if self.data.has_features:
            model["features_encoder"] = encoder
            columns = {"features_col": 2, "target_col": 3}
        return {
            "seed_everything": seed,
            "trainer": {
                "accelerator": "cpu",
                "max_epochs": epochs,
                "enable_progress_bar": False,
                "logger": False,
                "callbacks": [{"class_path": "peers_yoyodyne.Clock"}],
            },
            "model": {
                "class_path": "yoyodyne.models.SoftAttentionLSTMModel",
                "init_args": model,
            },
            "checkpoint": {
                "dirpath": str(folder),
                "filename": "weights",
                "enable_version_counter": False,
            },
            "data": {
                "model_dir": str(folder),
                "train": str(folder / "train.tsv"),
                "val": str(folder / "valid.tsv"),
                "source_sep": " ",
                "features_sep": " ",
                "target_sep": " ",
                "batch_size": SETTINGS["batch_size"],
                **columns,
            },
        }
