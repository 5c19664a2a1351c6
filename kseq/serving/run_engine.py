"""The engine of a run or an ensemble: a `Translator`."""

import json
import zlib

import kseq.serving.quiet_tensorflow  # noqa: F401
from kseq.runs.ensembles import runs_of
from kseq.search.strategies import BeamSearch, Sampling, make_strategy
from kseq.serving.descriptions import Description
from kseq.serving.engines import Engine
from kseq.translation.translator import Translator

_STRATEGIES = {"translate": BeamSearch, "sample": Sampling}
_DECIMALS = 6


def load(folder):
    """Loads the engine of a run or an ensemble."""
    return RunEngine(Translator.load(*runs_of(folder)))


class RunEngine(Engine):
    """Answers with a `Translator`.

    Args:
        translator: The translator.

    Attributes:
        description: As in `Engine`.
    """

    def __init__(self, translator):
        self._translator = translator
        sides = [None if codec.is_text else codec.features for codec in translator.codecs.sides]
        self.description = Description(
            engine="run",
            fingerprint=_fingerprint(translator),
            source_width=sides[0],
            target_width=sides[1],
            reads_features=translator.codecs.features is not None,
            has_attention=translator.has_attention,
        )

    def answer(self, batch):
        """Runs a `Batch`: see `Engine.answer`."""
        if batch.method == "predict":
            predictions = self._translator.predict(batch.sources, batch.columns["steps"])
            return [_prediction(result, batch.attention) for result in predictions]
        strategy = make_strategy(_STRATEGIES[batch.method], **batch.options)
        prefixes, features = batch.columns.get("prefix"), batch.columns.get("features")
        results = self._translator.stream(batch.sources, strategy, prefixes, features=features)
        return [[_translation(each, batch.attention) for each in result] for result in results]


def _fingerprint(translator):
    members = [
        [member.config.to_dict(), member.record.checksums, member.record.length_ratio]
        for member in translator.members
    ]
    return f"{zlib.crc32(json.dumps(members, sort_keys=True, default=str).encode()):08x}"


def _translation(result, has_attention):
    values = {
        "text": result.text,
        "score": result.score,
        "log_probability": result.log_probability,
        "is_cut": result.is_cut,
    }
    if has_attention:
        values |= {"source_tokens": result.source_tokens, "tokens": result.tokens}
        values |= _attention(result)
    return values


def _prediction(result, has_attention):
    values = {"values": result.values.tolist()}
    if has_attention:
        values |= {"source_tokens": result.source_tokens} | _attention(result)
    return values


def _attention(result):
    weights = result.attention
    if weights is None:
        return {}
    return {"attention": [[round(weight, _DECIMALS) for weight in row] for row in weights.tolist()]}
