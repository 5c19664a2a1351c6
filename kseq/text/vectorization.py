"""Text as `keras.layers.TextVectorization` reads it: its standardization, its split, its tokens."""

import dataclasses
import json
import pathlib

import keras
import tensorflow as tf

from kseq import files
from kseq.runs.directory import VECTORIZATIONS
from kseq.special_tokens import PAD, SPECIAL_TOKENS, UNK
from kseq.text.codec import TextCodec
from kseq.text.vocabulary import check_vocabulary

_SPLITS = {"whitespace": "space", "character": "character"}
_LOWER, _STRIP = "lower", "strip_punctuation"
_STANDARDIZATIONS = (None, _LOWER, _STRIP, f"{_LOWER}_and_{_STRIP}")
_PUNCTUATION = "[!\"#$%&()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~']"
# Not plain words, which may also be words of a text.
_STARTS = ("<start>", "[start]", "[START]", "<s>", "<sos>", "<bos>", "[BOS]", "startseq")
_ENDS = ("<end>", "[end]", "[END]", "</s>", "<eos>", "[EOS]", "endseq")


@dataclasses.dataclass(frozen=True)
class Vectorization:
    """What a `VectorizationCodec` is made from.

    Args:
        vocabulary: Tokens in the order of kseq's ids, beginning with the special tokens.
        standardize: Name of the standardization of Keras, or None.
        split: `"whitespace"` or `"character"`.

    Raises:
        ValueError: The vocabulary is not one, or Keras has no such standardization or split.
    """

    vocabulary: tuple
    standardize: str | None
    split: str

    def __post_init__(self):
        check_vocabulary(self.vocabulary)
        if self.standardize not in _STANDARDIZATIONS or self.split not in _SPLITS:
            raise ValueError(
                f"expected standardize to be one of {', '.join(map(repr, _STANDARDIZATIONS))}, and "
                f"split one of {', '.join(map(repr, _SPLITS))}; received {self.standardize!r} and "
                f"{self.split!r}"
            )


class VectorizationCodec(TextCodec):
    """The codec of a side whose ids are those of a `TextVectorization`, in kseq's order.

    As in Keras, only the letters A to Z become lower case.

    Args:
        description: `Vectorization`.
    """

    file_names = VECTORIZATIONS

    def __init__(self, description):
        super().__init__(description.vocabulary, _SPLITS[description.split], normalization="none")
        self.description = description
        self._standardize = description.standardize or ""

    @classmethod
    def load(cls, path):
        """Reads a file that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is damaged.
        """
        text = pathlib.Path(path).read_text(encoding="utf-8")
        try:
            fields = json.loads(text)
            return cls(Vectorization(**fields | {"vocabulary": tuple(fields["vocabulary"])}))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error

    def save(self, path):
        """Writes the description as JSON."""
        files.write_text(path, json.dumps(dataclasses.asdict(self.description)) + "\n")

    @property
    def reading(self):
        """How text is split: codecs with the same reading split a text into the same tokens."""
        return self.tokenizer, self._standardize

    @property
    def lowercases(self):
        """Whether the text that a model writes is in lower case."""
        return _LOWER in self._standardize

    def normalize(self, texts):
        """Returns strings `[N]`, standardized as by the layer."""
        if _LOWER in self._standardize:
            texts = tf.strings.lower(texts)
        if _STRIP in self._standardize:
            texts = tf.strings.regex_replace(texts, _PUNCTUATION, "")
        return super().normalize(texts)

    def tokenize_as_written(self, texts):
        """Returns the tokens of strings `[N]`, standardized: ragged `[N, (T)]`."""
        return self.tokenize(texts)


def read_vectorization(layer, side):
    """Describes a `TextVectorization` whose ids a model has learnt.

    Args:
        layer: The layer, adapted, or made with a vocabulary.
        side: `"source"` or `"target"`. A source needs no token that begins a sentence.

    Returns:
        A `Vectorization`; and for each of kseq's ids the id that the layer has for this token, a
        list, with None where the layer has none.

    Raises:
        ValueError: The layer cannot be described, or it has no tokens that begin and end sentences.
    """
    settings = layer.get_config()
    standardize, split = settings["standardize"], settings["split"]
    is_known = standardize in _STANDARDIZATIONS and split in tuple(_SPLITS)
    if not is_known or settings["output_mode"] != "int" or settings["ngrams"] is not None:
        raise ValueError(
            f"{side}: a run cannot hold a TextVectorization with standardize={standardize!r}, "
            f"split={split!r}, ngrams={settings['ngrams']!r} and "
            f"output_mode={settings['output_mode']!r}. Split and standardize your texts yourself, "
            "join the tokens with spaces, and give a layer with the same vocabulary and "
            'standardize=None, split="whitespace", output_mode="int"'
        )
    tokens = layer.get_vocabulary()
    end = _find_token(tokens, _ENDS, f"{side}: each must end with a token such as")
    start = None
    if side == "target" or any(token in tokens for token in _STARTS):
        start = _find_token(tokens, _STARTS, f"{side}: each must begin with a token such as")
    special = PAD, UNK, start, end
    others = [number for number in range(len(tokens)) if number not in special]
    vocabulary = *SPECIAL_TOKENS, *(tokens[number] for number in others)
    return Vectorization(vocabulary, standardize, split), [*special, *others]


def _find_token(tokens, spellings, expected):
    """Returns the id of the token that has one of these spellings.

    Raises:
        ValueError: There is none, or more than one.
    """
    found = [token for token in spellings if token in tokens]
    if len(found) != 1:
        raise ValueError(
            f"{expected} {spellings[0]} in training, and the vocabulary must have one of "
            f"{', '.join(spellings)}; received {' and '.join(found) or 'none of them'}"
        )
    return tokens.index(found[0])


def is_vectorization(value):
    """Returns whether a value is a `TextVectorization`."""
    return isinstance(value, keras.layers.TextVectorization)
