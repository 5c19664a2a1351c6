"""The codecs of a run that training starts from: kept as they are, or with new words."""

import collections
import dataclasses

from kseq.counts import counted
from kseq.errors import SettingError
from kseq.pipeline.codecs import CodecPair
from kseq.text.vocabulary import extend_vocabulary

COLUMNS = ("source", "target", "features")


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How many tokens of one side of a training split the vocabulary of another run covers.

    Args:
        tokens: Number of tokens.
        unknown: Number of those that are not in the vocabulary.
        new: Number of different tokens that growing adds to the vocabulary.
        left: Number of tokens that are not in the vocabulary even then.
        grows: Whether the vocabulary grows.
    """

    tokens: int
    unknown: int
    new: int
    left: int
    grows: bool

    def describe(self):
        """Returns a line of text for the user."""
        unknown, left = (f"{count / self.tokens:.1%}" for count in (self.unknown, self.left))
        if self.grows:
            joined = "joins" if self.new == 1 else "join"
            return (
                f"{counted(self.new, 'new token')} {joined} the vocabulary; unknown are {left} of "
                f"all tokens, not {unknown}"
            )
        if not self.unknown:
            return "all tokens are in the vocabulary of the run"
        text = f"{unknown} of all tokens are not in the vocabulary of the run"
        if not self.new:
            return text
        return (
            f"{text}; grow_vocabulary=true adds {counted(self.new, 'new token')}, and leaves {left}"
        )


class KnownCodecs:
    """The codecs of another run, for a training split that they were not made from.

    Statistics of real values and subword models are kept. A vocabulary of words, characters or
    features is kept as well, or grows: new tokens get the ids after the old ones.

    Args:
        codecs: `CodecPair`.
        grows: Whether vocabularies grow.

    Attributes:
        codecs: The argument.
        coverage: `Coverage` of source, target and, if there are any, features, once a training
            split has been read; None for sides without a vocabulary that can grow.
    """

    def __init__(self, codecs: CodecPair, grows=False):
        self.codecs = codecs
        self.coverage = [None] * len(codecs.columns)
        self._grows = grows

    def identify(self, digest):
        """Adds everything that the ids of a text depend on to a digest of `hashlib`."""
        digest.update(f"known codecs, {self._grows}".encode())
        for description in (codec.description for codec in self.codecs.columns):
            is_model = isinstance(description, bytes)
            digest.update(description if is_model else "\n".join(description).encode())

    def choose_vocabulary(self, tallies, *, number, own, config):
        """Chooses the vocabulary of a side, and notes how much it covers.

        Args:
            tallies: `TokenTally` of each side that shares the vocabulary.
            number: 0 for the source, 1 for the target, 2 for features.
            own: `TokenTally` of this side.
            config: `TextConfig`: the limits of a vocabulary.

        Returns:
            Tokens in the order of their ids, those of the other run first.

        Raises:
            ValueError: A vocabulary that should grow has no room for any of the new tokens.
        """
        known = self.codecs.columns[number].vocabulary
        counts, own_counts = _add_up(tallies), _add_up([own])
        minimum, maximum = config.minimum_frequency, config.maximum_vocabulary_size
        grown = extend_vocabulary(known, counts, minimum, maximum)
        is_full = self._grows and len(known) >= maximum
        if is_full and extend_vocabulary(known, counts, minimum, len(known) + 1) != grown:
            raise SettingError(
                "{maximum_vocabulary_size}={0} leaves no room for new tokens: the {1} vocabulary "
                "of the run has {2:,} already; raise it, or leave out {grow_vocabulary}",
                *(maximum, COLUMNS[number], len(known)),
            )
        self.coverage[number] = Coverage(
            tokens=own_counts.total(),
            unknown=_count_unknown(own_counts, known),
            new=len(grown) - len(known),
            left=_count_unknown(own_counts, grown),
            grows=self._grows,
        )
        return grown if self._grows else known


def _add_up(tallies):
    counts = sum((tally.counts() for tally in tallies), collections.Counter())
    return collections.Counter({token.decode(): count for token, count in counts.items()})


def _count_unknown(counts, vocabulary):
    return counts.total() - sum(counts[token] for token in set(vocabulary))
