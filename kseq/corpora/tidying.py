"""Texts without markup, invisible characters and extra spaces."""

import html
import unicodedata
from html.entities import html5

import regex

_MAXIMUM_PASSES = 10


def tidy(text, markup):
    """Returns a text in NFC without invisible characters, with single spaces between words.

    NFC does not replace characters by others. NFKC does: it turns `½` into three characters.

    Args:
        text: A string.
        markup: `"strip"`, `"drop"` or `"keep"`, as in `Cleaning`.
    """
    tidied = _tidy_once(text, markup)
    for _ in range(_MAXIMUM_PASSES):
        if tidied == text or markup == "keep" or not ("&" in tidied or "<" in tidied):
            break
        # The removed text may have separated the parts of an entity or a tag.
        text, tidied = tidied, _tidy_once(tidied, markup)
    return tidied


def holds_tag(text):
    """Returns whether a text holds an HTML tag."""
    return "<" in text and _TAG.search(text) is not None


def holds_markup(text):
    """Returns whether a text holds an HTML tag or entity."""
    return holds_tag(text) or "&" in text and _ENTITY.sub(_decode_entity, text) != text


def _tidy_once(text, markup):
    """Decodes entities, removes tags and invisible characters, and normalises."""
    if markup != "keep" and "&" in text:
        text = _ENTITY.sub(_decode_entity, _AMPERSAND.sub("&", text))
    if markup == "strip" and "<" in text:
        text = _TAG.sub(_replace_tag, text)
    if not text.isprintable():
        text = _INVISIBLE.sub("", _CONTROL.sub(" ", text))
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _decode_entity(match):
    """Returns the character of an entity, or the entity if there is no such character."""
    if match[0][1] == "#":
        return html.unescape(match[0])
    return html5.get(match[0][1:], match[0])


def _replace_tag(match):
    """Returns a space for a tag that separates words, and nothing for any other."""
    return " " if match["block"] else ""


_AMPERSAND = regex.compile(r"&(?:amp;|#38;)+")  # escaped any number of times

# The semicolon is required: without it, "R&notes" would hold an entity.
_ENTITY = regex.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_LINE_TAGS = (
    "a|abbr|b|big|cite|code|del|em|font|i|img|ins|kbd|mark|q|ruby|rb|rp|rt|s|samp|small|span|"
    "strike|strong|sub|sup|tt|u|var"
)
_BLOCK_TAGS = (
    "blockquote|body|br|center|dd|div|dl|dt|form|h[1-6]|head|hr|html|input|li|link|meta|ol|"
    "option|p|pre|script|select|style|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul"
)
_ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""
# Only tags of HTML: "a < b > c" and "<unk>" are text.
_TAG = regex.compile(
    rf"<!--.{{0,1000}}?-->|</?(?:{_LINE_TAGS}|(?P<block>{_BLOCK_TAGS}))(?:{_ATTRIBUTE})*+\s*/?>",
    regex.IGNORECASE,
)

_SPELT_WITH_JOINERS = (
    r"\p{scx=Arabic}\p{scx=Syriac}\p{scx=Mandaic}\p{scx=Nko}\p{scx=Adlam}\p{scx=Mongolian}"
    r"\p{scx=Phags_Pa}\p{scx=Devanagari}\p{scx=Bengali}\p{scx=Gurmukhi}\p{scx=Gujarati}"
    r"\p{scx=Oriya}\p{scx=Tamil}\p{scx=Telugu}\p{scx=Kannada}\p{scx=Malayalam}\p{scx=Sinhala}"
    r"\p{scx=Tibetan}\p{scx=Myanmar}\p{scx=Khmer}\p{scx=Balinese}\p{scx=Javanese}"
    r"\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F"
)
_SPELT_WITH_BREAKS = r"\p{Khmer}\p{Lao}\p{Thai}\p{Myanmar}\p{Tai_Tham}\p{Tibetan}"

_CONTROL = regex.compile(r"\p{Cc}")

# Soft hyphens, direction marks, byte-order marks and invisible operators; joiners and breaks after
# letters of scripts that are spelt without them.
_INVISIBLE = regex.compile(
    r"[\u00AD\u061C\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF"
    r"\uFFF9-\uFFFB]"
    rf"|(?<![{_SPELT_WITH_JOINERS}])[\u200C\u200D]|(?<![{_SPELT_WITH_BREAKS}])\u200B"
)
