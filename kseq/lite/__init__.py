"""Trained models on phones and small computers: LiteRT and NumPy, no TensorFlow."""

from kseq.lite.translator import Translator

__all__ = ["Translator"]
