"""Capitals as marks: nothing is lost, and words with and without capitals are the same."""

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.codec import TextCodec, normalize
from kseq.text.letter_case import mark_case, restore_case
from kseq.text.rules import CAPITAL, CAPITALS, LOWER


def mark(text):
    return mark_case(tf.constant([text])).numpy()[0].decode()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The car", "￪ the car"),
        ("the NATO", "the ＾ nato"),
        ("NATOs", "＾ nato￬s"),
        ("McDonald", "￪ mc￪donald"),
        ('"He"', '"￪ he"'),
        ("l'Été", "l'￪ été"),
        ("ΣΑΣ Σας", "＾ σασ ￪ σας"),
        ("A1B", "￪ a1￪b"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_marks_are_placed_before_words_and_inside_them(text, expected):
    assert mark(text) == expected
    assert restore_case(tf.constant([expected])) == text


# A text that contains a mark itself is changed before: tests/test_text.py.
OTHERS = st.characters(exclude_characters=CAPITAL + CAPITALS + LOWER)


@given(st.lists(st.text(OTHERS, max_size=20), max_size=10))
def test_the_case_of_any_text_is_restored(texts):
    texts = normalize(tf.constant([text.encode("utf-8", "ignore") for text in texts], tf.string))
    assert restore_case(mark_case(texts)).numpy().tolist() == texts.numpy().tolist()


@given(st.lists(st.text(st.sampled_from("aAbBéÉ '-1.中ẞİßǅ"), max_size=12), max_size=20))
def test_the_case_of_difficult_mixtures_is_restored(texts):
    test_the_case_of_any_text_is_restored.hypothesis.inner_test(texts)


@given(st.lists(st.text(st.sampled_from([CAPITAL, CAPITALS, LOWER, *"aB 1."])), max_size=4))
def test_marks_in_any_order_are_all_removed(texts):
    """A model can write marks in any order; those of one row do not affect the next row."""
    restored = restore_case(tf.constant(texts, tf.string)).numpy().tolist()
    expected = [restore_case(tf.constant([text])).numpy()[0] for text in texts]
    assert restored == expected
    for text in restored:
        assert not set(text.decode()) & {CAPITAL, CAPITALS, LOWER}


@given(
    st.lists(st.text(max_size=20), min_size=1, max_size=10), st.sampled_from(["word", "character"])
)
def test_joining_tokens_with_marks_restores_the_text(texts, tokenizer):
    texts = normalize(tf.constant([text.encode("utf-8", "ignore") for text in texts]))
    codec = TextCodec(SPECIAL_TOKENS, tokenizer, "mark")._tokenizer
    assert codec.detokenize(codec.tokenize(texts)).numpy().tolist() == texts.numpy().tolist()


def test_words_with_capitals_have_the_ids_of_words_without():
    codec = TextCodec([*SPECIAL_TOKENS, CAPITAL, "l'￭", "été"], "word", "mark")
    ids = codec.encode(tf.constant(["L'été l'Été"])).to_list()[0]
    assert codec.tokens(ids[:-1]).numpy().tolist() == [
        token.encode() for token in (CAPITAL, "l'￭", "été", "l'￭", CAPITAL, "été")
    ]
    assert codec.decode(tf.constant([ids])).numpy()[0].decode() == "L'été l'Été"
