"""Strings to tokens to numbers and back, without loss."""
