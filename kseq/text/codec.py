"""Strings to ids and back, inside TensorFlow graphs: normalise, tokenise, look up, join."""

import collections
import functools
import pathlib

import tensorflow as tf
import tensorflow_text

from kseq.runs.directory import SUBWORDS, VOCABULARIES
from kseq.sides.text_side import TextSide
from kseq.special_tokens import END, SPECIAL_TOKENS, UNK
from kseq.text.letter_case import CAPITAL, CAPITALS, LOWER
from kseq.text.subwords import SubwordTokenizer
from kseq.text.tokenizers import JOINER, SPACE, CharacterTokenizer, WordTokenizer

_SHOWN = {JOINER: "", SPACE: " ", CAPITAL: "↑", CAPITALS: "⇑", LOWER: "↓"}


def normalize(texts, lowercase=False):
    """Brings strings into Unicode NFKC form, with single spaces between words.

    Control characters (NUL among them) count as spaces; a byte-order mark is dropped.

    Args:
        texts: Strings in UTF-8, `[N]`.
        lowercase: Whether to lower them too.

    Returns:
        Strings `[N]`.
    """
    texts = tensorflow_text.normalize_utf8(texts, "NFKC")
    texts = tf.strings.regex_replace(texts, r"\x{FEFF}", "")
    texts = tf.strings.regex_replace(texts, r"[\s\p{Z}\p{Cc}]+", " ")
    texts = tf.strings.strip(texts)
    return tf.strings.lower(texts, encoding="utf-8") if lowercase else texts


def strip_marks(tokens):
    """Returns tokens as a person sees them: without joiners, a space as a space."""
    for mark, shown in _SHOWN.items():
        tokens = tf.strings.regex_replace(tokens, mark, shown)
    return tokens


def decoded(strings):
    """Returns nested lists of bytes, or a tensor of them, as nested lists of str."""
    if isinstance(strings, bytes):
        return strings.decode("utf-8")
    if isinstance(strings, tf.Tensor):
        return decoded(strings.numpy().tolist())
    if isinstance(strings, tf.RaggedTensor):
        return decoded(strings.to_list())
    return [decoded(string) for string in strings]


_FOLLOWING = "x"  # stands for what will follow a prefix

_TOKENIZERS = {"word": WordTokenizer, "character": CharacterTokenizer}


class TextCodec(tf.Module):
    """One language of a run: its tokenizer and its vocabulary.

    Args:
        description: The vocabulary: tokens in the order of their ids, beginning with the special
            tokens. For subwords a SentencePiece model, bytes, which brings its own.
        tokenizer: `"word"`, `"character"` or `"subword"`.
        case: `"keep"`, `"lower"` or `"mark"`: what becomes of capitals.
        sampling: How subwords are drawn: see `SubwordTokenizer`.

    Attributes:
        side: `TextSide`.

    Raises:
        ValueError: The vocabulary does not begin with the special tokens, or repeats one; or the
            bytes are no SentencePiece model.
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
        _check_vocabulary(self.vocabulary)
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
        """Names of the file that `save` writes, for a source and for a target."""
        return SUBWORDS if self.tokenizer == "subword" else VOCABULARIES

    @property
    def is_complete(self):
        """Whether the codec has tokens other than the special ones."""
        return self.size > len(SPECIAL_TOKENS)

    def sampler(self, sampling):
        """Returns a codec that draws the subwords of every sentence at random.

        Args:
            sampling: How subwords are drawn: see `SubwordTokenizer`.

        Returns:
            A `TextCodec`; None if nothing is drawn, because `sampling` is 0 or tokens are no
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
        """Returns strings `[N]` as this codec reads them."""
        return normalize(texts, lowercase=self._case == "lower")

    def tokenize(self, texts):
        """Returns the tokens of strings `[N]`, unknown ones included: ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(self.normalize(texts))

    def encode(self, texts):
        """Returns the ids of strings `[N]`, END at the end: ragged int32 `[N, (T)]`."""
        return self.with_end(self.tokenize(texts))

    def ids(self, tokens):
        """Returns the ids of tokens of any shape, int32."""
        return tf.cast(self._ids.lookup(tokens), tf.int32)

    def with_end(self, tokens):
        """Returns the ids of tokens, ragged `[N, (T)]`, with END behind them: `[N, (T+1)]`."""
        ids = tokens.with_flat_values(self.ids(tokens.flat_values))
        ends = tf.fill([ids.nrows(), 1], END)
        return tf.concat([ids, tf.RaggedTensor.from_tensor(ends)], axis=1)

    @functools.cached_property
    def tokenizing(self):
        """`tokenize` as a compiled function: for one sentence several times as fast."""
        return _compiled(self.tokenize, tf.TensorSpec([None], tf.string))

    @functools.cached_property
    def numbering(self):
        """`with_end` as a compiled function."""
        return _compiled(self.with_end, tf.RaggedTensorSpec([None, None], tf.string))

    def tokens(self, ids):
        """Returns the tokens of ids of any shape, special tokens as they are spelled."""
        return tf.gather(self._tokens, ids)

    def decode(self, ids):
        """Returns the strings `[N]` that ids `[N, T]` stand for, special tokens left out.

        UNK stays visible as `<unk>`.
        """
        return self.join(ids, self.tokens(ids))

    def join(self, ids, tokens):
        """Returns the strings `[N]` of tokens `[N, T]`, but for those whose ids are special."""
        is_text = (ids == UNK) | (ids >= len(SPECIAL_TOKENS))
        return self._tokenizer.detokenize(tf.ragged.boolean_mask(tokens, is_text))

    def predicted_values(self, outputs):
        """Returns `()`: logits are no values."""
        return ()

    def prefix_ids(self, text):
        """Returns the ids of the beginning of an output, a list without END.

        Whether a space will follow is not known yet, and the tokens may hang on it (`L'` before
        `homme`): tokens that are all known are preferred.

        Raises:
            ValueError: The vocabulary does not have all the tokens.
        """
        alone, followed = self.tokenize([text, text + _FOLLOWING]).to_list()
        readings = [alone]
        if followed and followed[-1].decode() == _FOLLOWING:
            # A space at the end is a token to a character tokenizer.
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

    def ids_shown_as(self, token):
        """Returns the ids of the tokens that a person sees as `token`, a list.

        Raises:
            ValueError: There is none.
        """
        if token in SPECIAL_TOKENS and token != SPECIAL_TOKENS[UNK]:
            raise ValueError(f"{token} is no token that a model writes as text")
        if token not in SPECIAL_TOKENS:
            (token,) = decoded(self.normalize([token]))
        ids = [number for number, known in enumerate(self.vocabulary) if _as_shown(known) == token]
        if not ids:
            raise ValueError(f"{token!r} is not in the target vocabulary, so it is never written")
        return ids

    def save(self, path):
        """Writes the vocabulary, one token a line, or the SentencePiece model, to be read again."""
        if self.tokenizer == "subword":
            pathlib.Path(path).write_bytes(self.description)
            return
        pathlib.Path(path).write_text(
            "".join(token + "\n" for token in self.vocabulary), encoding="utf-8", newline="\n"
        )


def _compiled(function, spec):
    compiled = tf.function(function, input_signature=[spec], autograph=False)
    # As an attribute it would be part of every SavedModel, and could not be copied.
    return lambda argument: compiled(argument)


def _as_shown(token):
    """A token as a person would type it; the space before a subword is not typed."""
    for mark, shown in _SHOWN.items():
        token = token.replace(mark, shown)
    return token.removeprefix("▁")


def _check_vocabulary(vocabulary):
    if tuple(vocabulary[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise ValueError(
            f"a vocabulary must begin with {', '.join(SPECIAL_TOKENS)}; "
            f"received {', '.join(map(str, vocabulary[:4])) or 'nothing'}"
        )
    if len(set(vocabulary)) != len(vocabulary):
        twice = next(t for t, n in collections.Counter(vocabulary).items() if n > 1)
        raise ValueError(f"a vocabulary must hold each token once; {twice!r} is there twice")


def load_vocabulary(path):
    """Returns the tokens that `TextCodec.save` wrote to `path`, in the order of their ids.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a vocabulary.
    """
    try:
        tokens = pathlib.Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a vocabulary: not valid UTF-8") from error
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise ValueError(
            f"{path}: not a vocabulary: expected it to begin with {', '.join(SPECIAL_TOKENS)}"
        )
    return tokens


def select_vocabulary(counts, minimum_frequency, maximum_size):
    """Chooses the tokens that get an id: the most frequent ones, ties in code point order.

    Args:
        counts: Mapping from token to its number of occurrences in the training split.
        minimum_frequency: Least number of occurrences.
        maximum_size: Largest vocabulary, special tokens included.

    Returns:
        Tokens in the order of their ids, special tokens first.
    """
    frequent = [
        (-count, token)
        for token, count in counts.items()
        if count >= minimum_frequency and token not in SPECIAL_TOKENS
    ]
    room = maximum_size - len(SPECIAL_TOKENS)
    return [*SPECIAL_TOKENS, *(token for _, token in sorted(frequent)[:room])]
