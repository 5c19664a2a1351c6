"""What the code of a document needs before it runs: files, runs, and names in Python.

A page names them in a comment, `<!-- tests: needs pairs.tsv runs/en-fr translator -->`. What has a
suffix or a folder is made in the folder of the page; other words are names in its Python
namespace. `translator=values_translator` makes a fixture with the name of another one.
"""

import csv
import gzip
import json
import pathlib
import shutil
import wave
import zipfile

import numpy as np
from conftest import ROOT
from untrained import untrained_translator, write_run

SETTINGS = ["units=16", "embedding_dim=8", "epochs=1", "batch_size=32", "warmup_steps=0"]
TRANSFORMER = ["architecture=transformer", "heads=8", "encoder_layers=2", "decoder_layers=2"]
PAIRS = 160  # of each embedded corpus
SENTENCES = ["The red car is old.", "I eat.", "He does not see them."]


class DocumentFixtures:
    """Makes the fixtures of one page.

    Args:
        folder: Folder in which the code of the page runs.
        request: `pytest.FixtureRequest`, for the session's trained run.
    """

    def __init__(self, folder, request):
        self.folder = folder
        self._request = request

    def make(self, needs):
        """Makes what a page needs; returns the names of its namespace."""
        import keras
        import tensorflow as tf

        import kseq

        names = {"kseq": kseq, "keras": keras, "np": np, "tf": tf}
        for need in needs:
            name, _, kind = need.partition("=")
            if "/" in name or "." in name:
                self.make_file(self.folder / name, kind or name)
            else:
                names[name] = self.make_value(kind or name)
        return names

    def make_file(self, path, name):
        """Makes a file, a run, or a folder of files, by the name of its fixture."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "runs/fr-en":
            english, french = (
                codec.vocabulary[4:] for codec in self.make_value("translator").codecs.sides
            )
            write_run(untrained_translator([], french, english), path)
        elif path.parent.name == "runs":
            shutil.copytree(self._request.getfixturevalue("small_run"), path)
        elif name in _FILES:
            _FILES[name](path)
        elif path.suffix == ".tsv":
            write_rows(path, english_french())
        elif path.suffix == ".txt":
            path.write_text("".join(f"{text}\n" for text in SENTENCES))
        else:
            raise LookupError(f"tests/document_fixtures.py cannot make {name}")

    def make_value(self, name):
        """Makes a value of the namespace, by its name."""
        import kseq

        if name in ("gru", "lstm"):
            name = "translator"
        if name in ("translator", "values_translator"):
            return self._request.getfixturevalue(name)
        values = {
            "corpus": lambda: kseq.load_corpus("en-fr"),
            "config": lambda: kseq.load_corpus("en-fr").config,
            "texts": lambda: SENTENCES,
            "sentences": lambda: SENTENCES,
            "lines": lambda: [english for english, _ in english_french()],
            "conversations": lambda: [list(pair) for pair in english_french()],
            "pairs": lambda: english_french()[:5],
            "results": lambda: self.make_value("translator").translate(SENTENCES),
            "result": lambda: self.make_value("translator").translate(SENTENCES[:1])[0],
            "transformer": lambda: untrained_translator(TRANSFORMER, ["I", "eat"], ["Je", "mange"]),
            "signal": lambda: np.random.default_rng(0).normal(size=(12, 2)).astype("float32"),
            "samples": lambda: np.sin(np.arange(1600) / 5).astype("float32"),
            **SERIES,
        }
        if name not in values:
            raise LookupError(f"tests/document_fixtures.py cannot make {name}")
        return values[name]()


def write_embedded_corpora(folder):
    """Writes small copies of the embedded corpora, with settings of a small model."""
    import kseq

    for source in (ROOT / "data").glob("*/train.tsv"):
        copy = folder / source.parent.name
        copy.mkdir(parents=True)
        for path in source.parent.iterdir():
            if path.suffix in (".tsv", ".align"):
                count = PAIRS if path.stem == "train" else 20
                (copy / path.name).write_text("".join(first_lines(path, count)), "utf-8")
        (copy / "config.yaml").write_text(kseq.Config().with_settings(SETTINGS).dumps())
    return folder


def first_lines(path, count):
    """The first lines of a file, line ends included."""
    with open(path, encoding="utf-8") as lines:
        return [line for line, _ in zip(lines, range(count))]


def english_french(count=PAIRS):
    """Pairs of the embedded corpus."""
    lines = first_lines(ROOT / "data/en-fr/train.tsv", count)
    return [tuple(line.rstrip("\n").split("\t")) for line in lines]


def write_rows(path, rows):
    """Writes rows of a table, separated by tabs; compressed if the name ends in .gz."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def inflections(count=60):
    """Lemma, features and inflected form of made-up verbs."""
    endings = {"V;PST;3;SG": "te", "V;PST;1;PL": "ten"}
    stems = [first + second for first in "bdfgklmnst" for second in ("eh", "ieg", "ag")]
    rows = [
        (f"{stem}en", tags, stem + ending) for stem in stems for tags, ending in endings.items()
    ]
    return rows[:count]


def spelling(count=PAIRS):
    """Words and their phones, separated by spaces."""
    letters = "abdefghiklmnoprstuv"
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(letters), 4)) for _ in range(count)]
    return [(word, " ".join(word)) for word in words]


def write_sides(folder, pairs, *names):
    """Writes line-aligned files, one of each side."""
    for side, name in enumerate(names):
        write_rows(folder / name, [(pair[side],) for pair in pairs])


def write_split(languages, *splits):
    """A function that writes the line-aligned files of several splits, `SPLIT.LANGUAGE.gz`."""

    def write(path):
        for number, split in enumerate(splits):
            pairs = english_french(PAIRS if split == "train" else 20)
            names = [f"{split}.{language}.gz" for language in languages]
            write_sides(path.parent, pairs[number:], *names)

    return write


def write_tatoeba(path):
    """Writes an archive as Tatoeba's: English, another language, the licence."""
    rows = "".join(f"{english}\t{other}\tCC-BY\n" for english, other in english_french())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_about.txt", "about\n")
        archive.writestr(f"{path.name[:3]}.txt", rows)


def write_dictionary(path):
    rows = [f"{word} {phones.upper()}\n" for word, phones in spelling()]
    with gzip.open(path, "wt") as file:
        file.writelines(rows)


def write_parts(path):
    """Writes a corpus in several files of pairs: `parts/1.tsv` and `parts/2.tsv`."""
    path.mkdir()
    for number in range(2):
        write_rows(path / f"{number}.tsv", english_french()[number::2])


def write_language(path):
    """Writes one side in two files: `de/1.gz` and `de/2.gz`."""
    path.mkdir()
    for number in range(2):
        side = int(path.name == "de")
        write_rows(path / f"{number}.gz", [(pair[side],) for pair in english_french()[number::2]])


def write_columns(path):
    """Writes four columns, with the English in the second one and the French in the fourth."""
    rows = [(str(n), pair[0], "x", pair[1]) for n, pair in enumerate(english_french())]
    write_rows(path, rows)


def write_csv(path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("english", "french"), *english_french()])


def write_json_lines(path):
    lines = (
        json.dumps({"translation": {"en": english, "fr": french}})
        for english, french in english_french()
    )
    path.write_text("\n".join(lines) + "\n")


def write_sensors(path):
    """Writes real-valued sources, and an index of them with their texts."""
    random = np.random.default_rng(0)
    events, rows = ["pump", "valve", "door", "fan"], []
    for number in range(1, 41):
        happened = random.integers(0, 4, 2)
        steps = np.repeat(np.eye(4)[happened], 8, axis=0) + 0.1 * random.normal(size=(16, 4))
        name = f"sensors/{number:04}.npy"
        write_array(path.parent / name, steps.astype("float32"))
        rows.append((name, " ".join(events[event] for event in happened)))
    write_rows(path, rows)


def write_recordings(path):
    """Writes recordings of one or two tones, and an index of them with the names of the tones."""
    rows = []
    for number in range(1, 31):
        tones = [number % 3] * (1 + number % 2)
        name = f"recordings/{number:04}.wav"
        (path.parent / "recordings").mkdir(exist_ok=True)
        write_tones(path.parent / name, tones)
        rows.append((name, " ".join(("one", "two", "three")[tone] for tone in tones)))
    write_rows(path, rows)


def write_tones(path, tones=(0,)):
    """Writes a recording of a quarter of a second for each tone."""
    times = np.arange(2000) / 8000
    waves = [np.sin(2 * np.pi * 400 * (tone + 1) * times) for tone in tones]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((10_000 * np.concatenate(waves)).astype("<i2").tobytes())


def make_series(count=60):
    """Waves and whether they go on above zero, with covariates, as lists of arrays by name."""
    waves = np.sin(np.arange(20) / 2 + np.arange(count)[:, None])[:, :, None].astype("float32")
    series = {
        "sources": list(waves[:, :12]),
        "targets": list((waves[:, 12:] > 0).astype("float32")),
        "calendar": [np.eye(8, 3, -shift % 3).astype("float32") for shift in range(count)],
    }
    series |= {f"valid_{name}": arrays[:10] for name, arrays in series.items()}
    names = {"source": "sources", "target": "targets", "covariates": "calendar"}
    return series | {one: series[several][0] for one, several in names.items()}


SERIES = {name: (lambda name=name: make_series()[name]) for name in make_series(1)}


def write_waves(path, *others):
    """Writes an index of pairs of real values, or with others, such as covariates."""
    rows, series = [], make_series()
    for number, arrays in enumerate(
        zip(series["sources"], series["targets"], *(series[name] for name in others))
    ):
        names = [f"waves/{number}.{column}.npy" for column in range(len(arrays))]
        for name, array in zip(names, arrays):
            write_array(path.parent / name, array)
        rows.append(names)
    write_rows(path, rows)


def write_array(path, array):
    path.parent.mkdir(exist_ok=True)
    np.save(path, array)


def write_conversations(path):
    """Writes conversations of three turns."""
    turns = [english for english, _ in english_french()]
    parts = ["\n".join(turns[start : start + 3]) for start in range(0, len(turns), 3)]
    path.write_text("\n\n".join(parts) + "\n")


def write_vectors(path):
    """Writes word vectors as GloVe's."""
    words = sorted({word for pair in english_french() for word in pair[0].lower().split()})
    random = np.random.default_rng(0)
    rows = [(word, *(f"{value:.4f}" for value in random.normal(size=300))) for word in words]
    path.write_text("".join(" ".join(row) + "\n" for row in rows))


_FILES = {
    "parts": write_parts,
    "de/": write_language,
    "en/": write_language,
    "parts/": write_parts,
    "train.de.gz": write_split(("de", "en"), "train", "val", "test"),
    "train.fr.gz": write_split(("fr", "en"), "train", "val"),
    "data/train.de.gz": write_split(("de", "en"), "train", "val", "test_2016_flickr"),
    "test.de.gz": write_split(("de", "en"), "test"),
    "spa-eng.zip": write_tatoeba,
    "data/spa-eng.zip": write_tatoeba,
    "cmudict.dict.gz": write_dictionary,
    "sentences.tsv": write_columns,
    "sentences.csv": write_csv,
    "pairs.jsonl": write_json_lines,
    "inflections.tsv": lambda path: write_rows(path, inflections()),
    "deu.trn.tsv": lambda path: write_rows(path, inflections()),
    "deu.dev.tsv": lambda path: write_rows(path, inflections(10)),
    "data/deu.trn.tsv.gz": lambda path: [
        write_rows(path.with_name(f"deu.{split}.tsv.gz"), inflections()[start:])
        for split, start in (("trn", 0), ("dev", 20), ("tst", 40))
    ],
    "data/train/ice_train.tsv": lambda path: [
        write_rows(path.parents[1] / split / f"ice_{split}.tsv", spelling()[start:])
        for split, start in (("train", 0), ("dev", 100), ("test", 120))
    ],
    "ice.tsv": lambda path: write_rows(path, spelling()),
    "sensors.tsv": write_sensors,
    "recordings.tsv": write_recordings,
    "one.wav": write_tones,
    "two.wav": write_tones,
    "waves.tsv": write_waves,
    "forecast.tsv": lambda path: write_waves(path, "calendar"),
    "load.npy": lambda path: write_array(path, make_series()["source"]),
    "covariates.npy": lambda path: write_array(path, make_series()["covariates"]),
    "poems.txt": lambda path: write_rows(path, [pair[:1] for pair in english_french()]),
    "dialogues.txt": write_conversations,
    "glove.6B.300d.txt": write_vectors,
    "lemmas.txt": lambda path: write_rows(path, [("gehen",), ("sehen",)]),
    "tags.txt": lambda path: write_rows(path, [("V;PST;3;SG",), ("V;PST;1;PL",)]),
    "names.tsv": lambda path: write_rows(path, [("Thomas", "Thomas")]),
    "space.yaml": lambda path: path.write_text("units: [8, 16]\ndropout: [0.0, 0.2]\n"),
    "settings.yaml": lambda path: path.write_text("training: {epochs: 1}\n"),
    ".venv/bin/activate": pathlib.Path.touch,
}
