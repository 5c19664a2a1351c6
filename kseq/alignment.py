"""Attention as word alignments: the Pharaoh format, and the alignment error rate."""

import numpy as np


def hard_alignment(result):
    """Links every output token to the source token that it attended to most.

    END stands for nothing on either side, so it links to nothing; among the real source
    tokens the first of equals is taken.

    Args:
        result: A `Translation`, whose attention is `[T, S]`.

    Returns:
        A set of (source, target) token positions, from 0.

    Raises:
        ValueError: The model has no attention.
    """
    if result.attention is None:
        raise ValueError("expected a result with attention; the model has none (attention=none)")
    attention = np.asarray(result.attention)
    targets = sum(token != "<end>" for token in result.tokens)
    weights = attention[:targets, : attention.shape[1] - 1]
    if not weights.size:
        return set()
    return {(int(source), target) for target, source in enumerate(weights.argmax(axis=1))}


def to_pharaoh(alignment):
    """Returns an alignment in Pharaoh format: `"0-0 1-2"`, source before target."""
    return " ".join(f"{source}-{target}" for source, target in sorted(alignment))


def alignment_error_rate(predicted, gold):
    """Alignment error rate over a corpus, all gold links being sure.

    Och and Ney 2003, "A Systematic Comparison of Various Statistical Alignment Models",
    section 4.2: `1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)`, with S = P.

    Args:
        predicted: Alignments, each a set of (source, target) positions.
        gold: Gold alignments, likewise, as many.

    Returns:
        The rate, from 0 (the same links) to 1 (no link in common).

    Raises:
        ValueError: There are not as many gold alignments, or no links at all.
    """
    predicted, gold = list(predicted), list(gold)
    if len(predicted) != len(gold):
        raise ValueError(
            f"expected a gold alignment for each of {len(predicted)} sentences; "
            f"received {len(gold)}"
        )
    links = sum(len(one) + len(other) for one, other in zip(predicted, gold))
    if not links:
        raise ValueError("expected alignments with links; received none")
    shared = sum(len(one & other) for one, other in zip(predicted, gold))
    return 1.0 - 2.0 * shared / links
