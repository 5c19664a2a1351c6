"""Arrays of real values from `.npy` files, including faulty ones."""

import os
import pickle

import numpy as np
import pytest

from kseq.corpora.arrays import read_values
from kseq.corpora.values import write_records


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "longdouble", "int8", "uint64"])
def test_numbers_of_any_type_become_float32(tmp_path, dtype):
    path = tmp_path / "a.npy"
    np.save(path, np.asfortranarray(np.arange(6).reshape(3, 2).astype(dtype)))
    values = read_values(path)
    np.testing.assert_array_equal(values, np.float32([[0, 1], [2, 3], [4, 5]]), strict=True)
    assert values.flags.c_contiguous


@pytest.mark.parametrize(
    "array, message",
    [
        (np.ones((2, 2), bool), r"expected integers or floats; received bool; convert them"),
        (np.ones((2, 2), complex), r"integers or floats; received complex128"),
        (np.full((2, 2), "x"), r"integers or floats; received <U1"),
        (np.ones((2, 2), "M8[s]"), r"integers or floats; received datetime64"),
        (np.ones(4), r"\[length, features\]; received \(4,\); a single feature is array\[:, None]"),
        (np.ones((2, 2, 2)), r"expected \[length, features\]; received \(2, 2, 2\)$"),
        (np.float32(1), r"expected \[length, features\]; received \(\)$"),
        (
            np.ones((0, 3)),
            r"least one frame and one feature; received \(0, 3\); leave the pair out",
        ),
        (np.ones((3, 0)), r"at least one frame and one feature; received \(3, 0\)"),
        (
            np.array([[1, 2], [3, np.nan]]),
            r"finite .*; received nan in frame 1, feature 1, counted",
        ),
        (np.array([[1, -np.inf], [np.nan, 1]]), r"received -inf in frame 0, feature 1"),
        (np.array([[1.0], [1e300]]), r"range of float32; received 1e\+300 in frame 1, feature 0"),
    ],
)
def test_an_invalid_array_is_an_error_that_names_the_fault(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy: .*{message}"):
        read_values(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=rf"pair 1 for .*a\.tfrecord, source: .*{message}"):
        write_records(tmp_path / "a.tfrecord", [(array, "text")])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUM", b"0.5 0.25\n", pickle.dumps([1.0]), b"PK\x03\x04"]
)
def test_a_file_that_is_not_an_array_is_an_error(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy: expected a .npy file; write it with numpy.save"):
        read_values(tmp_path / "a.npy")


@pytest.mark.parametrize("size", [6, 8, 40, 128, 130, 150])
def test_an_array_file_that_is_cut_short_is_an_error(tmp_path, size):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"a\.npy: expected a complete .npy file .*write it again"):
        read_values(path)


def test_a_damaged_header_is_an_error(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes().replace(b"(3, 2)", b"(3, (("))
    with pytest.raises(ValueError, match=r"a\.npy: expected a complete .npy file"):
        read_values(path)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "a.npy", np.array([[Trap()]], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy: expected a complete .npy file of numbers"):
        read_values(tmp_path / "a.npy")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_array_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file not found: .*none\.npy"):
        read_values(tmp_path / "none.npy")
