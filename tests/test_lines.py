"""Chunks of what comes in, lines that keep one waiting, and columns."""

import io
import itertools
import re
import threading

import pytest

from kseq.corpora.lines import (
    NotUtf8Error,
    WaitingLines,
    chunks,
    decode_lines,
    read_columns,
    read_lines,
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_chunks_are_as_large_as_asked_and_lose_nothing(count):
    found = list(chunks(iter(range(count)), 3))
    assert list(itertools.chain(*found)) == list(range(count))
    assert [len(chunk) for chunk in found] == [3] * (count // 3) + [count % 3] * (count % 3 > 0)


def test_a_chunk_is_given_before_more_is_asked_for():
    asked = []
    things = (asked.append(number) or number for number in range(5))
    found = chunks(things, 2)
    assert next(found) == [0, 1] and asked == [0, 1]


def test_what_came_before_an_error_is_not_lost():
    def things():
        yield from "abcd"
        raise OSError("the pipe broke")

    found = chunks(things(), 3)
    assert next(found) == ["a", "b", "c"] and next(found) == ["d"]
    with pytest.raises(OSError, match="the pipe broke"):
        next(found)
    # At the border of a chunk there is nothing left to give.
    found = chunks(things(), 4)
    assert next(found) == ["a", "b", "c", "d"]
    with pytest.raises(OSError, match="the pipe broke"):
        next(found)


def test_nobody_waits_who_has_one_already():
    waits = iter([False, True, True, False, False])
    found = list(chunks("abcde", 3, lambda: next(waits)))
    assert found == [["a", "b"], ["c"], ["d", "e"]]


def test_waiting_lines_come_in_order_and_end():
    assert list(WaitingLines(str(number) for number in range(10_000))) == [
        str(number) for number in range(10_000)
    ]
    assert list(WaitingLines([])) == []


def test_one_can_ask_whether_the_next_line_is_there():
    more, there = threading.Event(), threading.Event()

    def lines():
        yield "one"
        yield "two"
        there.set()
        assert more.wait(60)
        yield "three"

    waiting = WaitingLines(lines())
    assert there.wait(60)
    found = iter(waiting)
    assert not waiting.is_waiting()
    assert [next(found), waiting.is_waiting(), next(found)] == ["one", False, "two"]
    assert waiting.is_waiting()
    more.set()
    assert list(found) == ["three"]


def test_an_error_comes_to_whoever_takes_the_lines_and_after_them():
    def lines():
        yield "one"
        raise ValueError("line 2: not valid UTF-8")

    found = iter(WaitingLines(lines()))
    assert next(found) == "one"
    with pytest.raises(ValueError, match="line 2: not valid UTF-8"):
        next(found)


def test_lines_without_end_are_not_all_held():
    """Whoever reads a pipe in the background stops when nobody takes what was read."""
    taken, full = [], threading.Event()

    def lines():
        for number in itertools.count():
            taken.append(number)
            if number == WaitingLines._ROOM:
                full.set()  # one more than fits is in the reader's hand
            yield number

    found = iter(WaitingLines(lines()))
    assert full.wait(60)
    assert len(taken) == WaitingLines._ROOM + 1
    assert [next(found), next(found)] == [0, 1]


def test_columns(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n\n \nc\td\te\n\t\n")
    assert list(read_columns(path)) == [
        (1, "a", "b"),
        (2, "", ""),
        (3, "", ""),
        (4, "c", "d"),
        (5, "", ""),
    ]
    path.write_text("a\tb\n" + "x" * 100 + "\n")
    with pytest.raises(ValueError, match=r"pairs.tsv, line 2: expected source, tab.*'x{59}…'$"):
        list(read_columns(path))


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
            r"x, line 3: not valid UTF-8, as lines before it are: the file mixes encodings; .*"
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


def test_a_zero_byte_is_no_other_encoding():
    lines = [(1, "a\0long line"), (2, "\0\0\0\0")]
    assert list(decode_lines(io.BytesIO(b"a\0long line\n\0\0\0\0\n"), "x")) == lines


@pytest.mark.parametrize("name", ["pairs.tar.gz", "pairs.TGZ", "pairs.tsv.bz2", "pairs.txt.xz"])
def test_archives_of_other_kinds_are_not_taken_for_text(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08 whatever it holds")
    with pytest.raises(ValueError, match=f"{name}: expected a plain file, a .gz or a .zip; unpack"):
        next(read_lines(tmp_path / name))
