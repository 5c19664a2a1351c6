"""Vocabularies: the tokens of a side in the order of their ids, chosen, checked, read."""

import collections
import pathlib

from kseq.special_tokens import SPECIAL_TOKENS


def check_vocabulary(vocabulary):
    """Checks that tokens, in the order of their ids, are a vocabulary.

    Raises:
        ValueError: They do not begin with the special tokens, or one of them is repeated.
    """
    if tuple(vocabulary[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise ValueError(
            f"a vocabulary must begin with {', '.join(SPECIAL_TOKENS)}; "
            f"received {', '.join(map(str, vocabulary[:4])) or 'nothing'}"
        )
    if len(set(vocabulary)) != len(vocabulary):
        counts = collections.Counter(vocabulary)
        duplicate = next(token for token, count in counts.items() if count > 1)
        raise ValueError(f"a vocabulary must hold each token once; {duplicate!r} occurs twice")


def check_lines(vocabulary):
    """Raises a ValueError if a token is not a string that can be one line of a file."""
    for token in vocabulary:
        if not isinstance(token, str) or "\n" in token:
            raise ValueError(f"expected tokens as strings without line breaks; received {token!r}")


def load_vocabulary(path):
    """Returns the tokens that `TextCodec.save` wrote to `path`, in the order of their ids.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is not a vocabulary.
    """
    try:
        tokens = pathlib.Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a vocabulary: not valid UTF-8") from error
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise ValueError(
            f"{path}: not a vocabulary: expected it to begin with {', '.join(SPECIAL_TOKENS)}"
        )
    return tokens


def select_vocabulary(counts, minimum_frequency, maximum_size):
    """Chooses the tokens that get an id: the most frequent ones; ties in code point order.

    Args:
        counts: Mapping from token to its number of occurrences in the training split.
        minimum_frequency: Minimum number of occurrences.
        maximum_size: Maximum size of the vocabulary, special tokens included.

    Returns:
        Tokens in the order of their ids, special tokens first.
    """
    frequent = [
        (-count, token)
        for token, count in counts.items()
        if count >= minimum_frequency and token not in SPECIAL_TOKENS
    ]
    room = maximum_size - len(SPECIAL_TOKENS)
    return [*SPECIAL_TOKENS, *(token for _, token in sorted(frequent)[:room])]


def extend_vocabulary(vocabulary, counts, minimum_frequency, maximum_size):
    """Adds new tokens to a vocabulary, whose tokens keep their ids.

    Args:
        vocabulary: Tokens in the order of their ids.
        counts: As in `select_vocabulary`, in another training split.
        minimum_frequency: Minimum number of occurrences of a new token.
        maximum_size: Maximum size of the vocabulary. If it is that large already, it stays as it
            is.

    Returns:
        A tuple of tokens in the order of their ids, the old ones first.
    """
    known = set(vocabulary)
    new_counts = {token: count for token, count in counts.items() if token not in known}
    room = max(0, maximum_size - len(vocabulary))
    selected = select_vocabulary(new_counts, minimum_frequency, len(SPECIAL_TOKENS) + room)
    return *vocabulary, *selected[len(SPECIAL_TOKENS) :]
