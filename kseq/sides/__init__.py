"""What the source or the target of a model is made of: text or real values."""
