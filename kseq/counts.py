"""Numbers with their nouns."""


def counted(number, noun):
    """Returns `"1 pair"` or `"2,000 pairs"`, for the noun `"pair"`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
