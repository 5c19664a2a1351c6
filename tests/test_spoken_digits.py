"""The example of spoken digits: its recordings, and its message without espeak-ng."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, load_example

from kseq.corpora.recordings import read_recording

SCRIPT = ROOT / "examples" / "spoken_digits.py"
RATE = 22050
SIZES = {"train": 6, "valid": 2, "test": 3}

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is missing: apt install espeak-ng"
)


@pytest.fixture(scope="module")
def example():
    return load_example("spoken_digits")


@pytest.fixture(scope="module")
def folder(example, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken") / "corpus"
    example.make_corpus(folder, 1, SIZES)
    return folder


def read_files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_split(folder, split):
    lines = (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def test_a_recording_is_written_as_kseq_reads_it(example, tmp_path):
    samples = np.array([0.0, 0.5, -0.5, 2.0, -2.0])
    example.write_recording(tmp_path / "a.wav", samples, RATE)
    recording = read_recording(tmp_path / "a.wav")
    assert recording.sample_rate == RATE
    np.testing.assert_allclose(recording.samples, np.clip(samples, -1, 1), atol=1e-4)


@needs_espeak
def test_numbers_are_spoken_digit_by_digit(example):
    short, rate = example.speak("31", "en-us+f2", 200, 50, 0)
    long, _ = example.speak("314159", "en-us+f2", 200, 50, 0)
    slow, _ = example.speak("31", "en-us+f2", 100, 50, 0)
    assert rate >= 16_000
    assert short.dtype == np.float32
    assert 0.1 < np.abs(short).max() <= 1
    assert 2 < len(long) / len(short) < 4
    assert len(slow) > 1.5 * len(short)


@needs_espeak
def test_no_number_is_spoken_twice(folder):
    targets = [target for split in SIZES for _, target in read_split(folder, split)]
    assert len(set(targets)) == len(targets) == sum(SIZES.values())
    for target in targets:
        digits = target.split(" ")
        assert 3 <= len(digits) <= 7
        assert all(len(digit) == 1 and digit.isdecimal() for digit in digits)


@needs_espeak
def test_every_line_has_its_own_recording(folder):
    names = []
    for split, size in SIZES.items():
        pairs = read_split(folder, split)
        assert len(pairs) == size
        for name, target in pairs:
            recording = read_recording(folder / name)
            assert 0.1 < np.abs(recording.samples).max() <= 1
            # A digit takes from a tenth of a second to two thirds, silence and gaps included.
            assert 0.1 < recording.seconds / len(target.split()) < 0.67
            names.append(name)
    assert sorted(names) == sorted(set(read_files(folder)) - {f"{split}.tsv" for split in SIZES})


@needs_espeak
def test_the_seed_determines_the_corpus(example, folder, tmp_path):
    example.make_corpus(tmp_path / "again", 1, SIZES)
    example.make_corpus(tmp_path / "other", 2, SIZES)
    assert read_files(tmp_path / "again") == read_files(folder)
    assert read_split(tmp_path / "other", "train") != read_split(folder, "train")


@needs_espeak
def test_a_failure_leaves_the_old_corpus_unchanged(example, tmp_path, monkeypatch):
    place = tmp_path / "corpus"
    example.make_corpus(place, 1, SIZES)
    before = read_files(place)
    monkeypatch.setattr(example, "write_recording", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        example.make_corpus(place, 2, SIZES)
    assert read_files(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_only_a_corpus_of_spoken_digits_is_replaced(example, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="is not a corpus of spoken digits"):
        example.make_corpus(tmp_path, 1, SIZES)
    assert (tmp_path / "thesis.txt").exists()


def test_a_missing_espeak_ng_is_reported(tmp_path):
    process = subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=tmp_path,
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.count("\n") == 1
    assert process.stdout.startswith("skipped: ")
    assert "apt install espeak-ng" in process.stdout
    assert not list(tmp_path.iterdir())
