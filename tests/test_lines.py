"""Chunks of items, lines that are read in the background, line ends, and encodings."""

import io
import itertools
import re
import threading

import pytest

from kseq.corpora.lines import (
    BackgroundLines,
    LineEndWarning,
    NotUtf8Error,
    _decode_lines,
    chunks,
    decode_lines,
    read_lines,
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_chunks_have_the_requested_size_and_lose_nothing(count):
    lists = list(chunks(iter(range(count)), 3))
    assert list(itertools.chain(*lists)) == list(range(count))
    assert [len(chunk) for chunk in lists] == [3] * (count // 3) + [count % 3] * (count % 3 > 0)


def test_a_chunk_is_yielded_before_the_next_item_is_read():
    numbers = []
    items = (numbers.append(number) or number for number in range(5))
    lists = chunks(items, 2)
    assert next(lists) == [0, 1] and numbers == [0, 1]


def test_items_before_an_error_are_not_lost():
    def items():
        yield from "abcd"
        raise OSError("the pipe broke")

    lists = chunks(items(), 3)
    assert next(lists) == ["a", "b", "c"] and next(lists) == ["d"]
    with pytest.raises(OSError, match="the pipe broke"):
        next(lists)
    # An error after a full chunk leaves no shorter one.
    lists = chunks(items(), 4)
    assert next(lists) == ["a", "b", "c", "d"]
    with pytest.raises(OSError, match="the pipe broke"):
        next(lists)


def test_a_chunk_with_an_item_is_yielded_rather_than_wait_for_more():
    waits = iter([False, True, True, False, False])
    lists = list(chunks("abcde", 3, lambda: next(waits)))
    assert lists == [["a", "b"], ["c"], ["d", "e"]]


def test_background_lines_come_in_order_and_end():
    assert list(BackgroundLines(str(number) for number in range(10_000))) == [
        str(number) for number in range(10_000)
    ]
    assert list(BackgroundLines([])) == []


def test_background_lines_know_whether_the_next_line_has_arrived():
    is_continued, is_read = threading.Event(), threading.Event()

    def lines():
        yield "one"
        yield "two"
        is_read.set()
        assert is_continued.wait(60)
        yield "three"

    background = BackgroundLines(lines())
    assert is_read.wait(60)
    iterator = iter(background)
    assert not background.is_waiting()
    assert [next(iterator), background.is_waiting(), next(iterator)] == ["one", False, "two"]
    assert background.is_waiting()
    is_continued.set()
    assert list(iterator) == ["three"]


def test_an_error_is_raised_for_the_reader_after_the_lines_before_it():
    def lines():
        yield "one"
        raise ValueError("line 2: not valid UTF-8")

    iterator = iter(BackgroundLines(lines()))
    assert next(iterator) == "one"
    with pytest.raises(ValueError, match="line 2: not valid UTF-8"):
        next(iterator)


def test_endless_lines_fill_the_queue_and_no_more():
    """The thread stops reading when nobody takes its lines."""
    numbers, full = [], threading.Event()

    def lines():
        for number in itertools.count():
            numbers.append(number)
            if number == BackgroundLines._ROOM:
                full.set()  # The queue is full, and the thread holds one more.
            yield number

    iterator = iter(BackgroundLines(lines()))
    assert full.wait(60)
    assert len(numbers) == BackgroundLines._ROOM + 1
    assert [next(iterator), next(iterator)] == [0, 1]


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "a\tb\n".encode("utf-16"),
            "x: expected UTF-8; received UTF-16; convert .* iconv -f utf-16",
        ),
        ("\ufeffä\tb\n".encode("utf-16-be"), "x: expected UTF-8; received UTF-16; convert"),
        ("one\ttwo\n".encode("utf-16-le"), "x: expected UTF-8; received UTF-16; convert"),
        ("one\ttwo\n".encode("utf-16-be"), "x: expected UTF-8; received UTF-16; convert"),
        (b"a\n" + "é\n".encode("latin1"), "x, line 2: not valid UTF-8; convert the file, such as"),
        (
            "é\na\n".encode() + "Cortés\tx\n".encode("latin1"),
            r"x, line 3: not valid UTF-8, unlike lines before it: the file mixes encodings; .*"
            r"\(in Latin-1 it is 'Cortés\\tx'\), or drop .* iconv -c -f utf-8 -t utf-8$",
        ),
    ],
    ids=["little", "big", "little unmarked", "big unmarked", "latin", "mixed"],
)
def test_an_error_about_the_encoding_names_the_file_and_the_line(content, message):
    with pytest.raises(NotUtf8Error, match=message) as raised:
        list(decode_lines(io.BytesIO(content), "x"))
    named_line = re.search(r"line (\d+)", str(raised.value))
    assert raised.value.file == "x"
    assert raised.value.line == (int(named_line[1]) if named_line else 1)


def test_a_few_zero_bytes_are_not_mistaken_for_utf_16():
    lines = [(1, "a\0long line"), (2, "\0\0\0\0")]
    assert list(decode_lines(io.BytesIO(b"a\0long line\n\0\0\0\0\n"), "x")) == lines


@pytest.mark.parametrize("name", ["pairs.tar.gz", "pairs.TGZ", "pairs.tsv.bz2", "pairs.txt.xz"])
def test_unsupported_archives_are_refused_rather_than_read_as_text(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08 whatever it holds")
    with pytest.raises(ValueError, match=f"{name}: expected a plain file, a .gz or a .zip; unpack"):
        next(read_lines(tmp_path / name))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_file_with_one_kind_of_line_end_has_the_same_lines_whatever_it_is(mark, end):
    content = mark + end.join([b"a\x0bb", "c\u2028d\x85e".encode(), b"", b"f"]) + end
    lines = decode_lines(io.BytesIO(content), "x")
    assert [line for _, line in lines][:4] == ["a\x0bb", "c\u2028d\x85e", "", "f"]


def test_a_stray_carriage_return_is_a_space_and_is_reported():
    content = b"one\r\ntwo \rand\r\rthree\n\rfour\r"
    with pytest.warns(LineEndWarning, match="x: carriage returns .* 4 in all, the first in line 2"):
        lines = list(decode_lines(io.BytesIO(content), "x"))
    assert lines == [(1, "one"), (2, "two  and  three"), (3, " four")]


def test_every_line_comes_in_its_place_whatever_its_fault():
    content = b"a\n\xff\nb\n"
    numbered = list(_decode_lines(io.BytesIO(content), "x"))
    assert numbered[::2] == [(1, "a"), (3, "b")]
    assert numbered[1][0] == 2 and isinstance(numbered[1][1], NotUtf8Error)
