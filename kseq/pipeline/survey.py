"""A first pass over a split: which pairs can be used, and the codecs of a training split."""

import dataclasses
import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kseq.config import Config
from kseq.corpora.featured import columns_of_all
from kseq.corpora.lines import chunks
from kseq.counts import counted
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.links import check_links, pack_links
from kseq.pipeline.log_mel import LogMel
from kseq.pipeline.readers import CountingReader, MeasuringReader, make_reader
from kseq.pipeline.value_codec import ValueCodec
from kseq.pipeline.vocabularies import choose_features, choose_vocabulary, learn_subwords
from kseq.special_tokens import SPECIAL_TOKENS


@dataclasses.dataclass(frozen=True)
class Survey:
    """Counts of a split.

    Args:
        kept: Pairs that can be used.
        blank: Pairs left out because a side is empty, or has no token.
        overlong: Pairs left out because a side is too long.
        length_ratio: Target tokens (or steps) per source token (or step); for a language model
            tokens per text.
        tokens: Sum over the pairs of the tokens (or steps) of the longer side, END included.
        shared: Pairs left out because one of their sides is in a held-out split.
        faulty: Lines left out because they cannot be used.
    """

    kept: int
    blank: int
    overlong: int
    length_ratio: float
    tokens: int
    shared: int = 0
    faulty: int = 0

    def __str__(self):
        return self.describe()

    def describe(self, noun="pair"):
        """Returns the counts as text.

        Args:
            noun: What is counted.
        """
        counts = (
            (self.blank, "with an empty side"),
            (self.overlong, "too long"),
            (self.shared, "with a side that is held out"),
            (self.faulty, "faulty"),
        )
        reasons = [f"{count:,} {reason}" for count, reason in counts if count]
        left_out = f" (left out: {', '.join(reasons)})" if reasons else ""
        return counted(self.kept, noun) + left_out


def build_codecs(
    pairs: Any, config: Config, store: Any = None, known: Any = None
) -> tuple[CodecPair, Survey]:
    """Builds vocabularies and statistics of a training split, and counts its pairs.

    Args:
        pairs: `Pairs` or `ValuePairs` of the training split.
        config: `Config`.
        store: Object that stores the ids of the pairs, or None. Its method `add(columns, *links)`
            takes the ids and lengths of both sides of some pairs, and of their features, and for
            `AlignedPairs` the arrays of `pack_links`; `renumber(column, ids)` takes the final id
            for each provisional id of a column.
        known: `KnownCodecs` to use, or to extend, instead of learning new ones; or None.

    Returns:
        A `CodecPair` and a `Survey`.

    Raises:
        ValueError: No pair can be used, or a vocabulary would be empty.
    """
    draft = _draft(pairs, config, known)
    keeps_ids = store is not None
    readers = [
        _learning_reader(number, codec, pairs, config, known) or make_reader(codec, keeps_ids)
        for number, codec in enumerate(draft.columns)
    ]
    survey = _survey(pairs, draft, readers, config.training, store)
    tallies = [reader.tally for reader in readers[:2]]
    shared = tallies if config.shares_vocabulary and None not in tallies else None
    descriptions = []
    for number, reader in enumerate(readers):
        choose = _vocabulary_chooser(number, reader, pairs, config, known)
        description = reader.description(choose, shared if number < 2 else None)
        final_ids = reader.final_ids(description)
        if keeps_ids and final_ids is not None:
            store.renumber(number, final_ids)
        descriptions.append(description)
    source, target, features = (*descriptions, None)[:3]
    options = {"features": features, "copies": config.model.copy}
    return CodecPair.of(source, target, config.text, **options), survey


def _draft(pairs, config, known):
    """Codecs to read the split with: subwords are learnt, vocabularies and statistics are not."""
    if known is not None:
        descriptions = (
            SPECIAL_TOKENS if codec.is_text and codec.tokenizer != "subword" else codec.description
            for codec in known.codecs.sides
        )
        features = known.codecs.features and SPECIAL_TOKENS
        options = {"features": features, "copies": config.model.copy}
        return CodecPair.of(*descriptions, config.text, **options)
    features = SPECIAL_TOKENS if config.model.features != "none" else None
    widths = (
        (config.model.source_features, 0),
        (config.model.target_features, config.model.target_covariates),
    )
    drafts = [ValueCodec.plain(*width) if width[0] else SPECIAL_TOKENS for width in widths]
    if pairs.sample_rate is not None:
        log_mel = LogMel.of(config.text, pairs.sample_rate)
        drafts[0] = ValueCodec.plain(log_mel.mel_bands, log_mel=log_mel)
    models = learn_subwords(pairs, config)
    sides = (model or draft for model, draft in zip(models, drafts))
    options = {"features": features, "copies": config.model.copy}
    return CodecPair.of(*sides, config.text, **options)


def _learning_reader(number, codec, pairs, config, known):
    """The reader of a column that learns what the draft of its codec lacks.

    Source is 0, target is 1, features are 2.
    """
    if codec.is_text:
        return None if codec.is_complete else CountingReader(codec)
    # Values for a sigmoid are not standardised, but checked.
    are_shares = number == 1 and config.model.target_activation == "sigmoid"
    if known is not None and not are_shares:
        return None
    return MeasuringReader(codec, pairs, are_shares=are_shares, keeps=known is not None)


def _vocabulary_chooser(number, reader, pairs, config, known):
    """A function from `TokenTally`s to the vocabulary of source (0), target (1) or features (2)."""
    if known is not None:
        text = config.text
        if number == 2:
            text = dataclasses.replace(text, minimum_frequency=1)
        return functools.partial(
            known.choose_vocabulary, number=number, own=reader.tally, config=text
        )
    if number == 2:
        return choose_features
    side = ("source", "target")[number]
    return functools.partial(choose_vocabulary, config=config.text, pairs=pairs, side=side)


def survey_pairs(pairs, codecs, training, store=None):
    """Counts the pairs of a split that can be used.

    Args:
        pairs: `Pairs` or `ValuePairs`.
        codecs: `CodecPair`.
        training: `TrainingConfig`: the maximum lengths of sequences.
        store: As in `build_codecs`; all ids are final.

    Returns:
        A `Survey`.

    Raises:
        ValueError: No pair can be used.
    """
    readers = [make_reader(codec, store is not None) for codec in codecs.columns]
    return _survey(pairs, codecs, readers, training, store)


def _survey(pairs, codecs, readers, training, store):
    pairs = codecs.frame(pairs)
    kept = blank = overlong = tokens = 0
    total_lengths = np.zeros(2)
    limits = length_limits(codecs, training)[:, None]
    shortest = np.array([codec.side.shortest for codec in codecs.columns])[:, None]
    for chunk, columns in _read(pairs, readers, codecs.pairs_per_chunk):
        lengths = np.array([column.lengths for column in columns])
        fits = ((lengths >= shortest) & (lengths <= limits)).all(axis=0)
        overlong += int((lengths > limits).any(axis=0).sum())
        blank += int(((lengths < shortest).any(axis=0) & (lengths <= limits).all(axis=0)).sum())
        kept += int(fits.sum())
        total_lengths += lengths[:2, fits].sum(axis=1)
        tokens += int((lengths[:2, fits].max(axis=0) + 1).sum())
        ids_of_columns = [column.use(fits) for column in columns]
        links = _used_links(chunk, lengths[:2], fits, pairs) if len(chunk[0]) > 2 else ()
        if store is not None:
            used = [(ids, each.lengths[fits]) for ids, each in zip(ids_of_columns, columns)]
            store.add(used, *links)
    if not kept:
        _raise_nothing_usable(pairs, pairs.blank + blank + overlong + pairs.shared, training)
    ratio = max(round(total_lengths[1] / (total_lengths[0] or kept), 4), 1e-4)
    return Survey(
        kept, pairs.blank + blank, overlong, ratio, tokens, shared=pairs.shared, faulty=pairs.faulty
    )


def _used_links(chunk, lengths, fits, pairs):
    """The arrays of `pack_links` for the pairs of a chunk that are used, once they are checked."""
    used = list(itertools.compress(chunk, fits))
    check_links(used, lengths[:, fits], pairs)
    return pack_links(links for *_, links in used)


def _raise_nothing_usable(pairs, count, training):
    raise ValueError(
        f"{pairs}: none of {counted(count, 'pair')} can be used; each side must have 1 to "
        f"{training.maximum_length} tokens (maximum_length), real values 1 to "
        f"{training.maximum_frames} steps (maximum_frames)"
        + (f"; {pairs.shared:,} have a side that is held out" if pairs.shared else "")
    )


def _read(pairs, readers, size):
    """Yields `size` pairs and their columns as `SideChunk`s, while the next pairs are read."""
    with ThreadPoolExecutor(len(readers)) as pool:
        pending = None
        for chunk in chunks(pairs, size):
            submitted = [
                pool.submit(reader.read, sequences)
                for reader, sequences in zip(readers, columns_of_all(chunk))
            ]
            if pending:
                yield _finish(pending)
            pending = chunk, submitted
        if pending:
            yield _finish(pending)


def _finish(pending):
    chunk, submitted = pending
    return chunk, [future.result() for future in submitted]


def length_limits(codecs, training):
    """Returns the maximum length of each column of a pair, END excluded, `[2]` or `[3]`."""
    return np.array([codec.side.limit(training) for codec in codecs.columns])
