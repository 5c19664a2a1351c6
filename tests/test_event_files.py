"""Event files: what TensorBoard needs to show them, and what a training that goes on changes."""

import tensorflow as tf

from kseq.training.event_files import EventFiles, forget_after

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes([0, 0, 1, 44, 0, 0, 0, 7]) + b"rest"


def read_events(folder):
    """Reads (step, name, plugin, value) of everything in the event files of a folder."""
    found = []
    for path in sorted(folder.glob("*.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                kind = value.metadata.plugin_data.plugin_name, value.metadata.data_class
                found.append((event.step, value.tag, kind, tf.make_ndarray(value.tensor)))
    return found


def write(folder, steps):
    files = EventFiles(folder)
    for step in steps:
        files.add_number("loss", step / 2, step)
    files.flush()
    return files


def steps_of(folder):
    return [step for step, *_ in read_events(folder)]


def test_each_kind_is_marked_for_its_plugin(tmp_path):
    files = EventFiles(tmp_path)
    files.add_number("loss", 1.5, 3)
    files.add_text("outputs", "| a |", 4)
    files.add_picture("attention/1", PNG, 5)
    files.flush()
    number, text, picture = read_events(tmp_path)
    classes = tf.compat.v1.SummaryMetadata.DESCRIPTOR.fields_by_name["data_class"].enum_type
    scalar, tensor, blobs = (
        classes.values_by_name[f"DATA_CLASS_{name}"].number
        for name in ("SCALAR", "TENSOR", "BLOB_SEQUENCE")
    )
    assert number[:3] == (3, "loss", ("scalars", scalar)) and number[3] == 1.5
    assert text[:3] == (4, "outputs", ("text", tensor)) and text[3] == b"| a |"
    assert picture[:3] == (5, "attention/1", ("images", blobs))
    assert picture[3].tolist() == [b"300", b"7", PNG]


def test_what_was_written_after_a_step_is_forgotten(tmp_path):
    write(tmp_path, [10, 20, 30])
    forget_after(tmp_path, 20)
    assert steps_of(tmp_path) == [10, 20]
    write(tmp_path, [25])
    assert sorted(steps_of(tmp_path)) == [10, 20, 25]
    forget_after(tmp_path, 22)
    assert steps_of(tmp_path) == [10, 20] and len(list(tmp_path.iterdir())) == 1
    forget_after(tmp_path, 0)
    assert not list(tmp_path.iterdir())
    forget_after(tmp_path / "missing", 5)


def test_a_record_that_was_cut_by_a_kill_is_left_out(tmp_path):
    write(tmp_path, [10, 20, 30])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    forget_after(tmp_path, 15)
    assert steps_of(tmp_path) == [10]


def test_files_of_others_are_never_changed(tmp_path):
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"theirs")
    (tmp_path / "notes.kseq").write_bytes(b"mine")
    write(tmp_path, [10])
    forget_after(tmp_path, 0)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["events.out.tfevents.1.host", "notes.kseq"]
