"""The command that a run records, and the time that its training takes."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kseq.runs.provenance import Stopwatch, add_device, current_command, recorded_command


def command(*words):
    with recorded_command(words):
        return current_command()


@pytest.mark.parametrize(
    "word, expected",
    [
        ("pairs.tsv", "pairs.tsv"),
        ("/home/ada/pairs.tsv", "pairs.tsv"),
        ("../secret/de/*.gz", "'*.gz'"),
        (r"C:\Users\ada\pairs.tsv", "pairs.tsv"),
        ("runs/mine/", "mine/"),
        ("--out=/home/ada/runs/mine", "--out=mine"),
        ("source_vectors=/home/ada/glove.txt", "source_vectors=glove.txt"),
        ("/home/ada=b/pairs.tsv", "pairs.tsv"),
        ("/home/ada\nb/pairs.tsv", "pairs.tsv"),
        ("units=64", "units=64"),
        ("learning_rate=1e-3", "learning_rate=1e-3"),
    ],
)
def test_only_the_last_part_of_a_path_is_recorded(word, expected):
    assert command("train", word) == f"kseq train {expected}"


@given(st.lists(st.text(st.sampled_from("ab/\\= '\n-."))))
def test_no_folder_is_ever_recorded_and_other_words_are_unchanged(words):
    _, *recorded = shlex.split(command(*words))
    assert len(recorded) == len(words)
    for word, kept in zip(words, recorded):
        assert "/" not in kept.rstrip("/\\") and "\\" not in kept.rstrip("/\\")
        assert kept == word or "/" in word or "\\" in word


def test_there_is_no_command_in_python():
    command("train")
    assert current_command() is None


def test_the_time_of_earlier_processes_counts():
    first, second = Stopwatch(), Stopwatch()
    state = first.get_state()
    second.set_state({"seconds": 1000.0})
    assert 0 <= state["seconds"] < 100 and 1000 <= second.seconds < 1100


def test_other_devices_of_later_processes_are_added():
    assert add_device(None, "A") == add_device("A", "A") == "A"
    assert add_device("A", "B") == add_device("A, then B", "B") == "A, then B"
    assert add_device("A, then B", "A") == "A, then B, then A"
