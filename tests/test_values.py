"""Real values out of `.npy` files, indexes and TFRecords, the faulty ones among them."""

import gzip
import json
import os
import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kseq.values import (
    Statistics,
    ValueCodec,
    ValuePairs,
    is_value_file,
    read_values,
    write_records,
)


def example(**features):
    """A serialised example: strings of bytes, floats and whole numbers, each in a list."""
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList)}
    whole = ("int64_list", tf.train.Int64List)
    lists = {}
    for name, values in features.items():
        kind, make = kinds.get(type(values[0]), whole) if values else kinds[float]
        lists[name] = tf.train.Feature(**{kind: make(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString()


def write_examples(path, *examples):
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in examples:
            file.write(record)


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return [random.normal(size=(length, 3)).astype(np.float32) for length in (2, 5, 1)]


@pytest.fixture
def index(tmp_path, arrays):
    """Three recordings in a folder of their own, each with a text."""
    (tmp_path / "speech").mkdir()
    for number, array in enumerate(arrays):
        np.save(tmp_path / "speech" / f"{number}.npy", array)
    path = tmp_path / "index.tsv"
    path.write_text("".join(f"speech/{n}.npy\ttext {n}\tmore\n" for n in range(3)))
    return path


def require_pairs(pairs, expected):
    pairs, expected = list(pairs), list(expected)
    assert len(pairs) == len(expected)
    for pair, wanted in zip(pairs, expected):
        for side, other in zip(pair, wanted, strict=True):
            assert type(side) is type(other)
            np.testing.assert_array_equal(side, other, strict=not isinstance(side, str))


# === Arrays ===


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", "longdouble", "int8", "uint64"])
def test_numbers_of_any_kind_become_float32(tmp_path, dtype):
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
        (np.ones((0, 3)), r"a frame and a feature at least; received \(0, 3\); leave the pair out"),
        (np.ones((3, 0)), r"a frame and a feature at least; received \(3, 0\)"),
        (
            np.array([[1, 2], [3, np.nan]]),
            r"finite .*; received nan in frame 1, feature 1, counted",
        ),
        (np.array([[1, -np.inf], [np.nan, 1]]), r"received -inf in frame 0, feature 1"),
        (np.array([[1.0], [1e300]]), r"range of float32; received 1e\+300 in frame 1, feature 0"),
    ],
)
def test_arrays_that_cannot_be_learnt_from(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy: .*{message}"):
        read_values(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=rf"pair 1 for .*a\.tfrecord, source: .*{message}"):
        write_records(tmp_path / "a.tfrecord", [(array, "text")])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUM", b"0.5 0.25\n", pickle.dumps([1.0]), b"PK\x03\x04"]
)
def test_not_an_array_file(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy: expected a .npy file; write it with numpy.save"):
        read_values(tmp_path / "a.npy")


@pytest.mark.parametrize("size", [6, 8, 40, 128, 130, 150])
def test_an_array_file_cut_short(tmp_path, size):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"a\.npy: expected a whole .npy file .*write it anew"):
        read_values(path)


def test_a_damaged_header(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes().replace(b"(3, 2)", b"(3, (("))
    with pytest.raises(ValueError, match=r"a\.npy: expected a whole .npy file"):
        read_values(path)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "a.npy", np.array([[Trap()]], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy: expected a whole .npy file of numbers"):
        read_values(tmp_path / "a.npy")
    assert not (tmp_path / "sprung").exists()


def test_missing_array(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file not found: .*none\.npy"):
        read_values(tmp_path / "none.npy")


# === Pairs ===


def test_an_index_of_values_and_texts(index, arrays, monkeypatch):
    """Names are seen from the folder of the index, wherever the process runs."""
    monkeypatch.chdir("/")
    pairs = ValuePairs.open(index)
    assert pairs.features == (3, 0)
    assert (pairs.files, str(pairs), pairs.blank) == ((index,), str(index), None)
    for _ in range(2):
        require_pairs(pairs, zip(arrays, ["text 0", "text 1", "text 2"]))
    assert pairs.blank == 0


def test_values_as_target_and_on_both_sides(index, arrays, tmp_path):
    index.write_text(f"speech/0.npy\t{tmp_path}/speech/1.npy\n")
    assert all(ValuePairs.open(index).features)
    require_pairs(ValuePairs(index), [arrays[:2]])
    index.write_text("a text\tspeech/2.npy \n")
    assert ValuePairs.open(index).features == (0, 3)
    require_pairs(ValuePairs(index), [("a text", arrays[2])])


def test_a_gzipped_index(index):
    packed = index.with_name("index.tsv.gz")
    packed.write_bytes(gzip.compress(index.read_bytes()))
    require_pairs(ValuePairs.open(packed), ValuePairs(index))


def test_a_split_reads_only_its_own_arrays(index, tmp_path):
    """The key is the name as it stands in the index, so that moving it moves no pair."""
    keys = []
    everything = ValuePairs.open(index)
    pairs = everything.select(lambda key: keys.append(key) or key != "speech/1.npy")
    (tmp_path / "speech" / "1.npy").unlink()
    assert [text for _, text in pairs] == ["text 0", "text 2"]
    assert keys == ["speech/0.npy", "speech/1.npy", "speech/2.npy"]
    assert list(everything.keys()) == keys
    assert list(pairs.keys()) == ["speech/0.npy", "speech/2.npy"]
    index.write_text("speech/9.npy\t \n" + index.read_text())
    assert list(everything.keys()) == keys[:3]


def test_pairs_with_an_empty_side_are_counted(index):
    index.write_text("\n\tx\nspeech/0.npy\t \nspeech/0.npy\ta\nspeech/missing.npy\t\n")
    pairs = ValuePairs.open(index)
    for _ in range(2):
        assert len(list(pairs)) == 1
        assert pairs.blank == 4


def test_reading_streams(index):
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
def test_a_pair_unlike_the_first(index, tmp_path, line, message):
    np.save(tmp_path / "wide.npy", np.ones((2, 4)))
    np.save(tmp_path / "nan.npy", np.full((2, 3), np.nan))
    index.write_text(index.read_text() + line + "\n")
    with pytest.raises(ValueError, match=rf"index\.tsv, {message}"):
        list(ValuePairs.open(index))


def test_every_split_is_measured_by_the_first_pair_of_the_file(index, tmp_path):
    np.save(tmp_path / "speech" / "1.npy", np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"line 2, source: expected 3 features per frame"):
        list(ValuePairs(index, lambda key: "1" in key))


def test_an_index_that_names_a_missing_file(index, tmp_path):
    (tmp_path / "speech" / "1.npy").unlink()
    message = r"index\.tsv, line 2, source: file not found: .*speech/1\.npy"
    with pytest.raises(FileNotFoundError, match=message):
        list(ValuePairs.open(index))
    (tmp_path / "speech" / "0.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.tsv, line 1, source: file not found"):
        ValuePairs.open(index)


def test_an_array_that_cannot_be_opened(index, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "speech/0.npy")

    monkeypatch.setattr("kseq.arrays.open", refuse, raising=False)
    message = r"index\.tsv, line 1, source: .*Permission denied: 'speech/0.npy'"
    with pytest.raises(PermissionError, match=message):
        list(ValuePairs(index))


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "no pair of two non-empty sides"),
        ("\n a.npy\t\n", "no pair of two non-empty sides"),
        ("a\tb\n", "line 1: expected values on one side at least, .*; received text on both"),
    ],
)
def test_files_without_such_pairs(tmp_path, content, message):
    (tmp_path / "index.tsv").write_text(content)
    with pytest.raises(ValueError, match=rf"index\.tsv.*{message}"):
        ValuePairs.open(tmp_path / "index.tsv")


def test_missing_files_and_pipes(tmp_path):
    for name in ("none.tsv", "none.tfrecord"):
        with pytest.raises(FileNotFoundError, match=f"file not found: .*{name}"):
            ValuePairs.open(tmp_path / name)
        with pytest.raises(FileNotFoundError, match=f"file not found: .*{name}"):
            list(ValuePairs(tmp_path / name))
    with pytest.raises(FileNotFoundError, match="that can be read again and again: /dev/null"):
        ValuePairs.open("/dev/null")


@pytest.mark.parametrize(
    "name, content, expected",
    [
        ("a.tsv", b"a.npy\ttext\n", True),
        ("a.tsv", b"\n\t\ntext\tb.npy \n", True),
        ("a.tsv.gz", gzip.compress(b"a.npy\ttext\n"), True),
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
def test_which_files_hold_values(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert is_value_file(tmp_path / name) is expected


@pytest.mark.parametrize("name", ["none.tsv", "none.tfrecord", "", "x" * 300, "a\0b"])
def test_what_is_no_file_holds_no_values(tmp_path, name):
    assert is_value_file(tmp_path / name) is False


def test_asking_reads_nothing_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert is_value_file(tmp_path / "pipe") is False


def test_an_index_needs_no_tensorflow(index):
    program = (
        "import sys; from kseq.values import ValuePairs\n"
        "assert len(list(ValuePairs.open(sys.argv[1]))) == 3\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, index], check=True)


# === Records ===


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecords", "a.tfrecord.gz"])
def test_records_give_back_what_was_written(tmp_path, index, arrays, name):
    pairs = list(ValuePairs(index))
    write_records(tmp_path / name, pairs)
    assert ValuePairs.open(tmp_path / name).features == (3, 0)
    for _ in range(2):
        require_pairs(ValuePairs(tmp_path / name), pairs)
    packed = (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")
    assert packed is name.endswith(".gz")
    turned = [("où", arrays[0].astype(np.float64)), ("", arrays[1]), (" ", arrays[1])]
    write_records(tmp_path / name, turned)
    again = ValuePairs.open(tmp_path / name)
    require_pairs(again, [("où", arrays[0])])
    assert again.features[0] == 0 and again.blank == 2


def test_records_are_examples_as_others_read_them(tmp_path):
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


def test_the_key_of_a_record_is_what_its_source_is_made_of(tmp_path, arrays):
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
def test_a_file_of_records_cut_short(tmp_path, compression):
    """At any place, a few bytes into a record too, where TensorFlow itself sees only an end."""
    path = tmp_path / ("a.tfrecord.gz" if compression else "a.tfrecord")
    pairs = [(np.full((1, 2), number), f"text {number}") for number in range(3)]
    write_records(path, pairs)
    content = path.read_bytes()
    whole = gzip.decompress(content) if compression else content
    each = len(whole) // 3
    assert len(whole) == 3 * each
    for end in (each + 1, each + 8, each + 12, each + 40, 2 * each - 1):
        path.write_bytes(gzip.compress(whole[:end]) if compression else whole[:end])
        with pytest.raises(ValueError, match=r"a\.tfrecord\S*, record 2: damaged or cut short; co"):
            list(ValuePairs(path))
    if compression:
        for end in range(len(content) - 1, 0, -7):
            path.write_bytes(content[:end])
            with pytest.raises(ValueError, match=r"record \d: damaged or cut short"):
                list(ValuePairs(path))


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord.gz"])
def test_damage_within_records(tmp_path, arrays, name):
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
def test_records_that_are_no_such_pairs(tmp_path, record, message):
    path = tmp_path / "a.tfrecord"
    write_examples(path, example(source=[1.0, 2.0], target=[b"x"], source_features=[2]), record)
    with pytest.raises(ValueError, match=rf"a\.tfrecord, .*{message}"):
        list(ValuePairs.open(path))


def test_records_of_texts_alone(tmp_path):
    for pair, message in (
        (("a", "b"), "pair 1 for .*: expected an array on one side at least; received text on"),
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
        ("a.tfrecord", [], r"a\.tfrecord: expected a pair at least; received none"),
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
def test_what_cannot_be_written(tmp_path, name, pairs, message):
    (tmp_path / name).write_text("as it was")
    with pytest.raises(ValueError, match=message):
        write_records(tmp_path / name, pairs)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "as it was"


def test_a_failing_disk(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_records(tmp_path / "a.tfrecord", [("x", np.ones((1000, 1000)))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "a.tfrecord")
    assert str(caught.value).count("a.tfrecord") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file or directory") as caught:
        write_records(tmp_path / "none" / "a.tfrecord", [("x", np.ones((1, 1)))])
    assert caught.value.filename == str(tmp_path / "none" / "a.tfrecord")


def test_faults_of_what_is_read_are_not_blamed_on_what_is_written(index, tmp_path):
    (tmp_path / "speech" / "1.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.tsv, line 2, source: file not found"):
        write_records(tmp_path / "a.tfrecord", ValuePairs(index))

    def pairs():
        yield "x", np.load(tmp_path / "none.npy")

    with pytest.raises(FileNotFoundError) as caught:
        write_records(tmp_path / "a.tfrecord", pairs())
    assert caught.value.filename == str(tmp_path / "none.npy")


# === Statistics and codec ===


def test_statistics_are_those_of_all_frames_together():
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


def test_a_large_mean_costs_no_digits():
    """Sums of squares would: the squares are 1e16 times the variance."""
    statistics = Statistics()
    for sign in (-1, 1) * 500:
        statistics.add(np.array([[1e8 + sign]]))
    np.testing.assert_allclose(statistics.variance, [1.0], rtol=1e-9)


def test_a_constant_feature_is_not_blown_up():
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


def test_statistics_of_other_features():
    statistics = Statistics()
    statistics.add(np.ones((2, 3)))
    with pytest.raises(ValueError, match="expected 3 features; received 1"):
        statistics.add(np.ones((2, 1)))


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_a_codec_standardises_and_back(arrays, convert):
    frames = np.concatenate(arrays) * 7 + 2
    statistics = Statistics()
    statistics.add(frames)
    codec = ValueCodec(statistics.mean, statistics.scale)
    assert codec.features == 3
    encoded = codec.encode(convert(frames))
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
    np.testing.assert_array_equal(codec.encode(arrays[1]), arrays[1], strict=True)
    np.testing.assert_array_equal(codec.decode(arrays[1]), arrays[1], strict=True)


def test_a_saved_codec_is_the_same_to_the_last_bit(tmp_path):
    random = np.random.default_rng(2)
    mean, scale = random.normal(size=(2, 500)) * 10.0 ** random.integers(-30, 30, 500)
    codec = ValueCodec(mean, np.abs(scale))
    codec.save(tmp_path / "source_values.json")
    again = ValueCodec.load(tmp_path / "source_values.json")
    np.testing.assert_array_equal(again.mean, codec.mean, strict=True)
    np.testing.assert_array_equal(again.scale, codec.scale, strict=True)
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
        (b'{"mean": [], "scale": []}', "as many means as scales, at least one; received 0"),
        (b'{"mean": [1.0, 2.0], "scale": [1.0]}', "as many means as scales, .*received 2 and 1"),
        (b'{"mean": [NaN], "scale": [1.0]}', "expected finite means, and finite scales over 0"),
        (b'{"mean": [1e300], "scale": [1.0]}', "expected finite means"),
        (b'{"mean": [1.0], "scale": [0.0]}', "finite scales over 0"),
        (b'{"mean": [1.0], "scale": [-1.0]}', "finite scales over 0"),
        (b'{"mean": [1.0], "scale": [1e-60]}', "finite scales over 0"),
    ],
)
def test_a_damaged_codec(tmp_path, content, message):
    (tmp_path / "source_values.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"source_values\.json: damaged: .*{message}"):
        ValueCodec.load(tmp_path / "source_values.json")


def test_a_missing_codec(tmp_path):
    with pytest.raises(FileNotFoundError, match="source_values.json"):
        ValueCodec.load(tmp_path / "source_values.json")
