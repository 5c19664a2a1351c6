"""The rules of text as data: marks, their stand-ins, and the replacements of every tokenizer.

Graphs of TensorFlow apply them (`kseq.text.tokenizers`), and so does plain Python (`kseq.lite`).
Patterns are in the syntax of RE2. Each rule is applied to the result of the rule before.
"""

from kseq.special_tokens import SPECIAL_TOKENS

# These characters preserve where the text has spaces, which would otherwise be lost.
JOINER = "￭"  # there is no space on this side of the token
SPACE = "＿"  # a space next to a script that is written without spaces

# These preserve capitals.
CAPITAL = "￪"  # the next letter is a capital
CAPITALS = "＾"  # all letters up to the end of the word, or up to LOWER, are capitals
LOWER = "￬"

# All marks: of tokenizers (￭ ＿), of their rules (￮ ＇ ＂), of capitals (￪ ＾ ￬), of subwords (▁).
# Where a text contains one, a noncharacter takes its place (The Unicode Standard, section 23.7),
# which is never part of a text: it counts as a space before.
RESERVED = "￭＿￮＇＂￪＾￬▁"
NONCHARACTERS = r"\x{FDD0}-\x{FDEF}"
STAND_INS = {mark: chr(0xFDD0 + number) for number, mark in enumerate(RESERVED)}
ORIGINALS = {stand_in: mark for mark, stand_in in STAND_INS.items()}
TEXT = "\ufdef"  # after a token of text that is spelt like a special token

# What counts as a space: with a Unicode form, and without.
SPACES = rf"[\s\p{{Z}}\p{{Cc}}{NONCHARACTERS}]+"
UNFORMED_SPACES = rf"[\s\p{{Cc}}{NONCHARACTERS}]+"
BYTE_ORDER_MARK = "\ufeff"

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}]\p{M}*"
_WORD = r"[\p{L}\p{M}\p{N}\x{200C}\x{200D}]"
_NON_WORD = r"[^\p{L}\p{M}\p{N}\x{200C}\x{200D}]"

# For a text between two SPACEs, with a SPACE for every space. In between, ￮ encloses characters of
# unspaced scripts, and ＇ and ＂ are apostrophes that belong to a word.
SPLITTING = (
    (f"({UNSPACED})", r" ￮\1￮ "),
    # John's, don't: the clitic is split off. l'homme, O'Brien: the part before is split off.
    (rf"({_WORD})'((?i:s|t|re|ve|ll|m|d))({_NON_WORD})", r"\1 ￭＇\2\3"),
    (rf"({_WORD})’((?i:s|t|re|ve|ll|m|d))({_NON_WORD})", r"\1 ￭＂\2\3"),
    (rf"({_WORD})'({_WORD})", r"\1＇￭ \2"),
    (rf"({_WORD})’({_WORD})", r"\1＂￭ \2"),
    (r"(\.{2,}|[^\p{L}\p{M}\p{N}\x{200C}\x{200D}\s￭￮＿＇＂]\p{M}*)", r" ￭\1￭ "),
    ("＇", "'"),
    ("＂", "’"),
    # A joiner next to a space, the end of the text or an unspaced character has no meaning.
    (r"＿\s*￭", "＿ "),
    (r"￭\s*＿", " ＿"),
    (r"￮\s*￭", "￮ "),
    (r"￭\s*￮", " ￮"),
    (r"￭\s+￭", " ￭"),
    # A space is a token only next to an unspaced character, where no space is expected.
    (r"^＿|＿$", ""),
    (r"￮\s*＿", "￮ ￮＿￮ "),
    (r"([^￮])＿\s*￮", r"\1 ￮＿￮ ￮"),
    (r"([^￮])＿", r"\1 "),
    ("￮", ""),
)
JOINING = (
    (f" ?({UNSPACED}) ?", r"\1"),
    (f" ?{JOINER} ?", ""),
    (f" ?{SPACE} ?", " "),
    (r"^\s+|\s+$", ""),
)
MARKING_SPECIAL = ((f"^({'|'.join(SPECIAL_TOKENS)})$", rf"\1{TEXT}"),)

# Not İ, ẞ and four symbols (theta, ohm, kelvin, ångström): their lower-case letters have other
# capitals.
_UPPER = r"[^\P{Lu}İẞ\x{03F4}\x{2126}\x{212A}\x{212B}]"
MARKING_CASE = (
    (rf"({_UPPER}+)", rf"{CAPITALS}\1{LOWER}"),
    (rf"{CAPITALS}({_UPPER}){LOWER}", rf"{CAPITAL}\1"),
    (rf"{LOWER}([^\p{{L}}\p{{M}}]|$)", r"\1"),
)
SEPARATING_CASE = ((rf"(^|[^\p{{L}}\p{{M}}\p{{N}}])([{CAPITAL}{CAPITALS}])", r"\1\2 "),)
ATTACHING_CASE = ((f"([{CAPITAL}{CAPITALS}]) ", r"\1"),)
REMOVING_CASE = ((f"[{CAPITAL}{CAPITALS}{LOWER}]", ""),)


def displayed_marks(tokenizer, marks_case=False):
    """Returns the displayed form of each mark in a token, a dict.

    Args:
        tokenizer: `"word"`, `"character"`, `"subword"` or `"space"`.
        marks_case: Whether capitals are marked.
    """
    own = {"word": {JOINER: "", SPACE: " "}, "space": {TEXT: ""}}
    capitals = {CAPITAL: "↑", CAPITALS: "⇑", LOWER: "↓"} if marks_case else {}
    return {**own.get(tokenizer, {}), **capitals}
