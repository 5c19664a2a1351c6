"""Outputs that a user should not rely on: those that were cut, and those that are all the same."""

import reprlib
import warnings

from kseq.counts import counted
from kseq.errors import KseqWarning
from kseq.search.strategies import LONGEST_OUTPUT
from kseq.special_tokens import SPECIAL_TOKENS, UNK

_NAMED = 3  # sources that the warning about cut outputs names


class CutOutputsWarning(KseqWarning):
    """Some outputs were cut at their maximum length, and are incomplete."""


class AlikeOutputsWarning(KseqWarning):
    """All outputs are the same: the model has learnt too little, or knows too few words."""


class CutOutputs:
    """The sources whose outputs were cut, counted while results arrive, for a single warning."""

    def __init__(self):
        self._count = 0
        self._first = []

    def add(self, number, source, translations):
        """Counts a source if one of its outputs was cut.

        Args:
            number: Number of the source, from 1.
            source: The source.
            translations: Its `Translation`s.
        """
        if any(translation.is_cut for translation in translations):
            self._count += 1
            if len(self._first) < _NAMED:
                beginning = f" ({reprlib.repr(source)})" if isinstance(source, str) else ""
                self._first.append(f"{number:,}{beginning}")

    def warn(self):
        """Warns once about all outputs that were cut, if there are any."""
        if self._count:
            named = ", ".join(self._first) + (", ..." if self._count > _NAMED else "")
            warnings.warn(
                f"cut at the maximum length, so incomplete: the outputs for "
                f"{counted(self._count, 'source')}: {named}; raise maximum_length "
                f"(--maximum-length), up to {LONGEST_OUTPUT:,} tokens",
                CutOutputsWarning,
                stacklevel=4,
            )


def describe_alike(outputs, pairs):
    """Describes outputs that are all the same although they should not be.

    Args:
        outputs: The text that was written for each pair.
        pairs: Pairs of a source and its reference.

    Returns:
        A sentence; None if outputs differ, or if all sources or all references are the same.
    """
    sources, references = zip(*pairs)
    different_sources = {source if isinstance(source, str) else id(source) for source in sources}
    if len(set(outputs)) > 1 or len(different_sources) == 1 or len(set(references)) == 1:
        return None
    text = f"the same, {reprlib.repr(outputs[0])}" if outputs[0] else "empty"
    cause = "has learnt too little; train it longer, or with another learning_rate"
    if SPECIAL_TOKENS[UNK] in outputs[0]:
        cause = "knows too few words; train it with characters or subwords"
    return f"all {len(outputs):,} outputs are {text}: the model {cause}"
