"""Word alignment with the attention of one model, or of two models of opposite directions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq.analysis.attention import check_word_attention, word_attention
from kseq.analysis.links import GROW_DIAG_FINAL_AND, METHODS, check_method, symmetrize
from kseq.corpora.lines import chunks
from kseq.errors import SettingError
from kseq.translation.arguments import require_pairs
from kseq.translation.results import Attended

if TYPE_CHECKING:
    from kseq.translation.translator import Translator

AGREEMENT = "agreement"


def align(
    translator: "Translator",
    pairs: Any,
    reverse: "Translator | None" = None,
    method: str | None = AGREEMENT,
    head: tuple[int, int] | None = None,
    reverse_head: tuple[int, int] | None = None,
) -> Iterator[dict[tuple[int, int], float]]:
    """Aligns the words of pairs with the attention of a model, under teacher forcing.

    Links are read in two directions and combined by `symmetrize`. The forward links connect every
    target token to the source token that it attended to most. The backward links are read in the
    same way from `reverse`, a model of the opposite direction. Without `reverse`, they are read
    from the same matrix: they connect every source token to the target token that attended to it
    most, as in Jalili Sabet et al. 2020 (SimAlign).

    The method `agreement` first multiplies the attention of both directions, as Liang et al. 2006
    ("Alignment by Agreement") multiply posteriors, then reads the product in both directions and
    combines the links with grow-diag-final-and. It had the lowest error rate of all methods on
    the embedded corpus. Without `reverse` it is the same as grow-diag-final-and.

    Pairs are read a thousand at a time, so the input may have any length. The alignment of a pair
    with an empty side has no links.

    Args:
        translator: `Translator` with attention that reads and writes text.
        pairs: Iterable of (source, target) sentences.
        reverse: `Translator` of the opposite direction, trained on the swapped pairs.
        method: `"agreement"` or one of `METHODS`; None for the forward links alone.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.
        reverse_head: The same for `reverse`.

    Returns:
        An iterator over the alignments in the order of the pairs: dicts from a link, (source,
        target) token positions, to its attention weight. With `reverse` this is the geometric
        mean of the weights in both directions.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The model has no attention or no such head; a side is real-valued; the method
            is unknown; or `reverse` does not split sentences into the same tokens.
    """
    check_method(method, (AGREEMENT, *METHODS))
    check_word_attention(translator, head)
    require_pairs(pairs)
    if reverse is None:
        if reverse_head is not None:
            raise SettingError("{reverse_head} is for the reverse run; received no reverse run")
        method = GROW_DIAG_FINAL_AND if method == AGREEMENT else method
        return _align_with_one(translator, head, pairs, method)
    if method is None:
        raise ValueError(
            "expected a method to combine the links of both runs: "
            f"{', '.join((AGREEMENT, *METHODS))}; received None"
        )
    check_word_attention(reverse, reverse_head)
    _check_reverse(translator, reverse)
    return _align_with_two((translator, head), (reverse, reverse_head), pairs, method)


def hard_alignment(
    result: Attended, head: tuple[int, int] | None = None, method: str | None = None
) -> set[tuple[int, int]]:
    """Links every output token to the source token that it attended to most.

    END has no links on either side. Of equal weights, the first is used.

    Args:
        result: A `Translation`, whose attention is `[T, S]`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.
        method: One of `METHODS`, to combine these links with those from every source token to
            the output token that attended to it most, as `align` does.

    Returns:
        A set of (source, target) token positions, from 0.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The model has no attention, or no such head; the method is unknown.
    """
    check_method(method)
    return _read_links(word_attention(result, head), method)


def _read_links(weights, method):
    """Links read from attention between words `[T, S]`: forward links, or both combined."""
    forward = _strongest_links(weights)
    if method is None:
        return forward
    return symmetrize(forward, _swap(_strongest_links(weights.T)), method)


def _strongest_links(weights):
    """Links every row to its largest weight, as a set of (column, row)."""
    if not weights.size:
        return set()
    return {(int(column), row) for row, column in enumerate(weights.argmax(axis=1))}


def _swap(links):
    return {(target, source) for source, target in links}


def _align_with_one(translator, head, pairs, method):
    for chunk in chunks(pairs, translator.read_ahead):
        for result in translator.score(chunk):
            weights = word_attention(result, head)
            yield _add_weights(_read_links(weights, method), weights)


def _align_with_two(forward, backward, pairs, method):
    (translator, head), (reverse, reverse_head) = forward, backward
    for chunk in chunks(pairs, translator.read_ahead):
        results = translator.score(chunk)
        reverse_results = reverse.score([(target, source) for source, target in chunk])
        for pair, result, reverse_result in zip(chunk, results, reverse_results):
            weights = word_attention(result, head)
            reverse_weights = word_attention(reverse_result, reverse_head)
            _check_same_tokens(pair, weights.shape, reverse_weights.shape[::-1])
            agreement = np.sqrt(weights * reverse_weights.T)
            if method == AGREEMENT:
                links = _read_links(agreement, GROW_DIAG_FINAL_AND)
            else:
                backward_links = _swap(_strongest_links(reverse_weights))
                links = symmetrize(_strongest_links(weights), backward_links, method)
            yield _add_weights(links, agreement)


def _add_weights(links, weights):
    return {(source, target): float(weights[target, source]) for source, target in links}


def _check_reverse(translator, reverse):
    """Rejects a reverse run whose token positions have another meaning."""
    text, reverse_text = translator.config.text, reverse.config.text
    expected = text.target_tokenizer, text.source_tokenizer, text.case
    received = reverse_text.source_tokenizer, reverse_text.target_tokenizer, reverse_text.case
    if received != expected:
        expected, received = (
            f"source_tokenizer={source}, target_tokenizer={target}, case={case}"
            for source, target, case in (expected, received)
        )
        raise ValueError(
            f"the reverse run must split sentences like the run: expected {expected}; "
            f"received {received}"
        )
    vocabularies, reverse_vocabularies = (
        [set(codec.vocabulary) for codec in run.codecs.sides] for run in (translator, reverse)
    )
    same_direction, opposite_direction = (
        sum(len(own & theirs) for own, theirs in zip(vocabularies, order))
        for order in (reverse_vocabularies, reverse_vocabularies[::-1])
    )
    if same_direction > opposite_direction:
        raise ValueError(
            "the reverse run has the same direction as the run; train it on the swapped pairs, "
            "the target before the source"
        )


def _check_same_tokens(pair, shape, reverse_shape):
    """Checks that both runs split a pair into the same numbers of tokens, `(T, S)`."""
    if shape != reverse_shape:
        raise ValueError(
            f"the reverse run splits {pair[0]!r} and {pair[1]!r} into {reverse_shape[1]} and "
            f"{reverse_shape[0]} tokens, the run into {shape[1]} and {shape[0]}; their "
            "tokenizers do not match"
        )
