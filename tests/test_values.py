"""Pairs of real values from index files, and their standardisation."""

import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from value_files import require_pairs

from kseq.corpora.values import ValuePairs, is_value_file
from kseq.errors import SettingError
from kseq.pipeline.statistics import Statistics
from kseq.pipeline.value_codec import ValueCodec


def test_an_index_pairs_values_with_texts(index, arrays, monkeypatch):
    """Names are relative to the folder of the index, wherever the process runs."""
    monkeypatch.chdir("/")
    pairs = ValuePairs.open(index)
    assert pairs.features == (3, 0)
    assert (pairs.files, str(pairs), pairs.blank) == ((index,), str(index), None)
    for _ in range(2):
        require_pairs(pairs, zip(arrays, ["text 0", "text 1", "text 2"]))
    assert pairs.blank == 0


def test_values_may_be_targets_or_both_sides(index, arrays, tmp_path):
    index.write_text("speech/0.npy\tspeech/1.npy\n")
    assert all(ValuePairs.open(index).features)
    require_pairs(ValuePairs(index), [arrays[:2]])
    index.write_text("a text\tspeech/2.npy \n")
    assert ValuePairs.open(index).features == (0, 3)
    require_pairs(ValuePairs(index), [("a text", arrays[2])])


@pytest.mark.parametrize("kind", ["absolute", "above", "hidden above", "network"])
def test_an_index_names_files_outside_its_folder_only_if_this_is_allowed(
    index, arrays, tmp_path, kind
):
    np.save(tmp_path / "other.npy", arrays[0])
    name = {
        "absolute": f"{tmp_path}/other.npy",
        "above": "../other.npy",
        "hidden above": "speech/../../other.npy",
        "network": f"/{tmp_path}/other.npy",
    }[kind]
    inside = index.rename(tmp_path / "speech" / "index.tsv")
    (tmp_path / "speech" / "speech").mkdir()
    inside.write_text(f"0.npy\tfirst\n{name}\tsecond\n")
    message = r"index.tsv, line 2: .*other.npy is outside the folder of the index; move it"
    with pytest.raises(SettingError, match=message):
        list(ValuePairs.open(inside))
    pairs = ValuePairs.open(inside, allow_outside=True).select(lambda source: True)
    np.testing.assert_array_equal(list(pairs)[1][0], arrays[0])


def test_a_file_outside_the_folder_of_an_index_is_not_even_looked_for(index, tmp_path):
    """On Windows, looking for a file on another machine tells it the name of the user."""
    index.write_text(f"{tmp_path.parent}/a b.npy\ttext\n")
    np.save(tmp_path.parent / "a b.npy", [[1.0]])
    assert not is_value_file(index)


def test_a_gzipped_index_is_read(index):
    compressed = index.with_name("index.tsv.gz")
    compressed.write_bytes(gzip.compress(index.read_bytes()))
    require_pairs(ValuePairs.open(compressed), ValuePairs(index))


def test_a_split_reads_only_its_own_arrays(index, tmp_path):
    """The key is the name as the index has it, so a moved index still has the same splits."""
    keys = []
    all_pairs = ValuePairs.open(index)
    pairs = all_pairs.select(lambda key: keys.append(key) or key != "speech/1.npy")
    (tmp_path / "speech" / "1.npy").unlink()
    assert [text for _, text in pairs] == ["text 0", "text 2"]
    assert keys == ["speech/0.npy", "speech/1.npy", "speech/2.npy"]
    assert list(all_pairs.keys()) == keys
    assert list(pairs.keys()) == ["speech/0.npy", "speech/2.npy"]
    index.write_text("speech/9.npy\t \n" + index.read_text())
    assert list(all_pairs.keys()) == keys[:3]


def test_pairs_with_an_empty_side_are_counted(index):
    index.write_text("\n\tx\nspeech/0.npy\t \nspeech/0.npy\ta\nspeech/missing.npy\t\n")
    pairs = ValuePairs.open(index)
    for _ in range(2):
        assert len(list(pairs)) == 1
        assert pairs.blank == 4


def test_pairs_are_streamed(index):
    index.write_text(index.read_text() + "only one column\n")
    iterator = iter(ValuePairs(index))
    assert next(iterator)[1] == "text 0"
    with pytest.raises(ValueError, match=r"index\.tsv, line 4: expected source, tab, target; rec"):
        list(iterator)


@pytest.mark.parametrize(
    "line, message",
    [
        ("text\ttext", r"line 4, source: expected 3 features per frame, as in the .*received text"),
        ("speech/0.npy\tspeech/1.npy", r"line 4, target: expected text, .*received 3 features"),
        ("wide.npy\ttext", r"line 4, source: expected 3 features .*received 4 .* in .*wide\.npy"),
        ("nan.npy\ttext", r"line 4, source: .*nan\.npy: expected finite numbers"),
    ],
)
def test_a_pair_unlike_the_first_is_an_error(index, tmp_path, line, message):
    np.save(tmp_path / "wide.npy", np.ones((2, 4)))
    np.save(tmp_path / "nan.npy", np.full((2, 3), np.nan))
    index.write_text(index.read_text() + line + "\n")
    with pytest.raises(ValueError, match=rf"index\.tsv, {message}"):
        list(ValuePairs.open(index))


def test_every_split_is_compared_with_the_first_pair_of_the_file(index, tmp_path):
    np.save(tmp_path / "speech" / "1.npy", np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"line 2, source: expected 3 features per frame"):
        list(ValuePairs(index, lambda key: "1" in key))


def test_an_index_that_names_a_missing_file_is_an_error(index, tmp_path):
    (tmp_path / "speech" / "1.npy").unlink()
    message = r"index\.tsv, line 2, source: file not found: .*speech/1\.npy"
    with pytest.raises(FileNotFoundError, match=message):
        list(ValuePairs.open(index))
    (tmp_path / "speech" / "0.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.tsv, line 1, source: file not found"):
        ValuePairs.open(index)


def test_an_array_that_cannot_be_opened_is_an_error(index, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "speech/0.npy")

    monkeypatch.setattr("kseq.corpora.arrays.open", refuse, raising=False)
    message = r"index\.tsv, line 1, source: .*Permission denied: 'speech/0.npy'"
    with pytest.raises(PermissionError, match=message):
        list(ValuePairs(index))


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "no pair of two non-empty sides"),
        ("\n a.npy\t\n", "no pair of two non-empty sides"),
        (
            "a\tb\n",
            "expected values on at least one side of the first pair, .*; received text on both",
        ),
    ],
)
def test_files_without_pairs_of_values_are_errors(tmp_path, content, message):
    (tmp_path / "index.tsv").write_text(content)
    with pytest.raises(ValueError, match=rf"index\.tsv.*{message}"):
        ValuePairs.open(tmp_path / "index.tsv")


def test_missing_files_and_pipes_are_errors(tmp_path):
    for name in ("none.tsv", "none.tfrecord"):
        with pytest.raises(FileNotFoundError, match=f"file not found: .*{name}"):
            ValuePairs.open(tmp_path / name)
        with pytest.raises(FileNotFoundError, match=f"file not found: .*{name}"):
            list(ValuePairs(tmp_path / name))
    with pytest.raises(FileNotFoundError, match="that can be read more than once; /dev/null"):
        ValuePairs.open("/dev/null")


@pytest.mark.parametrize(
    "name, content, expected",
    [
        ("a.tsv", b"a.npy\ttext\n", True),
        ("a.tsv", b"\n\t\ntext\tb.npy \n", True),
        ("a.tsv.gz", gzip.compress(b"a.npy\ttext\n", mtime=0), True),
        ("a.tfrecord", b"", True),
        ("a.b.tfrecords.gz", b"", True),
        ("a.tsv", b"", False),
        ("a.tsv", b"text\ttext\ta.npy\n", False),
        ("a.tsv", b"text\ttext\na.npy\ttext\n", False),
        ("a.tsv", b"\xff\xfe\x00a.npy\ttext\n", False),
        ("a.gz", b"not gzip", False),
        ("a.zip", b"not zip", False),
    ],
)
def test_files_of_values_are_recognised(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert is_value_file(tmp_path / name) is expected


@pytest.mark.parametrize("name", ["none.tsv", "none.tfrecord", "", "x" * 300, "a\0b"])
def test_a_name_without_a_file_holds_no_values(tmp_path, name):
    assert is_value_file(tmp_path / name) is False


def test_a_pipe_is_not_read_to_recognise_values(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert is_value_file(tmp_path / "pipe") is False


def test_an_index_is_read_without_tensorflow(index):
    program = (
        "import sys; from kseq.corpora.values import ValuePairs\n"
        "assert len(list(ValuePairs.open(sys.argv[1]))) == 3\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, index], check=True)


# === Statistics and codec ===


def test_statistics_cover_all_steps_together():
    random = np.random.default_rng(1)
    arrays = [random.normal(size=(n, 4)) * [1, 1e-6, 1e6, 3] + [0, 5, -1, 2] for n in (1, 700, 3)]
    statistics = Statistics()
    for array in arrays:
        statistics.add(array)
    frames = np.concatenate(arrays)
    assert statistics.count == len(frames)
    np.testing.assert_allclose(statistics.mean, frames.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistics.variance, frames.var(axis=0), rtol=1e-9)
    np.testing.assert_allclose(statistics.scale, frames.std(axis=0), rtol=1e-9)


def test_a_large_mean_costs_no_precision():
    """Sums of squares would lose it: they are 1e16 times the variance."""
    statistics = Statistics()
    for sign in (-1, 1) * 500:
        statistics.add(np.array([[1e8 + sign]]))
    np.testing.assert_allclose(statistics.variance, [1.0], rtol=1e-9)


def test_a_constant_feature_is_not_amplified():
    statistics = Statistics()
    for length in (7, 1, 90):
        statistics.add(np.tile(np.float32([0, 0.1, -1e30, 1e-30]), (length, 1)))
    np.testing.assert_array_equal(statistics.scale, np.ones(4))
    statistics = Statistics()
    statistics.add(np.array([[1.0, 1e-40]] * 9 + [[1.0 + 1e-8, 3e-40]]))
    np.testing.assert_array_equal(statistics.scale, np.ones(2))
    statistics = Statistics()
    statistics.add(np.float32([[1e-10, 1.0], [3e-10, 1.001]]))
    np.testing.assert_allclose(statistics.scale, [1e-10, 0.0005], rtol=1e-3)


def test_statistics_refuse_a_different_number_of_features():
    statistics = Statistics()
    statistics.add(np.ones((2, 3)))
    with pytest.raises(ValueError, match="expected 3 features; received 1"):
        statistics.add(np.ones((2, 1)))


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_a_codec_standardises_values_and_restores_them(arrays, convert):
    frames = np.concatenate(arrays) * 7 + 2
    statistics = Statistics()
    statistics.add(frames)
    codec = ValueCodec(statistics.mean, statistics.scale)
    assert codec.features == 3
    encoded = codec.standardize(convert(frames))
    assert encoded.dtype == "float32"
    np.testing.assert_allclose(np.mean(encoded, axis=0), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(np.std(encoded, axis=0), np.ones(3), rtol=1e-5)
    np.testing.assert_allclose(codec.decode(encoded), frames, rtol=1e-5, atol=1e-5)


def test_a_codec_works_in_a_graph():
    codec = ValueCodec([1.0, 2.0], [2.0, 4.0])
    decode = tf.function(codec.decode, input_signature=[tf.TensorSpec([None, None, 2])])
    assert decode(tf.ones([1, 1, 2])).numpy().tolist() == [[[3.0, 6.0]]]


def test_a_plain_codec_changes_nothing(arrays):
    codec = ValueCodec.plain(3)
    np.testing.assert_array_equal(codec.standardize(arrays[1]), arrays[1], strict=True)
    np.testing.assert_array_equal(codec.decode(arrays[1]), arrays[1], strict=True)


def test_a_saved_codec_is_the_same_to_the_last_bit(tmp_path):
    random = np.random.default_rng(2)
    mean, scale = random.normal(size=(2, 500)) * 10.0 ** random.integers(-30, 30, 500)
    codec = ValueCodec(mean, np.abs(scale))
    codec.save(tmp_path / "source_values.json")
    loaded = ValueCodec.load(tmp_path / "source_values.json")
    np.testing.assert_array_equal(loaded.mean, codec.mean, strict=True)
    np.testing.assert_array_equal(loaded.scale, codec.scale, strict=True)
    assert json.loads((tmp_path / "source_values.json").read_text()).keys() == {"mean", "scale"}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "JSONDecodeError"),
        (b"\xff\xff\xff", "UnicodeDecodeError"),
        (b"[" * 100_000, "RecursionError"),
        (b"[1.0]", "TypeError"),
        (b'{"mean": [1.0]}', "KeyError: 'scale'"),
        (b'{"mean": ["1.0"], "scale": [1.0]}', "expected lists of numbers as mean and scale"),
        (b'{"mean": [true], "scale": [1.0]}', "expected lists of numbers as mean and scale"),
        (b'{"mean": 1.0, "scale": 1.0}', "expected lists of numbers as mean and scale"),
        (b'{"mean": [[1], [1, 2]], "scale": [1.0]}', "ValueError"),
        (b'{"mean": [1' + b"0" * 400 + b'], "scale": [1.0]}', "expected lists of numbers"),
        (b'{"mean": [], "scale": []}', "one scale for each mean, .*received 0 means"),
        (b'{"mean": [1.0, 2.0], "scale": [1.0]}', "received 2 means and 1 scales"),
        (b'{"mean": [NaN], "scale": [1.0]}', "expected finite means, and finite positive scales"),
        (b'{"mean": [1e300], "scale": [1.0]}', "expected finite means"),
        (b'{"mean": [1.0], "scale": [0.0]}', "finite positive scales"),
        (b'{"mean": [1.0], "scale": [-1.0]}', "finite positive scales"),
        (b'{"mean": [1.0], "scale": [1e-60]}', "finite positive scales"),
    ],
)
def test_a_damaged_codec_is_an_error(tmp_path, content, message):
    (tmp_path / "source_values.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"source_values\.json: damaged: .*{message}"):
        ValueCodec.load(tmp_path / "source_values.json")


def test_a_missing_codec_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="source_values.json"):
        ValueCodec.load(tmp_path / "source_values.json")


def test_arrays_that_are_missing_are_counted_in_their_own_split(tmp_path, arrays):
    """A line without an array still has a name, which decides on its split."""
    np.save(tmp_path / "0.npy", arrays[0])
    lines = [f"{number}.npy\ttext {number}\n" for number in range(200)]
    (tmp_path / "index.tsv").write_text("0.npy\ttext\n" * 3 + "".join(lines[1:]))
    pairs = ValuePairs.open(tmp_path / "index.tsv", skip_faulty=True)
    splits = [
        pairs.select(lambda key, digit=digit: (key[0] in "13579") == digit, counts_faulty=digit)
        for digit in (True, False)
    ]
    assert [len(list(split)) for split in splits] == [0, 3]
    assert sum(split.faulty for split in splits) == 199 and all(split.faulty for split in splits)
