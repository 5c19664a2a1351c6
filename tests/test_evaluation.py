import functools
import math
import types

import pytest
import sacrebleu

from kseq.evaluation import edit_distance, evaluate
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text import TextCodec


@functools.cache
def plain_edit_distance(one, other):
    """The definition, by recursion."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        plain_edit_distance(one[1:], other) + 1,
        plain_edit_distance(one, other[1:]) + 1,
        plain_edit_distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


@pytest.mark.parametrize(
    "one, other", [("", ""), ("abc", ""), ("kitten", "sitting"), ("abcd", "bcda"), ("aa", "aaaa")]
)
def test_edit_distance(one, other):
    assert edit_distance(one, other) == edit_distance(other, one) == plain_edit_distance(one, other)


class FakeTranslator:
    """Answers from a table; the figures, not the model, are what is tested here."""

    def __init__(self, answers, lowercase=False):
        self.answers = answers
        self.config = types.SimpleNamespace(text=types.SimpleNamespace(lowercase=lowercase))
        self.text = types.SimpleNamespace(
            target=TextCodec([*SPECIAL_TOKENS, "a"], lowercase=lowercase)
        )

    def translate(self, sources, beam_size, alpha):
        return [types.SimpleNamespace(text=self.answers[source]) for source in sources]

    def score(self, pairs):
        return [
            types.SimpleNamespace(tokens=["a", "b", "<end>"], log_probability=-3 * math.log(2))
            for _ in pairs
        ]


PAIRS = [("1", "The cat sat on the mat."), ("2", "A dog barks loudly today.")]


def test_figures():
    answers = {"1": "The cat sat on the mat.", "2": "A cat barks loudly."}
    figures = evaluate(FakeTranslator(answers), PAIRS)
    outputs, references = list(answers.values()), [[reference for _, reference in PAIRS]]
    assert figures["bleu"] == sacrebleu.corpus_bleu(outputs, references).score
    assert figures["chrf"] == sacrebleu.corpus_chrf(outputs, references).score
    assert figures["exact_match"] == 50.0
    # One word put in the place of another and one left out, of 7 + 6 tokens.
    assert figures["token_error_rate"] == pytest.approx(100 * 2 / 13)
    assert figures["perplexity"] == pytest.approx(2.0)
    assert figures["sentences"] == 2
    assert "tok:13a" in figures["signature"] and "case:mixed" in figures["signature"]
    assert "alignment_error_rate" not in figures


def test_a_lowercased_run_is_compared_in_lower_case():
    answers = {"1": "the cat sat on the mat.", "2": "a dog barks loudly today."}
    figures = evaluate(FakeTranslator(answers, lowercase=True), PAIRS)
    assert figures["bleu"] == pytest.approx(100.0)
    assert figures["exact_match"] == 100.0
    assert "case:lc" in figures["signature"]


def test_alignment_error_rate_where_there_is_gold(translator, small_corpus):
    pairs = list(small_corpus.test)[:20]
    links = [{(0, 0)} for _ in pairs]
    figures = translator.evaluate(pairs, links)
    assert 0.0 <= figures["alignment_error_rate"] <= 1.0


def test_no_pairs(translator):
    with pytest.raises(ValueError, match="expected pairs to evaluate; received none"):
        translator.evaluate([])
