"""Texts that outputs must start with: one for all sources, or one for each.

A language model has no source: what it is given is the beginning of its text.
"""

import itertools
import reprlib

import numpy as np

from kseq.errors import SettingError

_MISSING = object()


def with_prefixes(sources, prefix, codecs, maximum_length=None):
    """Yields each source with the ids that its outputs start with, a list.

    The sources of a language model are the texts that its outputs start with.

    Args:
        sources: Iterable of sources.
        prefix: A string for all sources, an iterable with one for each, or None.
        codecs: `CodecPair`.
        maximum_length: Maximum number of tokens of an output; None for no maximum.

    Raises:
        TypeError: A prefix is not a string.
        ValueError: The vocabulary (or the source, if the model copies) does not have all tokens of
            a prefix; a prefix is too long; there are more or fewer prefixes than sources; or a
            language model has one.
    """
    codec = codecs.target
    if codecs.source.side.is_absent:
        if prefix is not None:
            raise SettingError(
                "{prefix} is for a model with sources; a language model goes on with the texts "
                "that it is given: leave it out"
            )
        for source in sources:
            yield source, _prefix_ids(source, codec, maximum_length)
        return
    if prefix is None or (isinstance(prefix, str) and not codec.side.copies):
        ids = _prefix_ids(prefix, codec, maximum_length)
        for source in sources:
            yield source, ids
        return
    if isinstance(prefix, str):
        for source in sources:
            yield source, _prefix_ids(prefix, codec, maximum_length, source)
        return
    if isinstance(prefix, bytes) or not np.iterable(prefix):
        raise TypeError(f"a prefix must be a string; received {reprlib.repr(prefix)}")
    for source, text in itertools.zip_longest(sources, prefix, fillvalue=_MISSING):
        if source is _MISSING or text is _MISSING:
            raise ValueError("expected one prefix for all sources, or one for each source")
        yield source, _prefix_ids(text, codec, maximum_length, source)


def _prefix_ids(prefix, codec, maximum_length, source=None):
    if prefix is not None and not isinstance(prefix, str):
        raise TypeError(f"a prefix must be a string; received {reprlib.repr(prefix)}")
    ids = codec.prefix_ids(prefix, source) if prefix else []
    if maximum_length is not None and len(ids) > maximum_length:
        raise SettingError(
            "the prefix {0} has {1} tokens, more than {maximum_length} ({2})",
            *(reprlib.repr(prefix), len(ids), maximum_length),
        )
    return ids
