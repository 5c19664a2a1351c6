"""The features of the sources to translate: given for each, checked before anything runs."""

import itertools
import reprlib
import warnings

import numpy as np

from kseq.corpora.featured import FeaturedText
from kseq.counts import counted
from kseq.errors import KseqWarning, SettingError
from kseq.special_tokens import SPECIAL_TOKENS

_MISSING = object()
_SHOWN = 5  # features


class UnknownFeaturesWarning(KseqWarning):
    """Sources have features that the model has never seen."""


def with_features(sources, features):
    """Yields sources with their features, as `FeaturedText`s.

    Args:
        sources: Iterable of sentences.
        features: A string for all of them, an iterable with one for each; None to leave the
            sources unchanged.

    Raises:
        TypeError: Features are not a string.
        ValueError: There are more or fewer features than sources.
    """
    if features is None:
        yield from sources
        return
    if isinstance(features, bytes) or not np.iterable(features):
        raise TypeError(f"features must be a string; received {reprlib.repr(features)}")
    if isinstance(features, str):
        pairs = zip(sources, itertools.repeat(features))
    else:
        pairs = itertools.zip_longest(sources, features, fillvalue=_MISSING)
    for source, own in pairs:
        if source is _MISSING or own is _MISSING:
            raise ValueError("expected features for all sources, or for each source its own")
        if not isinstance(own, str):
            raise TypeError(f"features must be a string; received {reprlib.repr(own)}")
        yield FeaturedText(source, own) if isinstance(source, str) else source


def check_features(source, codec):
    """Checks that a source has features if, and only if, a model reads them; returns it unchanged.

    Args:
        source: A source.
        codec: `FeatureCodec` of the model, or None.

    Raises:
        ValueError: It has none, or should have none.
    """
    has_features = isinstance(source, FeaturedText)
    if codec is None and has_features:
        raise SettingError("{features}: this model was trained without features; leave them out")
    is_blank = has_features and not source.features.strip() and source.strip()
    if codec is not None and (is_blank or not has_features):
        raise SettingError(
            "{features}: this model was trained with features, such as {0}; expected some for each "
            "source, received none for {1}",
            *(_list(codec), reprlib.repr(str(source))),
        )
    return source


class UnknownFeatures:
    """Features that a model has never seen, noted while sources are read, for a single warning.

    Args:
        codec: `FeatureCodec` of the model, or None.
    """

    def __init__(self, codec):
        self._codec = codec
        self._unknown = {}

    def add(self, sources):
        """Notes the unknown features of sources."""
        if self._codec is not None:
            self._unknown |= dict.fromkeys(self._codec.unknown([s.features for s in sources]))

    def warn(self):
        """Warns once about all unknown features, if there are any."""
        if self._unknown:
            named = ", ".join(itertools.islice(self._unknown, _SHOWN))
            warnings.warn(
                f"sources have {counted(len(self._unknown), 'feature')} that the model has never "
                f"seen, and cannot tell apart: {named} (it knows {_list(self._codec)})",
                UnknownFeaturesWarning,
                stacklevel=4,
            )


def _list(codec):
    """The first features that a model knows, with commas between them."""
    known = codec.vocabulary[len(SPECIAL_TOKENS) :]
    return ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
