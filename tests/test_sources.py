"""Sources to translate, from files and from standard input."""

import io
import os

import numpy as np
import pytest

from kseq.corpora.lines import chunks
from kseq.corpora.sources import open_sources


def test_every_line_of_a_file_is_a_source(tmp_path):
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfone two\r\n\nthree")
    with open_sources(tmp_path / "text") as sources:
        assert list(sources) == ["one two", "", "three"]


def test_lines_may_name_arrays_of_real_values(tmp_path):
    values = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "values.npy", values)
    (tmp_path / "names").write_text(f" {tmp_path / 'values.npy'} \n")
    with open_sources(tmp_path / "names", is_text=False) as sources:
        (array,) = sources
    np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize(
    "line, message", [("", "received an empty line"), ("no.npy", "file not found: no.npy")]
)
def test_a_line_that_names_no_array_is_reported_with_its_number(tmp_path, line, message):
    np.save(tmp_path / "values.npy", np.zeros([2, 1]))
    (tmp_path / "names").write_text(f"{tmp_path / 'values.npy'}\n{line}\n")
    with open_sources(tmp_path / "names", is_text=False) as sources:
        arrays = iter(sources)
        assert next(arrays).shape == (2, 1)
        with pytest.raises(ValueError, match=f"line 2 of the input: .*{message}"):
            next(arrays)


def test_standard_input_is_read_while_it_is_open(monkeypatch):
    read, write = os.pipe()
    with open(read, "rb") as stdin, open(write, "wb", buffering=0) as writer:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        with open_sources() as sources:
            writer.write(b"one\n")
            lines = iter(sources)
            assert next(lines) == "one"
            assert sources.is_waiting()
            writer.write(b"two")
            writer.close()
            assert list(lines) == ["two"]


def test_the_first_array_need_not_wait_for_the_second(tmp_path, monkeypatch):
    np.save(tmp_path / "values.npy", np.zeros([2, 1]))
    read, write = os.pipe()
    with open(read, "rb") as stdin, open(write, "wb", buffering=0) as writer:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        with open_sources(is_text=False) as sources:
            writer.write(f"{tmp_path / 'values.npy'}\n".encode())
            (array,) = next(chunks(sources, 64))
            assert array.shape == (2, 1)
            writer.close()


def test_a_closed_standard_input_is_an_error(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    message = "standard input is closed; name a file"
    with pytest.raises(ValueError, match=message), open_sources():
        pass
