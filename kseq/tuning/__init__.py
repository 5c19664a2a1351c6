"""Tuning: trials of settings, each a short training, to find the best ones."""
