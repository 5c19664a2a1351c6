"""From a corpus to a run: teacher forcing, losses, and the files written during training."""
