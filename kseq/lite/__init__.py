"""Trained models on phones and small computers: LiteRT and NumPy, no TensorFlow."""

__all__ = ["Translator"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'kseq.lite' has no attribute {name!r}")
    from kseq.lite.translator import Translator

    return Translator
