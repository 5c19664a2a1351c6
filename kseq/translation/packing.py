"""Translators as plain data, from which pickle and copy make others like them."""

from kseq.models.factory import Seq2Seq
from kseq.pipeline.codecs import CodecPair


def pack(translator):
    """Returns a trained model with its codecs as objects that can be pickled.

    Args:
        translator: A `Translator`; the others of an ensemble are left out.
    """
    model = translator.model
    return {
        "model": model.get_config(),
        "weights": model.get_weights(),
        "codecs": translator.codecs.descriptions,
        "features": translator.codecs.feature_vocabulary,
        "config": translator.config,
        "record": translator.record,
    }


def unpack(packed):
    """Makes the model, its `CodecPair`, the `Config` and the `RunRecord` again.

    Args:
        packed: Result of `pack`.
    """
    model = Seq2Seq.from_config(packed["model"])
    model.set_weights(packed["weights"])
    config = packed["config"]
    options = {"features": packed["features"], "copies": config.model.copy}
    codecs = CodecPair.of(*packed["codecs"], config.text, **options)
    return model, codecs, config, packed["record"]
