"""The patterns of `kseq.text.rules` for Python's own `re`, which knows no classes of Unicode.

`\\p{L}` becomes the ranges of all letters, from the tables of `unicodedata`.
"""

import functools
import itertools
import re
import unicodedata

from kseq.text.rules import RESERVED

# No character of planes 4 to 13 is assigned, and those of plane 14 are neither letters nor numbers,
# except for variation selectors, which are marks.
_ASSIGNED = (*range(0x34000), *range(0xE0000, 0xE0200))

# `unicodedata` has no scripts. As in RE2, with Unicode 15.
_SCRIPTS = {
    "Han": "2E80-2E99 2E9B-2EF3 2F00-2FD5 3005 3007 3021-3029 3038-303B 3400-4DBF 4E00-9FFF "
    "F900-FA6D FA70-FAD9 16FE2-16FE3 16FF0-16FF1 20000-2A6DF 2A700-2B739 2B740-2B81D 2B820-2CEA1 "
    "2CEB0-2EBE0 2F800-2FA1D 30000-3134A 31350-323AF",
    "Hiragana": "3041-3096 309D-309F 1B001-1B11F 1B132 1B150-1B152 1F200",
    "Katakana": "30A1-30FA 30FD-30FF 31F0-31FF 32D0-32FE 3300-3357 FF66-FF6F FF71-FF9D "
    "1AFF0-1AFF3 1AFF5-1AFFB 1AFFD-1AFFE 1B000 1B120-1B122 1B155 1B164-1B167",
    "Thai": "0E01-0E3A 0E40-0E5B",
    "Lao": "0E81-0E82 0E84 0E86-0E8A 0E8C-0EA3 0EA5 0EA7-0EBD 0EC0-0EC4 0EC6 0EC8-0ECE 0ED0-0ED9 "
    "0EDC-0EDF",
    "Khmer": "1780-17DD 17E0-17E9 17F0-17F9 19E0-19FF",
    "Myanmar": "1000-109F A9E0-A9FE AA60-AA7F",
}
_PARTS = re.compile(r"\[[^]]*\]|\\p\{\w+\}|\\s|\$")
_ESCAPES = re.compile(r"\\x\{(?P<code>\w+)\}|\\(?P<kind>[pP])\{(?P<name>\w+)\}|\\s")


# Apostrophes and marks, which most patterns consist of: no pattern matches without its own.
_LITERALS = f"'’{RESERVED}"


class Rewriter:
    """Rules of `kseq.text.rules`, applied to one string.

    Args:
        rules: Pairs of a pattern of RE2 and its replacement.
    """

    def __init__(self, rules):
        self._rules = [
            (_required(pattern), re.compile(translate(pattern)).sub, replacement)
            for pattern, replacement in rules
        ]

    def __call__(self, text):
        """Returns the text after all rules."""
        for required, substitute, replacement in self._rules:
            if required in text:
                text = substitute(replacement, text)
        return text


def translate(pattern):
    """Returns a pattern of RE2 in the syntax of `re`."""
    return _PARTS.sub(_translate_part, pattern)


def _translate_part(match):
    """Translates a class of characters, inside brackets or not, or the end of the text."""
    if match[0] == "$":
        return r"\Z"  # not before a line break at the end, either
    inner = match[0][1:-1] if match[0].startswith("[") else match[0]
    return f"[{_ESCAPES.sub(_expand, inner)}]"


def _expand(match):
    """Expands what RE2 spells differently inside brackets."""
    if match["code"]:
        return re.escape(chr(int(match["code"], 16)))
    if not match["name"]:
        return r"\t\n\f\r "
    ranges = ranges_of(match["name"])
    if match["kind"] == "P":
        ends = [-1, *itertools.chain.from_iterable(ranges), 0x110000]
        ranges = [(last + 1, first - 1) for last, first in zip(ends[::2], ends[1::2])]
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)


@functools.cache
def ranges_of(name):
    """Returns the characters of a script, a category (`Lu`) or a group of them (`L`).

    Returns:
        Their code points as ranges, a list of tuples of the first and the last, in their order.
    """
    if name in _SCRIPTS:
        ends = (part.split("-") for part in _SCRIPTS[name].split())
        return [(int(pair[0], 16), int(pair[-1], 16)) for pair in ends]
    ranges = []
    for category, first, last in _categories():
        if category.startswith(name):
            if ranges and ranges[-1][1] == first - 1:
                first = ranges.pop()[0]
            ranges.append((first, last))
    return ranges


@functools.cache
def _categories():
    """Returns the category of all assigned characters: tuples of a category and a range."""
    categories = []
    for category, group in itertools.groupby(
        _ASSIGNED, lambda code: unicodedata.category(chr(code))
    ):
        codes = list(group)
        categories.append((category, codes[0], codes[-1]))
    return categories


def _required(pattern):
    """Returns a character that every match of a pattern contains, or an empty string.

    Looking for it takes less time than a search for the pattern.
    """
    outside = re.sub(r"\[[^]]*\]", "", pattern)
    return next((mark for mark in _LITERALS if mark in outside), "")
