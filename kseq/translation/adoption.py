"""A Keras model that was trained without kseq's `train`, described as a run describes its model."""

import os
import pathlib
import reprlib

import kseq
from kseq.config import Config, TextConfig
from kseq.models.factory import require_seq2seq
from kseq.models.renumbering import renumber
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.value_codec import ValueCodec
from kseq.runs.record import RunRecord
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.codec import TextCodec
from kseq.text.subwords import adopt_subwords
from kseq.text.vectorization import VectorizationCodec, is_vectorization, read_vectorization

ORIGIN = "a Keras model trained without kseq train"  # in `run.json`

_HOW_TO = (
    "expected kseq.TextCodec(tokens, tokenizer=...), which says how text is split; a "
    "keras.layers.TextVectorization; a SentencePiece model (its bytes, or the name of its .model "
    "file); or kseq.ValueCodec(mean, scale) for real values"
)


def adopt(model, source, target, length_ratio=1.0):
    """Describes a model.

    Args:
        model: Model of `build_seq2seq`, trained in any way.
        source: How sources become numbers; see `Translator`.
        target: Likewise.
        length_ratio: Target tokens per source token, about.

    Returns:
        The model, or a copy whose tokens have the ids of kseq; its `CodecPair`, a `Config`, and a
        `RunRecord`.

    Raises:
        TypeError: A side is described by something that a run cannot hold.
        ValueError: The sides do not fit the model, or each other.
    """
    require_seq2seq(model)
    for name, default in (("copy", False), ("features", "none")):
        value = getattr(model.config, name)
        if value != default:
            raise ValueError(
                f"expected a model without {name}; received {name}={value}: train such a model "
                "with kseq.train"
            )
    names, sides = ("source", "target"), (model.source_side, model.target_side)
    (source, source_ids), (target, target_ids) = (
        _make_codec(given, *rest) for given, *rest in zip((source, target), names, sides)
    )
    codecs = CodecPair(source, target)
    for name, codec, side, ids in zip(names, codecs.sides, sides, (source_ids, target_ids)):
        _check_size(name, codec, side, ids)
    if source_ids or target_ids:
        model = renumber(model, source_ids, target_ids)
    config = Config(model=model.config, text=_describe_text(codecs))
    record = RunRecord(
        length_ratio=length_ratio,
        parameters=model.count_params(),
        kseq=kseq.__version__,
        origin=ORIGIN,
    )
    return model, codecs, config, record


def _make_codec(given, name, side):
    """Returns the codec of a side, and for each of its ids the model's own, or None if equal."""
    if side.is_absent:
        if given is not None:
            raise TypeError(
                f"{name}: a language model has no {name}: expected None; received "
                f"{reprlib.repr(given)}"
            )
        return TextCodec(SPECIAL_TOKENS, "none"), None
    if not side.is_text:
        if given is not None and not isinstance(given, ValueCodec):
            raise TypeError(
                f"{name}: the model's {name} is real-valued: expected kseq.ValueCodec(mean, scale) "
                f"if the model was trained with standardised values, or None; received "
                f"{reprlib.repr(given)}"
            )
        return given or ValueCodec.plain(side.features, side.covariates), None
    if isinstance(given, TextCodec):
        return given, None
    if is_vectorization(given):
        description, ids = read_vectorization(given, name)
        return VectorizationCodec(description), ids
    if isinstance(given, (str, os.PathLike)) and pathlib.Path(given).suffix == ".model":
        given = pathlib.Path(given).read_bytes()
    elif hasattr(given, "serialized_model_proto"):
        given = given.serialized_model_proto()
    if isinstance(given, bytes):
        return TextCodec(adopt_subwords(given), "subword", normalization="none"), None
    hint = ""
    if hasattr(given, "encode") and hasattr(given, "decode"):
        hint = (
            ". A tokenizer that runs in Python cannot be part of a TensorFlow graph: join its "
            'tokens with spaces, and give kseq.TextCodec(tokens, tokenizer="space"), with the '
            "tokens in the order of their ids"
        )
    raise TypeError(f"{name}: {_HOW_TO}; received {reprlib.repr(given)}{hint}")


def _check_size(name, codec, side, ids):
    """Raises a ValueError if a codec has other numbers than the side of the model."""
    if not side.is_text:
        expected, received, unit = side.width, codec.side.width, "values per step"
    else:
        expected, unit = side.vocabulary_size, "tokens"
        received = codec.size if ids is None else sum(number is not None for number in ids)
    if expected != received:
        raise ValueError(
            f"{name}: the model has {expected:,} {unit}, and the {name} that is given "
            f"{received:,}; give the one that the model was trained with"
            + (" (name ids that no token has, such as <unused1>)" if expected > received else "")
        )


def _describe_text(codecs):
    """Returns the `TextConfig` with which the codecs are loaded again.

    Raises:
        ValueError: There is none, as the sides are normalised in different ways.
    """
    settings = {}
    for name, codec in zip(("source", "target"), codecs.sides):
        if not codec.is_text:
            continue
        settings[f"{name}_tokenizer"] = codec.tokenizer
        if isinstance(codec, VectorizationCodec) or codec.side.is_absent:
            continue
        _, case, normalization = codec.reading
        if settings.get("case", case) != case:
            raise ValueError(_DIFFERENCE.format("case", settings["case"], case))
        if settings.get("normalization", normalization) != normalization:
            received = settings["normalization"], normalization
            raise ValueError(_DIFFERENCE.format("normalization", *received))
        settings |= {"case": case, "normalization": normalization}
    return TextConfig(**settings)


_DIFFERENCE = "expected the same {0} on both sides; received {0}={1!r} and {0}={2!r}"
