"""Sharing runs: in one file, or on a hub."""
