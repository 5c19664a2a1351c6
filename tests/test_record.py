"""The record of a run: nothing is lost, and damage is reported with its file and field."""

import json

import pytest

from kseq.runs.record import RunRecord

CORPUS = {"train": ["a.tsv"], "valid": None, "test": None, "swap": False, "apart": "source"}
SURVEY = {"kept": 2, "blank": 0, "overlong": 0, "length_ratio": 1.5, "tokens": 9, "shared": 0}
VALUES = {
    "kseq": "0.1.0",
    "corpus": CORPUS,
    "train": SURVEY,
    "valid": SURVEY,
    "length_ratio": 1.5,
    "parameters": 100,
    "checksums": {"source_vocabulary.txt": 1},
    "averaged": [3, 4],
    "fingerprint": 5,
    "is_finished": True,
    "command": "kseq train --train a.tsv",
    "seed": 1,
    "device": "2 CPU cores (AMD EPYC)",
    "began": "2026-11-29T19:11:00Z",
    "ended": "2026-11-29T19:12:00Z",
    "duration": 60.5,
}


def write(path, values):
    path.write_text(json.dumps(values, indent=2) + "\n")
    return path


@pytest.mark.parametrize("last", ["parameters", "checksums", "averaged", "is_finished", "duration"])
def test_a_record_is_written_unchanged(tmp_path, last):
    """Byte for byte: the fields come in the same order, and optional ones may be missing."""
    names = list(VALUES)[: list(VALUES).index(last) + 1]
    path = write(tmp_path / "run.json", {name: VALUES[name] for name in names})
    RunRecord.load(path).save(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == path.read_bytes()


def test_fields_of_a_newer_version_are_kept(tmp_path):
    path = write(tmp_path / "run.json", {**VALUES, "colour": "green"})
    record = RunRecord.load(path)
    assert record.unknown == {"colour": "green"}
    record.save(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == path.read_bytes()


def test_a_corpus_may_be_unknown(tmp_path):
    record = RunRecord.load(write(tmp_path / "run.json", {**VALUES, "corpus": None}))
    assert record.corpus is None and record.length_ratio == 1.5


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"length_ratio": 0}, "length_ratio must be greater than 0 and at .*; received 0.0"),
        ({"length_ratio": float("nan")}, "length_ratio must be greater than 0 .*; received nan"),
        ({"length_ratio": float("inf")}, "length_ratio must be .* at most 100,000; received inf"),
        ({"length_ratio": 1e300}, "length_ratio must be .* at most 100,000; received 1e"),
        ({"length_ratio": 10**400}, "length_ratio must be a number; received 1000"),
        ({"length_ratio": [1]}, r"length_ratio must be a number; received \[1\]"),
        ({"parameters": 3.5}, "parameters must be a whole number; received 3.5"),
        ({"parameters": True}, "parameters must be a whole number; received True"),
        ({"corpus": {}}, "corpus must have a key, or train, valid and test; received nothing"),
        ({"corpus": {"train": 1, "test": 2}}, "corpus must have .* received train, test"),
        ({"corpus": 3}, "corpus must be a mapping; received 3"),
        ({"corpus": ["a.tsv"]}, r"corpus must be a mapping; received \['a.tsv'\]"),
        ({"checksums": [1]}, r"checksums must be a mapping; received \[1\]"),
        ({"checksums": "1"}, "checksums must be a mapping; received '1'"),
        ({"checksums": None}, "checksums must be a mapping; received None"),
        ({"checksums": {"a": "1"}}, "the checksum of a must be a whole number"),
        ({"train": [1]}, r"train must be a mapping; received \[1\]"),
        ({"kseq": 1}, "kseq must be a string; received 1"),
        ({"averaged": 3}, "averaged must be a list; received 3"),
    ],
)
def test_a_damaged_field_is_named(tmp_path, changes, message):
    path = write(tmp_path / "run.json", {**VALUES, **changes})
    with pytest.raises(ValueError, match=f"run.json: damaged: {message}"):
        RunRecord.load(path)


@pytest.mark.parametrize("name", ["length_ratio", "parameters", "corpus"])
def test_a_missing_field_is_named(tmp_path, name):
    values = {key: value for key, value in VALUES.items() if key != name}
    with pytest.raises(ValueError, match=f"run.json: damaged: the field {name} is missing"):
        RunRecord.load(write(tmp_path / "run.json", values))


@pytest.mark.parametrize("content", [b"", b"{ not", b"3", b"\xff", b"[" * 100_000])
def test_a_file_without_a_valid_record_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match="run.json: damaged: "):
        RunRecord.load(tmp_path / "run.json")
