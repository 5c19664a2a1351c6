"""Settings of a run: model, text and training."""
