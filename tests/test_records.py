"""Real values in TFRecord files, including faulty ones."""

import gzip
import resource

import numpy as np
import pytest
import tensorflow as tf
from value_files import example, require_pairs, write_examples

from kseq.corpora.values import ValuePairs, write_records


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecords", "a.tfrecord.gz"])
def test_records_hold_the_pairs_that_were_written(tmp_path, index, arrays, name):
    pairs = list(ValuePairs(index))
    write_records(tmp_path / name, pairs)
    assert ValuePairs.open(tmp_path / name).features == (3, 0)
    for _ in range(2):
        require_pairs(ValuePairs(tmp_path / name), pairs)
    is_compressed = (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")
    assert is_compressed is name.endswith(".gz")
    swapped = [("où", arrays[0].astype(np.float64)), ("", arrays[1]), (" ", arrays[1])]
    write_records(tmp_path / name, swapped)
    reopened = ValuePairs.open(tmp_path / name)
    require_pairs(reopened, [("où", arrays[0])])
    assert reopened.features[0] == 0 and reopened.blank == 2


def test_records_are_examples_that_tensorflow_can_parse(tmp_path):
    write_records(tmp_path / "a.tfrecord", [(np.arange(6).reshape(3, 2), "où")])
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord"))
    parsed = tf.io.parse_single_example(
        record,
        {
            "source": tf.io.VarLenFeature(tf.float32),
            "source_features": tf.io.FixedLenFeature([], tf.int64),
            "target": tf.io.FixedLenFeature([], tf.string),
        },
    )
    assert parsed["source"].values.numpy().tolist() == [0, 1, 2, 3, 4, 5]
    assert parsed["source_features"] == 2
    assert parsed["target"].numpy().decode() == "où"


def test_the_key_of_a_record_is_the_bytes_of_its_source(tmp_path, arrays):
    path, keys = tmp_path / "a.tfrecord", []
    pairs = ValuePairs(path, lambda key: keys.append(key) or len(keys) != 2)
    write_records(path, [(array, "x") for array in arrays])
    require_pairs(pairs, [(arrays[0], "x"), (arrays[2], "x")])
    assert keys == [array.tobytes() for array in arrays]
    write_records(path, [("où", arrays[0])])
    require_pairs(ValuePairs(path, lambda key: key == "où".encode()), [("où", arrays[0])])


def test_records_stream_within_a_tensorflow_pipeline(tmp_path, arrays):
    path = tmp_path / "a.tfrecord"
    write_records(path, [(array, "x") for array in arrays])
    signature = (tf.TensorSpec([None, 3]), tf.TensorSpec([], tf.string))
    pairs = ValuePairs(path)
    dataset = tf.data.Dataset.from_generator(lambda: pairs, output_signature=signature)
    assert [len(values) for values, _ in dataset] == [2, 5, 1]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_a_file_of_records_that_is_cut_short_is_an_error(tmp_path, compression):
    """At any place, even a few bytes into a record, where TensorFlow sees the end of the file."""
    path = tmp_path / ("a.tfrecord.gz" if compression else "a.tfrecord")
    pairs = [(np.full((1, 2), number), f"text {number}") for number in range(3)]
    write_records(path, pairs)
    content = path.read_bytes()
    uncompressed = gzip.decompress(content) if compression else content
    size = len(uncompressed) // 3
    assert len(uncompressed) == 3 * size
    for end in (size + 1, size + 8, size + 12, size + 40, 2 * size - 1):
        path.write_bytes(gzip.compress(uncompressed[:end]) if compression else uncompressed[:end])
        with pytest.raises(ValueError, match=r"a\.tfrecord\S*, record 2: damaged or cut short; co"):
            list(ValuePairs(path))
    if compression:
        for end in range(len(content) - 1, 0, -7):
            path.write_bytes(content[:end])
            with pytest.raises(ValueError, match=r"record \d: damaged or cut short"):
                list(ValuePairs(path))


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord.gz"])
def test_a_damaged_record_is_an_error(tmp_path, arrays, name):
    path = tmp_path / name
    write_records(path, [(array, "x") for array in arrays])
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 8
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.tfrecord\S*, record \d: damaged or cut short"):
        list(ValuePairs(path))
    path.write_text("no records at all, but some text")
    with pytest.raises(ValueError, match=r"a\.tfrecord\S*, record 1: damaged or cut short"):
        ValuePairs.open(path)


@pytest.mark.parametrize(
    "record, message",
    [
        (b"\xff\xff\xff", r"record 2: expected a tf\.train\.Example; received"),
        (example(target=[b"x"]), r"record 2, source: expected one string .*received 0 strings"),
        (example(source=[b"a", b"b"], target=[b"x"]), r"source: .*received 2 strings and no val"),
        (example(source=[], target=[b"x"], source_features=[2]), r"source: .*0 strings and no val"),
        (
            example(source=[1.0, 2.0], target=[b"x"]),
            r"source: expected source_features .* divides the 2 values into frames; received \[\]",
        ),
        (
            example(source=[1.0, 2.0, 3.0], target=[b"x"], source_features=[2]),
            r"source: expected source_features .* divides the 3 values into frames; received \[2\]",
        ),
        (example(source=[1.0], target=[b"x"], source_features=[0]), r"received \[0\]"),
        (example(source=[1.0], target=[b"x"], source_features=[-1]), r"received \[-1\]"),
        (example(source=[1.0], target=[b"x"], source_features=[1, 1]), r"received \[1, 1\]"),
        (
            example(source=[1.0, np.nan], target=[b"x"], source_features=[2]),
            r"record 2, source: expected finite numbers .* nan in frame 0, feature 1",
        ),
        (
            example(source=[1.0], target=[b"x"], source_features=[1]),
            r"record 2, source: expected 2 features per frame, .* received 1 features per frame$",
        ),
        (
            example(source=[b"x"], target=[b"x"]),
            r"record 2, source: expected 2 features per frame, as in the .* received text",
        ),
        (example(source=[1.0, 2.0], source_features=[2], target=[b"\xff"]), r"target: not valid U"),
    ],
)
def test_a_record_that_is_not_a_pair_is_an_error(tmp_path, record, message):
    path = tmp_path / "a.tfrecord"
    write_examples(path, example(source=[1.0, 2.0], target=[b"x"], source_features=[2]), record)
    with pytest.raises(ValueError, match=rf"a\.tfrecord, .*{message}"):
        list(ValuePairs.open(path))


def test_pairs_without_an_array_are_not_written(tmp_path):
    for pair, message in (
        (("a", "b"), "pair 1 for .*: expected an array on at least one side; received text on"),
        (([[1.0]],), "expected source and target; received"),
        ("ab", "expected source and target; received 'ab'"),
    ):
        with pytest.raises(ValueError, match=message):
            write_records(tmp_path / "a.tfrecord", [pair])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, pairs, message",
    [
        ("a.txt", [("a", "b")], r"a\.txt: expected a name that ends in \.tfrecord, "),
        ("a.tfrecord", [], r"a\.tfrecord: expected at least one pair; received none"),
        (
            "a.tfrecord",
            [("a", np.ones((1, 2))), ("b", np.ones((1, 3)))],
            r"pair 2 for .*a\.tfrecord, target: expected 2 features .*; received 3 features",
        ),
        (
            "a.tfrecord",
            [("a", np.ones((1, 2))), ("b", "c")],
            r"pair 2 for .*, target: expected 2 features .*; received text",
        ),
    ],
)
def test_invalid_pairs_leave_an_existing_file_unchanged(tmp_path, name, pairs, message):
    (tmp_path / name).write_text("as it was")
    with pytest.raises(ValueError, match=message):
        write_records(tmp_path / name, pairs)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "as it was"


def test_a_full_disk_is_an_os_error_and_leaves_no_file(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            write_records(tmp_path / "a.tfrecord", [("x", np.ones((1000, 1000)))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.filename == str(tmp_path / "a.tfrecord")
    assert str(raised.value).count("a.tfrecord") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file or directory") as raised:
        write_records(tmp_path / "none" / "a.tfrecord", [("x", np.ones((1, 1)))])
    assert raised.value.filename == str(tmp_path / "none" / "a.tfrecord")


def test_an_error_while_reading_names_the_file_that_was_read(index, tmp_path):
    (tmp_path / "speech" / "1.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.tsv, line 2, source: file not found"):
        write_records(tmp_path / "a.tfrecord", ValuePairs(index))

    def pairs():
        yield "x", np.load(tmp_path / "none.npy")

    with pytest.raises(FileNotFoundError) as raised:
        write_records(tmp_path / "a.tfrecord", pairs())
    assert raised.value.filename == str(tmp_path / "none.npy")
