"""A look at a corpus before training: what it is made of, what looks wrong, which settings fit."""
