"""The codecs of both sides of a run."""

import dataclasses

from kseq.pipeline.value_codec import ValueCodec
from kseq.runs.directory import STATISTICS, SUBWORDS, VECTORIZATIONS, VOCABULARIES
from kseq.text.codec import TextCodec
from kseq.text.vectorization import Vectorization, VectorizationCodec
from kseq.text.vocabulary import load_vocabulary


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
    def of(cls, source, target, config, copies=False):
        """Makes both codecs.

        Args:
            source: The vocabulary, tokens in the order of their ids; a SentencePiece model, bytes;
                a `Vectorization`; or a `ValueCodec`.
            target: Likewise.
            config: `TextConfig`.
            copies: Whether the model copies tokens.
        """
        return cls(
            *(
                _make_codec(description, tokenizer, config, copies)
                for description, tokenizer in zip((source, target), config.tokenizers)
            )
        )

    @classmethod
    def load(cls, folder, config):
        """Reads the files that `save` wrote, for a `Config`.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged; the message names it.
        """
        widths = config.model.source_features, config.model.target_features
        return cls(
            *(
                ValueCodec.load(folder / STATISTICS[number])
                if width
                else _load_text(folder, number, tokenizer, config)
                for number, (width, tokenizer) in enumerate(zip(widths, config.text.tokenizers))
            )
        )

    def save(self, folder):
        """Writes vocabularies, or the files that replace them, into `folder`."""
        for number, codec in enumerate(self.sides):
            codec.save(folder / codec.file_names[number])

    @property
    def sides(self):
        """The codecs of source and target."""
        return self.source, self.target

    @property
    def descriptions(self):
        """Arguments of `of` that make the same codecs again."""
        return tuple(codec.description for codec in self.sides)

    @property
    def are_text(self):
        """Whether both sides are text."""
        return all(codec.is_text for codec in self.sides)

    @property
    def pairs_per_chunk(self):
        """Pairs that are read together."""
        return min(codec.side.pairs_per_chunk for codec in self.sides)

    @property
    def pairs_per_pool(self):
        """Pairs that are in RAM together to be shuffled and sorted by length."""
        return min(codec.side.pairs_per_pool for codec in self.sides)

    @property
    def vocabulary_sizes(self):
        """Arguments of `build_seq2seq`: V of each side, None if it is real-valued."""
        return tuple(codec.side.vocabulary_size for codec in self.sides)


def _make_codec(description, tokenizer, config, copies):
    if isinstance(description, ValueCodec):
        return description
    if isinstance(description, Vectorization):
        return VectorizationCodec(description)
    return TextCodec(description, tokenizer, config.case, config.normalization, copies=copies)


def _load_text(folder, number, tokenizer, config):
    text = config.text
    if (folder / VECTORIZATIONS[number]).is_file():
        return VectorizationCodec.load(folder / VECTORIZATIONS[number])
    if tokenizer == "subword":
        path = folder / SUBWORDS[number]
        description = path.read_bytes()
    else:
        path = folder / VOCABULARIES[number]
        description = load_vocabulary(path)
    try:
        return TextCodec(
            description, tokenizer, text.case, text.normalization, copies=config.model.copy
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
