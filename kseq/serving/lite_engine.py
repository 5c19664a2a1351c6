"""The engine of a model for LiteRT, as `kseq export --format litert` writes it: no TensorFlow."""

import contextlib
import importlib
import json
import pathlib
import zlib

from kseq.serving.descriptions import Description
from kseq.serving.engines import Engine
from kseq.serving.results import prediction_values, translation_values

# Here, so that the process that workers are forks of imports it, once for all. Where it is missing,
# loading a model says so.
with contextlib.suppress(ImportError):
    importlib.import_module("ai_edge_litert.interpreter")


def load(folder):
    """Loads the engine of a model for LiteRT."""
    from kseq.lite import Translator

    return LiteEngine(Translator(folder), pathlib.Path(folder))


class LiteEngine(Engine):
    """Answers with a `kseq.lite.Translator`; the options of its search are fixed.

    Args:
        translator: The translator.
        folder: Its folder.

    Attributes:
        description: As in `Engine`.
    """

    def __init__(self, translator, folder):
        self._translator = translator
        sides = translator.description
        self.description = Description(
            engine="litert",
            fingerprint=_fingerprint(folder),
            source_width=_width(folder, sides["source"]),
            target_width=_width(folder, sides["target"]),
            reads_features=sides["features"] is not None,
            has_attention=translator.has_attention,
            fixed_n_best=None if translator.predicts_values else translator.n_best or 0,
        )

    def answer(self, batch):
        """Runs a `Batch`: see `Engine.answer`."""
        if batch.method == "predict":
            predictions = self._translator.predict(batch.sources, batch.columns["steps"])
            return [prediction_values(result, batch.attention) for result in predictions]
        results = self._translator.translate(batch.sources, batch.columns.get("features"))
        if self._translator.n_best is None:
            results = [[result] for result in results]
        return [
            [translation_values(each, batch.attention) for each in result] for result in results
        ]


def _width(folder, side):
    """The number of values in a step of a side; None for text."""
    if side["kind"] != "values":
        return None
    return len(json.loads((folder / side["file"]).read_bytes())["mean"])


def _fingerprint(folder):
    checksum = 0
    for path in sorted(folder.iterdir()):
        if path.is_file():
            checksum = zlib.crc32(path.read_bytes(), checksum)
    return f"{checksum:08x}"
