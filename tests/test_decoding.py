"""The effect of search options on the translations of a trained model."""

import dataclasses
import functools
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
from untrained import untrained_reader, untrained_translator, write_run

from kseq import BeamSearch, Sampling, Translator
from kseq.translation.export import export
from kseq.translation.sources import Sources

SENTENCES = ["The cat is small.", "I see the house and the big red car.", "They do not eat."]


@pytest.fixture(scope="module")
def second_run(translator, tmp_path_factory):
    """An untrained run with the vocabularies of the small run, an LSTM and different sizes."""
    settings = ["units=24", "embedding_dim=12", "cell=lstm"]
    second = untrained_reader(settings, *translator.codecs.descriptions)
    return write_run(second, tmp_path_factory.mktemp("runs") / "second")


def word_count(result):
    return len(result.tokens) - 1


# === Rules ===


@pytest.mark.slow
def test_lengths_stay_within_their_bounds(translator):
    unbounded = translator.translate(SENTENCES, 3)
    for result in translator.translate(SENTENCES, 3, minimum_length=15):
        assert word_count(result) >= 15
    for result in translator.translate(SENTENCES, 3, maximum_length=2):
        assert word_count(result) <= 2 and result.tokens[-1] == "<end>"
    bounds = {"minimum_ratio": 1.5, "maximum_ratio": 2.0}
    for result in translator.translate(SENTENCES, 3, **bounds):
        words = len(result.source_tokens) - 1
        assert np.ceil(1.5 * words) <= word_count(result) <= 2 * words
    longest = max(map(word_count, unbounded))
    bounded = translator.translate(SENTENCES, 3, maximum_length=longest)
    assert [result.text for result in bounded] == [result.text for result in unbounded]


@pytest.mark.slow  # searches for long outputs
def test_a_minimum_length_may_exceed_the_default_maximum(unk_translator):
    """A model that never writes END stops at the default maximum or, if larger, at the minimum."""
    default = word_count(unk_translator.translate(["They eat."])[0])
    assert 10 <= default < 60
    assert word_count(unk_translator.translate(["They eat."], minimum_length=60)[0]) == 60


def test_the_maximum_applies_if_bounds_contradict_each_other(translator):
    """For example an absolute and a relative bound, for short sentences only."""
    bounds = {"minimum_length": 9, "maximum_ratio": 1.0}
    for result in translator.translate(SENTENCES, **bounds):
        assert word_count(result) == min(9, len(result.source_tokens) - 1) or (
            9 <= word_count(result) <= len(result.source_tokens) - 1
        )


@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_no_ngram_occurs_twice(translator, n):
    for result in translator.translate(SENTENCES, 2, no_repeat_ngram=n, minimum_length=12):
        tokens = result.tokens[:-1]
        ids = translator.codecs.target.ids(tf.ragged.constant([tokens])).to_list()
        ngrams = list(zip(*(tokens[place:] for place in range(n))))
        # Joining marks are not displayed, so different tokens may look alike, such as `.`.
        ngrams = [ngram for ngram in ngrams if all(token.isalpha() for token in ngram)]
        assert len(set(ngrams)) == len(ngrams), (result.tokens, ids)


def test_forbidden_tokens_are_never_written(translator):
    unrestricted = translator.translate(SENTENCES, 3)
    words = sorted({token for result in unrestricted for token in result.tokens if token.isalpha()})
    restricted = translator.translate(SENTENCES, 3, forbid=words)
    assert not {token for result in restricted for token in result.tokens} & set(words)


@pytest.mark.slow  # tests/test_rules.py has the rule, with which sampling chooses, too
def test_forbidden_tokens_are_never_drawn(translator):
    for samples in translator.sample(SENTENCES, 20, temperature=5.0, forbid="<unk>"):
        assert not any("<unk>" in result.tokens for result in samples)


def test_all_tokens_that_look_alike_are_forbidden():
    """A full stop of its own, one joined to the left, and one joined on both sides."""
    translator = untrained_translator([], ["a"], [".", "a", "￭.", "￭.￭"])
    assert translator.resolve(BeamSearch(forbid=".")) == ((4, 6, 7), None)


def test_a_prefix_may_fill_the_maximum_length(translator):
    result = translator.translate(SENTENCES[:1], prefix="Le chat", maximum_length=2)[0]
    assert result.tokens == ["Le", "chat", "<end>"]


def test_the_default_maximum_length_depends_on_the_length_ratio_of_the_run(unk_translator):
    """A model that never writes END stops at the default maximum, here its constant part, 10."""
    parts = unk_translator.model, unk_translator.codecs, unk_translator.config
    short = Translator.of_run(*parts, dataclasses.replace(unk_translator.record, length_ratio=1e-6))
    assert [len(result.tokens) for result in short.translate(SENTENCES)] == [10, 10, 10]


def test_a_translation_begins_with_its_prefix(translator):
    results = translator.translate(SENTENCES, 3, prefix="Le chat")
    assert all(result.text.startswith("Le chat") for result in results)
    prefixes = ["Le", "", "Ils n'"]
    for result, prefix in zip(translator.translate(SENTENCES, prefix=prefixes), prefixes):
        assert result.text.startswith(prefix)
    without_prefix = translator.translate(SENTENCES)[1]
    assert translator.translate(SENTENCES, prefix=prefixes)[1].text == without_prefix.text
    for samples in translator.sample(SENTENCES, 3, prefix="Le chat"):
        assert all(result.text.startswith("Le chat") for result in samples)


def test_the_first_word_of_a_translation_as_its_prefix_changes_nothing(translator):
    for result in translator.translate(SENTENCES):
        first_word = result.text.split(" ")[0]
        prefixed = translator.translate([result.source], prefix=first_word)[0]
        assert prefixed.text == result.text


# === Scores ===


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"alpha": 0.0}, marks=pytest.mark.slow),
        pytest.param({"length_penalty": "average"}, marks=pytest.mark.slow),
        {"beta": 0.4},
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in (
                {"minimum_length": 8, "no_repeat_ngram": 2, "repetition_penalty": 1.3},
                {"maximum_length": 3},
            )
        ),
    ],
)
def test_a_score_can_be_computed_from_the_returned_numbers(translator, options):
    """The log-probabilities of the model agree with those of teacher forcing, to 1e-4."""
    results = translator.translate(SENTENCES, 4, n_best=4, **options)
    strategy = BeamSearch(beam_size=4, n_best=4, **options)
    for result in itertools.chain(*results):
        length = len(result.tokens)
        np.testing.assert_allclose(
            result.token_log_probabilities.sum(), result.log_probability, atol=1e-4
        )
        divisor = length if strategy.length_penalty == "average" else None
        divisor = divisor or ((5 + length) / 6) ** strategy.alpha
        coverage = np.log(np.minimum(result.attention.sum(axis=0), 1.0)).sum() * strategy.beta
        if strategy.repetition_penalty == 1.0:
            expected = result.log_probability / divisor + coverage
            np.testing.assert_allclose(result.score, expected, atol=1e-4)
        if "<unk>" in result.tokens or result.text.endswith((".", "'", "-")):
            continue  # tokenised again, the text may have different tokens
        forced = translator.score([(result.source, result.text)])[0]
        if forced.tokens == result.tokens:
            np.testing.assert_allclose(forced.log_probability, result.log_probability, atol=1e-4)
            np.testing.assert_allclose(
                forced.token_log_probabilities, result.token_log_probabilities, atol=1e-4
            )


def test_teacher_forcing_gives_the_log_probabilities_of_the_search(translator):
    """Compares ids, not texts, which may be tokenised differently."""
    ids = translator.codecs.source.encode(tf.constant(SENTENCES)).to_tensor()
    result = translator.inference.search([{"source_ids": ids}], BeamSearch(beam_size=4, n_best=4))
    for rank in range(4):
        targets = tf.pad(result.ids[:, rank], [[0, 0], [1, 0]], constant_values=2)
        losses, *_ = translator.inference.force([{"source_ids": ids}], targets)
        for row, length in enumerate(result.lengths[:, rank].numpy()):
            np.testing.assert_allclose(
                -tf.reduce_sum(losses[row, :length]), result.log_probabilities[row, rank], atol=1e-4
            )


@pytest.mark.slow
def test_stopping_early_does_not_change_the_best_translation(translator):
    """If all K are requested, the search continues until all K have ended."""
    for options in ({}, {"alpha": 2.0}, {"length_penalty": "average"}, {"beta": 0.3}):
        early = translator.translate(SENTENCES, 5, **options)
        full = translator.translate(SENTENCES, 5, n_best=5, **options)
        for result, (best, *_) in zip(early, full):
            assert result.text == best.text
            np.testing.assert_allclose(result.score, best.score, atol=1e-5)


@pytest.mark.slow
def test_coverage_favours_attention_to_the_whole_source(translator):
    """With a larger beta, the best translation covers more of the source."""

    def log_coverage(beta):
        results = translator.translate(SENTENCES, 8, beta=beta)
        return sum(
            np.log(np.minimum(result.attention.sum(axis=0), 1.0)).sum() for result in results
        )

    assert log_coverage(0.0) <= log_coverage(1.0) <= log_coverage(100.0)
    assert log_coverage(0.0) < log_coverage(100.0)


# === Sampling ===


def test_samples_are_repeatable_and_differ(translator):
    samples = translator.sample(SENTENCES, 3, seed=3, temperature=2.0)
    repeated = translator.sample(SENTENCES, 3, seed=3, temperature=2.0)
    texts = [[result.text for result in results] for results in samples]
    assert texts == [[result.text for result in results] for results in repeated]
    assert len(set(itertools.chain(*texts))) > 3
    different = translator.sample(SENTENCES, 3, seed=4, temperature=2.0)
    assert texts != [[result.text for result in results] for results in different]


def test_neighbours_do_not_change_a_sample(translator):
    """The random numbers of a sentence depend only on its place in the input."""
    options = {"samples": 3, "seed": 3, "temperature": 2.0}
    together = translator.sample([SENTENCES[0], SENTENCES[1] * 5], **options)[0]
    alone = translator.sample([SENTENCES[0]], **options)[0]
    assert [result.text for result in together] == [result.text for result in alone]
    twice = translator.sample([SENTENCES[0]] * 2, **options)
    assert [result.text for result in twice[0]] != [result.text for result in twice[1]]


def test_samples_depend_only_on_the_place_in_the_input(translator):
    """They do not depend on how many sentences are read at once, or how these are sorted."""
    sentences = [SENTENCES[1], *SENTENCES, SENTENCES[0]]
    strategy = Sampling(samples=3, seed=3, temperature=2.0)
    all_at_once, two_at_a_time = (
        [
            [result.text for result in results]
            for results in translator.stream(sentences, strategy, None, read_ahead)
        ]
        for read_ahead in (None, 2)
    )
    assert all_at_once == two_at_a_time
    assert all_at_once[0] != all_at_once[2] and all_at_once[1] != all_at_once[4]


def test_one_graph_draws_for_all_seeds_temperatures_and_top_p(translator):
    """Its samples are those of a graph that was made for these numbers alone."""
    inference = translator.inference
    translator.sample(SENTENCES, 3, top_p=0.9)
    graphs = inference.search_function.cache_info().misses
    read = Sources([translator.codecs], SENTENCES).inputs(np.arange(3))
    for numbers in (
        {"seed": 2**31 - 1, "temperature": 3.0, "top_p": 0.3},
        {"seed": 1, "temperature": 0.5, "top_p": 0.999},
    ):
        samples = translator.sample(SENTENCES, 3, **numbers)
        assert inference.search_function.cache_info().misses == graphs
        search = functools.partial(inference.search, read, Sampling(samples=3, **numbers))
        expected = tf.function(search, autograph=False)(seeds=tf.range(3))
        for row, drawn in enumerate(samples):
            log_probabilities = [sample.log_probability for sample in drawn]
            np.testing.assert_allclose(
                log_probabilities, expected.log_probabilities[row], rtol=1e-4
            )
    # Without top_p, tokens are not sorted.
    assert Sampling(seed=1).without_numbers() != Sampling(top_p=0.9).without_numbers()


def test_no_more_lines_are_read_ahead_than_requested(translator):
    read_sentences = []
    sentences = (read_sentences.append(sentence) or sentence for sentence in SENTENCES)
    results = translator.stream(sentences, read_ahead=2)
    next(results)
    assert len(read_sentences) == 2 and len(list(results)) == 2


def test_samples_from_the_best_token_are_greedy(translator):
    greedy = [result.text for result in translator.translate(SENTENCES)]
    for samples in zip(*translator.sample(SENTENCES, 2, top_k=1)):
        assert [result.text for result in samples] == greedy


# === Unknown words ===


@pytest.fixture
def unk_translator(translator):
    """The translator with a bias that makes it write only UNK."""
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    before = bias.numpy()
    bias.assign(np.where(np.arange(len(before)) == 1, 1e4, before))
    yield translator
    bias.assign(before)


def test_unknown_words_are_replaced_by_the_attended_source_words(unk_translator, tmp_path):
    sentences = ["The zyx is small.", "Zork and the xylo eat."]
    plain = unk_translator.translate(sentences, maximum_length=3)
    copied = unk_translator.translate(sentences, maximum_length=3, replace_unknown=True)
    (tmp_path / "words.tsv").write_text("small\tpetit\nzyx\tzéro un\n\nsmall\tother\n")
    looked_up = unk_translator.translate(
        sentences, maximum_length=3, dictionary=str(tmp_path / "words.tsv")
    )
    dictionary = {"small": "petit", "zyx": "zéro un"}
    for unknown, copy, entry in zip(plain, copied, looked_up):
        assert unknown.tokens == ["<unk>"] * 3 + ["<end>"]
        places = unknown.attention[:3, :-1].argmax(axis=1)
        words = [unknown.source_tokens[place] for place in places]
        assert copy.tokens == [*words, "<end>"]
        assert entry.tokens == [*[dictionary.get(word, word) for word in words], "<end>"]
        assert "<unk>" not in copy.text and "<unk>" not in entry.text
        np.testing.assert_allclose(copy.score, unknown.score)


@pytest.mark.slow  # traces graphs
def test_a_changed_dictionary_is_read_again(unk_translator, tmp_path):
    path = tmp_path / "words.tsv"
    results = []
    for word in ("eins", "zweizwei"):
        path.write_text("".join(f"{source}\t{word}\n" for source in ("Hello", "world")))
        results += unk_translator.translate(["Hello world"], maximum_length=1, dictionary=str(path))
    assert [result.text for result in results] == ["eins", "zweizwei"]


# === Ensembles ===


def token_probabilities(translator, pairs):
    return [np.exp(result.token_log_probabilities) for result in translator.score(pairs)]


@pytest.mark.slow  # tests/test_inference.py has untrained models
def test_an_ensemble_averages_the_probabilities_of_its_models(small_run, second_run, mode):
    members = Translator.load(small_run), Translator.load(second_run)
    pairs = list(
        zip(SENTENCES, ("Le chat est petit.", "Je vois la maison.", "Ils ne mangent pas."))
    )
    arithmetic = Translator.load(small_run, second_run)
    translators = (*members, arithmetic)
    probabilities = [token_probabilities(translator, pairs) for translator in translators]
    for first, second, mean in zip(*probabilities):
        np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)
    attention = [translator.score(pairs)[0].attention for translator in translators]
    np.testing.assert_allclose(attention[2], (attention[0] + attention[1]) / 2, atol=1e-5)
    # Geometric means are divided by their sum, which is at most 1.
    geometric = Translator.load(small_run, second_run, average="log_probability")
    translators = (*members, geometric)
    probabilities = [token_probabilities(translator, pairs) for translator in translators]
    for first, second, mean in zip(*probabilities):
        ratio = mean / np.sqrt(first * second)
        assert np.all(ratio >= 1.0 - 1e-5)
    means = [token_probabilities(ensemble, pairs)[0] for ensemble in (arithmetic, geometric)]
    assert np.abs(means[0] - means[1]).max() > 1e-4


@pytest.mark.slow
def test_an_ensemble_of_a_model_with_itself_gives_the_same_results(small_run, translator):
    for average in ("probability", "log_probability"):
        twice = Translator.load(small_run, small_run, average=average)
        results = translator.translate(SENTENCES, 3), twice.translate(SENTENCES, 3)
        for expected, result in zip(*results):
            assert result.text == expected.text
            np.testing.assert_allclose(result.score, expected.score, atol=1e-4)
            np.testing.assert_allclose(result.attention, expected.attention, atol=1e-4)


@pytest.mark.slow
def test_an_ensemble_searches_evaluates_and_exports(small_run, second_run, small_corpus, tmp_path):
    ensemble = Translator.load(small_run, second_run)
    results = ensemble.translate(SENTENCES, 3, n_best=2)
    assert all(len(hypotheses) == 2 for hypotheses in results)
    assert ensemble.evaluate(list(small_corpus.test)[:20])["sentences"] == 20
    export(ensemble, tmp_path / "model", beam_size=3, n_best=2)
    signatures = tf.saved_model.load(str(tmp_path / "model")).signatures
    assert "encode" not in signatures  # There is no single memory.
    serve = signatures["nbest"]
    outputs = serve(text=tf.constant(SENTENCES))
    for row, hypotheses in enumerate(results):
        for rank, result in enumerate(hypotheses):
            assert outputs["translation"][row, rank].numpy().decode() == result.text
            np.testing.assert_allclose(outputs["score"][row, rank], result.score, atol=1e-4)


@pytest.mark.slow
def test_an_ensemble_gives_each_of_three_runs_the_same_weight(small_run, second_run, mode):
    pairs = [(SENTENCES[0], "Le chat est petit.")]
    runs = (small_run, second_run, small_run)
    first, second, _ = (token_probabilities(Translator.load(run), pairs)[0] for run in runs)
    mean = token_probabilities(Translator.load(*runs), pairs)[0]
    np.testing.assert_allclose(mean, (2 * first + second) / 3, atol=1e-6)


def test_models_that_cannot_be_averaged_are_errors(small_run, tmp_path):
    for name, settings, message in (
        ("vocabulary", [], r"vocabulary: an ensemble needs one target vocabulary; this one has"),
        ("lower", ["case=lower"], "lower: expected a model that reads the source like the first"),
    ):
        translator = untrained_translator(settings, ["the"], ["le"])
        folder = write_run(translator, tmp_path / name)
        with pytest.raises(ValueError, match=message):
            Translator.load(small_run, folder)
    with pytest.raises(ValueError, match="average must be 'probability' or 'log_prob.*'mean'"):
        Translator.load(small_run, small_run, average="mean")


# === Export ===


@pytest.mark.slow
def test_an_export_includes_its_options(unk_translator, tmp_path):
    """Rules, copied words and the dictionary, whose file is no longer needed."""
    path = tmp_path / "words.tsv"
    path.write_text("small\tpetit\n")
    options = {"maximum_length": 3, "alpha": 0.4, "dictionary": str(path)}
    export(unk_translator, tmp_path / "model", beam_size=2, **options)
    path.unlink()
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    outputs = serve(text=tf.constant(SENTENCES))
    path.write_text("small\tpetit\n")
    for row, result in enumerate(unk_translator.translate(SENTENCES, 2, **options)):
        assert outputs["translation"][row].numpy().decode() == result.text
        np.testing.assert_allclose(outputs["score"][row], result.score, atol=1e-4)


# === Invalid requests ===


def test_a_beam_may_be_as_wide_as_the_vocabulary_but_no_wider(translator):
    size = translator.codecs.target.size
    for name, kind in (("beam_size", BeamSearch), ("top_k", Sampling)):
        assert translator.resolve(kind(**{name: size})) == ((), None)
        with pytest.raises(ValueError, match=rf"{name} must be at most {size:,}"):
            translator.resolve(kind(**{name: size + 1}))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: t.translate(["a"], 999), "beam_size must be at most .* target vocabulary; rec"),
        (lambda t: t.sample(["a"], top_k=5000), "top_k must be at most .* target vocabulary"),
        (
            lambda t: t.translate(["a"], prefix="Le xyzzy"),
            "output cannot begin with 'Le xyzzy': 'x",
        ),
        (lambda t: t.translate(["a", "b"], prefix=["Le"]), "one prefix for all sources, or one"),
        (lambda t: t.translate(["a"], prefix=["Le", "Le"]), "one prefix for all sources, or one"),
        (
            lambda t: t.translate(["a"], prefix="Le chat", maximum_length=1),
            r"the prefix 'Le chat' has 2 tokens, more than maximum_length \(1\)",
        ),
        (lambda t: t.translate(["a"], forbid=["xyzzy"]), "'xyzzy' is not in the target vocabulary"),
        (
            lambda t: t.translate(["a"], forbid=["<end>"]),
            "<end> is not a token that a model",
        ),
        (lambda t: t.translate(["a"], alfa=1.0), "unknown option: 'alfa'; did you mean 'alpha'"),
        (
            lambda t: t.translate(
                ["The cat."],
                forbid=[
                    word for word in t.codecs.target.vocabulary if word.isalpha() or word == "<unk>"
                ],
                no_repeat_ngram=1,
                minimum_length=100,
            ),
            "source 1: no output for 'The cat.' satisfies all rules; relax them",
        ),
    ],
)
def test_impossible_requests_are_errors(translator, call, message, eager_mode):
    with pytest.raises(ValueError, match=message):
        call(translator)


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "one column\n",
            r"words.tsv, line 1: expected a word, tab, its translation; received one column",
        ),
        ("a\tb\n\tb\n", r"words.tsv, line 2: expected a word, a tab and its translation; one is"),
        (b"caf\xe9\tx\n", r"words.tsv, line 1: not valid UTF-8"),
    ],
)
def test_a_dictionary_with_a_bad_line_is_an_error(translator, tmp_path, content, message):
    path = tmp_path / "words.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        translator.translate(["a"], dictionary=str(path))
    with pytest.raises(FileNotFoundError, match=r"file not found: .*none\.tsv"):
        translator.translate(["a"], dictionary=str(tmp_path / "none.tsv"))


def test_options_that_need_attention_are_errors_without_it(eager_mode):
    translator = untrained_translator(["attention=none"], ["a", "b"], ["x", "y"])
    with pytest.raises(ValueError, match="beta needs attention to the source; the model has none"):
        translator.translate(["a"], beta=0.1)
    with pytest.raises(ValueError, match="replace_unknown needs a model with attention over sou"):
        translator.translate(["a"], replace_unknown=True)
    assert translator.sample(["a b"], 2, no_repeat_ngram=1)[0][0].attention is None


# === Streams ===


def test_available_lines_are_translated_while_the_next_one_is_awaited(translator):
    """A pipe provides two sentences and waits for an answer before it provides more."""

    class Conversation:
        yielded = 0

        def __iter__(self):
            for sentence in SENTENCES:
                self.yielded += 1
                yield sentence

        def is_waiting(self):
            return self.yielded == 2

    sentences = Conversation()
    results = translator.stream(sentences)
    assert next(results)[0].source == SENTENCES[0]
    assert sentences.yielded == 2
    assert len(list(results)) == 2


def test_sentences_of_very_different_lengths_are_translated_as_if_each_were_alone(translator):
    """The results are in the order of the sentences."""
    sentences = ["The cat.", "I see the red car and " * 100 + "him.", "Where is he?"] * 3
    results = translator.translate(sentences, 2)
    assert [result.source for result in results] == sentences
    for place in (0, 1, 2):
        alone = translator.translate([sentences[place]], 2)[0]
        assert alone.text == results[place].text
        np.testing.assert_allclose(alone.score, results[place].score, atol=1e-4)


@pytest.mark.slow
def test_scores_of_every_strategy_are_finite(translator):
    """They can be written as JSON."""
    for strategy in (BeamSearch(beam_size=5, n_best=5), Sampling(samples=5)):
        for results in translator.stream([*SENTENCES, ""], strategy):
            assert results
            json.dumps([result.score for result in results], allow_nan=False)


def test_a_source_without_a_possible_output_is_an_error_after_earlier_results(translator):
    """The sentences before it are translated, even if they share a batch with it."""
    short, long = "The cat.", "I see the house and the big red car and the cat and the dog."
    bounds = {"no_repeat_ngram": 1, "maximum_ratio": 200.0, "minimum_ratio": 100.0}
    size = translator.codecs.target.size
    assert 2 * 100 < size < 15 * 100
    results = translator.stream([short, long, short], BeamSearch(**bounds))
    assert next(results)[0].source == short
    with pytest.raises(ValueError, match="source 2: no output for 'I see"):
        next(results)


def test_options_may_be_numpy_numbers(translator):
    options = {"beam_size": np.int64(3), "alpha": np.float32(0.5), "n_best": np.int32(2)}
    expected = translator.translate(SENTENCES, beam_size=3, alpha=0.5, n_best=2)
    for results, expected_results in zip(translator.translate(SENTENCES, **options), expected):
        assert [result.text for result in results] == [result.text for result in expected_results]
    with pytest.raises(TypeError, match="beam_size must be a whole number; received np.float64"):
        translator.translate(SENTENCES, beam_size=np.float64(3))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: t.translate(["a"], prefix=5), "a prefix must be a string; received 5"),
        (lambda t: t.translate(["a"], prefix=b"La"), "a prefix must be a string; received b'La'"),
        (lambda t: t.translate(["a"], prefix=[5]), "a prefix must be a string; received 5"),
        (lambda t: next(t.stream(["a"], "beam")), "strategy must be a BeamSearch or a Sampling"),
    ],
)
def test_arguments_of_the_wrong_type_are_errors(translator, call, message):
    with pytest.raises(TypeError, match=message):
        call(translator)


def test_arguments_without_a_meaning_are_errors(translator):
    with pytest.raises(ValueError, match="evaluate compares the best translations; n_best is for"):
        translator.evaluate([("a", "b")], beam_size=3, n_best=2)
    with pytest.raises(ValueError, match="read_ahead must be a whole number, at least 1; received"):
        next(translator.stream(["a"], read_ahead=0))


@pytest.mark.slow
def test_an_export_with_rules_accepts_an_empty_batch(translator, tmp_path):
    export(translator, tmp_path / "model", beam_size=3, no_repeat_ngram=2, repetition_penalty=1.2)
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    assert serve(text=tf.constant([], tf.string))["translation"].shape == (0,)


def prefer(translator, id_):
    """Makes a model write one token wherever the rules allow it."""
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    bias.assign(np.where(np.arange(bias.shape[0]) == id_, 1e4, 0.0))


@pytest.mark.slow  # traces graphs
def test_a_lower_case_run_lowercases_dictionaries_and_forbidden_tokens(tmp_path):
    translator = untrained_translator(["case=lower"], ["paris"], ["le", "la"])
    prefer(translator, 1)
    (tmp_path / "words.tsv").write_text("Paris\tVille\nPARIS\tanders\n")
    options = {"dictionary": str(tmp_path / "words.tsv"), "maximum_length": 1}
    assert translator.translate(["Paris"], **options)[0].text == "Ville"
    prefer(translator, 4)
    assert translator.translate(["Paris"], maximum_length=1)[0].text == "le"
    assert translator.translate(["Paris"], maximum_length=1, forbid=["Le"])[0].text != "le"
