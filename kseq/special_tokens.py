"""The four ids that every vocabulary begins with, and their spellings."""

PAD, UNK, START, END = range(4)

SPECIAL_TOKENS = ("<pad>", "<unk>", "<start>", "<end>")
