"""The four ids that every vocabulary starts with, and how they are spelled."""

PAD, UNK, START, END = range(4)

SPECIAL_TOKENS = ("<pad>", "<unk>", "<start>", "<end>")
