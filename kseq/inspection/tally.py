"""Counting one side of a corpus: the lengths of its lines, its words, its scripts."""

import collections
import unicodedata

import numpy as np
import tensorflow as tf

from kseq.inspection.side_figures import NO_SCRIPTS, Lengths, SideFigures
from kseq.inspection.spacing import SpacingTally
from kseq.sides.text_side import as_bytes
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.codec import TextCodec
from kseq.text.scripts import script_of

_POINTS = 200  # maximum number of points of a curve
_UNSPACED = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")
_MIN_OWN = 0.01  # minimum share of the letters for a script to belong to a side


class SideTally:
    """Counts one side of a corpus, chunk by chunk."""

    def __init__(self):
        self._types = collections.Counter()
        self._letters = collections.Counter()
        self._words = collections.Counter()
        self._characters = collections.Counter()
        self._alphabet = set()
        self._without_space = self._decomposed = 0
        self._spacing = SpacingTally()
        self._growth = Growth()
        codec = TextCodec(SPECIAL_TOKENS, "word")
        self._tokenize = tf.function(
            codec.tokenize,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        ).get_concrete_function()

    def add(self, texts):
        """Counts lines.

        Args:
            texts: List of N strings, none of them empty.

        Returns:
            The lengths in words, int `[N]`.
        """
        tokens = self._tokenize(tf.constant(as_bytes(texts), tf.string))
        lengths = tokens.row_lengths().numpy()
        words = tokens.flat_values.numpy().tolist()
        self._types.update(words)
        self._growth.add(len(words), len(self._types))
        self._words.update(lengths.tolist())
        self._characters.update(map(len, texts))
        self._letters.update("".join(texts))
        self._without_space += sum(" " not in text for text in texts)
        composed = [unicodedata.normalize("NFC", text) for text in texts]
        self._decomposed += sum(text != other for text, other in zip(texts, composed))
        self._alphabet.update(*composed)
        self._spacing.add(texts)
        return lengths

    @property
    def has_words(self):
        """Whether any line has a word: control characters are none."""
        return bool(self._types)

    @property
    def letters(self):
        """How often each character occurs, a `collections.Counter`."""
        return self._letters

    def figures(self):
        """Returns the `SideFigures` of all lines so far."""
        lines = self._characters.total()
        scripts = characters_by_script(self._letters)
        counts = np.sort(np.fromiter(self._types.values(), np.int64, len(self._types)))[::-1]
        tokens = int(counts.sum())
        twice = counts[counts > 1]
        unspaced = sum(scripts.get(name, 0) for name in _UNSPACED)
        spaced = 2 * unspaced < sum(scripts.values())
        parts = _parts(self._letters)
        return SideFigures(
            words=Lengths.of(self._words),
            characters=Lengths.of(self._characters),
            one_word_lines=self._without_space / lines if spaced else 0.0,
            tokenization=self._spacing.tokenization(),
            has_symbols=self._spacing.has_symbols(),
            decomposed_lines=self._decomposed / lines,
            tokens=tokens,
            types=len(counts),
            types_twice=len(twice),
            coverage_twice=int(twice.sum()) / max(tokens, 1),
            growth=self._growth.points,
            coverage=_coverage(counts),
            characters_by_script=scripts,
            alphabet=len(self._alphabet),
            decomposed_alphabet=len(parts),
            parts_per_character=parts.total() / self._letters.total(),
        )


class Growth:
    """A growing curve, thinned out evenly so that it has few points."""

    def __init__(self):
        self._points = []
        self._total = 0
        self._every = self._added = 1

    def add(self, step, value):
        """Extends the curve by `step` to the right, to a height of `value`."""
        self._total += step
        self._last = (self._total, value)
        if self._added % self._every == 0:
            self._points.append(self._last)
        self._added += 1
        if len(self._points) == _POINTS:
            self._points = self._points[1::2]
            self._every *= 2

    @property
    def points(self):
        """The curve: (total, value) from left to right; it always includes the last point."""
        return tuple(dict.fromkeys([*self._points, self._last]))


def _parts(letters):
    """Counts the characters into which NFD takes others apart, in a `collections.Counter`."""
    parts = collections.Counter()
    for letter, count in letters.items():
        for part in unicodedata.normalize("NFD", letter):
            parts[part] += count
    return parts


def characters_by_script(letters):
    """Counts characters by their Unicode script.

    Args:
        letters: Mapping from character to its number of occurrences.

    Returns:
        A dict from the name of a script to a count, the most frequent first, without spaces.
    """
    counts = collections.Counter()
    for letter, count in letters.items():
        if not letter.isspace():
            counts[script_of(letter)] += count
    return dict(counts.most_common())


def own_letters(letters):
    """Finds the letters of each side that belong to its own scripts.

    A script is a side's own if at least 1% of its letters are in that script, and if its share on
    the other side is at most twice as large. English names in Chinese sentences, for instance, do
    not make Latin a script of the Chinese side.

    Args:
        letters: For each side, a mapping from character to its number of occurrences.

    Returns:
        A list with a set of characters for each side.
    """
    shares = []
    for counts in letters:
        scripts = characters_by_script(counts)
        scripts = {name: n for name, n in scripts.items() if name not in NO_SCRIPTS}
        shares.append({name: n / sum(scripts.values()) for name, n in scripts.items()})
    own = [
        {name for name, share in side.items() if share >= max(_MIN_OWN, opposite.get(name, 0) / 2)}
        for side, opposite in (shares, shares[::-1])
    ]
    return [
        frozenset(letter for letter in counts if script_of(letter) in names)
        for counts, names in zip(letters, own)
    ]


def _coverage(counts):
    """The share of the text that the k most frequent words make up, for up to `_POINTS` k."""
    cumulative = np.cumsum(counts)
    ranks = np.unique(np.rint(np.geomspace(1, len(counts), _POINTS)).astype(int))
    return tuple((int(k), float(cumulative[k - 1] / cumulative[-1])) for k in ranks)
