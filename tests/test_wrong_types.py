"""Arguments of wrong types: an error says what was expected and what was received."""

import argparse
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import make_translation, random_attention
from untrained import untrained_reader, untrained_translator

import kseq
from kseq.cli.errors import explain
from kseq.pipeline.value_codec import ValueCodec

RESULT = make_translation(random_attention(2, 3), ["x", "<end>"], ["a", "b", "<end>"])
LINKS = {(0, 0)}


@pytest.fixture(scope="module")
def translator():
    return untrained_translator([], ["a", "b"], ["x", "y"])


@pytest.fixture(scope="module")
def predictor():
    values = ValueCodec(np.zeros(3), np.ones(3))
    settings = ["source_features=3", "target_features=3", "attention=bahdanau"]
    return untrained_reader(settings, values, values)


# Each call gets a translator and an odd value.
CALLS = {
    "with_settings": lambda t, odd: kseq.Config().with_settings(odd),
    "a setting": lambda t, odd: kseq.Config().with_settings([odd]),
    "from_dict": lambda t, odd: kseq.Config.from_dict(odd),
    "dumps": lambda t, odd: kseq.Config().dumps(odd),
    "Config": lambda t, odd: kseq.Config(model=odd),
    "a choice": lambda t, odd: kseq.ModelConfig(cell=odd),
    "a number": lambda t, odd: kseq.ModelConfig(units=odd),
    "build_seq2seq": lambda t, odd: kseq.build_seq2seq(odd, 10, 10),
    "build_encoder": lambda t, odd: kseq.build_encoder(odd, 10),
    "build_decoder": lambda t, odd: kseq.build_decoder(odd, 10),
    "vocabulary_size": lambda t, odd: kseq.build_encoder(kseq.ModelConfig(units=2), odd),
    "split_for_inference": lambda t, odd: kseq.split_for_inference(odd),
    "train": lambda t, odd: kseq.train(odd, out="run"),
    "average": lambda t, odd: kseq.Translator.load("run", average=odd),
    "translate": lambda t, odd: t.translate([odd]),
    "texts": lambda t, odd: t.translate(odd),
    "prefix": lambda t, odd: t.translate(["a"], prefix=odd),
    "forbid": lambda t, odd: t.translate(["a"], forbid=odd),
    "samples": lambda t, odd: t.sample(["a"], odd),
    "strategy": lambda t, odd: list(t.stream(["a"], odd)),
    "read_ahead": lambda t, odd: list(t.stream(["a"], read_ahead=odd)),
    "score": lambda t, odd: t.score([odd]),
    "pairs": lambda t, odd: t.score(odd),
    "evaluate": lambda t, odd: t.evaluate(odd),
    "alignments": lambda t, odd: t.evaluate([("a", "x")], odd),
    "plot": lambda t, odd: t.plot(odd),
    "plot_attention": lambda t, odd: kseq.plot_attention(odd),
    "ax": lambda t, odd: kseq.plot_attention(RESULT, ax=odd),
    "head": lambda t, odd: kseq.plot_attention(RESULT, head=odd),
    "panels": lambda t, odd: kseq.plot_attention(RESULT, panels=odd),
    "gold": lambda t, odd: kseq.plot_attention(RESULT, gold=odd),
    "low_probability": lambda t, odd: kseq.plot_attention(RESULT, low_probability=odd),
    "colormap": lambda t, odd: kseq.plot_attention(RESULT, colormap=odd),
    "plot_inspection": lambda t, odd: kseq.plot_inspection(odd),
    "suggest_config": lambda t, odd: kseq.suggest_config(odd),
    "hard_alignment": lambda t, odd: kseq.hard_alignment(odd),
    "method": lambda t, odd: kseq.hard_alignment(RESULT, method=odd),
    "align": lambda t, odd: list(kseq.align(odd, [("a", "x")])),
    "pairs to align": lambda t, odd: list(kseq.align(t, odd)),
    "reverse": lambda t, odd: list(kseq.align(t, [("a", "x")], odd)),
    "symmetrize": lambda t, odd: kseq.symmetrize(odd, LINKS),
    "backward": lambda t, odd: kseq.symmetrize(LINKS, odd),
    "to_pharaoh": lambda t, odd: kseq.to_pharaoh(odd),
    "alignment_error_rate": lambda t, odd: kseq.alignment_error_rate(odd, [LINKS]),
    "gold alignments": lambda t, odd: kseq.alignment_error_rate([LINKS], [odd]),
    "attention_report": lambda t, odd: kseq.attention_report(odd, [("a", "x")], "a.html"),
    "report of alignments": lambda t, odd: kseq.attention_report(
        t, [("a", "x")], "no-folder/a.html", alignments=odd
    ),
    "clean": lambda t, odd: list(kseq.clean([("a", "b")], odd)),
}
ODD = [
    *(None, True, -1, 3, 1.5, float("nan"), "", "odd", b"bytes", "\ud800", "a\0b"),
    *([], [1], [None], ["a"], [("a",)], [(1.5, 2)], {"a": 1}, {1}, (1, 2, 3)),
    *(object(), np.ones((2, 2)), int, pathlib.Path("odd")),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy, about odd arrays
@given(name=st.sampled_from(sorted(CALLS)), odd=st.sampled_from(ODD))
def test_an_odd_value_is_used_or_refused_with_words(translator, name, odd):
    """An error comes from a check of kseq, not from code that has tried to use the value."""
    try:
        CALLS[name](translator, odd)
    except Exception as error:
        assert explain(error, argparse.Namespace())[1] == 2, error


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: kseq.Config().with_settings([-1]), r"list of strings, .*received \[-1\]"),
        (lambda t: kseq.Config().with_settings("units=3"), "list of strings, .*'units=3'"),
        (lambda t: kseq.hard_alignment(1.5), "expected a Translation; received 1.5"),
        (lambda t: kseq.symmetrize(3, LINKS), r"expected an alignment as \(source, target\).* 3$"),
        (lambda t: kseq.symmetrize([(0, 0)], "0-0"), "expected an alignment as .*'0'"),
        (lambda t: kseq.to_pharaoh({"a": 1}), "expected an alignment as .*{'a': 1}"),
        (lambda t: kseq.alignment_error_rate(3, []), "expected a list of alignments; received 3"),
        (lambda t: t.evaluate([("a", "x")], ["0-0"]), "expected an alignment as .*'0'"),
        (lambda t: kseq.align(None, []), "expected a Translator; received None"),
        (lambda t: kseq.build_seq2seq(kseq.Config(), 9, 9), "expected a ModelConfig; .*its model"),
        (lambda t: kseq.split_for_inference("run"), "a model of build_seq2seq; received 'run'"),
        (lambda t: kseq.plot_inspection("pairs.tsv"), "the result of kseq.inspect; .*'pairs.tsv'"),
        (lambda t: kseq.suggest_config(None), "the result of kseq.inspect; received None"),
        (lambda t: t.translate(3), "expected a list of sources; received 3"),
        (lambda t: t.score("a"), "expected a list of pairs of source and target; received 'a'"),
        (lambda t: list(t.stream(["a"], 0)), "must be a BeamSearch or a Sampling; received 0"),
        (lambda t: list(kseq.clean([], True)), "expected a Cleaning; received True"),
    ],
)
def test_a_wrong_type_is_a_type_error_that_names_the_right_one(translator, call, message):
    with pytest.raises(TypeError, match=message):
        call(translator)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: kseq.Translator.load("run", average="typo"), "average must be .*; rec.* 'typo'"),
        (lambda t: kseq.Config().dumps(".txt"), "expected a .json, .yaml or .yml.* '.txt'"),
        (lambda t: t.translate(["a"], top_p=0.5), "unknown option: 'top_p', which is for sampling"),
        (lambda t: t.sample(["a"], beta=0.5), "'beta', which is for beam search"),
        (lambda t: t.sample(["a"], top_p=1.1), "top_p must be greater than 0 and at most 1; .*1.1"),
        (lambda t: t.sample(["a"], top_p=float("nan")), "greater than 0 and at most 1; .*nan"),
        (lambda t: t.translate(["a"], prefix="\ud800"), "is not in the target vocabulary"),
        (lambda t: t.translate(["a"], forbid="\ud800"), "is not in the target vocabulary"),
        (lambda t: kseq.build_encoder(kseq.ModelConfig(), 1.5), "source_vocabulary_size.* 1.5"),
        (lambda t: kseq.plot_attention(RESULT, ax=[]), "expected Axes for 1 panel; received 0"),
    ],
)
def test_a_wrong_value_is_a_value_error_that_names_the_right_ones(translator, call, message):
    with pytest.raises(ValueError, match=message):
        call(translator)


@pytest.mark.parametrize("options", [{"beam_size": 2}, {"alpha": 1.5}])
def test_a_model_of_real_values_takes_no_options_of_a_search(predictor, tmp_path, options):
    (name,) = options
    values = np.ones((2, 3), "float32")
    for call in (
        lambda: predictor.evaluate([(values, values)], **options),
        lambda: predictor.export(tmp_path / "model", **options),
    ):
        with pytest.raises(ValueError, match=f"{name} is for text; real values are predicted"):
            call()
    with pytest.raises(ValueError, match="alignments requires a run whose tokens are words"):
        predictor.evaluate([(values, values)], [LINKS])


def test_only_the_test_split_of_a_corpus_may_be_missing(tmp_path):
    (tmp_path / "pairs.tsv").write_text("a\tb\n" * 3)
    pairs = kseq.Pairs.open([tmp_path / "pairs.tsv"])
    assert not kseq.Corpus("mine", pairs, pairs, None).has_test
    for splits in ((pairs, None), (None, pairs), (pairs, None, pairs)):
        with pytest.raises(TypeError, match="a split must be Pairs, .*; received None"):
            kseq.Corpus("mine", *splits)
