"""The sides of a model, source and target: text or real values."""
