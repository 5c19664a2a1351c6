"""Corpora that a user has trained on are opened again; those of strangers never are."""

import json
import os

import pytest

from kseq import load_corpus
from kseq.runs.known_corpora import name_corpus, recall_corpus, remember_corpus


@pytest.fixture
def files(tmp_path):
    """A training file and a test file."""
    for name in ("train.tsv", "test.tsv"):
        lines = (f"{name} {n % 9}\tx{n % 7}\n" for n in range(60))
        (tmp_path / name).write_text("".join(lines))
    return tmp_path / "train.tsv", tmp_path / "test.tsv"


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The folder of the user in which corpora are remembered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_corpus_is_remembered_without_its_paths(files, state, tmp_path):
    train, test = files
    corpus = load_corpus(train, test=test, swap=True)
    description = remember_corpus(corpus)
    assert str(tmp_path) not in json.dumps(description)
    assert remember_corpus(corpus) == description
    assert len([path for path in state.rglob("*") if path.is_file()]) == 1
    assert recall_corpus(description).origin == corpus.origin


def test_a_corpus_is_named_without_folders_where_it_is_known(files, state, tmp_path, monkeypatch):
    train, test = files
    description = remember_corpus(load_corpus(train, test=test))
    assert name_corpus(description) == "train.tsv"
    assert name_corpus(remember_corpus(load_corpus("dates"))) == "dates"
    two, three = (remember_corpus(load_corpus(train, test, *more)) for more in ([], [train]))
    assert name_corpus(two) == "train.tsv + test.tsv"
    assert name_corpus(three) == "train.tsv + 2 more"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of-someone-else"))
    assert name_corpus(description) is None and name_corpus(None) is None
    # Older runs had paths; those of a stranger may hold anything.
    assert name_corpus({"train": ["/home/ada/a.tsv", ["/home/ada/b.tsv", 3], 5]}) == "a.tsv + b.tsv"
    assert name_corpus({"train": 3}) is None and name_corpus({"train": [3, []]}) is None


def test_an_embedded_corpus_is_remembered_by_its_name(state):
    description = remember_corpus(load_corpus("dates"))
    assert description["train"] == ["dates"]
    assert recall_corpus(description).name == "dates"
    assert not state.exists()


def test_paths_of_a_stranger_are_never_opened(files, state):
    """Nor are names that lead out of the folder of remembered corpora."""
    origin = load_corpus(files[0]).origin
    os.makedirs(state / "kseq" / "corpora")
    (state / "kseq" / "origin.json").write_text(json.dumps(origin))
    for description in (
        origin,
        {"train": ["en-fr", str(files[0])]},
        {"key": "../origin"},
        {"key": str(state / "kseq" / "origin")},
        {"key": "0" * 32},
        {"key": ["0" * 32]},
        {"key": origin},
    ):
        assert recall_corpus(description) is None


def test_a_changed_file_of_remembered_corpora_is_not_used(files, state):
    description = remember_corpus(load_corpus(files[0]))
    (path,) = (path for path in state.rglob("*") if path.is_file())
    path.write_text(path.read_text().replace("train.tsv", "other.tsv"))
    assert recall_corpus(description) is None
    path.write_bytes(b"\xff")
    assert recall_corpus(description) is None


def test_training_needs_no_folder_for_remembered_corpora(files, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    assert remember_corpus(load_corpus(files[0])) is None
