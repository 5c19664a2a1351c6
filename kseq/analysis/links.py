"""Word alignments as sets of links: symmetrised, written as text, and compared with gold."""

import collections.abc
import numbers
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from kseq.counts import counted

METHODS = ("grow-diag-final-and", "intersection", "union")
GROW_DIAG_FINAL_AND = METHODS[0]

# (target, source) steps in the order of Koehn et al. 2005; the order affects which links are added.
_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrize(
    forward: Iterable[tuple[int, int]],
    backward: Iterable[tuple[int, int]],
    method: str = GROW_DIAG_FINAL_AND,
) -> set[tuple[int, int]]:
    """Combines the alignments of both directions into one.

    `intersection` keeps the links that both directions have, `union` the links of either (Och and
    Ney 2003). `grow-diag-final-and` (Koehn et al. 2003, 2005, "Edinburgh System Description")
    starts from the intersection. It then adds links of the union that are next to a link it
    already has, also diagonally, if their source word or their target word has no link yet. When
    no such link is left, it adds the links of `forward`, then of `backward`, if both of their
    words still have no link.

    Args:
        forward: Links, (source, target) positions, of the model from source to target.
        backward: Links of the model from target to source, also as (source, target).
        method: One of `METHODS`.

    Returns:
        A set of (source, target) positions.

    Raises:
        TypeError: `forward` or `backward` does not hold links.
        ValueError: The method is unknown.
    """
    if method is None:
        raise ValueError(f"expected one of {', '.join(METHODS)}; received None")
    check_method(method)
    forward, backward = set(require_links(forward)), set(require_links(backward))
    if method == "intersection":
        return forward & backward
    if method == "union":
        return forward | backward
    return _grow_diag_final_and(forward, backward)


def check_method(method, methods=METHODS):
    """Raises ValueError unless a method is None or one of `methods`."""
    if method is not None and not (isinstance(method, str) and method in methods):
        raise ValueError(f"unknown method {reprlib.repr(method)}; expected {', '.join(methods)}")


def is_link(value):
    """Returns whether a value is a link: a tuple of two positions, from 0."""
    is_pair = isinstance(value, tuple) and len(value) == 2
    return is_pair and all(isinstance(end, numbers.Integral) and end >= 0 for end in value)


def require_links(links):
    """Returns the links of an alignment; a dict from links to weights remains one.

    Raises:
        TypeError: They are not links.
    """
    is_several = np.iterable(links)
    links = links if isinstance(links, collections.abc.Mapping) or not is_several else list(links)
    if not is_several or not all(map(is_link, links)):
        raise TypeError(
            "expected an alignment as (source, target) positions, such as {(0, 0), (1, 2)}; "
            f"received {reprlib.repr(links)}"
        )
    return links


def to_pharaoh(alignment: Iterable[tuple[int, int]]) -> str:
    """Writes an alignment in Pharaoh format.

    Args:
        alignment: Links, (source, target) positions; or a dict from links to weights.

    Returns:
        `"0-0 1-2"`, source before target; with weights `"0-0:0.93 1-2:0.58"`.

    Raises:
        TypeError: `alignment` does not hold links.
    """
    alignment = require_links(alignment)
    weighted = isinstance(alignment, collections.abc.Mapping)
    return " ".join(
        f"{source}-{target}" + (f":{alignment[source, target]:.2f}" if weighted else "")
        for source, target in sorted(alignment)
    )


def alignment_error_rate(predicted: Iterable[Any], gold: Iterable[Any]) -> float:
    """Computes the alignment error rate of a corpus, where all gold links are sure.

    Och and Ney 2003, "A Systematic Comparison of Various Statistical Alignment Models",
    section 4.2: `1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)`, with S = P.

    Args:
        predicted: Alignments, each a set of (source, target) positions, or a dict with such keys.
        gold: Gold alignments, one for each predicted alignment.

    Returns:
        The rate, from 0 (the same links) to 1 (no link in common).

    Raises:
        TypeError: An alignment does not hold links.
        ValueError: The numbers of alignments differ, or there are no links at all.
    """
    predicted, gold = map(list_alignments, (predicted, gold))
    if len(predicted) != len(gold):
        raise ValueError(
            f"expected a gold alignment for each of {counted(len(predicted), 'sentence')}; "
            f"received {len(gold)}"
        )
    total = sum(map(len, predicted)) + sum(map(len, gold))
    if not total:
        raise ValueError("expected alignments with links; received none")
    shared = sum(len(links & gold_links) for links, gold_links in zip(predicted, gold))
    return 1.0 - 2.0 * shared / total


def list_alignments(alignments):
    """Returns alignments as a list of sets of links.

    Raises:
        TypeError: They are not a list, or one of them does not hold links.
    """
    if not np.iterable(alignments):
        raise TypeError(f"expected a list of alignments; received {reprlib.repr(alignments)}")
    return [set(require_links(links)) for links in alignments]


def _grow_diag_final_and(forward, backward):
    union = sorted(forward | backward, key=lambda link: link[::-1])
    links = forward & backward
    sources, targets = ({link[side] for link in links} for side in (0, 1))

    def add(link):
        links.add(link)
        sources.add(link[0])
        targets.add(link[1])

    previous_size = None
    while previous_size != len(links):
        previous_size = len(links)
        for source, target in union:
            # A link added in this round is visited in the same round if it comes later in `union`.
            if (source, target) in links:
                for down, right in _NEIGHBOURS:
                    neighbour = source + right, target + down
                    is_free = neighbour[0] not in sources or neighbour[1] not in targets
                    if is_free and (neighbour in forward or neighbour in backward):
                        add(neighbour)
    for direction in (forward, backward):
        for source, target in sorted(direction, key=lambda link: link[::-1]):
            if source not in sources and target not in targets:
                add((source, target))
    return links
