"""Strings to ids and back, inside TensorFlow graphs: normalise, tokenise, look up, join."""

import functools
import pathlib
import reprlib
from typing import Any

import tensorflow as tf
import tensorflow_text

from kseq.fields import check_choice
from kseq.runs.directory import SUBWORDS, VOCABULARIES
from kseq.sides.extended_ids import extended_tokens, open_ids
from kseq.sides.text_side import TextSide
from kseq.special_tokens import END, SPECIAL_TOKENS, UNK
from kseq.text.display import as_typed, replace_marks, to_str
from kseq.text.rules import BYTE_ORDER_MARK, SPACES, UNFORMED_SPACES
from kseq.text.subwords import SubwordTokenizer
from kseq.text.tokenizers import TOKENIZERS
from kseq.text.vocabulary import check_lines, check_vocabulary


def normalize(texts, form="nfc", lowercase=False):
    """Brings strings into a Unicode form, with single spaces between words.

    Control characters (NUL among them) count as spaces, and so do noncharacters. Invalid
    UTF-8 becomes U+FFFD.

    Args:
        texts: Strings in UTF-8, `[N]`.
        form: `"nfc"`, which unifies characters that look and mean the same; `"nfkc"`, which also
            replaces characters with similar ones, such as `ʰ` with `h`; `"nfd"`, which takes
            characters apart, `é` into `e` and an accent; or `"none"`. Unless it is `"none"`, all
            kinds of spaces are the same, and byte-order marks are dropped.
        lowercase: Whether to convert them to lower case as well.

    Returns:
        Strings `[N]`.
    """
    texts = _replace_invalid(texts)
    if form == "none":
        spaces = UNFORMED_SPACES
    else:
        texts = tensorflow_text.normalize_utf8(texts, form.upper())
        texts = tf.strings.regex_replace(texts, BYTE_ORDER_MARK, "")
        spaces = SPACES
    texts = tf.strings.strip(tf.strings.regex_replace(texts, spaces, " "))
    return tf.strings.lower(texts, encoding="utf-8") if lowercase else texts


def _replace_invalid(texts):
    """Replaces bytes that are not UTF-8 by U+FFFD; texts without any are only read once."""
    is_valid = tf.strings.regex_full_match(texts, r"[\x00-\x{D7FF}\x{E000}-\x{10FFFF}]*")
    return tf.cond(
        tf.reduce_all(is_valid),
        lambda: tf.identity(texts),
        lambda: tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8"),
    )


_CONTINUATION = "x"  # a placeholder for the text after a prefix


class TextCodec(tf.Module):
    """The codec of a side of text: its tokenizer and its vocabulary.

    Args:
        description: The vocabulary: tokens in the order of their ids, beginning with the special
            tokens. For subwords a SentencePiece model, bytes, which contains its vocabulary.
        tokenizer: `"word"`, `"character"`, `"subword"` or `"space"`; `"none"` reads nothing, as the
            source of a language model.
        case: How capitals are handled: `"keep"`, `"lower"` or `"mark"`.
        normalization: The Unicode form of the text that is read: see `normalize`. With `"nfd"`,
            characters are put together again in the text that is written.
        sampling: How subwords are sampled: see `SubwordTokenizer`.
        copies: Whether unknown tokens can be copied: they have open ids.

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

    def __init__(
        self,
        description: Any,
        tokenizer: str = "word",
        case: str = "keep",
        normalization: str = "nfc",
        *,
        sampling: float = 0.0,
        copies: bool = False,
    ) -> None:
        super().__init__()
        check_choice("tokenizer", tokenizer, (*TOKENIZERS, "subword"))
        check_choice("case", case, ("keep", "lower", "mark"))
        check_choice("normalization", normalization, ("nfc", "nfkc", "nfd", "none"))
        self.tokenizer = tokenizer
        self._case = case
        self._normalization = normalization
        if tokenizer == "subword":
            self.description = description
            self._tokenizer = SubwordTokenizer(description, case == "mark", sampling)
            self.vocabulary = self._tokenizer.vocabulary
        else:
            self.description = self.vocabulary = tuple(description)
            check_lines(self.vocabulary)
            self._tokenizer = TOKENIZERS[tokenizer](case == "mark")
        check_vocabulary(self.vocabulary)
        self.side = TextSide(len(self.vocabulary), copies, is_absent=tokenizer == "none")
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
        return self.tokenizer, self._case, self._normalization

    @property
    def lowercases(self):
        """Whether the text that a model writes is in lower case."""
        return self._case == "lower"

    @property
    def is_complete(self):
        """Whether the codec has all its tokens: besides the special ones, if it reads text."""
        return self.size > len(SPECIAL_TOKENS) or self.side.is_absent

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
        return TextCodec(
            *(self.description, self.tokenizer, self._case, self._normalization),
            sampling=sampling,
            copies=self.side.copies,
        )

    @property
    def size(self):
        """Number of ids V, special tokens included."""
        return self.side.vocabulary_size

    def normalize(self, texts):
        """Returns strings `[N]`, normalised as this codec reads them."""
        return normalize(texts, self._normalization, lowercase=self.lowercases)

    def tokenize(self, texts):
        """Returns the tokens of strings `[N]`, unknown ones included: ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(self.normalize(texts))

    def tokenize_as_written(self, texts):
        """Returns the tokens of strings `[N]` whose Unicode form is kept: ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(normalize(texts, "none", lowercase=self._case == "lower"))

    def encode(self, texts):
        """Returns the ids of strings `[N]`, END included: ragged int32 `[N, (T)]`."""
        return self.with_end(self.tokenize(texts))

    def ids(self, tokens):
        """Returns the ids of tokens of any shape, int32; open ids for unknown ones to copy."""
        ids = tf.cast(self._ids.lookup(tokens), tf.int32)
        return open_ids(tokens, ids, self.size) if self.side.copies else ids

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

    def output_tokens(self, ids, source_tokens):
        """Returns the tokens of outputs, some of which may be copied.

        Args:
            ids: Ids `[B, ...]`, extended ones for copied tokens.
            source_tokens: Tokens of the sources, `[B, S]`.
        """
        if not self.side.copies:
            return self.tokens(ids)
        return extended_tokens(ids, self._tokens, source_tokens, self.size)

    def decode(self, ids):
        """Returns the strings `[N]` that ids `[N, T]` represent, without special tokens.

        UNK stays visible as `<unk>`.
        """
        return self.join(ids, self.tokens(ids))

    def join(self, ids, tokens):
        """Returns the strings `[N]` of tokens `[N, T]`, without those whose ids are special."""
        is_text = (ids == UNK) | (ids >= len(SPECIAL_TOKENS))
        texts = self._tokenizer.detokenize(tf.ragged.boolean_mask(tokens, is_text))
        composes = self._normalization == "nfd"
        return tensorflow_text.normalize_utf8(texts, "NFC") if composes else texts

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

    def display(self, tokens):
        """Returns tokens of any shape in their displayed form."""
        return replace_marks(tokens, self._tokenizer.marks)

    def displayed_tokens(self, tokens):
        """Returns tokens, ragged `[N, (T)]`, in their displayed form: N lists, END included."""
        displayed = to_str(tokens.with_flat_values(self.display(tokens.flat_values)))
        return [[*row, SPECIAL_TOKENS[END]] for row in displayed]

    def token_matrix(self, tokens, rows):
        """Returns rows `[B]` of tokens, ragged `[N, (T)]`, padded with empty tokens: `[B, T]`."""
        return tf.gather(tokens, rows).to_tensor("")

    def predicted_values(self, logits):
        """Returns no values, `[B, 0]`, for logits `[B, T, V]`."""
        return tf.zeros([tf.shape(logits)[0], 0])

    def prefix_ids(self, text, source=None):
        """Returns the ids of the beginning of an output, a list without END.

        Tokens may depend on whether a space follows (`L'` before `homme`), which is not known
        yet: a reading whose tokens are all in the vocabulary is preferred. If a model copies, they
        may also be tokens of the source, a string.

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
            ids = self._reading_ids(reading, source)
            if UNK not in ids:
                return ids
        unknown = alone[self._reading_ids(alone, source).index(UNK)]
        raise ValueError(
            f"an output cannot begin with {reprlib.repr(text)}: "
            f"{self._as_typed(unknown.decode())!r} is not in the target vocabulary"
            f"{' or in the source' if self.side.copies else ''}"
        )

    def _reading_ids(self, tokens, source):
        """Returns the ids of a list of tokens; extended ids for unknown ones that are copied."""
        ids = self._ids.lookup(tf.constant(tokens, tf.string)).numpy().tolist()
        if not self.side.copies or UNK not in ids:
            return ids
        places = {}
        for place, token in enumerate(self.split([source]).to_list()[0]):
            places.setdefault(token, self.size + place)
        return [places.get(token, UNK) if id_ == UNK else id_ for token, id_ in zip(tokens, ids)]

    def ids_typed_as(self, token):
        """Returns the ids of the tokens that a person would type as `token`, a list.

        Raises:
            ValueError: There is no such token.
        """
        if token in SPECIAL_TOKENS and token != SPECIAL_TOKENS[UNK]:
            raise ValueError(f"{token} is not a token that a model writes as text")
        if token not in SPECIAL_TOKENS:
            (token,) = to_str(self.normalize([token.encode("utf-8", "replace")]))
        entries = enumerate(map(self._as_typed, self.vocabulary))
        ids = [number for number, entry in entries if entry == token]
        if not ids:
            is_copied = self.side.copies and self.split([token]).row_lengths()[0] == 1
            reason = "can only be copied" if is_copied else "cannot be forbidden"
            raise ValueError(f"{token!r} is not in the target vocabulary, so it {reason}")
        return ids

    def _as_typed(self, token):
        """Returns a token as a person would type it: without the space before a subword."""
        token = token.removeprefix("▁") if self.tokenizer == "subword" else token
        return as_typed(token, self._tokenizer.marks)

    def save(self, path):
        """Writes the vocabulary, one token per line, or the SentencePiece model."""
        if self.tokenizer == "subword":
            pathlib.Path(path).write_bytes(self.description)
            return
        pathlib.Path(path).write_text(
            "".join(token + "\n" for token in self.vocabulary), encoding="utf-8", newline="\n"
        )


def _compile(function, spec):
    # A concrete function, because calls of new functions make TensorFlow warn about retracing.
    compiled = tf.function(function, autograph=False).get_concrete_function(spec)
    # As an attribute, a tf.function would be part of every SavedModel, and could not be copied.
    return lambda argument: compiled(argument)
