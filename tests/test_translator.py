"""Properties of the translator that hold for every sentence."""

import copy
import functools
import shutil
import warnings

import keras
import numpy as np
import pytest
import references
import tensorflow as tf
from combinations import weights_of
from untrained import untrained_translator

from kseq import Config, Translator
from kseq.search.strategies import BeamSearch
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, START
from kseq.translation import batches
from kseq.translation.chunks import MIN_LOGITS
from kseq.translation.doubtful_outputs import CutOutputsWarning
from kseq.translation.graphs import Inference

SENTENCES = [
    "The cat is small.",
    "I see the house and the big red car.",
    "Where is he?",
    "They do not eat.",
    "My brother's old book is here.",
]


def require_same(result, expected):
    assert result.text == expected.text and result.tokens == expected.tokens
    assert result.source_tokens == expected.source_tokens
    np.testing.assert_allclose(result.score, expected.score, atol=1e-5)
    np.testing.assert_allclose(result.attention, expected.attention, atol=1e-5)


@pytest.mark.parametrize("beam_size", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_translations_agree_with_plain_numpy(translator, beam_size):
    """The trained model is computed in float64 loops, and searched with plain lists."""
    codecs, weights = translator.codecs, weights_of(translator.model)
    results = translator.translate(SENTENCES, beam_size, maximum_length=12)
    for result, source in zip(results, codecs.source.encode(tf.constant(SENTENCES)).to_list()):

        @functools.cache
        def log_probabilities(ids, source=source):
            inputs = {"source_ids": [source], "target_ids": [[START, *ids]]}
            inputs = {name: np.array(rows) for name, rows in inputs.items()}
            logits, *_ = references.seq2seq(translator.config.model, weights, inputs)
            return references.log_softmax(logits[0, -1])

        allowed = set(range(codecs.target.size)) - {PAD, START}
        problem = references.SearchProblem(log_probabilities, allowed, END, longest=13)
        score, _, ids = problem.beam(beam_size)[0]
        assert result.score == pytest.approx(score, abs=1e-4)
        text = codecs.target.decode(tf.ragged.constant([ids[:-1]]))[0]
        assert result.text == text.numpy().decode()


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_fields_of_a_translation_are_consistent(translator, beam_size):
    for result in translator.translate(SENTENCES, beam_size):
        assert result.attention.shape == (len(result.tokens), len(result.source_tokens))
        np.testing.assert_allclose(result.attention.sum(axis=1), 1.0, atol=1e-5)
        assert result.source_tokens[-1] == "<end>"
        assert not set(result.tokens[:-1]) & {"<end>", "<pad>", "<start>"}
        assert not any("￭" in token for token in (*result.tokens, *result.source_tokens))
        assert len(result.token_log_probabilities) == len(result.tokens)
        assert result.log_probability <= 0.0
        assert isinstance(result.score, float)


@pytest.fixture
def batch_sizes(monkeypatch):
    """The number of sentences in each batch, in order."""
    sizes, cut_batches = [], batches._batches

    def cut_and_record(*arguments):
        for rows in cut_batches(*arguments):
            sizes.append(len(rows))
            yield rows

    monkeypatch.setattr(batches, "_batches", cut_and_record)
    return sizes


@pytest.mark.slow  # loads and traces three times
@pytest.mark.parametrize("minimum", [1, MIN_LOGITS])
def test_the_logits_of_a_batch_are_limited(
    small_run, translator, minimum, batch_sizes, monkeypatch
):
    """Of one step in a search, or of all steps with given targets; summed over the members."""
    monkeypatch.setattr(batches, "usable_cores", lambda: 1)
    vocabulary = translator.codecs.target.size
    assert 1 < 2 * vocabulary < MIN_LOGITS
    targets = [result.text for result in translator.translate(SENTENCES, beam_size=3)]
    scored = translator.score(zip(SENTENCES, targets))
    monkeypatch.setattr("kseq.translation.chunks.MIN_LOGITS", minimum)
    monkeypatch.setattr(batches, "LOGITS_AT_ONCE", 2 * 3 * max(vocabulary, minimum))
    for members, expected_sizes in ((1, [2, 2, 1]), (2, [1] * 5 if minimum == 1 else [2, 2, 1])):
        batch_sizes.clear()
        ensemble = Translator.load(*[small_run] * members)
        results = ensemble.translate(SENTENCES, beam_size=3)
        assert batch_sizes == expected_sizes and [result.text for result in results] == targets
    monkeypatch.setattr(batches, "LOGITS_AT_ONCE", 2 * 3 * vocabulary)
    batch_sizes.clear()
    for result, expected in zip(translator.score(zip(SENTENCES, targets)), scored, strict=True):
        np.testing.assert_allclose(result.score, expected.score, atol=1e-5)
    assert batch_sizes == [1] * 5


def test_bfloat16_gives_similar_results(small_run, translator):
    """A bfloat16 number has 8 significant bits: an error of 0.4%, or 0.04 for logits below 10."""
    rounded = Translator.load(small_run, precision="bfloat16")
    assert {weight.dtype for weight in rounded.model.weights} == {"bfloat16"}
    assert keras.config.dtype_policy().name == "float32"
    pairs = [(result.source, result.text) for result in translator.translate(SENTENCES)]
    errors = [
        np.abs(result.token_log_probabilities - expected.token_log_probabilities).max()
        for result, expected in zip(rounded.score(pairs), translator.score(pairs), strict=True)
    ]
    assert 0.0 < max(errors) < 0.1
    for result in rounded.translate(SENTENCES):
        (forced,) = rounded.score([(result.source, result.text)])
        error = abs(forced.log_probability - result.log_probability) / len(result.tokens)
        assert error < 0.04
    library = rounded.inference.search_function(BeamSearch(), (), None).graph.as_graph_def().library
    nodes = [node for function in library.function for node in function.node_def]
    products = [node for node in nodes if node.op == "MatMul"]
    # Energies are always float32.
    precise = [node.name for node in products if node.attr["T"].type != tf.bfloat16]
    assert len(products) > 5 and len(precise) == 1 and "/attention" in precise[0]
    with pytest.raises(ValueError, match="'float32' or 'bfloat16'; received 'bfloat'; did you"):
        Translator.load(small_run, precision="bfloat")


def test_other_sentences_in_the_batch_change_nothing(translator):
    together = translator.translate(SENTENCES, beam_size=4)
    for sentence, result in zip(SENTENCES, together):
        require_same(translator.translate([sentence], beam_size=4)[0], result)


def test_order_is_kept_across_batches(translator):
    sentences = [f"{word} " * count for count in (9, 1, 4) for word in ("a", "the", "car")] * 30
    results = translator.translate(sentences)
    assert [result.source for result in results] == sentences


def test_n_best_translations_are_in_order_of_their_scores(translator):
    for hypotheses in translator.translate(SENTENCES, beam_size=4, n_best=3):
        assert len(hypotheses) == 3
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(hypothesis.tokens) for hypothesis in hypotheses}) == 3
        for hypothesis in hypotheses:
            assert hypothesis.text.replace(" ", "") == "".join(hypothesis.tokens[:-1])
    best = translator.translate(SENTENCES, beam_size=4)
    require_same(translator.translate(SENTENCES, beam_size=4, n_best=1)[0][0], best[0])


def test_teacher_forcing_gives_the_score_of_the_search(translator):
    """With the output of the search as the target.

    A hyphen in a strange place, such as `est-?`, may be read with other marks for its spaces.
    """
    results = [
        result
        for result in translator.translate(SENTENCES, beam_size=4)
        if result.tokens[-1] == "<end>" and not {"<unk>", "-"} & {*result.tokens}
    ]
    assert results
    forced = translator.score([(result.source, result.text) for result in results])
    for expected, result in zip(results, forced, strict=True):
        assert result.tokens == expected.tokens
        np.testing.assert_allclose(result.log_probability, expected.log_probability, atol=1e-4)
        np.testing.assert_allclose(result.attention, expected.attention, atol=1e-4)
        np.testing.assert_allclose(result.score, result.log_probability / len(result.tokens))


def test_scores_are_in_the_order_of_the_pairs(translator):
    """Although they are sorted by length; each result is that of the pair alone."""
    targets = [
        "Oui.",
        "Le chat est petit et le chien est grand.",
        "Non.",
        "Je ne sais pas.",
        "Où ?",
    ]
    pairs = list(zip(SENTENCES, targets))
    for pair, result in zip(pairs, translator.score(pairs), strict=True):
        assert (result.source, result.text) == pair
        require_same(translator.score([pair])[0], result)


@pytest.mark.parametrize("sentence", ["", "   ", "\x00", "\ufeff"])
def test_an_empty_sentence_has_an_empty_translation(translator, sentence):
    before, result, after = translator.translate([SENTENCES[0], sentence, SENTENCES[1]], 4)
    assert (result.text, result.tokens, result.source_tokens) == ("", [], ["<end>"])
    assert result.log_probability == 0.0
    require_same(before, translator.translate([SENTENCES[0]], 4)[0])
    assert translator.translate([sentence])[0].text == ""


@pytest.mark.parametrize(
    "sentence", ["xyzzy plugh", "👍🏽👨‍👩‍👧", "你好,世界!", "a\x00b", "\ud800 lone", "'" * 50]
)
def test_strange_sentences_are_translated(translator, sentence):
    result = translator.translate([sentence])[0]
    assert isinstance(result.text, str)
    assert result.source == sentence
    assert result.attention.shape == (len(result.tokens), len(result.source_tokens))


def test_a_very_long_sentence_is_translated(translator):
    result = translator.translate(["very " * 3000])[0]
    assert len(result.source_tokens) == 3001
    assert 0 < len(result.tokens) <= 1000


def test_an_endless_stream_is_translated_as_it_arrives(translator):
    def endless():
        while True:
            yield SENTENCES[0]

    results = translator.stream(endless())
    assert [next(results)[0].source for _ in range(3)] == SENTENCES[:1] * 3


def test_a_reloaded_run_gives_the_same_translations(translator, small_run):
    reloaded = Translator.load(small_run)
    for expected, result in zip(
        translator.translate(SENTENCES, 4), reloaded.translate(SENTENCES, 4), strict=True
    ):
        require_same(result, expected)
        assert result.score == expected.score


def test_unknown_target_words_keep_their_spelling(translator):
    forced = translator.score([("The cat is small.", "Le xyzzy est petit.")])[0]
    assert forced.tokens[:2] == ["Le", "xyzzy"]
    assert SPECIAL_TOKENS[1] not in forced.tokens


def test_an_empty_list_gives_an_empty_list(translator):
    assert translator.translate([]) == [] and translator.score([]) == []


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda t: t.translate("one string"), TypeError, "expected a list of sentences"),
        (lambda t: t.translate(["a"], beam_size=0), ValueError, "beam_size must be at least 1 and"),
        (lambda t: t.translate(["a"], beam_size=2.0), TypeError, "beam_size must be a whole num"),
        (lambda t: next(t.stream("one string")), TypeError, "expected a list of sentences"),
        (lambda t: t.score(["ab"]), TypeError, "expected pairs of source and target; received"),
        (lambda t: t.translate(["a"], 2, n_best=3), ValueError, "n_best must be at most beam_size"),
        (lambda t: t.translate([3]), TypeError, "expected sentences as strings; received 3"),
    ],
)
def test_invalid_arguments_are_errors(translator, call, error, message):
    with pytest.raises(error, match=message):
        call(translator)


@pytest.mark.parametrize("alpha", [pytest.param(0.0, marks=pytest.mark.slow), 2.0])
def test_the_length_penalty_reaches_the_search(translator, alpha):
    for result in translator.translate(SENTENCES, 3, alpha=alpha):
        penalty = ((5 + len(result.tokens)) / 6) ** alpha
        np.testing.assert_allclose(result.score, result.log_probability / penalty, rtol=1e-5)


def test_output_length_is_limited_by_the_length_ratio_of_the_training_split(translator):
    """A model that never writes END stops at twice the usual ratio plus ten tokens."""
    inference = Inference([translator.model], [translator.codecs], length_ratio=1.5)
    ids = tf.constant([[4, 5, END, 0], [4, 5, 6, END], [END, 0, 0, 0]])
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    before = bias.numpy()
    try:
        bias.assign(np.where(np.arange(len(before)) == END, -1e9, before))
        result = inference.search([{"source_ids": ids}], BeamSearch(beam_size=2))
        assert result.lengths[:, 0].numpy().tolist() == [19, 22, 0]
    finally:
        bias.assign(before)


@pytest.fixture(scope="module")
def endless_translator():
    """An untrained translator that never writes END by itself."""
    translator = untrained_translator(["attention=none"], ["a"], ["x"])
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    bias.assign(np.where(np.arange(5) == END, -20.0, 0.0))
    return translator


def test_one_warning_names_the_sources_whose_outputs_were_cut(endless_translator):
    texts = [f"{'a ' * number}".strip() for number in range(40)]
    expected = (
        r"cut at the maximum length, so incomplete: the outputs for 39 sources: 2 \('a'\), "
        r"3 \('a a'\), 4 \('a a a'\), ...; raise maximum_length .*, up to 10,000 tokens"
    )
    for call in (
        lambda: endless_translator.translate(texts, maximum_length=2),
        lambda: endless_translator.sample(texts, maximum_length=2),
        lambda: [
            result
            for results in endless_translator.stream(texts, BeamSearch(maximum_length=2), None, 8)
            for result in results
        ],
    ):
        with pytest.warns(CutOutputsWarning, match=expected) as warned:
            results = call()
        assert len(warned) == 1
    assert [result.is_cut for result in results] == [False] + 39 * [True]
    assert results[1].to_dict()["is_cut"] is True


def test_an_interrupted_stream_still_warns(endless_translator):
    results = endless_translator.stream(["a"] * 8, BeamSearch(maximum_length=2), None, 4)
    next(results)
    with pytest.warns(CutOutputsWarning, match=r"for 1 source: 1 \('a'\); raise maximum_length"):
        results.close()


def test_an_output_that_ends_by_itself_gives_no_warning(endless_translator):
    translator = copy.deepcopy(endless_translator)
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    bias.assign(-bias)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (result,) = translator.translate(["a"])
    assert not result.is_cut and result.tokens == ["<end>"]


def test_the_default_limit_is_twice_the_expected_length_plus_ten_but_at_most_1000(
    endless_translator,
):
    short, long = endless_translator.translate(["a a a", "a " * 500])
    assert len(short.tokens) == 2 * 4 + 10
    assert len(long.tokens) == 1000


@pytest.mark.parametrize(
    "name, content",
    [
        ("model.weights.h5", b"{ not what it was"),
        ("config.json", b"{ not what it was"),
        ("run.json", b"{ not what it was"),
        ("run.json", b"3"),
        ("run.json", b'{"length_ratio": NaN, "corpus": null}'),
        ("run.json", b'{"length_ratio": 1, "corpus": {}}'),
        ("source_vocabulary.txt", b""),
        ("target_vocabulary.txt", b"\xff\n"),
    ],
)
def test_a_damaged_run_is_an_error(small_run, tmp_path, name, content):
    for path in small_run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        Translator.load(tmp_path)


def test_a_folder_that_is_not_a_run_is_an_error(tmp_path):
    with pytest.raises(
        ValueError, match="not a run directory: .*expected config.json, run.json, source_vocab"
    ):
        Translator.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="run directory not found"):
        Translator.load(tmp_path / "none")


def test_an_edited_config_is_an_error(small_run, tmp_path):
    """Keras would skip the surplus layers, and the model would write nonsense."""
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    config = Config.load(run / "config.json").with_settings(["bidirectional=false"])
    (run / "config.json").write_text(config.dumps())
    with pytest.raises(ValueError, match="config.json: describes a model of .* restore the file"):
        Translator.load(run)


@pytest.mark.parametrize("change", ["reordered", "renamed", "longer", "shorter"])
def test_an_edited_vocabulary_is_an_error(small_run, tmp_path, change):
    """Line numbers are ids: in another order, they would silently mean other words."""
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    path = run / "target_vocabulary.txt"
    tokens = path.read_text(encoding="utf-8").splitlines()
    if change == "reordered":
        tokens[5], tokens[6] = tokens[6], tokens[5]
    if change == "renamed":
        tokens[7] = "renamed"
    tokens = {"longer": [*tokens, "more"], "shorter": tokens[:-1]}.get(change, tokens)
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    with pytest.raises(ValueError, match="target_vocabulary.txt: has been changed since the run"):
        Translator.load(run)
