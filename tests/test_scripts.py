"""Labels in any script: what is cut where, and which way a sentence is read."""

import pytest

from kseq.text.scripts import graphemes, is_short, label, reads_right_to_left, shortened

FAMILY, THUMB, FLAG = "👩\u200d👩\u200d👧", "👍🏽", "🇫🇷"


@pytest.mark.parametrize(
    "signs",
    [[FAMILY, THUMB, FLAG, "!"], ["क्ष", "त्रि", "य"], ["e\u0301\u0323", "x"], ["한", "국"]],
)
def test_what_a_person_calls_a_character_is_one(signs):
    assert graphemes("".join(signs)) == signs


@pytest.mark.parametrize("sign", ["x", FAMILY, THUMB, FLAG, "क्ष", "e\u0301\u0323", "北", "שָׁ"])
@pytest.mark.parametrize("longest", [7, 8, 9])
def test_a_text_is_cut_between_graphemes(sign, longest):
    text = sign * 20
    short = shortened(text, longest)
    assert short.endswith("…") and len(short) < len(text)
    kept = graphemes(short[:-1])
    assert kept == [sign] * len(kept)


def test_width_is_what_is_seen():
    """Marks take no room, a Chinese character that of two letters."""
    marked = "e\u0301\u0323" * 30
    assert shortened("e" * 30, 30) == "e" * 30 and shortened(marked, 30) == marked
    assert shortened("e" * 31, 30) == "e" * 29 + "…"
    assert shortened("北" * 15, 30) == "北" * 15
    assert shortened("北" * 16, 30) == "北" * 14 + "…"
    assert shortened("", 30) == ""


def test_marks_of_direction_do_not_make_a_label_long():
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
def test_the_majority_of_letters_says_which_way_a_sentence_is_read(sentence, expected):
    assert reads_right_to_left(sentence.split()) is expected


def test_what_cannot_be_seen_is_shown_by_a_sign():
    assert label(" ", 30) == label("\n", 30) == label("", 30) == "␣"
    assert label("\u200d", 30) == "U+200D"
    assert label("\u200f\ufe0f", 30) == "U+200F U+FE0F"
    assert label("\u0301", 30) == "◌\u0301" and label("ि", 30) == "◌ि"


def test_words_are_left_as_they_are():
    for token in ("word", "السيارة", "क्षत्रिय", FAMILY, "$5", "<end>", "C++"):
        assert label(token, 30, right_to_left=False) == token
        assert label(token, 30, right_to_left=True) in (token, f"\u200f{token}\u200f")
    for token in ("word", "السيارة", "<end>", "<unk>", "C++", "123"):
        assert label(token, 30, right_to_left=True) == token


def test_a_bracket_is_turned_where_its_sentence_is_read_from_right_to_left():
    assert label("(", 30, right_to_left=True) == "\u200f(\u200f"
    assert label("(", 30, right_to_left=False) == "("
    # The exclamation mark belongs to the left of an Arabic word, wherever the word stands.
    assert label("سلام!", 30, right_to_left=False) == "\u200fسلام!\u200f"
