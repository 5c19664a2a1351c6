"""From pairs to batches of numbers."""
