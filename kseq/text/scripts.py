"""Text of any script as a picture shows it: what counts as one sign, and which way it is read."""

import itertools
import unicodedata

import regex

from kseq.special_tokens import SPECIAL_TOKENS

_RIGHT_TO_LEFT_MARK = "\u200f"
_DOTTED_CIRCLE = "\u25cc"


def graphemes(text):
    """Splits a text into what a person calls its characters.

    These are the extended grapheme clusters of Unicode (UAX #29): a letter with its marks, an
    emoji with its skin tone, a Devanagari conjunct are one each.
    """
    return regex.findall(r"\X", text)


def is_seen(character):
    """Whether a character has a shape of its own: no space, control or joiner."""
    is_shown = character.isprintable() and not character.isspace()
    return is_shown and not regex.match(r"\p{Default_Ignorable_Code_Point}", character)


def is_short(text):
    """Whether a text is at most two graphemes that are seen, such as two Chinese characters."""
    return sum(any(map(is_seen, sign)) for sign in graphemes(text)) <= 2


def shortened(text, longest):
    """Returns a text about as wide as `longest` Latin letters at most, cut between graphemes.

    A Chinese character or an emoji is as wide as two letters, a mark on a letter takes no room.
    Where something is cut, `…` stands for it.
    """
    signs = graphemes(text)
    ends = list(itertools.accumulate(map(_width, signs)))
    if not ends or ends[-1] <= longest:
        return text
    return "".join(sign for sign, end in zip(signs, ends) if end < longest) + "…"


def reads_right_to_left(tokens):
    """Whether most letters of a sentence are of a script that is read from right to left.

    The majority counts, not the first letter (rule P2 of UAX #9): an Arabic sentence may begin
    with a Latin name.
    """
    text = "".join(token for token in tokens if token not in SPECIAL_TOKENS)
    return _count(text, "R", "AL") > _count(text, "L")


def label(token, longest, right_to_left=False):
    """Returns a token as it is written at an axis.

    Args:
        token: The token.
        longest: Width to show at most, in Latin letters.
        right_to_left: Whether the sentence is read from right to left.

    Returns:
        The token; a sign for a space, the numbers of what is not seen at all; a lone combining
        mark on a dotted circle. Punctuation of a sentence that is read from right to left stands
        between marks of that direction, which nobody sees and which turn a bracket the right way
        round.
    """
    if not token.strip():
        return "␣"
    if not any(map(is_seen, token)):
        token = " ".join(f"U+{ord(character):04X}" for character in token)
    token = shortened(token, longest)
    if _is_mark(token[0]):
        token = _DOTTED_CIRCLE + token
    right_to_left = right_to_left or _count(token, "R", "AL")
    if right_to_left and not _count(token, "L") and not (token[0] + token[-1]).isalnum():
        token = _RIGHT_TO_LEFT_MARK + token + _RIGHT_TO_LEFT_MARK
    return token


def _width(sign):
    shapes = [character for character in sign if is_seen(character) and not _is_mark(character)]
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in shapes)


def _is_mark(character):
    return unicodedata.category(character).startswith("M")


def _count(text, *directions):
    return sum(unicodedata.bidirectional(character) in directions for character in text)
