"""Strings to ids and back in plain Python, as `kseq.text.codec` does in graphs of TensorFlow."""

import functools
import unicodedata

from kseq.lite.patterns import Rewriter
from kseq.special_tokens import END, SPECIAL_TOKENS, UNK
from kseq.text.rules import (
    ATTACHING_CASE,
    BYTE_ORDER_MARK,
    CAPITAL,
    CAPITALS,
    JOINING,
    MARKING_CASE,
    MARKING_SPECIAL,
    ORIGINALS,
    REMOVING_CASE,
    SEPARATING_CASE,
    SPACE,
    SPACES,
    SPLITTING,
    STAND_INS,
    TEXT,
    UNFORMED_SPACES,
    displayed_marks,
)

_ESCAPING = str.maketrans(STAND_INS)
_UNESCAPING = str.maketrans(ORIGINALS)

# Made when they are first needed: the tables of Unicode take a tenth of a second.
_rewriter = functools.cache(Rewriter)


def normalize(text, form="nfc", lowercase=False):
    """Brings a string into a Unicode form; see `kseq.text.codec.normalize`."""
    text = text.encode("utf-8", "replace").decode()
    spaces = UNFORMED_SPACES
    if form != "none":
        text = unicodedata.normalize(form.upper(), text).replace(BYTE_ORDER_MARK, "")
        spaces = SPACES
    text = _rewriter(((spaces, " "),))(text).strip(" ")
    return text.lower() if lowercase else text


def mark_case(text):
    """Replaces capitals by marks and lower-case letters; see `kseq.text.letter_case.mark_case`."""
    text = _change_marked(_rewriter(MARKING_CASE)(text), str.lower)
    return _rewriter(SEPARATING_CASE)(text)


def restore_case(text):
    """Undoes `mark_case`."""
    text = _change_marked(_rewriter(ATTACHING_CASE)(text), str.upper)
    return _rewriter(REMOVING_CASE)(text)


def _change_marked(text, change):
    """Applies `change`, `str.lower` or `str.upper`, to the letters after marks."""
    changed = []
    first = previous = ""
    for character in text:
        # A run is a character that is not a letter, such as a mark, and the letters after it.
        if not first or unicodedata.category(character)[0] not in "LM":
            first = character
        is_marked = previous == CAPITAL or first == CAPITALS
        changed.append(change(character) if is_marked else character)
        previous = character
    return "".join(changed)


class _Words:
    """See `kseq.text.tokenizers.WordTokenizer`."""

    def __init__(self, marks_case):
        self._marks_case = marks_case

    def tokenize(self, text):
        text = f"{SPACE}{text.translate(_ESCAPING)}{SPACE}".replace(" ", SPACE)
        text = _rewriter(SPLITTING)(text)
        return _split(mark_case(text) if self._marks_case else text)

    def detokenize(self, tokens):
        text = " ".join(tokens)
        text = restore_case(text) if self._marks_case else text
        return _rewriter(JOINING)(text).translate(_UNESCAPING)


class _Characters:
    """See `kseq.text.tokenizers.CharacterTokenizer`."""

    def __init__(self, marks_case):
        self._marks_case = marks_case

    def tokenize(self, text):
        return list(mark_case(text.translate(_ESCAPING)) if self._marks_case else text)

    def detokenize(self, tokens):
        text = "".join(tokens)
        return (restore_case(text) if self._marks_case else text).translate(_UNESCAPING)


class _Spaced:
    """See `kseq.text.tokenizers.SpaceTokenizer`."""

    def __init__(self, marks_case):
        self._marks_case = marks_case

    def tokenize(self, text):
        text = mark_case(text.translate(_ESCAPING)) if self._marks_case else text
        return [_mark_special(token) for token in _split(text)]

    def detokenize(self, tokens):
        text = " ".join(tokens).replace(TEXT, "")
        return (restore_case(text) if self._marks_case else text).translate(_UNESCAPING)


class _Subwords:
    """See `kseq.text.subwords.SubwordTokenizer`."""

    def __init__(self, marks_case, model):
        self._marks_case = marks_case
        self._processor = _load_subwords(model)
        self.vocabulary = list(
            map(self._processor.id_to_piece, range(self._processor.vocab_size()))
        )

    def tokenize(self, text):
        text = text.translate(_ESCAPING)
        return self._processor.encode(mark_case(text) if self._marks_case else text, out_type=str)

    def detokenize(self, tokens):
        text = self._processor.decode(tokens) if tokens else ""
        return (restore_case(text) if self._marks_case else text).translate(_UNESCAPING)


_TOKENIZERS = {"word": _Words, "character": _Characters, "space": _Spaced}


class TextCodec:
    """The codec of a side of text.

    Args:
        tokenizer: `"word"`, `"character"`, `"space"` or `"subword"`.
        case: `"keep"`, `"lower"` or `"mark"`.
        normalization: `"nfc"`, `"nfkc"`, `"nfd"` or `"none"`.
        description: The vocabulary: tokens in the order of their ids; or the path of a
            SentencePiece model.

    Attributes:
        vocabulary: Tokens in the order of their ids.
    """

    def __init__(self, tokenizer, case, normalization, description):
        self._case, self._normalization = case, normalization
        self._marks = displayed_marks(tokenizer, case == "mark")
        if tokenizer == "subword":
            self._tokenizer = _Subwords(case == "mark", description)
            self.vocabulary = self._tokenizer.vocabulary
        else:
            self._tokenizer = _TOKENIZERS[tokenizer](case == "mark")
            self.vocabulary = list(description)
        self._ids = {token: number for number, token in enumerate(self.vocabulary)}
        for token in SPECIAL_TOKENS:
            del self._ids[token]

    def tokenize(self, text):
        """Returns the tokens of a string, unknown ones included, a list."""
        lowercase = self._case == "lower"
        return self._tokenizer.tokenize(normalize(text, self._normalization, lowercase))

    def number(self, tokens, copies=False):
        """Returns the ids of tokens, END after the last.

        Args:
            tokens: A list of strings.
            copies: Whether an unknown token has the id V + j, j being its first position.
        """
        size = len(self.vocabulary)
        ids = [self._ids.get(token, UNK) for token in tokens]
        if copies:
            ids = [
                size + tokens.index(token) if id_ == UNK else id_ for token, id_ in zip(tokens, ids)
            ]
        return [*ids, END]

    def tokens(self, ids, source_tokens):
        """Returns the tokens of ids; ids from V on are those of source tokens."""
        size = len(self.vocabulary)
        return [self.vocabulary[id_] if id_ < size else source_tokens[id_ - size] for id_ in ids]

    def join(self, ids, tokens):
        """Returns the string of tokens, without those whose ids are special; UNK is visible."""
        is_text = (id_ == UNK or id_ >= len(SPECIAL_TOKENS) for id_ in ids)
        text = self._tokenizer.detokenize([token for token, kept in zip(tokens, is_text) if kept])
        return unicodedata.normalize("NFC", text) if self._normalization == "nfd" else text

    def display(self, tokens):
        """Returns tokens in their displayed form."""
        displayed = []
        for token in tokens:
            for mark, replacement in self._marks.items():
                token = token.replace(mark, replacement)
            displayed.append(token.translate(_UNESCAPING))
        return displayed


class FeatureCodec(TextCodec):
    """The codec of features; see `kseq.text.feature_codec.FeatureCodec`.

    Args:
        separator: What stands between two features.
        normalization: As in `TextCodec`.
        vocabulary: Features in the order of their ids.
    """

    def __init__(self, separator, normalization, vocabulary):
        super().__init__("space", "keep", normalization, vocabulary)
        self._separator = separator

    def tokenize(self, text):
        """Returns the features in a string, unknown ones included, a list."""
        features = normalize(text, self._normalization).split(self._separator)
        features = (feature.strip(" ") for feature in features)
        return [_mark_special(feature) for feature in features if feature]

    def unknown(self, texts):
        """Returns the different features in strings that have no id, a list."""
        features = dict.fromkeys(feature for text in texts for feature in self.tokenize(text))
        return [feature for feature in features if feature not in self._ids]


def _split(text):
    """Splits at spaces; without a Unicode form, other spaces are part of a token."""
    return [token for token in text.split(" ") if token]


def _mark_special(token):
    return _rewriter(MARKING_SPECIAL)(token) if token.startswith("<") else token


def _load_subwords(model):
    """Reads a SentencePiece model from its path."""
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError(
            "this model writes subwords, which need sentencepiece; install it with "
            "pip install sentencepiece"
        ) from error
    return sentencepiece.SentencePieceProcessor(model_file=str(model))
