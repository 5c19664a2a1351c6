"""The quality metrics, compared with sacreBLEU and with plain definitions."""

import functools
import math
import warnings

import pytest
import sacrebleu
from results import make_translation

from kseq import Config, TextConfig
from kseq.analysis.evaluation import LeftOutWarning, UnreachableReferencesWarning, evaluate
from kseq.pipeline.codecs import CodecPair
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.codec import TextCodec
from kseq.translation.doubtful_outputs import AlikeOutputsWarning


@functools.cache
def edit_distance(output, reference):
    """The definition of Levenshtein 1966, by recursion."""
    if not output or not reference:
        return len(output) + len(reference)
    return min(
        edit_distance(output[1:], reference) + 1,
        edit_distance(output, reference[1:]) + 1,
        edit_distance(output[1:], reference[1:]) + (output[0] != reference[0]),
    )


class FakeTranslator:
    """Looks its translations up in a table, as the metrics are tested here, not a model."""

    predicts_values = False
    has_attention = True

    def __init__(self, answers, tokenizer="word", **options):
        self.answers = answers
        self.config = Config(text=TextConfig(tokenizer, tokenizer, **options))
        codec = TextCodec([*SPECIAL_TOKENS, "a"], tokenizer, **options)
        self.codecs = CodecPair(codec, codec)
        self.searches = []

    def translate(self, sources, **options):
        self.searches.append(options)
        return [make_translation(None, [], [], text=self.answers[source]) for source in sources]

    def score(self, pairs):
        """Every target has two tokens, and both attend to the second source token."""
        return [
            make_translation(
                [[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]],
                ["a", "b", "<end>"],
                ["c", "d", "<end>"],
                log_probability=-3 * math.log(2),
            )
            for _ in pairs
        ]


def test_references_are_compared_as_they_are():
    """Even if the run's own normalisation would make them equal to the output."""
    translator = FakeTranslator({"1": "e sh", "2": "\u00e9"}, normalization="nfkc")
    with pytest.warns(UnreachableReferencesWarning, match="2 of 2 references are not .* NFKC"):
        figures = evaluate(translator, [("1", "e sʰ"), ("2", "e\u0301")])
    assert figures["exact_match"] == 0.0
    assert figures["token_error_rate"] == pytest.approx(100 * 2 / 3)


@pytest.mark.parametrize("form, count", [("nfc", 1), ("nfd", 1), ("none", 0)])
def test_references_that_cannot_be_reached_are_counted(form, count):
    translator = FakeTranslator({"1": "sʰ", "2": "\u00e9"}, normalization=form)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluate(translator, [("1", "sʰ"), ("2", "e\u0301")])
    messages = [str(w.message) for w in caught if w.category is UnreachableReferencesWarning]
    assert len(messages) == count
    assert not count or "1 of 2 references are not in the Unicode form NFC" in messages[0]


PAIRS = [("1", "The cat sat on the mat."), ("2", "A dog barks loudly today.")]


def test_figures_agree_with_sacrebleu_and_with_counting_by_hand():
    answers = {"1": "The cat sat on the mat.", "2": "A cat barks loudly."}
    figures = evaluate(FakeTranslator(answers), PAIRS)
    outputs, references = list(answers.values()), [[reference for _, reference in PAIRS]]
    assert figures["bleu"] == sacrebleu.corpus_bleu(outputs, references).score
    assert figures["chrf"] == sacrebleu.corpus_chrf(outputs, references).score
    assert figures["exact_match"] == 50.0
    # One word was replaced and one left out, of 7 + 6 tokens.
    assert figures["token_error_rate"] == pytest.approx(100 * 2 / 13)
    assert figures["perplexity"] == pytest.approx(2.0)
    assert figures["sentences"] == 2
    assert "tok:13a" in figures["signature"] and "case:mixed" in figures["signature"]
    assert "alignment_error_rate" not in figures


@pytest.mark.parametrize(
    "output, reference", [("abc", "a"), ("kitten", "sitting"), ("abcd", "bcda"), ("aa", "aaaa")]
)
def test_the_token_error_rate_is_the_edit_distance_per_reference_token(output, reference):
    figures = evaluate(FakeTranslator({"1": output}, tokenizer="character"), [("1", reference)])
    expected = 100 * edit_distance(output, reference) / len(reference)
    assert figures["token_error_rate"] == pytest.approx(expected)


@pytest.mark.parametrize("text, description", [("", "empty"), ("A dog.", "the same, 'A dog.'")])
def test_outputs_that_are_all_the_same_give_a_warning(text, description):
    with pytest.warns(AlikeOutputsWarning, match=f"all 2 outputs are {description}: the model"):
        evaluate(FakeTranslator({"1": text, "2": text}), PAIRS)


@pytest.mark.parametrize(
    "pairs",
    [PAIRS[:1], [("1", "A dog."), ("2", "A dog.")], [("1", "A dog."), ("1", "A cat.")]],
    ids=["one pair", "one reference", "one source"],
)
def test_outputs_may_be_the_same_for_the_same_sources_or_references(pairs):
    evaluate(FakeTranslator({"1": "A dog.", "2": "A dog."}), pairs)


def test_a_run_in_lower_case_is_evaluated_in_lower_case():
    answers = {"1": "the cat sat on the mat.", "2": "a dog barks loudly today."}
    figures = evaluate(FakeTranslator(answers, case="lower"), PAIRS)
    assert figures["bleu"] == pytest.approx(100.0)
    assert figures["chrf"] == pytest.approx(100.0)
    assert figures["exact_match"] == 100.0
    assert "case:lc" in figures["signature"]


def test_search_options_reach_the_search():
    translator = FakeTranslator({"1": "a", "2": "b"})
    evaluate(translator, PAIRS, beam_size=7, alpha=0.3)
    assert translator.searches == [{"beam_size": 7, "alpha": 0.3}]


def test_gold_alignments_add_the_alignment_error_rate():
    """Links are (source, target): both targets link to source 1, and source 0 to target 0."""
    pairs, answers = [("1 x", "a b"), ("2 x", "c d")], {"1 x": "a", "2 x": "b"}
    translator = FakeTranslator(answers)
    gold = [{(1, 0), (1, 1)}, {(0, 0), (0, 1)}]
    assert evaluate(translator, pairs, gold)["alignment_error_rate"] == (
        pytest.approx(1 - 2 * (2 + 1) / (2 * 3 + 2 * 2))
    )
    translator.searches.clear()
    with pytest.raises(ValueError, match="a gold alignment for each of 2 pairs; received 1"):
        evaluate(translator, pairs, gold[:1])
    with pytest.raises(ValueError, match="alignments requires a run whose tokens are words"):
        evaluate(FakeTranslator(answers, tokenizer="character"), pairs, gold)
    # The number counts pairs that are left out, too.
    bad_gold = [set(), {(0, 1), (1, 2)}, {(1, 0)}]
    with pytest.raises(ValueError, match="alignment 2: it links target token 2, but the target ha"):
        evaluate(translator, [("", "x"), *pairs], bad_gold)
    assert not translator.searches, "an error is found before the search"


def test_pairs_without_tokens_or_with_too_many_are_left_out_with_a_warning():
    translator = FakeTranslator({"1 x": "The cat sat on the mat."})
    pairs = [("2", "\x01"), ("1 x", PAIRS[0][1]), ("3", "word " * 1001), ("", "x")]
    gold = [{(0, 0)}, {(1, 0), (1, 1)}, {(0, 0)}, {(0, 0)}]
    with pytest.warns(LeftOutWarning, match="left out 3 of 4 pairs: a side has no token, or more"):
        figures = evaluate(translator, pairs, gold)
    assert figures["sentences"] == 1 and figures["exact_match"] == 100.0
    assert figures["alignment_error_rate"] == pytest.approx(1 - 2 * 2 / (3 + 2))
    with pytest.raises(ValueError, match="no pair has 1 to 1,000 tokens on each side"):
        evaluate(translator, pairs[:1])


def test_an_evaluation_needs_pairs():
    with pytest.raises(ValueError, match="expected pairs to evaluate; received none"):
        evaluate(FakeTranslator({}), [])
