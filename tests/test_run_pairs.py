"""The pairs that a run is measured with."""

import json
import shutil

import numpy as np
import pytest

from kseq.errors import SettingError
from kseq.runs.pairs import open_test_pairs


@pytest.fixture
def run(small_run, tmp_path):
    """A copy of a run that may be changed."""
    return shutil.copytree(small_run, tmp_path / "run")


def test_a_run_is_measured_with_the_test_split_of_its_corpus(small_run, small_corpus):
    pairs, alignments = open_test_pairs(small_run)
    assert list(pairs) == list(small_corpus.test)
    assert alignments is None


def test_named_files_take_the_place_of_the_test_split(small_run, tmp_path):
    (tmp_path / "pairs.tsv").write_text("a\tb\n")
    assert list(open_test_pairs(small_run, [tmp_path / "pairs.tsv"])[0]) == [("a", "b")]
    pairs, _ = open_test_pairs(small_run, [tmp_path / "pairs.tsv"], swap=True)
    assert list(pairs) == [("b", "a")]


def test_the_test_split_of_a_run_cannot_be_swapped(small_run):
    with pytest.raises(SettingError, match="swap is for the files of test; the run's own test"):
        open_test_pairs(small_run, swap=True)


def test_named_files_may_have_gold_alignments(small_run, tmp_path):
    (tmp_path / "pairs.tsv").write_text("a\tb\tc\n\t\n")
    (tmp_path / "gold.align").write_text("0-0\n\n")
    pairs, gold = open_test_pairs(
        small_run, [tmp_path / "pairs.tsv"], tmp_path / "gold.align", columns=(3, 1)
    )
    assert list(pairs) == [("c", "a")] and list(gold) == [{(0, 0)}, set()]
    with pytest.raises(SettingError, match="alignments is for the files of test"):
        open_test_pairs(small_run, alignments=tmp_path / "gold.align")


def test_a_run_keeps_its_test_split_when_it_is_moved(run, small_corpus):
    assert list(open_test_pairs(run)[0]) == list(small_corpus.test)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_run_without_a_known_corpus_needs_files(run, small_files, is_known):
    """The corpus is unknown, or a stranger has named files that exist."""
    splits = {name: [str(small_files / f"{name}.tsv")] for name in ("train", "valid", "test")}
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"corpus": splits if is_known else None}))
    message = "test must name files of pairs, such as test.tsv: no test pairs are known for .*run"
    with pytest.raises(SettingError, match=message):
        open_test_pairs(run)


def test_pairs_of_a_different_kind_than_in_training_are_rejected(small_run, tmp_path):
    np.save(tmp_path / "values.npy", np.zeros([2, 3]))
    (tmp_path / "index.tsv").write_text("values.npy\ta\n")
    message = "expected text and text, as in the training of the run; received 3 values per step"
    with pytest.raises(ValueError, match=message):
        open_test_pairs(small_run, [tmp_path / "index.tsv"])
