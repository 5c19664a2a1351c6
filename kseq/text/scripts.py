"""How text of any script is displayed: its graphemes, its width and its direction."""

import itertools
import unicodedata

import regex

from kseq.special_tokens import SPECIAL_TOKENS

_RIGHT_TO_LEFT_MARK = "\u200f"
_DOTTED_CIRCLE = "\u25cc"


def graphemes(text):
    """Splits a text into graphemes, which a reader calls characters.

    A grapheme is an extended grapheme cluster of Unicode (UAX #29), such as a letter with its
    marks, an emoji with its skin tone, or a Devanagari conjunct.
    """
    return regex.findall(r"\X", text)


def is_visible(character):
    """Returns whether a character is visible: not a space, a control character or a joiner."""
    is_printed = character.isprintable() and not character.isspace()
    return is_printed and not regex.match(r"\p{Default_Ignorable_Code_Point}", character)


def script_of(character):
    """Returns the Unicode script of a character, such as `"Latin"`."""
    from fontTools import unicodedata

    return unicodedata.script_name(unicodedata.script(character))


def is_short(text):
    """Returns whether a text has at most two visible graphemes, such as two Chinese characters."""
    return sum(any(map(is_visible, grapheme)) for grapheme in graphemes(text)) <= 2


def shorten(text, width):
    """Cuts a text between graphemes if it is wider than `width` Latin letters; `…` marks the cut.

    A Chinese character or an emoji is as wide as two letters; a mark on a letter adds nothing.
    """
    parts = graphemes(text)
    ends = list(itertools.accumulate(map(_width, parts)))
    if not ends or ends[-1] <= width:
        return text
    return "".join(part for part, end in zip(parts, ends) if end < width) + "…"


def reads_right_to_left(tokens):
    """Returns whether a sentence, given as tokens, is read from right to left.

    The majority of the letters decides, not the first letter as in rule P2 of UAX #9, because an
    Arabic sentence can begin with a Latin name.
    """
    text = "".join(token for token in tokens if token not in SPECIAL_TOKENS)
    return _count(text, "R", "AL") > _count(text, "L")


def label(token, width, right_to_left=False):
    """Returns the axis label of a token.

    Args:
        token: The token.
        width: Maximum width, in Latin letters.
        right_to_left: Whether the sentence is read from right to left.

    Returns:
        The token, cut if it is too wide. Spaces become `␣`, invisible characters become their code
        points, and a lone combining mark gets a dotted circle. Punctuation in a sentence that is
        read from right to left is enclosed in invisible marks of that direction, so that brackets
        face the right way.
    """
    if not token.strip():
        return "␣"
    if not any(map(is_visible, token)):
        token = " ".join(f"U+{ord(character):04X}" for character in token)
    token = shorten(token, width)
    if _is_mark(token[0]):
        token = _DOTTED_CIRCLE + token
    right_to_left = right_to_left or _count(token, "R", "AL")
    if right_to_left and not _count(token, "L") and not (token[0] + token[-1]).isalnum():
        token = _RIGHT_TO_LEFT_MARK + token + _RIGHT_TO_LEFT_MARK
    return token


def _width(grapheme):
    shapes = [
        character for character in grapheme if is_visible(character) and not _is_mark(character)
    ]
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in shapes)


def _is_mark(character):
    return unicodedata.category(character).startswith("M")


def _count(text, *directions):
    return sum(unicodedata.bidirectional(character) in directions for character in text)
