"""Splits that are held out from the training pairs, and splits that share no sentence."""

import zlib

_SHARES = 20  # one source in twenty for validation, one in twenty for testing


def hold_out(pairs, test):
    """Splits training pairs by a hash of the source: 0 for validation, 1 for testing.

    If a small corpus has no pair with one of these hashes, a hash of its first pairs replaces it.

    Args:
        pairs: `Pairs` or `ValuePairs` for training.
        test: Pairs for testing; None to hold them out too.

    Returns:
        The three splits.
    """
    shares = []
    for key in pairs.keys():  # noqa: SIM118 (no dict)
        if _share(key) not in shares:
            shares.append(_share(key))
        if {0, 1} < set(shares):
            break
    held_out = sorted(shares, key=lambda share: min(share, 2))[: 2 if test is None else 1]
    if len(shares) <= len(held_out):
        units, advice = f"{pairs.noun}s", ""
        if pairs.previous_turns:
            units, advice = "conversations", " (with an empty line between two of them)"
        raise ValueError(
            f"{pairs}: too few different {units}{advice} to hold some out for validation and "
            f"testing; add {units}, or name files for both (valid= and test=, --valid and --test)"
        )
    return (
        pairs.select(lambda key: _share(key) not in held_out),
        pairs.select(lambda key: _share(key) == held_out[0], counts_faulty=False),
        test or pairs.select(lambda key: _share(key) == held_out[1], counts_faulty=False),
    )


def separate_sides(train, valid, test):
    """Leaves out pairs that share a side with another split.

    Validation is kept apart from testing; training is kept apart from both.
    """
    if any(train.features):
        raise ValueError(f"{train}: apart='both' compares sentences; these pairs hold real values")
    if test is not None:
        valid = valid.apart_from(test)
    return train.apart_from(*filter(None, (valid, test))), valid, test


def _share(key):
    """Returns the number of the share that a source, a string or bytes, belongs to."""
    return zlib.crc32(key.strip().encode() if isinstance(key, str) else key) % _SHARES
