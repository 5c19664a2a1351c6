"""Rows of tables, as spreadsheets and programs write them."""

import csv
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kseq.corpora.columns import check_columns
from kseq.corpora.lines import FaultyLineError
from kseq.corpora.tables import is_quoted, read_pairs, scan_pairs


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def pairs(path, columns=None):
    return [pair for _, pair in read_pairs(path, columns)]


def test_columns_of_a_blank_line_are_empty_and_a_single_column_is_a_fault(tmp_path):
    path = write(tmp_path / "pairs.tsv", "a\tb\n\n \nc\td\te\n\t\n")
    expected = [("a", "b"), ("", ""), ("", ""), ("c", "d"), ("", "")]
    assert list(read_pairs(path)) == list(enumerate(expected, start=1))
    write(path, "a\tb\n" + "x" * 100 + "\nc\td\n")
    first, fault, last = [pair for _, pair in scan_pairs(path)]
    assert (first, last) == (("a", "b"), ("c", "d"))
    with pytest.raises(ValueError, match=r"pairs.tsv, line 2: expected source, tab.*'x{59}…'$"):
        raise fault


def test_columns_are_chosen_by_number_or_by_name(tmp_path):
    path = write(tmp_path / "pairs.tsv", "id\ten\tno\tfr\n1\tone\tx\tun\n2\ttwo\tx\tdeux\n")
    by_name = [("one", "un"), ("two", "deux")]
    assert pairs(path, check_columns(["en", "fr"])) == by_name
    assert pairs(path, check_columns([2, 4])) == [("en", "fr"), *by_name]
    assert pairs(path, check_columns(("4", "2")))[1] == ("un", "one")
    path.write_text("a\tb\tc\n")
    with pytest.raises(ValueError, match="line 1: expected at least 4 columns; received 3 columns"):
        pairs(path, (2, 4))
    with pytest.raises(ValueError, match="columns must name what .*pairs.tsv has: 'a, b, c'"):
        pairs(path, ("a", "d"))


@pytest.mark.parametrize("columns", ["12", [1], [1, 1], [0, 1], ["a", 2], [1.0, 2], [1, 2, 3]])
def test_other_choices_of_columns_are_errors(columns):
    with pytest.raises(ValueError, match="columns must be two different columns, source and"):
        check_columns(columns)


FIELDS = st.text(st.sampled_from("ab,;\t\"' \nß"), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1), st.sampled_from(",;\t"))
def test_what_a_csv_writer_wrote_is_read_again(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.getbasetemp() / "pairs.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow(("first", "second"))
        writer.writerows(rows)
    expected = [tuple(side.replace("\n", " ") for side in row) for row in rows]
    assert pairs(path, ("first", "second")) == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_of_a_csv_is_the_one_that_makes_columns(tmp_path, delimiter):
    rows = [("Yes, you;", "Oui, toi;"), ("a;b;c", "d,e,f"), ("g", "h")]
    text = "".join(delimiter.join(f'"{side}"' for side in row) + "\n" for row in rows)
    assert pairs(write(tmp_path / "pairs.csv", text)) == rows


def test_a_field_in_quotes_may_go_on_in_the_next_line(tmp_path):
    path = write(tmp_path / "pairs.csv", 'a,"b\nc"\n"d ""e""",f\n')
    assert list(read_pairs(path)) == [(1, ("a", "b c")), (3, ('d "e"', "f"))]
    write(path, 'a,b\nc,"d"e\nf,g\n')
    first, fault, last = [pair for _, pair in scan_pairs(path)]
    assert isinstance(fault, FaultyLineError) and "line 2: expected fields in quotes" in str(fault)
    assert (first, last) == (("a", "b"), ("f", "g"))


@pytest.mark.parametrize(
    "following, message",
    [
        ([("e", "f")], "a field begins with a quote that is never closed"),
        (60_000 * [("e", "f")], "a field begins with a quote that is never closed"),
        ([("e", "f"), ("x, y", "z")], "expected fields in quotes as spreadsheets write them"),
    ],
    ids=["to the end", "beyond the limit of a field", "to the next quote"],
)
def test_a_quote_that_is_not_closed_costs_one_line(tmp_path, following, message):
    path = tmp_path / "pairs.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write('a,b\nc,"d\n')
        csv.writer(file, lineterminator="\n").writerows(following)
    first, (number, fault), *others = scan_pairs(path)
    assert first == (1, ("a", "b")) and number == 2
    assert f"pairs.csv, line 2: {message}" in str(fault)
    assert others == list(enumerate(following, start=3))


def test_a_character_of_invalid_utf_8_in_a_field_of_two_lines_costs_no_other_line(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes(b'a,b\nc,"d\n\xff"\ne,f\n')
    numbers, read = zip(*scan_pairs(path))
    assert numbers == (1, 2, 3, 4) and read[0] == ("a", "b") and read[3] == ("e", "f")
    assert all("line 3: not valid UTF-8" in str(fault) for fault in read[1:3])


def test_a_comma_before_a_space_separates_no_columns_if_something_else_does(tmp_path):
    path = write(tmp_path / "pairs.csv", "Yes, I do;Oui, moi\nNo, I;Non, moi\n")
    assert pairs(path) == [("Yes, I do", "Oui, moi"), ("No, I", "Non, moi")]


def test_half_a_character_is_a_fault(tmp_path):
    path = write(tmp_path / "pairs.jsonl", '{"source": "\\ud83d", "target": "x"}\n')
    [(_, fault)] = scan_pairs(path)
    assert "line 1: expected text in the field 'source'; received half a character" in str(fault)


def test_a_name_of_a_field_may_have_a_dot(tmp_path):
    path = write(tmp_path / "pairs.jsonl", '{"text.en": "a", "text": {"en": "b", "fr": "c"}}\n')
    assert pairs(path, ("text.en", "text.fr")) == [("a", "c")]


def test_a_tsv_that_a_spreadsheet_wrote_is_read_without_its_quotes(shared_data):
    path = shared_data / "field" / "excel_quoted.tsv"
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert pairs(path) == [tuple(side.replace("\n", " ") for side in row) for row in rows]


@pytest.mark.parametrize(
    "head, expected",
    [
        (['"He said ""no"""\tx'], True),
        (['a\t"b', 'c"'], True),
        (['"No," he said.\tx', '"a ""b"""\tx'], False),  # not written by a spreadsheet
        (['"Hello."\t"Bonjour."'], False),  # quotes of the text
        (['5" or 6"\tx'], False),
        (["a\tb"], False),
        (['"I am here.\tJe suis là.', "a\tb"], False),  # a quotation that is never closed
        (['"I will go.\t« J’irai.', 'You stay."\tReste. »'], False),  # over two lines
        (['A 5" pipe.\tx', '"Stop!"\t"Halte !"'], False),
        (['"a\tb"\tc'], True),
        (['"Yes\tOui"'], False),
        ([*(999 * ['"He said ""no"""\tx']), '"it goes on'], True),
    ],
)
def test_quotes_of_the_text_are_not_those_of_a_spreadsheet(head, expected):
    assert is_quoted(head) == expected


def test_json_lines_are_read_by_the_names_of_their_fields(tmp_path):
    rows = [{"source": "a\nb", "target": "ß"}, {"source": "c", "target": "d", "id": 3}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert pairs(path) == [("a\nb", "ß"), ("c", "d")]
    path = write(tmp_path / "pairs.jsonl", '{"translation": {"en": "a", "fr": "b"}}\n\n')
    assert pairs(path, ("translation.fr", "translation.en")) == [("b", "a"), ("", "")]


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "line 1: Expecting property name"),
        ('["a", "b"]', "expected an object with the field 'source'; received"),
        ('{"source": "a"}', "expected an object with the field 'target'; received"),
        ('{"source": "a", "target": null}', "expected a string in the field 'target'; received No"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_without_both_fields_is_a_fault(tmp_path, line, message):
    path = write(tmp_path / "pairs.jsonl", f'{line}\n{{"source": "a", "target": "b"}}\n')
    fault, pair = [pair for _, pair in scan_pairs(path)]
    assert message in str(fault) and pair == ("a", "b")
