"""The examples of summaries and of dialogue: how they make their corpora, and what they measure."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT, load_example

TRANSLATIONS = """Package: bread
Description-md5: 1
Description-en: bakes bread
 Bread is a program that bakes bread of flour and water, and of
 nothing else, in about an hour.
 .
 It needs an oven.

Package: bread-doc
Description-md5: 2
Description-en: bakes bread (documentation)
 Bread is a program that bakes bread of flour and water, and of
 nothing else, in about an hour.
 .
 This is the documentation.

Package: short
Description-md5: 3
Description-en: too short
 A short description.

Package: untranslated
Description-md5: 4
"""
BREAD = (
    "Bread is a program that bakes bread of flour and water, and of nothing else, in about an hour."
)


@pytest.fixture(scope="module")
def summaries():
    return load_example("summaries")


@pytest.fixture(scope="module")
def dialogue():
    return load_example("dialogue")


def read_rows(folder, split):
    lines = (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines]


def test_a_description_is_kept_once_with_its_shortest_title(summaries):
    assert summaries.make_pairs(TRANSLATIONS) == {BREAD: "bakes bread"}


def test_a_description_is_in_one_split(summaries, tmp_path):
    pairs = {f"description {number}": f"title {number}" for number in range(200)}
    summaries.write_corpus(pairs, tmp_path)
    rows = {split: read_rows(tmp_path, split) for split in ("train", "valid", "test")}
    assert all(rows.values())
    assert sorted(row for split in rows.values() for row in split) == sorted(pairs.items())


def test_the_lead_is_the_first_words(summaries):
    assert summaries.lead(BREAD, 3) == "Bread is a"


def test_the_lead_has_the_length_that_is_best_on_the_validation_pairs(summaries):
    pytest.importorskip("rouge_score")
    assert summaries.best_length([(BREAD, "Bread is a program that bakes")]) == 6


def test_rouge_is_the_mean_f_measure_in_percent(summaries):
    pytest.importorskip("rouge_score")
    scores = summaries.rouge(["the cat sat", "a b"], ["the cat ran", "c d"])
    # Two of three words and one of two pairs of words agree; in the second output, nothing does.
    assert scores == pytest.approx([100 * 2 / 3 / 2, 100 * 1 / 2 / 2, 100 * 2 / 3 / 2])


def test_conversations_are_cut_at_turns_that_cannot_be_used(dialogue):
    long, first, second = "Well, " * 21, ["Hi!", "Hello."], ["How are you?", "Fine.", "Good."]
    conversations = [[*first, "...", *second], first, [long, "Yes"], ["Alone"], [*second, long]]
    assert list(dialogue.cut(conversations)) == [tuple(first), tuple(second)]


def test_both_packages_are_read(dialogue, tmp_path):
    english = tmp_path / "data" / "english"
    english.mkdir(parents=True)
    (english / "talk.yml").write_text(
        "conversations:\n- - Hello\n  - 'yes,\n    hi'\n- - 1\n  - 2\n"
    )
    assert list(dialogue.read_chatterbot(tmp_path)) == [["Hello", "yes, hi"], ["1", "2"]]
    messages = [[{"text": "a\tb"}, {"text": "c"}], [{"text": "d"}]]
    (tmp_path / "dataset.json").write_text(json.dumps({"id": {"messages": messages}}))
    assert list(dialogue.read_chitchat(tmp_path)) == [["a b c", "d"]]


def test_variety_counts_different_n_grams(dialogue):
    replies = ["a b a b", "A b!"]
    assert dialogue.distinct(replies, 1) == 2 / 6
    assert dialogue.distinct(replies, 2) == 2 / 4  # a b, b a, a b; a b
    assert dialogue.distinct(["", "?"], 1) == 0
    assert "empty 50.0%" in dialogue.describe(["", "a"])
    assert "most frequent 66.7% (i see)" in dialogue.describe(["I see", "i see", "a"])


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("dialogue", ["--corpus", "chatterbot"], "pip install chatterbot-corpus"),
        ("summaries", ["--lists", "."], "Acquire::Languages=en update"),
    ],
)
def test_what_is_missing_is_said_in_a_line(name, arguments, message, tmp_path):
    (tmp_path / "rouge_score.py").touch()
    program = [sys.executable, ROOT / "examples" / f"{name}.py", *arguments]
    process = subprocess.run(
        program,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    if name == "dialogue" and importlib.util.find_spec("chatterbot_corpus"):
        pytest.skip("the package is installed")
    assert process.returncode == 1
    assert message in process.stderr and len(process.stderr.splitlines()) == 1
