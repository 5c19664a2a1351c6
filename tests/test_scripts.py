"""Labels in any script: where they are cut, and the direction of a sentence."""

import pytest

from kseq.text.scripts import graphemes, is_short, label, reads_right_to_left, shorten

FAMILY, THUMB, FLAG = "👩\u200d👩\u200d👧", "👍🏽", "🇫🇷"


@pytest.mark.parametrize(
    "expected",
    [[FAMILY, THUMB, FLAG, "!"], ["क्ष", "त्रि", "य"], ["e\u0301\u0323", "x"], ["한", "국"]],
)
def test_a_grapheme_is_what_a_reader_calls_a_character(expected):
    assert graphemes("".join(expected)) == expected


@pytest.mark.parametrize("sign", ["x", FAMILY, THUMB, FLAG, "क्ष", "e\u0301\u0323", "北", "שָׁ"])
@pytest.mark.parametrize("longest", [7, 8, 9])
def test_a_text_is_cut_between_graphemes(sign, longest):
    text = sign * 20
    short = shorten(text, longest)
    assert short.endswith("…") and len(short) < len(text)
    parts = graphemes(short[:-1])
    assert parts == [sign] * len(parts)


def test_marks_have_no_width_and_a_chinese_character_is_as_wide_as_two_letters():
    marked = "e\u0301\u0323" * 30
    assert shorten("e" * 30, 30) == "e" * 30 and shorten(marked, 30) == marked
    assert shorten("e" * 31, 30) == "e" * 29 + "…"
    assert shorten("北" * 15, 30) == "北" * 15
    assert shorten("北" * 16, 30) == "北" * 14 + "…"
    assert shorten("", 30) == ""


def test_invisible_marks_do_not_make_a_label_long():
    assert is_short("\u200f(\u200f") and is_short("क्षत्रि") and is_short(FAMILY)
    assert not is_short("क्षत्रिय") and not is_short("the")


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("السيارة الحمراء قديمة . <end>", True),
        ("IBM أعلنت اليوم", True),
        ("המכונית האדומה", True),
        ("لا <end>", True),
        ("ا <end> <unk> <pad> <start>", True),
        ("The word سلام means peace", False),
        ("北京 是 中国", False),
        ("123 . !", False),
        ("", False),
    ],
)
def test_the_majority_of_letters_decides_the_direction_of_a_sentence(sentence, expected):
    assert reads_right_to_left(sentence.split()) is expected


def test_invisible_tokens_have_visible_labels():
    assert label(" ", 30) == label("\n", 30) == label("", 30) == "␣"
    assert label("\u200d", 30) == "U+200D"
    assert label("\u200f\ufe0f", 30) == "U+200F U+FE0F"
    assert label("\u0301", 30) == "◌\u0301" and label("ि", 30) == "◌ि"


def test_labels_of_words_are_the_words():
    for token in ("word", "السيارة", "क्षत्रिय", FAMILY, "$5", "<end>", "C++"):
        assert label(token, 30, right_to_left=False) == token
        assert label(token, 30, right_to_left=True) in (token, f"\u200f{token}\u200f")
    for token in ("word", "السيارة", "<end>", "<unk>", "C++", "123"):
        assert label(token, 30, right_to_left=True) == token


def test_punctuation_in_a_sentence_read_from_right_to_left_gets_marks_of_direction():
    assert label("(", 30, right_to_left=True) == "\u200f(\u200f"
    assert label("(", 30, right_to_left=False) == "("
    # The exclamation mark belongs to the left of an Arabic word in any sentence.
    assert label("سلام!", 30, right_to_left=False) == "\u200fسلام!\u200f"
