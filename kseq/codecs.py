"""How both sides of a run become numbers, and come back."""

import dataclasses

from kseq.run_directory import STATISTICS, VOCABULARIES
from kseq.text import TextCodec, load_vocabulary
from kseq.values import ValueCodec


@dataclasses.dataclass(frozen=True)
class CodecPair:
    """The codecs of source and target.

    Args:
        source: `TextCodec` of the source language, or `ValueCodec` of real-valued sequences.
        target: Likewise.
    """

    source: TextCodec | ValueCodec
    target: TextCodec | ValueCodec

    @classmethod
    def of(cls, source, target, config):
        """Makes both codecs.

        Args:
            source: The vocabulary, tokens in the order of their ids; or a `ValueCodec`.
            target: Likewise.
            config: `TextConfig`.
        """
        tokenizers = config.source_tokenizer, config.target_tokenizer
        return cls(
            *(
                side if isinstance(side, ValueCodec) else TextCodec(side, name, config.lowercase)
                for side, name in zip((source, target), tokenizers)
            )
        )

    @classmethod
    def load(cls, folder, config):
        """Reads what `save` wrote for a `Config`."""
        features = config.model.source_features, config.model.target_features
        sides = (
            ValueCodec.load(folder / statistics) if width else load_vocabulary(folder / vocabulary)
            for width, vocabulary, statistics in zip(features, VOCABULARIES, STATISTICS)
        )
        return cls.of(*sides, config.text)

    def save(self, folder):
        """Writes vocabularies, and statistics of real values, into `folder`."""
        for codec, vocabulary, statistics in zip(self.sides, VOCABULARIES, STATISTICS):
            codec.save(folder / (vocabulary if codec.is_text else statistics))

    @property
    def sides(self):
        """Source and target."""
        return self.source, self.target

    @property
    def descriptions(self):
        """Arguments of `of` that make the same codecs again."""
        return tuple(side.vocabulary if side.is_text else side for side in self.sides)

    @property
    def kind(self):
        """`"text"`, or `"values"` where a side is real-valued."""
        return "text" if all(side.is_text for side in self.sides) else "values"

    @property
    def vocabulary_sizes(self):
        """Arguments of `build_seq2seq`: V of each side, None where it is real-valued."""
        return tuple(side.size if side.is_text else None for side in self.sides)
