"""Attention as word alignments: a word aligner, both directions as one, and the error rate."""

import collections.abc

import numpy as np

from kseq.corpora.lines import chunks
from kseq.errors import SettingError

METHODS = ("grow-diag-final-and", "intersection", "union")
AGREEMENT = "agreement"
BOTH_SIDES = METHODS[0]  # how the attention of one run is read best

# In the order of Koehn et al. 2005, as (target, source); the order has a say in what is linked.
_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def align(translator, pairs, reverse=None, method=AGREEMENT, head=None, reverse_head=None):
    """Aligns the words of pairs with the attention of a model, teacher forced.

    The attention is read twice. The first reading links every target token to the source token
    that it attended to most. The second does the same with a model of the other direction;
    without one it links every source token to the target token that attended to it most, as
    Jalili Sabet et al. 2020 (SimAlign) read one matrix both ways. `symmetrize` makes one
    alignment of both.

    With `agreement` the attention of both directions is multiplied first, as Liang et al. 2006
    ("Alignment by Agreement") multiply posteriors, and the product is read both ways and
    symmetrised with grow-diag-final-and. Of all methods it had the lowest error rate on the
    embedded corpus. Without `reverse` it is grow-diag-final-and.

    Pairs are read a thousand at a time, so there may be as many as one likes. A pair with an
    empty side has no links, so that there is an alignment for every pair.

    Args:
        translator: `Translator` with attention; it reads and writes text.
        pairs: Iterable of (source, target) sentences.
        reverse: `Translator` of the other direction, trained on the pairs swapped.
        method: `"agreement"` or one of `METHODS`; None for the first reading alone.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.
        reverse_head: Likewise, of `reverse`.

    Returns:
        An iterator over the alignments in the order of the pairs: dicts from a link, (source,
        target) token positions, to its attention weight. With `reverse` that is the geometric
        mean of the weights in both directions.

    Raises:
        ValueError: The model has no attention or no such head, or a side is real-valued; the
            method is unknown; or `reverse` does not split the sentences as `translator` does,
            the sides exchanged.
    """
    _check_method(method, (AGREEMENT, *METHODS))
    check_attends_words(translator, head)
    if reverse is None:
        if reverse_head is not None:
            raise SettingError("{reverse_head} is a head of the reverse run; received no such run")
        method = BOTH_SIDES if method == AGREEMENT else method
        return _align_one_way(translator, head, pairs, method)
    if method is None:
        raise ValueError(
            "expected a method to make one alignment of both runs: "
            f"{', '.join((AGREEMENT, *METHODS))}; received None"
        )
    check_attends_words(reverse, reverse_head)
    _check_reverse(translator, reverse)
    return _align_both_ways((translator, head), (reverse, reverse_head), pairs, method)


def hard_alignment(result, head=None, method=None):
    """Links every output token to the source token that it attended to most.

    END stands for nothing on either side, so it links to nothing; among the real source
    tokens the first of equals is taken.

    Args:
        result: A `Translation`, whose attention is `[T, S]`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.
        method: One of `METHODS`, to symmetrise these links with those of every source token to
            the output token that attended to it most, as `align` does.

    Returns:
        A set of (source, target) token positions, from 0.

    Raises:
        ValueError: The model has no attention, or no such head; the method is unknown.
    """
    _check_method(method)
    return _read_links(word_weights(result, head), method)


def word_weights(result, head=None):
    """Attention between words: what is left of it without END on either side.

    Args:
        result: A `Translation`, whose attention is `[T, S]`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.

    Returns:
        Weights `[T - 1, S - 1]`; `[T, S - 1]` of an output that was cut before its END.

    Raises:
        ValueError: The model has no attention, or no such head.
    """
    targets = sum(token != "<end>" for token in result.tokens)
    attention = attention_of(result, head)
    return attention[:targets, : attention.shape[1] - 1]


def attention_of(result, head=None):
    """The attention of a result, or that of one head.

    Args:
        result: A `Translation` or a `Prediction`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.

    Returns:
        Weights `[T, S]`.

    Raises:
        ValueError: The model has no attention, or no such head.
    """
    if result.attention is None:
        raise ValueError("expected a result with attention; the model has none (attention=none)")
    if head is None:
        return np.asarray(result.attention)
    heads = getattr(result, "attention_heads", None)
    if heads is None:
        raise ValueError(f"only a Transformer has heads; received head={head}")
    return np.asarray(heads)[place_of_head(head, *heads.shape[:2])]


def place_of_head(head, layers, heads):
    """Where a head stands in the attention of a Transformer.

    Args:
        head: Layer and head, both from 1.
        layers: Number of layers.
        heads: Number of heads of each.

    Returns:
        Layer and head, both from 0.

    Raises:
        ValueError: There is no such head.
    """
    try:
        layer, number = head
        is_there = 1 <= layer <= layers and 1 <= number <= heads
    except (TypeError, ValueError):
        is_there = False
    if not is_there:
        raise ValueError(
            f"head must be a layer from 1 to {layers} and a head from 1 to {heads}; received {head}"
        )
    return layer - 1, number - 1


def symmetrize(forward, backward, method=METHODS[0]):
    """Makes one alignment of those of both directions.

    `intersection` has the links that both have, `union` those that one has (Och and Ney 2003).
    `grow-diag-final-and` (Koehn et al. 2003, 2005, "Edinburgh System Description") begins with
    the intersection; it adds, as long as there are any, links of the union that are neighbours,
    diagonal ones too, of links it has, where the source or the target word is still without a
    link; then the links of `forward`, and after them of `backward`, both of whose words are.

    Args:
        forward: Links, (source, target) positions, of the model from source to target.
        backward: Links of the model from target to source, also as (source, target).
        method: One of `METHODS`.

    Returns:
        A set of (source, target) positions.

    Raises:
        ValueError: The method is unknown.
    """
    if method is None:
        raise ValueError(f"expected one of {', '.join(METHODS)}; received None")
    _check_method(method)
    forward, backward = set(forward), set(backward)
    if method == "intersection":
        return forward & backward
    if method == "union":
        return forward | backward
    return _grow_diag_final_and(forward, backward)


def to_pharaoh(alignment):
    """Writes an alignment in Pharaoh format.

    Args:
        alignment: Links, (source, target) positions; or a dict from links to weights.

    Returns:
        `"0-0 1-2"`, source before target; with weights `"0-0:0.93 1-2:0.58"`.
    """
    weighted = isinstance(alignment, collections.abc.Mapping)
    return " ".join(
        f"{source}-{target}" + (f":{alignment[source, target]:.2f}" if weighted else "")
        for source, target in sorted(alignment)
    )


def alignment_error_rate(predicted, gold):
    """Alignment error rate over a corpus, all gold links being sure.

    Och and Ney 2003, "A Systematic Comparison of Various Statistical Alignment Models",
    section 4.2: `1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)`, with S = P.

    Args:
        predicted: Alignments, each a set of (source, target) positions, or a dict of them.
        gold: Gold alignments, likewise, as many.

    Returns:
        The rate, from 0 (the same links) to 1 (no link in common).

    Raises:
        ValueError: There are not as many gold alignments, or no links at all.
    """
    predicted, gold = ([set(links) for links in alignments] for alignments in (predicted, gold))
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


def check_attends_words(translator, head):
    """Checks that a model has attention between words, and the head that is asked for.

    Args:
        translator: `Translator`.
        head: Layer and head of a Transformer, both from 1, or None.

    Raises:
        ValueError: It has not.
    """
    if not all(codec.is_text for codec in translator.codecs.sides):
        raise ValueError("expected attention between words; the run reads or writes real values")
    model = translator.config.model
    if model.attention == "none":
        raise ValueError("expected a run with attention; the model has none (attention=none)")
    if head is not None:
        if model.architecture != "transformer":
            raise ValueError(f"only a Transformer has heads; received head={head}")
        place_of_head(head, model.decoder_layers, model.heads)


def _read_links(weights, method):
    """Links of weights between words `[T, S]`, read from the output's side or from both."""
    forward = _strongest(weights)
    if method is None:
        return forward
    return symmetrize(forward, _exchanged(_strongest(weights.T)), method)


def _strongest(weights):
    """For every row its strongest column, as (column, row)."""
    if not weights.size:
        return set()
    return {(int(column), row) for row, column in enumerate(weights.argmax(axis=1))}


def _exchanged(links):
    return {(target, source) for source, target in links}


def _align_one_way(translator, head, pairs, method):
    for chunk in chunks(pairs, translator.read_ahead):
        for result in translator.score(chunk):
            weights = word_weights(result, head)
            yield _weighted(_read_links(weights, method), weights)


def _align_both_ways(forward, backward, pairs, method):
    (translator, head), (reverse, reverse_head) = forward, backward
    for chunk in chunks(pairs, translator.read_ahead):
        results = translator.score(chunk)
        reverse_results = reverse.score([(target, source) for source, target in chunk])
        for pair, result, reverse_result in zip(chunk, results, reverse_results):
            weights = word_weights(result, head)
            reverse_weights = word_weights(reverse_result, reverse_head)
            _check_same_tokens(pair, weights.shape, reverse_weights.shape[::-1])
            both = np.sqrt(weights * reverse_weights.T)
            if method == AGREEMENT:
                links = _read_links(both, METHODS[0])
            else:
                back = _exchanged(_strongest(reverse_weights))
                links = symmetrize(_strongest(weights), back, method)
            yield _weighted(links, both)


def _weighted(links, weights):
    return {(source, target): float(weights[target, source]) for source, target in links}


def _grow_diag_final_and(forward, backward):
    union = sorted(forward | backward, key=lambda link: link[::-1])
    links = forward & backward
    sources, targets = ({link[side] for link in links} for side in (0, 1))

    def add(link):
        links.add(link)
        sources.add(link[0])
        targets.add(link[1])

    before = None
    while before != len(links):
        before = len(links)
        for source, target in union:
            # What is added here is looked at in this very round where it stands further on.
            if (source, target) in links:
                for down, right in _NEIGHBOURS:
                    near = source + right, target + down
                    is_free = near[0] not in sources or near[1] not in targets
                    if is_free and (near in forward or near in backward):
                        add(near)
    for direction in (forward, backward):
        for source, target in sorted(direction, key=lambda link: link[::-1]):
            if source not in sources and target not in targets:
                add((source, target))
    return links


def _check_method(method, methods=METHODS):
    if method is not None and method not in methods:
        raise ValueError(f"unknown method {method!r}; expected {', '.join(methods)}")


def _check_reverse(translator, reverse):
    """Refuses a reverse run whose token positions mean something else."""
    text, reverse_text = translator.config.text, reverse.config.text
    expected = text.target_tokenizer, text.source_tokenizer, text.case
    received = (
        reverse_text.source_tokenizer,
        reverse_text.target_tokenizer,
        reverse_text.case,
    )
    if received != expected:
        expected, received = (
            f"source_tokenizer={source}, target_tokenizer={target}, case={case}"
            for source, target, case in (expected, received)
        )
        raise ValueError(
            f"the reverse run must split sentences as the run does: expected {expected}; "
            f"received {received}"
        )
    own, other = (
        [set(codec.vocabulary) for codec in run.codecs.sides] for run in (translator, reverse)
    )
    same, exchanged = (
        sum(len(mine & theirs) for mine, theirs in zip(own, sides))
        for sides in (other, other[::-1])
    )
    if same > exchanged:
        raise ValueError(
            "the reverse run has the direction of the run itself; train it on the pairs swapped, "
            "the target before the source"
        )


def _check_same_tokens(pair, shape, reverse_shape):
    if shape != reverse_shape:
        raise ValueError(
            f"the reverse run splits {pair[0]!r} and {pair[1]!r} into {reverse_shape[1]} and "
            f"{reverse_shape[0]} tokens, the run into {shape[1]} and {shape[0]}; their "
            "tokenizers do not fit"
        )
