"""Trained models on phones and small computers: LiteRT, NumPy and no TensorFlow."""
