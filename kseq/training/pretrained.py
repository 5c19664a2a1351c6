"""Pretrained word vectors as the embeddings that training begins with."""

import keras

from kseq.text.vectors import load_vectors


def load_embeddings(model, codecs, training, report):
    """Puts pretrained vectors into the embeddings of a model.

    Args:
        model: Model of `build_seq2seq`.
        codecs: Its `CodecPair`.
        training: `TrainingConfig`, which names the files of the vectors and says whether their
            embeddings are frozen.
        report: Function that is called with a line of text about each file: how many words have a
            vector, and which do not.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file has no vectors of words in the vocabulary, or the side is real-valued.
    """
    for side, part, codec in zip(("source", "target"), ("encoder", "decoder"), codecs.sides):
        path = getattr(training, f"{side}_vectors")
        if not path:
            continue
        if not codec.is_text:
            raise ValueError(f"{side}_vectors needs a text {side}; received {path}")
        vectors = _load_vectors(path, codec, model.config.embedding_dim, f"{side}_vectors")
        name = "shared" if model.config.share_embeddings else side
        layer = model.get_layer(part).get_layer(f"{name}_embedding")
        keep_rows = _KeepRows(vectors.matrix, vectors.has_vector)
        layer.embeddings.assign(keep_rows(layer.embeddings))
        if training.freeze_vectors:
            layer.embeddings.constraint = keep_rows
        report(f"{side}: {vectors.describe()}")


def _load_vectors(path, codec, width, setting):
    try:
        return load_vectors(path, codec.vocabulary, width)
    except OSError as error:
        raise type(error)(f"{setting}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from error


class _KeepRows(keras.constraints.Constraint):
    """A constraint that resets rows of a matrix after every update.

    Args:
        rows: The values to reset to, `[V, E]`.
        is_kept: Which rows are reset, boolean `[V]`.
    """

    def __init__(self, rows, is_kept):
        self._rows = rows
        self._is_kept = is_kept[:, None]

    def __call__(self, matrix):
        return keras.ops.where(self._is_kept, self._rows, matrix)
