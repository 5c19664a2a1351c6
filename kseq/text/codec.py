"""Strings to ids and back, inside TensorFlow graphs: normalise, tokenise, look up, join."""

import functools
import pathlib
import reprlib

import tensorflow as tf
import tensorflow_text

from kseq.runs.directory import SUBWORDS, VOCABULARIES
from kseq.sides.text_side import TextSide
from kseq.special_tokens import END, SPECIAL_TOKENS, UNK
from kseq.text.display import as_typed, strip_marks, to_str
from kseq.text.subwords import SubwordTokenizer
from kseq.text.tokenizers import CharacterTokenizer, WordTokenizer
from kseq.text.vocabulary import check_vocabulary


def normalize(texts, lowercase=False):
    """Brings strings into Unicode NFKC form, with single spaces between words.

    Control characters (NUL among them) count as spaces; a byte-order mark is dropped.

    Args:
        texts: Strings in UTF-8, `[N]`.
        lowercase: Whether to convert them to lower case as well.

    Returns:
        Strings `[N]`.
    """
    texts = tensorflow_text.normalize_utf8(texts, "NFKC")
    texts = tf.strings.regex_replace(texts, r"\x{FEFF}", "")
    texts = tf.strings.regex_replace(texts, r"[\s\p{Z}\p{Cc}]+", " ")
    texts = tf.strings.strip(texts)
    return tf.strings.lower(texts, encoding="utf-8") if lowercase else texts


_CONTINUATION = "x"  # a placeholder for the text after a prefix

_TOKENIZERS = {"word": WordTokenizer, "character": CharacterTokenizer}


class TextCodec(tf.Module):
    """The codec of a side of text: its tokenizer and its vocabulary.

    Args:
        description: The vocabulary: tokens in the order of their ids, beginning with the special
            tokens. For subwords a SentencePiece model, bytes, which contains its vocabulary.
        tokenizer: `"word"`, `"character"` or `"subword"`.
        case: How capitals are handled: `"keep"`, `"lower"` or `"mark"`.
        sampling: How subwords are sampled: see `SubwordTokenizer`.

    Attributes:
        side: `TextSide`.
        tokenizer: The name of the tokenizer.
        vocabulary: Tokens in the order of their ids.
        description: The argument `description`.

    Raises:
        ValueError: The vocabulary does not begin with the special tokens, or repeats one; or the
            bytes are not a SentencePiece model.
    """

    is_text = True

    def __init__(self, description, tokenizer="word", case="keep", sampling=0.0):
        super().__init__()
        self.tokenizer = tokenizer
        self._case = case
        if tokenizer == "subword":
            self.description = description
            self._tokenizer = SubwordTokenizer(description, case == "mark", sampling)
            self.vocabulary = self._tokenizer.vocabulary
        else:
            self.description = self.vocabulary = tuple(description)
            self._tokenizer = _TOKENIZERS[tokenizer](case == "mark")
        check_vocabulary(self.vocabulary)
        self.side = TextSide(len(self.vocabulary))
        self._known = frozenset(self.vocabulary[UNK + 1 :])
        self._tokens = tf.constant(self.vocabulary)
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                self._tokens[UNK + 1 :],
                tf.range(UNK + 1, len(self.vocabulary), dtype=tf.int64),
            ),
            default_value=UNK,
        )

    @property
    def file_names(self):
        """Name of the file that `save` writes: for a source, and for a target."""
        return SUBWORDS if self.tokenizer == "subword" else VOCABULARIES

    @property
    def reading(self):
        """How text is split: codecs with the same reading split a text into the same tokens."""
        return self.tokenizer, self._case

    @property
    def is_complete(self):
        """Whether the codec has tokens other than the special ones."""
        return self.size > len(SPECIAL_TOKENS)

    def sampler(self, sampling):
        """Returns a codec that samples the subwords of every sentence.

        Args:
            sampling: How subwords are sampled: see `SubwordTokenizer`.

        Returns:
            A `TextCodec`; None if there is nothing to sample: `sampling` is 0, or tokens are not
            subwords.
        """
        if not sampling or self.tokenizer != "subword":
            return None
        return TextCodec(self.description, self.tokenizer, self._case, sampling)

    @property
    def size(self):
        """Number of ids V, special tokens included."""
        return self.side.vocabulary_size

    def normalize(self, texts):
        """Returns strings `[N]`, normalised as this codec reads them."""
        return normalize(texts, lowercase=self._case == "lower")

    def tokenize(self, texts):
        """Returns the tokens of strings `[N]`, unknown ones included: ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(self.normalize(texts))

    def encode(self, texts):
        """Returns the ids of strings `[N]`, END included: ragged int32 `[N, (T)]`."""
        return self.with_end(self.tokenize(texts))

    def ids(self, tokens):
        """Returns the ids of tokens of any shape, int32."""
        return tf.cast(self._ids.lookup(tokens), tf.int32)

    def with_end(self, tokens):
        """Returns the ids of tokens, ragged `[N, (T)]`, END after the last: `[N, (T+1)]`."""
        ids = tokens.with_flat_values(self.ids(tokens.flat_values))
        ends = tf.fill([ids.nrows(), 1], END)
        return tf.concat([ids, tf.RaggedTensor.from_tensor(ends)], axis=1)

    @functools.cached_property
    def _tokenize_compiled(self):
        # Several times as fast for a single sentence.
        return _compile(self.tokenize, tf.TensorSpec([None], tf.string))

    @functools.cached_property
    def _with_end_compiled(self):
        return _compile(self.with_end, tf.RaggedTensorSpec([None, None], tf.string))

    def tokens(self, ids):
        """Returns the tokens of ids of any shape, special tokens included."""
        return tf.gather(self._tokens, ids)

    def decode(self, ids):
        """Returns the strings `[N]` that ids `[N, T]` represent, without special tokens.

        UNK stays visible as `<unk>`.
        """
        return self.join(ids, self.tokens(ids))

    def join(self, ids, tokens):
        """Returns the strings `[N]` of tokens `[N, T]`, without those whose ids are special."""
        is_text = (ids == UNK) | (ids >= len(SPECIAL_TOKENS))
        return self._tokenizer.detokenize(tf.ragged.boolean_mask(tokens, is_text))

    def check(self, sentence, side):
        """Checks the type of a sentence, and returns it unchanged.

        Args:
            sentence: Any object.
            side: `"source"` or `"target"`, for messages.

        Raises:
            TypeError: It is not a string.
        """
        if not isinstance(sentence, str):
            raise TypeError(f"expected sentences as strings; received {reprlib.repr(sentence)}")
        return sentence

    def split(self, sentences):
        """Returns the tokens of N sentences: ragged strings `[N, (T)]`."""
        texts = [text.encode("utf-8", "replace") for text in sentences]
        return self._tokenize_compiled(tf.constant(texts))

    def number(self, tokens):
        """Returns the ids of tokens, ragged `[N, (T)]`, END after the last: `[N, (T+1)]`."""
        return self._with_end_compiled(tokens)

    def displayed_tokens(self, tokens):
        """Returns tokens, ragged `[N, (T)]`, in their displayed form: N lists, END included."""
        displayed = to_str(tokens.with_flat_values(strip_marks(tokens.flat_values)))
        return [[*row, SPECIAL_TOKENS[END]] for row in displayed]

    def token_matrix(self, tokens, rows):
        """Returns rows `[B]` of tokens, ragged `[N, (T)]`, padded with empty tokens: `[B, T]`."""
        return tf.gather(tokens, rows).to_tensor("")

    def predicted_values(self, logits):
        """Returns no values, `[B, 0]`, for logits `[B, T, V]`."""
        return tf.zeros([tf.shape(logits)[0], 0])

    def prefix_ids(self, text):
        """Returns the ids of the beginning of an output, a list without END.

        Tokens may depend on whether a space follows (`L'` before `homme`), which is not known
        yet: a reading whose tokens are all in the vocabulary is preferred.

        Raises:
            ValueError: A token is not in the vocabulary.
        """
        texts = [start.encode("utf-8", "replace") for start in (text, text + _CONTINUATION)]
        alone, followed = self.tokenize(texts).to_list()
        readings = [alone]
        if followed and followed[-1].decode() == _CONTINUATION:
            # For a character tokenizer, a space at the end is a token.
            readings.insert(0 if text[-1:].isspace() else 1, followed[:-1])
        for reading in readings:
            ids = self._ids.lookup(tf.constant(reading, tf.string)).numpy().tolist()
            if UNK not in ids:
                return ids
        unknown = next(token for token in alone if token.decode() not in self._known)
        raise ValueError(
            f"the prefix {text!r} cannot be written: {strip_marks(unknown).numpy().decode()!r} "
            "is not in the target vocabulary"
        )

    def ids_typed_as(self, token):
        """Returns the ids of the tokens that a person would type as `token`, a list.

        Raises:
            ValueError: There is no such token.
        """
        if token in SPECIAL_TOKENS and token != SPECIAL_TOKENS[UNK]:
            raise ValueError(f"{token} is not a token that a model writes as text")
        if token not in SPECIAL_TOKENS:
            (token,) = to_str(self.normalize([token.encode("utf-8", "replace")]))
        ids = [number for number, entry in enumerate(self.vocabulary) if as_typed(entry) == token]
        if not ids:
            raise ValueError(f"{token!r} is not in the target vocabulary, so it is never written")
        return ids

    def save(self, path):
        """Writes the vocabulary, one token per line, or the SentencePiece model."""
        if self.tokenizer == "subword":
            pathlib.Path(path).write_bytes(self.description)
            return
        pathlib.Path(path).write_text(
            "".join(token + "\n" for token in self.vocabulary), encoding="utf-8", newline="\n"
        )


def _compile(function, spec):
    compiled = tf.function(function, input_signature=[spec], autograph=False)
    # As an attribute, a tf.function would be part of every SavedModel, and could not be copied.
    return lambda argument: compiled(argument)
