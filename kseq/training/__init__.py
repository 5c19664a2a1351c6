"""From a corpus to a run: teacher forcing, losses, and what is written while a model trains."""
