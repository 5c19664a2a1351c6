"""Word alignments: links of a result, of a model and of two models, and the error rate."""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from references import grow_diag_final_and
from results import make_translation
from untrained import untrained_translator

from kseq import Config, TextConfig, Translator, alignment_error_rate, hard_alignment, to_pharaoh
from kseq.analysis.alignment import align
from kseq.analysis.attention import attention_of, check_word_attention
from kseq.analysis.links import METHODS, symmetrize
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.value_codec import ValueCodec
from kseq.special_tokens import SPECIAL_TOKENS


def test_every_output_token_links_to_the_source_token_it_attended_to_most():
    crossing = make_translation(
        [[0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.0, 0.1, 0.9]],
        ["x", "y", "<end>"],
        ["a", "b", "<end>"],
    )
    assert hard_alignment(crossing) == {(1, 0), (0, 1)}
    assert to_pharaoh(hard_alignment(crossing)) == "0-1 1-0"


def test_end_has_no_links():
    attention = [[0.1, 0.9], [0.2, 0.8]]
    assert hard_alignment(make_translation(attention, ["x", "<end>"], ["a", "<end>"])) == {(0, 0)}
    assert hard_alignment(make_translation(attention, ["x", "y"], ["a", "<end>"])) == {
        (0, 0),
        (0, 1),
    }


def test_an_empty_translation_has_no_links():
    assert hard_alignment(make_translation(np.zeros((0, 1)), [], ["<end>"])) == set()
    assert to_pharaoh(set()) == ""


def test_one_head_can_be_aligned_alone():
    heads = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 5))
    result = make_translation(
        heads.mean(axis=(0, 1)), [*"abcd", "<end>"], list("xyz<"), attention_heads=heads
    )
    np.testing.assert_array_equal(attention_of(result, (2, 3)), heads[1, 2])
    np.testing.assert_array_equal(attention_of(result), heads.mean(axis=(0, 1)))
    best = heads[0, 1][:4, :3].argmax(axis=1)
    assert hard_alignment(result, (1, 2)) == {(int(source), t) for t, source in enumerate(best)}
    for head in ((0, 1), (3, 1), (1, 4)):
        with pytest.raises(ValueError, match="a layer from 1 to 2 and a head from 1 to 3; receive"):
            hard_alignment(result, head)
    with pytest.raises(
        ValueError, match=r"only a single Transformer has heads; received head=\(1, 1\)"
    ):
        hard_alignment(make_translation([[0.5, 0.5]], ["a"], ["b", "<end>"]), (1, 1))


def test_reading_both_directions_links_a_source_word_that_no_output_word_preferred():
    """`are waiting` became one word, which attended more to `waiting`."""
    attention = [[0.9, 0.05, 0.03, 0.02], [0.0, 0.4, 0.6, 0.0], [0.0, 0.0, 0.0, 1.0]]
    merged = make_translation(
        attention, ["Ils", "attendent", "<end>"], ["They", "are", "waiting", "<end>"]
    )
    assert hard_alignment(merged) == {(0, 0), (2, 1)}
    assert hard_alignment(merged, method="union") == {(0, 0), (1, 1), (2, 1)}
    assert hard_alignment(merged, method="intersection") == {(0, 0), (2, 1)}
    assert hard_alignment(merged, method="grow-diag-final-and") == {(0, 0), (1, 1), (2, 1)}


def test_symmetrisation_agrees_with_an_example_worked_by_hand():
    """(0, 0) is shared; (1, 1) is next to it, and (2, 1) next to that; the rest is isolated."""
    forward, backward = {(0, 0), (1, 1), (4, 3), (4, 1)}, {(0, 0), (2, 1), (4, 4), (6, 3)}
    assert symmetrize(forward, backward, "intersection") == {(0, 0)}
    assert symmetrize(forward, backward, "union") == forward | backward
    # (4, 3) is added from the forward links and uses up the source of (4, 4) and the target of
    # (6, 3); the target of (4, 1) already has a link from growing.
    assert symmetrize(forward, backward) == {(0, 0), (1, 1), (2, 1), (4, 3)}
    assert symmetrize(backward, forward) == {(0, 0), (1, 1), (2, 1), (6, 3), (4, 4)}


LINKS = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=14)


@hypothesis.given(forward=LINKS, backward=LINKS)
def test_grow_diag_final_and_agrees_with_the_pseudocode_of_the_paper(forward, backward):
    links = symmetrize(forward, backward, "grow-diag-final-and")
    assert links == grow_diag_final_and(forward, backward, 5, 6)
    assert forward & backward <= links <= forward | backward


def test_an_unknown_method_is_rejected():
    for call in (
        lambda: symmetrize(set(), set(), "grow"),
        lambda: align(aligner(), [], method="grow"),
        lambda: hard_alignment(make_translation([[1.0]], ["a"], ["<end>"]), method="grow"),
    ):
        with pytest.raises(
            ValueError, match="unknown method 'grow'; expected .*grow-diag-final-and"
        ):
            call()
    with pytest.raises(ValueError, match="expected one of grow-diag-final-and, .*received None"):
        symmetrize(set(), set(), None)


def test_links_in_pharaoh_format_can_have_weights():
    assert to_pharaoh({(1, 0): 0.581, (0, 2): 1.0, (0, 1): 0.004}) == "0-1:0.00 0-2:1.00 1-0:0.58"


def test_the_alignment_error_rate_counts_shared_links():
    gold = [{(0, 0), (1, 1)}, {(0, 0)}]
    assert alignment_error_rate(gold, gold) == 0.0
    assert alignment_error_rate([{(0, 1)}, set()], gold) == 1.0
    # Two links are shared, of three predicted and three gold links.
    assert alignment_error_rate([{(0, 0), (1, 0)}, {(0, 0)}], gold) == pytest.approx(1 - 4 / 6)
    assert alignment_error_rate([{(0, 0): 0.9, (1, 1): 0.2}, {(0, 0): 0.1}], gold) == 0.0


def test_an_error_rate_needs_links_and_a_gold_alignment_for_each_sentence():
    with pytest.raises(ValueError, match="a gold alignment for each of 1 sentence; received 2"):
        alignment_error_rate([{(0, 0)}], [{(0, 0)}, {(0, 0)}])
    with pytest.raises(ValueError, match="expected alignments with links"):
        alignment_error_rate([set()], [set()])


class Aligner:
    """A translator with random attention, which records how many pairs it reads at once."""

    read_ahead = 3

    def __init__(self, words, target_words, seed, settings=(), tokenizers=("word", "word")):
        config = Config(text=TextConfig(*tokenizers)).with_settings(list(settings))
        self.config = config
        self.codecs = CodecPair.of(
            [*SPECIAL_TOKENS, *words], [*SPECIAL_TOKENS, *target_words], config.text
        )
        self.has_attention = config.model.attention != "none"
        self.has_heads = config.model.architecture == "transformer"
        self.seed = seed
        self.chunks = []

    def score(self, pairs):
        self.chunks.append(len(pairs))
        return [self.read(*(side.split() for side in pair)) for pair in pairs]

    def read(self, source, target):
        seed = [self.seed, len(source), len(target)]
        attention = np.random.default_rng(seed).dirichlet(np.ones(len(source) + 1), len(target) + 1)
        return make_translation(attention, [*target, "<end>"], [*source, "<end>"])


def aligner(seed=0, **changes):
    return Aligner(["a", "b"], ["x", "y"], seed, **changes)


def reverse_aligner(**changes):
    return Aligner(["x", "y"], ["a", "b"], 1, **changes)


PAIRS = [("a b a", "x y"), ("b", "y y x"), ("a a b b", "y x x"), ("", "x"), ("a b", "x")]


def test_alignments_come_in_the_order_of_the_pairs():
    translator = aligner()
    expected = [hard_alignment(translator.read(s.split(), t.split())) for s, t in PAIRS]
    assert [set(links) for links in align(translator, PAIRS, method=None)] == expected
    assert expected[3] == set()  # a side is empty, but there is an alignment


def test_the_weight_of_a_link_is_its_attention():
    translator = aligner()
    for (source, target), links in zip(PAIRS, align(translator, PAIRS)):
        attention = translator.read(source.split(), target.split()).attention
        assert links == {(s, t): attention[t, s] for s, t in links}


def test_pairs_are_read_one_chunk_at_a_time():
    """The input may be endless."""
    translator, numbers = aligner(), []

    def endless():
        for number in itertools.count():
            numbers.append(number)
            yield "a b", "x"

    alignments = align(translator, endless())
    assert not numbers
    for _ in range(4):
        next(alignments)
    assert len(numbers) == 6 and translator.chunks == [3, 3]


@pytest.mark.parametrize("method", METHODS)
def test_the_backward_links_come_from_the_reverse_run(method):
    translator, reverse = aligner(), reverse_aligner()
    alignments = align(translator, PAIRS, reverse, method)
    for (source, target), links in zip(PAIRS, alignments, strict=True):
        source, target = source.split(), target.split()
        forward, backward = translator.read(source, target), reverse.read(target, source)
        backward_links = {(s, t) for t, s in hard_alignment(backward)}
        assert set(links) == symmetrize(hard_alignment(forward), backward_links, method)
        for (s, t), weight in links.items():
            product = forward.attention[t, s] * backward.attention[s, t]
            assert weight == pytest.approx(product**0.5)


def test_agreement_reads_the_product_of_both_models_in_both_directions():
    translator, reverse = aligner(), reverse_aligner()
    alignments = align(translator, PAIRS, reverse)
    for (source, target), links in zip(PAIRS, alignments, strict=True):
        source, target = source.split(), target.split()
        forward = translator.read(source, target).attention[:-1, :-1]
        backward = reverse.read(target, source).attention[:-1, :-1]
        product = [
            [forward[t, s] * backward[s, t] for s in range(len(source))] for t in range(len(target))
        ]
        rows = {(int(np.argmax(row)), t) for t, row in enumerate(product) if row}
        columns = {(s, int(np.argmax(column))) for s, column in enumerate(zip(*product))}
        expected = grow_diag_final_and(rows, columns, len(target), len(source))
        assert set(links) == expected
    forward_only, both, default = (
        [set(links) for links in align(translator, PAIRS, **options)]
        for options in ({"method": None}, {"method": METHODS[0]}, {})
    )
    assert default == both != forward_only


def test_all_models_of_an_ensemble_count():
    """Attention may come from any of them; heads of different models cannot be averaged."""

    def ensemble(*settings):
        first, *partners = (untrained_translator(words, ["a"], ["x"]) for words in settings)
        return Translator.of_run(first.model, first.codecs, first.config, first.record, partners)

    check_word_attention(ensemble(["attention=none"], ["attention=bahdanau"]))
    transformers = ensemble(*[["architecture=transformer", "heads=2"]] * 2)
    check_word_attention(transformers)
    with pytest.raises(ValueError, match="only a single Transformer has heads; received head="):
        check_word_attention(transformers, head=(1, 1))


def test_models_without_attention_between_words_cannot_align():
    without_attention = aligner(settings=["attention=none"])
    for arguments in ((without_attention, PAIRS), (aligner(), PAIRS, without_attention)):
        with pytest.raises(ValueError, match="expected a run with attention; the model has none"):
            align(*arguments)
    values = aligner()
    values.codecs = CodecPair(ValueCodec.plain(3), values.codecs.target)
    with pytest.raises(ValueError, match="between words; the run reads or writes real values"):
        align(values, PAIRS)
    with pytest.raises(
        ValueError, match=r"only a single Transformer has heads; received head=\(1, 1\)"
    ):
        align(aligner(), PAIRS, head=(1, 1))
    heads = aligner(settings=["architecture=transformer", "decoder_layers=2", "heads=4"])
    with pytest.raises(ValueError, match="a layer from 1 to 2 and a head from 1 to 4; received"):
        align(heads, PAIRS, head=(3, 1))


def test_a_reverse_run_must_have_the_opposite_direction_and_the_same_tokenizers():
    for changes in ({"tokenizers": ("character", "word")}, {"settings": ["case=lower"]}):
        with pytest.raises(
            ValueError,
            match="must split sentences like the run: expected source_tokenizer=word, "
            "target_tokenizer=word, case=keep; received source_tokenizer=",
        ):
            align(aligner(), PAIRS, reverse_aligner(**changes))
    with pytest.raises(ValueError, match="has the same direction as the run; train it on the"):
        align(aligner(), PAIRS, aligner(seed=1))
    with pytest.raises(
        ValueError, match="a method to combine the links of both runs: .*received None"
    ):
        align(aligner(), PAIRS, reverse_aligner(), method=None)
    with pytest.raises(ValueError, match="reverse_head is for the reverse run; received no"):
        align(aligner(), PAIRS, reverse_head=(1, 1))


def test_the_tokenizers_of_a_reverse_run_are_swapped():
    translator = aligner(tokenizers=("character", "word"))
    reverse = reverse_aligner(tokenizers=("word", "character"))
    assert len(list(align(translator, PAIRS, reverse))) == len(PAIRS)


def test_a_reverse_run_that_splits_a_sentence_differently_is_rejected():
    reverse = reverse_aligner()
    reverse.read = lambda source, target: Aligner.read(reverse, source, [*target, "more"])
    with pytest.raises(ValueError, match="splits 'a b a' and 'x y' into 4 and 2 tokens, the run"):
        list(align(aligner(), PAIRS, reverse))


def test_a_trained_model_aligns_by_the_attention_of_teacher_forcing(translator, small_corpus):
    pairs = [*itertools.islice(small_corpus.test, 20), ("", "Rien."), ("Nothing.", "")]
    alignments = list(align(translator, pairs))
    expected = [
        hard_alignment(forced, method="grow-diag-final-and") for forced in translator.score(pairs)
    ]
    assert [set(links) for links in alignments] == expected
    assert all(expected[:20]) and expected[20:] == [set(), set()]
