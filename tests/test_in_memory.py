"""Pairs in RAM are corpora, in every form in which people have them."""

import importlib
import types

import numpy as np
import pytest
import tensorflow as tf

from kseq import Cleaning, Pairs, clean, load_corpus
from kseq.corpora.in_memory import PairsInMemory, are_names, iterate_pairs, splits_of

SOURCES = [f"source {n}" for n in range(40)]
TARGETS = [f"target {n}" for n in range(40)]
PAIRS = list(zip(SOURCES, TARGETS))
ROWS = [{"id": n, "source": s, "target": t} for n, (s, t) in enumerate(PAIRS)]


class Column(list):
    """A column of a table, like a pandas `Series`."""


class Table(types.SimpleNamespace):
    """A table with the two operations of pandas and polars that are used."""

    def __getitem__(self, name):
        return self.values[name]


TABLE = Table(
    columns=["id", "source", "target"],
    values={"id": range(40), "source": Column(SOURCES), "target": Column(TARGETS)},
)


@pytest.mark.parametrize(
    "data",
    [
        (PAIRS,),
        ([list(pair) for pair in PAIRS],),
        (np.array(PAIRS),),
        (np.array(PAIRS, object),),
        (iter(PAIRS),),
        (((source, target, "more") for source, target in PAIRS),),
        (SOURCES, TARGETS),
        (np.array(SOURCES), iter(TARGETS)),
        ({"source": SOURCES, "target": TARGETS},),
        ({"en": SOURCES, "fr": TARGETS},),
        (ROWS,),
        (iter(ROWS),),
        (TABLE,),
        (tf.data.Dataset.from_tensor_slices((SOURCES, TARGETS)),),
        (tf.data.Dataset.from_tensor_slices((SOURCES, TARGETS)).batch(7),),
        (tf.data.Dataset.from_tensor_slices({"source": SOURCES, "target": TARGETS}),),
        (Pairs(PairsInMemory(PAIRS)),),
    ],
)
def test_pairs_in_any_form_are_read_as_often_as_needed(data):
    corpus = load_corpus(*data)
    for _ in range(2):
        splits = [*corpus.train, *corpus.valid, *corpus.test]
        assert sorted(splits) == sorted(PAIRS)
        assert {type(side) for pair in splits for side in pair} == {str}
    assert corpus.origin is None


def test_columns_are_chosen_by_name_or_number():
    reverse = [(target, source) for source, target in PAIRS]
    nested = [{"translation": {"en": source, "fr": target}} for source, target in PAIRS]
    for data, columns in (
        (TABLE, ("target", "source")),
        (TABLE, (3, 2)),
        (ROWS, (3, 2)),
        (PAIRS, (2, 1)),
        (nested, ("translation.fr", "translation.en")),
    ):
        assert list(Pairs(PairsInMemory(data, columns=columns))) == reverse


def test_columns_named_source_and_target_may_be_in_any_order():
    assert list(Pairs(PairsInMemory({"target": TARGETS, "source": SOURCES}))) == PAIRS
    assert list(Pairs(PairsInMemory([{"target": "b", "source": "a"}]))) == [("a", "b")]


def test_tuples_of_pairs_and_of_lists_are_told_apart():
    """As `valid`, two lists are sources and targets, and a tuple of pairs is pairs."""
    corpus = load_corpus(PAIRS, valid=(("a", "b"), ("c", "d")), test=(["a", "b"], ["c", "d"]))
    assert list(corpus.valid) == [("a", "b"), ("c", "d")]
    assert list(corpus.test) == [("a", "c"), ("b", "d")]
    both = load_corpus(tuple(SOURCES), tuple(TARGETS))
    assert sorted([*both.train, *both.valid, *both.test]) == sorted(PAIRS)


def test_splits_are_not_pairs():
    with pytest.raises(TypeError, match=r"received splits \(train\): pass one of them, such as d"):
        list(iterate_pairs({"train": PAIRS}))


@pytest.mark.parametrize("library, table", [("pandas", "DataFrame"), ("polars", "DataFrame")])
def test_real_tables_are_read(library, table):
    module = pytest.importorskip(library)
    frame = getattr(module, table)({"en": SOURCES, "fr": TARGETS, "id": range(40)})
    assert list(Pairs(PairsInMemory(frame, columns=("en", "fr")))) == PAIRS


def test_hugging_face_datasets_are_read_with_their_splits():
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list(ROWS)
    assert list(Pairs(PairsInMemory(rows))) == PAIRS
    splits = datasets.DatasetDict({"train": rows, "validation": rows.select(range(9))})
    assert len(list(load_corpus(splits).valid)) == 9


def test_a_dict_of_splits_is_a_corpus():
    corpus = load_corpus({"train": PAIRS, "validation": PAIRS[:3], "test": ROWS[:5], "other": 1})
    assert [len(list(split)) for split in (corpus.train, corpus.valid, corpus.test)] == [40, 3, 5]
    assert list(load_corpus({"train": PAIRS}, valid=PAIRS[:2]).valid) == PAIRS[:2]
    assert splits_of(PAIRS) == splits_of({"source": SOURCES}) == {}


@pytest.mark.parametrize(
    "data, message",
    [
        ([*PAIRS, ("a", None)], r"pair 41: expected two strings, source and target; received \('a"),
        ([*PAIRS, ("a", float("nan"))], "pair 41: expected two strings, .* received .*nan"),
        ([*PAIRS, ("a",)], "pair 41: expected two strings"),
        ([*PAIRS, ("a", b"\xff")], "pair 41: expected two strings"),
        ([("a", "b"), ("a", np.zeros([3, 2]))], "pair 2: .* pass lists of arrays: load_corpus"),
        (["abc", "def"], "file not found: abc"),
        (3, "expected pairs of strings such as .* received 3; open files with kseq.load_corpus"),
        (
            {"a": SOURCES, "b": TARGETS, "c": TARGETS},
            r"name the source and target columns, two of: a, b, c; received none.*columns=\(",
        ),
        ([SOURCES, TARGETS], "received two lists of strings: pass them to kseq.load_corpus as two"),
        ([*PAIRS, ("a", "\ud83d")], "pair 41: expected two strings"),
        ((SOURCES, TARGETS[:-1]), "expected as many sources as targets; received 40 and 39"),
    ],
)
def test_what_is_not_pairs_of_strings_is_an_error(data, message):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        list(load_corpus(*data if isinstance(data, tuple) else (data,)).train)


def test_faulty_pairs_are_left_out_and_counted_on_request():
    corpus = load_corpus([("a", None), *PAIRS, ("a",)], skip_faulty=True)
    assert len([*corpus.train, *corpus.valid, *corpus.test]) == len(PAIRS)
    assert [split.faulty for split in (corpus.train, corpus.valid, corpus.test)] == [2, 0, 0]


@pytest.mark.parametrize(
    "data, expected",
    [
        (("a.tsv",), True),
        (("a b.tsv",), True),
        ((["a", "b"],), True),
        ((["de/a", "de/b"], ["en/a", "en/b"]), True),
        ((["train.de", "valid.de"], ["train.en", "valid.en"]), True),
        ((["I eat.", "You eat."], ["Je mange.", "Tu manges."]), False),
        ((["cat", "dog"], ["chat", "chien"]), False),
        ((150 * ["3.14"], 150 * ["three"]), False),
        ((["C/C=C/C", "C/C"], ["a.b.c", "x"]), False),
        ((150 * ["a.tsv"], 150 * ["a sentence"]), False),
        ((["http://x/y.html"], ["z.html"]), False),
        (([("cat", "chat"), ("dog", "chien")],), False),
        (([("a.tsv", "b.tsv")],), True),
        ((np.array(["a", "b"]), np.array(["c", "d"])), False),
        ((), True),
    ],
)
def test_strings_in_lists_are_names_only_if_they_look_like_paths(data, expected):
    assert are_names(data) == expected


def test_pairs_in_memory_are_cleaned():
    cleaned = clean(iter([("a", "b"), ("a ", "b"), ("c", "")]), Cleaning())
    assert list(cleaned) == [("a", "b")]


def test_reading_pairs_in_memory_imports_no_library_of_tables():
    assert not {"pandas", "datasets", "polars"} & set(importlib.sys.modules)


def test_splits_of_one_object_share_it_and_other_objects_do_not():
    """Only pairs of another origin are checked for sides that look swapped."""
    corpus = load_corpus(PAIRS)
    assert corpus.train.has_files_of(corpus.valid)
    assert not corpus.train.has_files_of(load_corpus(PAIRS, valid=PAIRS[:5]).valid)
