"""Strings to ids and back, inside TensorFlow graphs: normalise, tokenise, look up, join."""

import collections
import pathlib

import tensorflow as tf
import tensorflow_text

from kseq.special_tokens import END, SPECIAL_TOKENS, UNK

# Characters that NFKC turns into others, so that no normalised text can hold them:
# they are free to mark what the spaces between tokens would otherwise lose.
JOINER = "￭"  # no space between this token and the next one on that side
SPACE = "＿"  # a space beside a script that is written without spaces

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}]\p{M}*"
_WORD = r"[\p{L}\p{M}\p{N}\x{200C}\x{200D}]"
_NO_WORD = r"[^\p{L}\p{M}\p{N}\x{200C}\x{200D}]"

# Each rewrite sees the text that the one before it left. While they run, ￮ stands around
# characters of unspaced scripts, ＇ and ＂ for the apostrophes that belong to a word.
_SPLITTING = (
    (f"({_UNSPACED})", r" ￮\1￮ "),
    # John's, don't: the clitic is split off; l'homme, O'Brien: what stands before the apostrophe.
    (rf"({_WORD})'((?i:s|t|re|ve|ll|m|d))({_NO_WORD})", r"\1 ￭＇\2\3"),
    (rf"({_WORD})’((?i:s|t|re|ve|ll|m|d))({_NO_WORD})", r"\1 ￭＂\2\3"),
    (rf"({_WORD})'({_WORD})", r"\1＇￭ \2"),
    (rf"({_WORD})’({_WORD})", r"\1＂￭ \2"),
    (r"(\.{2,}|[^\p{L}\p{M}\p{N}\x{200C}\x{200D}\s￭￮＿＇＂]\p{M}*)", r" ￭\1￭ "),
    ("＇", "'"),
    ("＂", "’"),
    # A joiner next to a space, to the end of the text or to an unspaced character says nothing.
    (r"＿\s*￭", "＿ "),
    (r"￭\s*＿", " ＿"),
    (r"￮\s*￭", "￮ "),
    (r"￭\s*￮", " ￮"),
    (r"￭\s+￭", " ￭"),
    # A space is worth a token only beside an unspaced character, where none is expected.
    (r"^＿|＿$", ""),
    (r"￮\s*＿", "￮ ￮＿￮ "),
    (r"([^￮])＿\s*￮", r"\1 ￮＿￮ ￮"),
    (r"([^￮])＿", r"\1 "),
    ("￮", ""),
)
_JOINING = (
    (f" ?({_UNSPACED}) ?", r"\1"),
    (f" ?{JOINER} ?", ""),
    (f" ?{SPACE} ?", " "),
    (r"^\s+|\s+$", ""),
)


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
    tokens = tf.strings.regex_replace(tokens, JOINER, "")
    return tf.strings.regex_replace(tokens, SPACE, " ")


def decoded(strings):
    """Returns nested lists of bytes, or a tensor of them, as nested lists of str."""
    if isinstance(strings, tf.Tensor):
        strings = strings.numpy().tolist()
    if isinstance(strings, tf.RaggedTensor):
        strings = strings.to_list()
    if isinstance(strings, bytes):
        return strings.decode("utf-8")
    return [decoded(string) for string in strings]


class WordTokenizer:
    """Words, numbers and single punctuation marks; in unspaced scripts, characters.

    `￭` on a punctuation mark says that there is no space on that side, so joining the tokens
    gives the normalised text back: `Où est-il ?` is `Où est ￭-￭ il ?`.
    """

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = tf.strings.regex_replace(tf.strings.join(["＿", texts, "＿"]), " ", "＿")
        for pattern, rewrite in _SPLITTING:
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return tf.strings.split(texts)

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1, separator=" ")
        for pattern, rewrite in _JOINING:
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return texts


class CharacterTokenizer:
    """Unicode characters, spaces among them."""

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        return tf.strings.unicode_split(texts, "UTF-8")

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        return tf.strings.reduce_join(tokens, axis=-1)


_FOLLOWING = "x"  # stands for what will follow a prefix

_TOKENIZERS = {"word": WordTokenizer, "character": CharacterTokenizer}


class TextCodec(tf.Module):
    """One language of a run: its tokenizer and its vocabulary.

    Args:
        vocabulary: Tokens in the order of their ids, beginning with the special tokens.
        tokenizer: `"word"` or `"character"`.
        lowercase: Whether strings are lowered before they are split.

    Raises:
        ValueError: The vocabulary does not begin with the special tokens, or repeats one.
    """

    is_text = True

    def __init__(self, vocabulary, tokenizer="word", lowercase=False):
        super().__init__()
        if tuple(vocabulary[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise ValueError(
                f"a vocabulary must begin with {', '.join(SPECIAL_TOKENS)}; "
                f"received {', '.join(map(str, vocabulary[:4])) or 'nothing'}"
            )
        if len(set(vocabulary)) != len(vocabulary):
            twice = next(t for t, n in collections.Counter(vocabulary).items() if n > 1)
            raise ValueError(f"a vocabulary must hold each token once; {twice!r} is there twice")
        self.vocabulary = tuple(vocabulary)
        self._known = frozenset(self.vocabulary[UNK + 1 :])
        self._tokenizer = _TOKENIZERS[tokenizer]()
        self._lowercase = lowercase
        self._tokens = tf.constant(self.vocabulary)
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                self._tokens[UNK + 1 :],
                tf.range(UNK + 1, len(self.vocabulary), dtype=tf.int64),
            ),
            default_value=UNK,
        )

    @property
    def size(self):
        """Number of ids V, special tokens included."""
        return len(self.vocabulary)

    def normalize(self, texts):
        """Returns strings `[N]` as this codec reads them."""
        return normalize(texts, self._lowercase)

    def tokenize(self, texts):
        """Returns the tokens of strings `[N]`, unknown ones included: ragged `[N, (T)]`."""
        return self._tokenizer.tokenize(self.normalize(texts))

    def encode(self, texts):
        """Returns the ids of strings `[N]`, END at the end: ragged int32 `[N, (T)]`."""
        return self.ids(self.tokenize(texts))

    def ids(self, tokens):
        """Returns the ids of tokens, ragged `[N, (T)]`, with END behind them: `[N, (T+1)]`."""
        ids = tokens.with_flat_values(tf.cast(self._ids.lookup(tokens.flat_values), tf.int32))
        ends = tf.fill([ids.nrows(), 1], END)
        return tf.concat([ids, tf.RaggedTensor.from_tensor(ends)], axis=1)

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
        ids = [
            number
            for number, known in enumerate(self.vocabulary)
            if known.replace(JOINER, "").replace(SPACE, " ") == token
        ]
        if not ids:
            raise ValueError(f"{token!r} is not in the target vocabulary, so it is never written")
        return ids

    def save(self, path):
        """Writes the vocabulary, one token a line, to be read with `load_vocabulary`."""
        pathlib.Path(path).write_text(
            "".join(token + "\n" for token in self.vocabulary), encoding="utf-8", newline="\n"
        )


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
