"""The `Translator` for models that were exported for LiteRT."""

import itertools
import pathlib
import reprlib
import types

import numpy as np

from kseq.errors import SettingError
from kseq.lite.folder import MODEL, read_description
from kseq.lite.interpreters import Interpreters
from kseq.lite.lengths import Lengths
from kseq.lite.sources import Statistics, make_source, read_codec
from kseq.translation.assembly import PredictionAssembler, TranslationAssembler
from kseq.translation.doubtful_outputs import CutOutputs
from kseq.translation.features import UnknownFeatures, with_features
from kseq.translation.results import Prediction

LONGEST_PREDICTION = 100_000  # steps
_HALF = np.log(np.float32(0.5))
_NO_COVERAGE = np.log(1e-6)  # as in `kseq.search.choices`
_RESULT_FIELDS = (
    *("ids", "lengths", "scores", "log_probabilities", "token_log_probabilities"),
    "is_cut",
)


class Translator:
    """Translates with a model that `kseq export --format litert` wrote, without TensorFlow.

        translator = kseq.lite.Translator("exported/en-fr")
        translator.translate(["The red car is old."])[0].text

    It needs ai-edge-litert, NumPy and, for subwords, sentencepiece. Results are those of
    `kseq.Translator`. How the model searches was fixed by the export.

    One translator may be used by several threads at the same time: each call in progress has an
    interpreter of its own, which is kept for later calls. A call takes one source after the other,
    on `threads` threads.

    Args:
        folder: Folder of the export.
        threads: Threads of each interpreter.

    Attributes:
        description: The content of its `kseq.json`.
        beam_size: Hypotheses K that the search follows; 1 is greedy search.
        n_best: Number of translations of each source; None if there is one.
        has_attention: Whether results come with attention.
        predicts_values: Whether the targets are real-valued: use `predict`.

    Raises:
        FileNotFoundError: The folder is missing, or is not such an export.
        ValueError: It was written by another version, or is damaged.
        ImportError: A package is missing; the message says how to install it.
    """

    def __init__(self, folder, threads=1):
        folder = pathlib.Path(folder)
        self.description = description = read_description(folder)
        self.beam_size, self.n_best = (description["search"][n] for n in ("beam_size", "n_best"))
        self.predicts_values = description["target"]["kind"] == "values"
        self._source = make_source(folder, description)
        if self.predicts_values:
            self._statistics = Statistics(folder / description["target"]["file"])
            self._assembler = PredictionAssembler(description["source_steps"])
        else:
            self._target = read_codec(folder, description["target"])
            self._assembler = TranslationAssembler(description["source_steps"])
            self._lengths = Lengths(**description["lengths"])
        self._model = Interpreters(folder / MODEL, threads, description["plans_memory"])
        self.has_attention = "attention" in self._model.output_specs

    def translate(self, texts, features=None):
        """Translates sentences, or real-valued sources, one after the other.

        Args:
            texts: A list of sentences; or of arrays `[S, F]`.
            features: Features of the sentences, if the model reads them: one string for all, or
                one for each.

        Returns:
            A list of `kseq.Translation`; if the model was exported with `n_best`, a list of lists,
            best first.

        Warns:
            CutOutputsWarning: Outputs were cut at their maximum length, and are incomplete.
            UnknownFeaturesWarning: The model has never seen some features.

        Raises:
            TypeError: `texts` is a single string, or the targets are real-valued.
            ValueError: A source cannot be used, or no output satisfies all rules.
        """
        if self.predicts_values:
            raise TypeError("this model predicts real values: use predict(sources, steps)")
        results = self._translate(_as_list(texts), features)
        return results if self.n_best is not None else [result[0] for result in results]

    def predict(self, sources, steps):
        """Predicts real values, each step from the steps before it.

        Args:
            sources: A list of sentences, or of real-valued sources.
            steps: Number of steps to predict: one for all, or one for each source.

        Returns:
            A list of `kseq.Prediction`.

        Raises:
            TypeError: `sources` is a single string, or the targets are text.
            ValueError: A number of steps is out of range, or a source cannot be used.
        """
        if not self.predicts_values:
            raise TypeError("this model writes text: use translate(texts)")
        sources = _as_list(sources)
        steps = list(steps) if np.ndim(steps) else [steps] * len(sources)
        if len(steps) != len(sources):
            raise ValueError(
                f"expected a number of steps for each source; received {len(steps)} for "
                f"{len(sources)}"
            )
        return list(itertools.starmap(self._predict, zip(sources, steps)))

    def _translate(self, texts, features):
        """Returns a list of `Translation`s for each source."""
        results, cut, unknown = [], CutOutputs(), UnknownFeatures(self._source.features)
        for number, source in enumerate(with_features(texts, features), start=1):
            read = self._source.read(source)
            unknown.add([source])
            translations = self._search(read)
            if not translations:
                raise SettingError(
                    "source {0}: no output for {1} satisfies all rules; export the model with "
                    "others",
                    *(number, reprlib.repr(source)),
                )
            cut.add(number, source, translations)
            results.append(translations)
        cut.warn()
        unknown.warn()
        return results

    def _search(self, read):
        """Returns the `Translation`s of a `ReadSource`, best first."""
        if read.is_empty:
            outputs = self._write_nothing(read)
        else:
            minimum, maximum = self._lengths.bounds(read.words, read.length)
            outputs = self._model(
                **read.inputs,
                positions=np.arange(maximum, dtype=np.int32),
                minimum=np.array(minimum, np.int32),
            )
        outputs["is_cut"] = self._find_cut(outputs)
        rows = [ids[:length].tolist() for ids, length in zip(outputs["ids"], outputs["lengths"])]
        tokens = [self._target.tokens(ids, read.tokens) for ids in rows]
        texts = [self._target.join(*pair) for pair in zip(rows, tokens)]
        attention = {
            name: array[None] for name, array in outputs.items() if name not in _RESULT_FIELDS
        }
        fields = {name: outputs[name][None] for name in _RESULT_FIELDS}
        result = types.SimpleNamespace(**fields, attention=attention)
        strings = [texts], [[self._target.display(row) for row in tokens]]
        return self._assembler.assemble_search(read.reading, result, strings, 0)

    def _write_nothing(self, read):
        """Returns the outputs of the model for an empty sentence: one output without ids."""
        outputs = {}
        for name, (shape, dtype) in self._model.output_specs.items():
            is_of_features = name == "feature_attention"
            width = read.inputs["feature_ids"].shape[1] if is_of_features else read.length
            dimensions = [1, 0, *shape[2:-1], width][: len(shape)]
            outputs[name] = np.zeros(dimensions, dtype)
        # The coverage penalty of END, which gets no attention.
        outputs["scores"] += np.float32(self.description["search"]["beta"] * _NO_COVERAGE)
        return outputs

    @staticmethod
    def _find_cut(outputs):
        """Returns which outputs end only because of their maximum length, boolean `[N]`."""
        lengths, log_probabilities = outputs["lengths"], outputs["token_log_probabilities"]
        steps = log_probabilities.shape[1]
        is_full = (lengths == steps) & (lengths > 0)
        return is_full & (log_probabilities[:, -1] < _HALF) if steps else is_full

    def _predict(self, source, steps):
        """Returns the `Prediction` of a number of steps."""
        is_whole = isinstance(steps, (int, np.integer)) and not isinstance(steps, bool)
        if not is_whole or not 1 <= steps <= LONGEST_PREDICTION:
            raise ValueError(
                f"steps must be whole numbers from 1 to {LONGEST_PREDICTION:,}; received {steps}"
            )
        read = self._source.read(source)
        outputs = self._model(**read.inputs, positions=np.arange(steps, dtype=np.int32))
        values = self._statistics.restore(outputs.pop("values")[0])
        weights = {name: array[0] for name, array in outputs.items()}
        attended = self._assembler.attended_fields(read.reading, steps, weights)
        return Prediction(values=values, **attended)


def _as_list(sources):
    """Returns sources as a list.

    Raises:
        TypeError: It is a single source, or not a list of sources.
    """
    if isinstance(sources, str):
        raise TypeError("expected a list of sentences, received one string; wrap it in [ ]")
    if getattr(sources, "ndim", None) == 2:
        raise TypeError("expected a list of real-valued sources, received one; wrap it in [ ]")
    if not np.iterable(sources):
        raise TypeError(f"expected a list of sources; received {reprlib.repr(sources)}")
    return list(sources)
