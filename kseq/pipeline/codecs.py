"""The codecs of both sides of a run, and of the features of its sources."""

import contextlib
import dataclasses

from kseq.corpora.turns import join_turns
from kseq.pipeline.value_codec import ValueCodec
from kseq.runs.directory import FEATURES, STATISTICS, SUBWORDS, VECTORIZATIONS, VOCABULARIES
from kseq.text.codec import TextCodec
from kseq.text.feature_codec import FeatureCodec
from kseq.text.vectorization import Vectorization, VectorizationCodec
from kseq.text.vocabulary import load_vocabulary


@dataclasses.dataclass(frozen=True)
class CodecPair:
    """The codecs of source and target.

    Args:
        source: `TextCodec` of the source language, or `ValueCodec` of real-valued sequences.
        target: Likewise.
        features: `FeatureCodec` of the features of a source, or None.
        previous_turns: The largest number of turns in a source; 0 unless sources are conversations.
    """

    source: TextCodec | ValueCodec
    target: TextCodec | ValueCodec
    features: FeatureCodec | None = None
    previous_turns: int = 0

    @classmethod
    def of(cls, source, target, config, *, features=None, copies=False):
        """Makes the codecs.

        Args:
            source: The vocabulary, tokens in the order of their ids; a SentencePiece model, bytes;
                a `Vectorization`; or a `ValueCodec`.
            target: Likewise.
            config: `TextConfig`.
            features: The vocabulary of features, or None.
            copies: Whether the model copies tokens.
        """
        sides = (
            _make_codec(description, tokenizer, config, copies)
            for description, tokenizer in zip((source, target), config.tokenizers)
        )
        features = features and _make_feature_codec(features, config)
        return cls(*sides, features, config.previous_turns)

    @classmethod
    def load(cls, folder, config):
        """Reads the files that `save` wrote, for a `Config`.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged; the message names it.
        """
        widths = config.model.source_features, config.model.target_features
        sides = (
            ValueCodec.load(folder / STATISTICS[number])
            if width
            else _load_text(folder, number, tokenizer, config)
            for number, (width, tokenizer) in enumerate(zip(widths, config.text.tokenizers))
        )
        features = None
        if config.model.features != "none":
            features = _load_features(folder / FEATURES, config.text)
        return cls(*sides, features, config.text.previous_turns)

    def save(self, folder):
        """Writes vocabularies, or the files that replace them, into `folder`."""
        for number, codec in enumerate(self.sides):
            codec.save(folder / codec.file_names[number])
        if self.features is not None:
            self.features.save(folder / FEATURES)

    def check_source(self, source):
        """Checks the type of a source, and returns it; the turns of a conversation are joined.

        Raises:
            TypeError: It is neither a sequence of its side nor, for a model that replies, turns.
        """
        if self.previous_turns and isinstance(source, (list, tuple)):
            source = join_turns(source, self.previous_turns)
        return self.source.check(source, "source")

    def frame(self, pairs):
        """Returns pairs as the codecs read them: frames in place of recordings.

        Args:
            pairs: `Pairs` or `ValuePairs`.

        Raises:
            ValueError: There are recordings, and the source is something else.
        """
        if pairs.sample_rate is None:
            return pairs
        if self.source.is_text or self.source.log_mel is None:
            raise ValueError(f"{pairs}: expected {self.source.side}; received recordings")
        return pairs.framed(self.source.log_mel)

    @property
    def sides(self):
        """The codecs of source and target."""
        return self.source, self.target

    @property
    def columns(self):
        """The codecs of the columns of a pair: source, target and, if there are any, features."""
        return self.sides if self.features is None else (*self.sides, self.features)

    @property
    def descriptions(self):
        """The arguments `source` and `target` of `of` that make the same codecs again."""
        return tuple(codec.description for codec in self.sides)

    @property
    def feature_vocabulary(self):
        """The argument `features` of `of`."""
        return None if self.features is None else self.features.description

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
        """V of each side, None if it is real-valued."""
        return tuple(codec.side.vocabulary_size for codec in self.sides)

    @property
    def sizes(self):
        """The arguments of `build_seq2seq` that are sizes of vocabularies, by name."""
        source, target = self.vocabulary_sizes
        return {
            "source_vocabulary_size": source,
            "target_vocabulary_size": target,
            "feature_vocabulary_size": self.features and self.features.size,
        }


def _make_feature_codec(vocabulary, text):
    return FeatureCodec(vocabulary, text.feature_separator, text.normalization)


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
    with _naming(path):
        return TextCodec(
            description, tokenizer, text.case, text.normalization, copies=config.model.copy
        )


def _load_features(path, text):
    if not path.is_file():
        raise FileNotFoundError(f"file not found: {path}, the features that the run knows")
    with _naming(path):
        return _make_feature_codec(load_vocabulary(path), text)


@contextlib.contextmanager
def _naming(path):
    """Names a file in errors about what it holds."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
