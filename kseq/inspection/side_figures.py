"""Figures about one side of a corpus: its lengths, its words, its scripts."""

import bisect
import dataclasses
import itertools

NO_SCRIPTS = ("Common", "Inherited", "Unknown")


@dataclasses.dataclass(frozen=True)
class Lengths:
    """The lengths of the lines of a side.

    Args:
        mean: Mean length.
        median: Half of the lines are at most this long.
        percentile_95: 95% of the lines are at most this long.
        percentile_99: 99% of the lines are at most this long.
        longest: Length of the longest line.
        counts: Number of lines of each length: (length, lines), in ascending order.
    """

    mean: float
    median: int
    percentile_95: int
    percentile_99: int
    longest: int
    counts: tuple

    @classmethod
    def of(cls, counter):
        """Computes lengths from a non-empty mapping from length to number of lines."""
        counts = tuple(sorted(counter.items()))
        cumulative = list(itertools.accumulate(lines for _, lines in counts))

        def percentile(share):
            return counts[bisect.bisect_left(cumulative, share * cumulative[-1])][0]

        mean = sum(length * lines for length, lines in counts) / cumulative[-1]
        return cls(mean, *map(percentile, (0.5, 0.95, 0.99)), counts[-1][0], counts)


@dataclasses.dataclass(frozen=True)
class SideFigures:
    """Statistics of one side of a corpus.

    Words are the tokens of kseq's word tokenizer: words, numbers and single punctuation marks, and
    characters in scripts that are written without spaces.

    Args:
        words: `Lengths` in words.
        characters: `Lengths` in characters (code points).
        one_word_lines: Share of lines without a space; 0 if the script is written without spaces.
        tokenization: How the lines have been tokenised, as text for the user; empty if they have
            not been.
        has_symbols: Whether they consist of few different short symbols, such as phones.
        decomposed_lines: Share of lines that the Unicode form NFC would change.
        tokens: Number of words.
        types: Number of different words.
        types_twice: Number of different words that occur at least twice, which is the size of the
            vocabulary with `minimum_frequency=2`.
        coverage_twice: Share of the text that these words make up.
        growth: Vocabulary growth: (words read, different words so far), in the order of the file.
        coverage: (k, share of the text that the k most frequent words make up).
        characters_by_script: Number of characters of each Unicode script, the most frequent first,
            without spaces. `"Common"` characters belong to all scripts: digits, punctuation,
            symbols.
        alphabet: Number of different characters, in the Unicode form NFC.
        decomposed_alphabet: The same in the Unicode form NFD, which takes characters apart.
        parts_per_character: Mean number of characters in NFD for one of the text as it is.
    """

    words: Lengths
    characters: Lengths
    one_word_lines: float
    tokenization: str
    has_symbols: bool
    decomposed_lines: float
    tokens: int
    types: int
    types_twice: int
    coverage_twice: float
    growth: tuple
    coverage: tuple
    characters_by_script: dict
    alphabet: int
    decomposed_alphabet: int
    parts_per_character: float

    @property
    def scripts(self):
        """Share of each script among the letters, a dict, the most frequent first."""
        letters = {
            name: count
            for name, count in self.characters_by_script.items()
            if name not in NO_SCRIPTS
        }
        total = sum(letters.values())
        return {name: count / total for name, count in letters.items()}
