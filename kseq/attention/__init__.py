"""Attention mechanisms, each a Keras layer."""
