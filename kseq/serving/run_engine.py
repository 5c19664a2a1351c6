"""The engine of a run or an ensemble: a `Translator`."""

import json
import zlib

from kseq.runs.ensembles import runs_of
from kseq.search.strategies import BeamSearch, Sampling, make_strategy
from kseq.serving.descriptions import Description
from kseq.serving.engines import Engine, not_served
from kseq.serving.results import prediction_values, translation_values
from kseq.translation.translator import Translator

_STRATEGIES = {"translate": BeamSearch, "sample": Sampling}


def load(folder):
    """Loads the engine of a run or an ensemble."""
    return RunEngine(Translator.load(*runs_of(folder)))


class RunEngine(Engine):
    """Answers with a `Translator`.

    Args:
        translator: The translator.

    Attributes:
        description: As in `Engine`.

    Raises:
        ValueError: The model reads recordings or covariates.
    """

    def __init__(self, translator):
        source, target = translator.codecs.sides
        if not source.is_text and source.log_mel is not None:
            raise not_served("recordings")
        if not target.is_text and target.covariates:
            raise not_served("covariates")
        self._translator = translator
        sides = [None if codec.is_text else codec.features for codec in translator.codecs.sides]
        self.description = Description(
            engine="run",
            fingerprint=_fingerprint(translator),
            source_width=sides[0],
            target_width=sides[1],
            reads_features=translator.codecs.features is not None,
            has_attention=translator.has_attention,
            task=_task(translator),
        )

    def answer(self, batch):
        """Runs a `Batch`: see `Engine.answer`."""
        if batch.method == "predict":
            predictions = self._translator.predict(batch.sources, batch.columns["steps"])
            return [prediction_values(result, batch.attention) for result in predictions]
        strategy = make_strategy(_STRATEGIES[batch.method], **batch.options)
        prefixes, features = batch.columns.get("prefix"), batch.columns.get("features")
        results = self._translator.stream(batch.sources, strategy, prefixes, features=features)
        return [
            [translation_values(each, batch.attention) for each in result] for result in results
        ]


def _task(translator):
    if translator.config.model.is_language_model:
        return "language model"
    return "dialogue" if translator.codecs.previous_turns else "translation"


def _fingerprint(translator):
    members = [
        [member.config.to_dict(), member.record.checksums, member.record.length_ratio]
        for member in translator.members
    ]
    return f"{zlib.crc32(json.dumps(members, sort_keys=True, default=str).encode()):08x}"
