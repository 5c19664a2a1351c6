"""Tables whose columns are not what they seem, and the command that fixes it."""

import warnings

import pytest

from kseq import Pairs, inspect
from kseq.corpora.doubts import DoubtfulColumnsWarning


def doubts(path, columns=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Pairs.open(open_files(path, columns))
    return [str(warning.message) for warning in caught]


def open_files(path, columns):
    from kseq.corpora.pair_files import PairFiles

    return PairFiles(path, columns)


@pytest.mark.parametrize(
    "name, reason, options",
    [
        ("header.tsv", "header (english, french)", "--columns english french"),
        ("pandas_index.tsv", "header (source, target)", "--columns source target"),
        ("tatoeba_ids.tsv", "only distinct numbers", "--columns 2 4 (columns=(2, 4))"),
        ("excel_quoted.tsv", "its fields are in quotes, as spreadsheets", ""),
    ],
)
def test_files_from_the_field_are_doubted_and_the_right_columns_named(
    shared_data, name, reason, options
):
    (message,) = doubts(shared_data / "field" / name)
    assert reason in message and options in message


def test_the_named_columns_are_read_without_doubt(shared_data):
    tables = shared_data / "field"
    expected = list(Pairs(open_files(tables / "header.tsv", ("english", "french"))))
    assert len(expected) == 400
    for name, columns in (("pandas_index", ("source", "target")), ("tatoeba_ids", (2, 4))):
        assert doubts(tables / f"{name}.tsv", columns) == []
        assert list(Pairs(open_files(tables / f"{name}.tsv", columns))) == expected


@pytest.mark.parametrize(
    "rows, reason",
    [
        ([("English", "Chinese"), *[("good", "好")] * 30], "header (English, Chinese)"),
        ([("Hello", "Mandarin text"), *[("good", "好")] * 30], "header"),
        ([("my_source", "my_target"), *[("good", "bon")] * 5], "header"),
        ([("number", "word"), *[(str(n), "word") for n in range(5)]], "header"),
        ([(str(n), "word") for n in range(5)], "only distinct numbers"),
        ([*[(str(n), "eng", "word") for n in range(30)], ("short",)], "only distinct numbers"),
    ],
)
def test_a_first_line_or_a_column_of_another_kind_is_doubted(tmp_path, rows, reason):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    assert any(reason in message for message in doubts(path))


def test_a_column_that_never_changes_is_not_recommended(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{n}\teng\tword {n}\tmot {n}\n" for n in range(5)))
    [message] = doubts(path)
    assert message.endswith("--columns 3 4 (columns=(3, 4))")


@pytest.mark.parametrize(
    "rows",
    [
        [("Go.", "Va !"), ("Run!", "Cours !"), ("Fire!", "Au feu !"), ("Help!", "À l'aide !")],
        [("OK", "好")] * 3 + [("good", "很好 OK")] * 30,
        [("3", "three"), ("4", "four"), ("3", "trois"), ("5", "five")],
        [("source", "Quelle")] + [("word", "Wort")] * 5,
    ],
)
def test_ordinary_pairs_are_not_doubted(tmp_path, rows):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    assert doubts(path) == []


def test_inspecting_warns_as_training_does(shared_data):
    with pytest.warns(DoubtfulColumnsWarning, match="use --columns 2 4"):
        inspect(shared_data / "field" / "tatoeba_ids.tsv", verbose=False)
