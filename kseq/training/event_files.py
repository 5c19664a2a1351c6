"""Event files, which TensorBoard shows; they are written without the package `tensorboard`."""

import pathlib

import tensorflow as tf

from kseq.files import replaced_file

_SUFFIX = ".kseq"  # of the names of the files, so that no others are ever changed


class EventFiles:
    """Writes numbers, texts and pictures to an event file in a folder.

    `tf.summary.scalar` and its relatives need the package `tensorboard`; `tf.summary.write` does
    not. It needs the metadata by which TensorBoard recognises what a tensor stands for.

    Args:
        folder: The folder, which is created.
    """

    def __init__(self, folder):
        self._writer = tf.summary.create_file_writer(str(folder), filename_suffix=_SUFFIX)

    def add_number(self, name, value, step):
        """Adds a point of the curve `name`."""
        self._add(name, tf.constant(value, tf.float32), step, ("scalars", "DATA_CLASS_SCALAR"))

    def add_text(self, name, text, step):
        """Adds a text in Markdown."""
        self._add(name, tf.constant(text), step, ("text", "DATA_CLASS_TENSOR"))

    def add_picture(self, name, png, step):
        """Adds a picture, the bytes of a PNG."""
        width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
        tensor = tf.constant([str(width).encode(), str(height).encode(), png])
        self._add(name, tensor, step, ("images", "DATA_CLASS_BLOB_SEQUENCE"))

    def _add(self, name, tensor, step, kind):
        plugin, data_class = kind
        metadata = tf.compat.v1.SummaryMetadata(data_class=data_class)
        metadata.plugin_data.plugin_name = plugin
        with self._writer.as_default():
            tf.summary.write(name, tensor, step, metadata)

    def flush(self):
        """Writes everything to the disk."""
        self._writer.flush()


def forget_after(folder, step):
    """Removes what was written after a step, from which a training goes on.

    Only files that kseq wrote are changed; those in which nothing is left are removed.

    Args:
        folder: Folder of `EventFiles`, which may be missing.
        step: The step; 0 removes everything.
    """
    for path in sorted(pathlib.Path(folder).glob(f"*.tfevents.*{_SUFFIX}")):
        records = list(_read_records(path))
        kept = [(record, event) for record, event in records if event.step <= step]
        if not step or not any(event.HasField("summary") for _, event in kept):
            path.unlink()
        elif len(kept) < len(records):
            with replaced_file(path) as unfinished, tf.io.TFRecordWriter(str(unfinished)) as file:
                for record, _ in kept:
                    file.write(record)


def _read_records(path):
    """Yields each record of an event file and the event in it, up to a record that is damaged."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield record, tf.compat.v1.Event.FromString(record)
    except tf.errors.DataLossError:  # The process was killed while it wrote the last one.
        return
