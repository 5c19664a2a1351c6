"""Vocabularies of a training split: subword models, learnt before it is surveyed, or tokens."""

import collections

import tensorflow as tf

from kseq.corpora.lines import chunks
from kseq.corpora.turns import TURN
from kseq.sides.text_side import TextSide, as_bytes
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.codec import normalize
from kseq.text.subwords import prepare_for_subwords, train_subwords
from kseq.text.vocabulary import select_vocabulary

_LARGEST_SAMPLE = 250_000  # pairs to learn subwords from; more take RAM and change little


def learn_subwords(pairs, config):
    """Learns the subwords of the sides that have them.

    Args:
        pairs: `Pairs` of the training split.
        config: `Config`.

    Returns:
        A SentencePiece model, bytes, for source and target; None for a side without subwords.

    Raises:
        ValueError: The sentences do not allow a vocabulary of this size.
    """
    text = config.text
    widths = config.model.source_features, config.model.target_features
    numbers = [
        number
        for number, (width, tokenizer) in enumerate(zip(widths, text.tokenizers))
        if tokenizer == "subword" and not width
    ]
    models = [None, None]
    groups = [numbers] if numbers and config.shares_vocabulary else [[n] for n in numbers]
    for group in groups:
        try:
            model = train_subwords(
                _normalized_sentences(pairs, group, text),
                text.subword_vocabulary_size,
                text.subword_algorithm,
                text.case == "mark",
                symbols=(f"▁{TURN}", TURN) if text.previous_turns else (),
            )
        except ValueError as error:
            raise ValueError(f"{pairs}: {error}") from error
        for number in group:
            models[number] = model
    return models


def _normalized_sentences(pairs, numbers, text):
    """Yields sentences of one side or both, as a codec passes them to SentencePiece."""

    def prepare(texts):
        texts = normalize(texts, text.normalization, lowercase=text.case == "lower")
        return prepare_for_subwords(texts, text.case == "mark")

    spec = tf.TensorSpec([None], tf.string)
    prepare = tf.function(prepare, autograph=False).get_concrete_function(spec)
    for chunk in chunks(sample_evenly(pairs, _LARGEST_SAMPLE), TextSide.pairs_per_chunk):
        for number in numbers:
            yield from prepare(tf.constant(as_bytes([pair[number] for pair in chunk]))).numpy()


def sample_evenly(items, maximum):
    """Returns items at equal distances: all of them, or between half of `maximum` and `maximum`.

    Args:
        items: An iterable of any length, which is read once.
        maximum: An even number.
    """
    sample, distance = [], 1
    for number, item in enumerate(items):
        if len(sample) == maximum and number % distance == 0:
            sample, distance = sample[::2], 2 * distance
        if number % distance == 0:
            sample.append(item)
    return sample


def choose_features(tallies):
    """Chooses the vocabulary of features: all of them, however rare.

    Args:
        tallies: The `TokenTally` of the features, in a list.

    Returns:
        Features in the order of their ids, special tokens first.
    """
    (tally,) = tallies
    counts = {feature.decode(): count for feature, count in tally.counts().items()}
    return select_vocabulary(counts, 1, len(SPECIAL_TOKENS) + len(counts))


def choose_vocabulary(tallies, config, pairs, side):
    """Chooses the tokens of a side that get an id.

    Args:
        tallies: `TokenTally` of each side that shares the vocabulary.
        config: `TextConfig`.
        pairs: `Pairs` of the training split, for messages.
        side: `"source"` or `"target"`, likewise.

    Returns:
        Tokens in the order of their ids, special tokens first.

    Raises:
        ValueError: The vocabulary would hold only special tokens.
    """
    counts = sum((tally.counts() for tally in tallies), collections.Counter())
    vocabulary = select_vocabulary(
        {token.decode(): count for token, count in counts.items()},
        config.minimum_frequency,
        config.maximum_vocabulary_size,
    )
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise ValueError(
            f"{pairs}: no {side} token occurs {config.minimum_frequency} times or more, so "
            "the vocabulary would be empty; lower minimum_frequency or provide more pairs"
        )
    return vocabulary
