"""The engine of a SavedModel, as `kseq export` writes it."""

import pathlib
import zlib

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # registers operations

from kseq.serving.descriptions import Description
from kseq.serving.engines import Engine, not_served
from kseq.serving.results import attention_values
from kseq.translation.operations import check_saved_model

_SIGNATURE = "serving_default"


def load(folder, trusted=False):
    """Loads the engine of a SavedModel.

    Args:
        folder: Its folder.
        trusted: Whether it may have operations that kseq does not write. Otherwise they are looked
            for first, because loading a SavedModel can run them.

    Raises:
        ValueError: It is damaged, kseq has not written it, or it has other operations; or the model
            reads recordings or covariates.
    """
    fingerprint = _fingerprint(folder)
    if not trusted:
        try:
            check_saved_model(folder)
        except ValueError as error:
            raise ValueError(
                f"{error}; if you trust who made it, start with --trust-models"
            ) from error
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ValueError(f"{folder}: damaged: {error}") from error
    signature = model.signatures.get(_SIGNATURE)
    outputs = {} if signature is None else signature.structured_outputs
    inputs = {} if signature is None else signature.structured_input_signature[1]
    for name, kind in (("samples", "recordings"), ("covariates", "covariates")):
        if name in inputs:
            raise not_served(kind)
    if not {"translation", "values"} & set(outputs):
        raise ValueError(
            f"{folder}: expected a SavedModel of kseq export, whose signature {_SIGNATURE} returns "
            f"translation or values; found {', '.join(outputs) or 'no such signature'}"
        )
    # Exports of older versions have a single signature, which returns everything.
    details = model.signatures.get("details", signature)
    return SavedModelEngine(model, signature, details, fingerprint)


def _fingerprint(folder):
    checksum = 0
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            checksum = zlib.crc32(path.read_bytes(), checksum)
    return f"{checksum:08x}"


class SavedModelEngine(Engine):
    """Answers with the signatures of a SavedModel; the options of its search are fixed.

    Args:
        model: The loaded SavedModel, which owns the variables and the tables.
        signature: Its function from named tensors to translations or values.
        details: Its function that also returns tokens, attention and an axis of hypotheses.
        fingerprint: Checksum of its files.

    Attributes:
        description: As in `Engine`.
    """

    def __init__(self, model, signature, details, fingerprint):
        self._model = model
        inputs, outputs = details.structured_input_signature[1], details.structured_outputs
        is_text = "translation" in outputs
        shape = outputs["translation"].shape if is_text else ()
        self._n_best = (shape[1] or 1) if len(shape) == 2 else 0
        self._details = details
        self._signature = details if self._n_best else signature
        self.description = Description(
            engine="saved_model",
            fingerprint=fingerprint,
            source_width=None if "text" in inputs else inputs["source"].shape[2],
            target_width=None if is_text else outputs["values"].shape[2],
            reads_features="features" in inputs,
            has_attention="attention" in outputs,
            fixed_n_best=self._n_best if is_text else None,
        )

    def answer(self, batch):
        """Runs a `Batch`: see `Engine.answer`."""
        signature = self._details if batch.attention else self._signature
        outputs = signature(**self._inputs(batch))
        if self.description.target_width is None:
            return self._translations(outputs, batch)
        return self._predictions(outputs, batch)

    def _inputs(self, batch):
        columns, inputs = batch.columns, {}
        if self.description.source_width is None:
            texts = [text.encode("utf-8", "replace") for text in batch.sources]
            inputs["text"] = tf.constant(texts, tf.string)
        else:
            lengths = [len(source) for source in batch.sources]
            shape = len(lengths), max(lengths), self.description.source_width
            source = np.zeros(shape, np.float32)
            for row, values in enumerate(batch.sources):
                source[row, : lengths[row]] = values
            inputs |= {"source": tf.constant(source), "lengths": tf.constant(lengths, tf.int32)}
        if "features" in columns:
            inputs["features"] = tf.constant(columns["features"], tf.string)
        if "steps" in columns:
            inputs["steps"] = tf.constant(max(columns["steps"]), tf.int32)
        return inputs

    def _translations(self, outputs, batch):
        names = ["translation", "score", "is_cut"]
        if batch.attention:
            names += [name for name in ("output_tokens", "attention") if name in outputs]
        arrays = {name: outputs[name].numpy() for name in names}
        if not self._n_best:
            arrays = {name: array[:, None] for name, array in arrays.items()}
        counts = outputs["hypothesis_count"].numpy().tolist()
        if 0 in counts:
            number = counts.index(0) + 1
            raise ValueError(f"source {number}: no output satisfies all rules of this export")
        sources = _source_tokens(outputs) if batch.attention else [None] * len(counts)
        return [
            [
                _translation({name: arrays[name][row, rank] for name in names}, sources[row])
                for rank in range(count)
            ]
            for row, count in enumerate(counts)
        ]

    def _predictions(self, outputs, batch):
        values = outputs["values"].numpy()
        attention = batch.attention and "attention" in outputs
        weights = outputs["attention"].numpy() if attention else None
        sources = _source_tokens(outputs) if attention else None
        results = []
        for row, (steps, source) in enumerate(zip(batch.columns["steps"], batch.sources)):
            result = {"values": values[row, :steps].tolist()}
            if attention:
                tokens = sources[row]
                width = len(source if tokens is None else tokens)
                result |= {
                    "source_tokens": tokens,
                    **attention_values(weights[row, :steps, :width]),
                }
            results.append(result)
        return results


def _source_tokens(outputs):
    """The tokens of each source, without padding; None for each source of real values."""
    if "source_tokens" not in outputs:
        return [None] * outputs[next(iter(outputs))].shape[0]
    return [_strings(row) for row in outputs["source_tokens"].numpy()]


def _translation(values, source_tokens):
    """A translation from NumPy values by the names of the signature."""
    result = {
        "text": values["translation"].decode(),
        "score": float(values["score"]),
        "is_cut": bool(values["is_cut"]),
    }
    if "output_tokens" in values:
        tokens = _strings(values["output_tokens"])
        result |= {"source_tokens": source_tokens, "tokens": tokens}
        if "attention" in values:
            width = len(source_tokens) if source_tokens is not None else None
            result |= attention_values(values["attention"][: len(tokens), :width])
    return result


def _strings(row):
    """The strings of a padded row, up to the first empty one."""
    strings = [value.decode() for value in row.tolist()]
    return strings[: strings.index("")] if "" in strings else strings
