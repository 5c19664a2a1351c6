"""Engines: what runs a model in a worker. Each kind of model on disk has its engine."""

import importlib
import pathlib

from kseq.runs.directory import is_ensemble, is_run
from kseq.serving.batches import Batch

_WARM_UP = (1, 16)  # sources in a batch


class Engine:
    """A loaded model that answers batches.

    Attributes:
        description: `Description`.
    """

    description = None

    def answer(self, batch):
        """Runs a `Batch`.

        Returns:
            A list with the result of each source, ready for JSON. For text it is a list of
            translations, best first or in the order in which they were drawn: dicts of `text`,
            `score`, `log_probability` and `is_cut`. For real values it is a dict of `values`
            `[T][F]`. With attention there are also `source_tokens` and `tokens` of text, and
            `attention` `[T][S]`.

        Raises:
            ValueError, TypeError: The batch asks for something that the model cannot do.
        """
        raise NotImplementedError

    def warm_up(self, options):
        """Runs batches of different sizes, so that the first request takes no longer than others.

        Args:
            options: Options of the search that most requests have, by name.
        """
        description = self.description
        width = description.source_width
        source = "a b c." if width is None else [[0.0] * width] * 3
        if description.task == "language model":
            source = ""  # Other beginnings may have characters that it does not know.
        for count in _WARM_UP:
            columns = {"features": ["a"] * count} if description.reads_features else {}
            if description.target_width is None:
                batch = Batch(sources=[source] * count, options=options, columns=columns)
            else:
                columns["steps"] = [2] * count
                batch = Batch(method="predict", sources=[source] * count, columns=columns)
            self.answer(batch)


def not_served(inputs):
    """Makes the ValueError for a model that reads what the protocols of the server do not have.

    Args:
        inputs: What it reads, such as `"recordings"`.
    """
    return ValueError(
        f"the model reads {inputs}, which the protocols of kseq serve do not have; export it, and "
        "serve the SavedModel with TensorFlow Serving"
    )


def _is_saved_model(folder):
    return (pathlib.Path(folder) / "saved_model.pb").is_file()


def _is_litert(folder):
    return (pathlib.Path(folder) / "model.tflite").is_file()


# Each kind of model: how its folder is recognised, and its modules; the last has its engine. They
# are imported once, in the process that workers are forks of.
_KINDS = {
    "run": (
        lambda folder: is_run(folder) or is_ensemble(folder),
        ("kseq.serving.quiet_tensorflow", "kseq.serving.run_engine"),
    ),
    "SavedModel": (
        _is_saved_model,
        ("kseq.serving.quiet_tensorflow", "kseq.serving.saved_model_engine"),
    ),
    "model for LiteRT": (_is_litert, ("kseq.lite.translator", "kseq.serving.lite_engine")),
}


def kind_of(folder):
    """Returns the kind of the model in a folder, such as `"run"`; None for no model."""
    return next((kind for kind, (is_kind, _) in _KINDS.items() if is_kind(folder)), None)


def modules_of(kinds):
    """Returns the names of the modules to import before workers for some kinds of models start."""
    modules = [
        module for kind, (_, modules) in _KINDS.items() if kind in kinds for module in modules
    ]
    return list(dict.fromkeys(modules))


def load_engine(folder, trusted=False):
    """Loads the model in a folder.

    Args:
        folder: Name of the folder.
        trusted: Whether a SavedModel may have operations that kseq does not write.

    Returns:
        An `Engine`.

    Raises:
        ValueError: There is no model in the folder, it is damaged, or it is not trusted.
    """
    kind = kind_of(folder)
    if kind is None:
        raise ValueError(f"{folder}: expected a {', a '.join(_KINDS)}; found none")
    *_, engine = map(importlib.import_module, modules_of({kind}))
    return engine.load(folder, trusted=trusted) if kind == "SavedModel" else engine.load(folder)
