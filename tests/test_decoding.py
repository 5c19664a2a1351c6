"""What the options of a search do to the translations of a trained model."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

from kseq import BeamSearch, Config, Sampling, Translator, train
from kseq.models.factory import build_seq2seq
from kseq.pipeline.codecs import CodecPair
from kseq.runs.directory import WEIGHTS, write_description
from kseq.runs.record import RunRecord
from kseq.runs.weights import save_weights
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.translation.export import export

SENTENCES = ["The cat is small.", "I see the house and the big red car.", "They do not eat."]


@pytest.fixture(scope="module")
def other(small_corpus, tmp_path_factory):
    """A second run on the same pairs: other sizes, LSTM, another seed."""
    out = tmp_path_factory.mktemp("runs") / "other"
    settings = ["units=24", "embedding_dim=12", "cell=lstm", "epochs=1", "seed=9"]
    config = Config().with_settings([*settings, "batch_size=32", "warmup_steps=0"])
    train(small_corpus, config, out=out, verbose=False)
    return out


def word_counts(result):
    return len(result.tokens) - 1


# === Rules ===


@pytest.mark.slow
def test_lengths(translator):
    free = translator.translate(SENTENCES, 3)
    for result in translator.translate(SENTENCES, 3, minimum_length=15):
        assert word_counts(result) >= 15
    for result in translator.translate(SENTENCES, 3, maximum_length=2):
        assert word_counts(result) <= 2 and result.tokens[-1] == "<end>"
    bounds = {"minimum_ratio": 1.5, "maximum_ratio": 2.0}
    for result in translator.translate(SENTENCES, 3, **bounds):
        words = len(result.source_tokens) - 1
        assert np.ceil(1.5 * words) <= word_counts(result) <= 2 * words
    longest = max(map(word_counts, free))
    same = translator.translate(SENTENCES, 3, maximum_length=longest)
    assert [result.text for result in same] == [result.text for result in free]


def test_a_minimum_length_may_exceed_the_default_maximum(ignorant):
    """A model that never ends stops at the usual maximum, or else at the minimum."""
    usual = word_counts(ignorant.translate(["They eat."])[0])
    assert 10 <= usual < 60
    assert word_counts(ignorant.translate(["They eat."], minimum_length=60)[0]) == 60


def test_of_contradicting_bounds_the_maximum_applies(translator):
    """Absolute and relative bounds can contradict each other for a short sentence only."""
    bounds = {"minimum_length": 9, "maximum_ratio": 1.0}
    for result in translator.translate(SENTENCES, **bounds):
        assert word_counts(result) == min(9, len(result.source_tokens) - 1) or (
            9 <= word_counts(result) <= len(result.source_tokens) - 1
        )


@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_no_ngram_occurs_twice(translator, n):
    for result in translator.translate(SENTENCES, 2, no_repeat_ngram=n, minimum_length=12):
        tokens = result.tokens[:-1]
        ids = translator.codecs.target.ids(tf.ragged.constant([tokens])).to_list()
        grams = list(zip(*(tokens[place:] for place in range(n))))
        # Marks for joining are not shown, so different tokens may look alike: `.`
        words = [gram for gram in grams if all(word.isalpha() for word in gram)]
        assert len(set(words)) == len(words), (result.tokens, ids)


def test_forbidden_tokens(translator):
    free = translator.translate(SENTENCES, 2)
    words = sorted({token for result in free for token in result.tokens if token.isalpha()})
    without = translator.translate(SENTENCES, 2, forbid=words)
    assert not {token for result in without for token in result.tokens} & set(words)
    for samples in translator.sample(SENTENCES, 20, temperature=5.0, forbid="<unk>"):
        assert not any("<unk>" in result.tokens for result in samples)


def test_all_tokens_that_look_alike_are_forbidden():
    """A full stop with a space before it, and those without one on this side or the other."""
    translator = untrained([], ["a"], [".", "a", "￭.", "￭.￭"])
    assert translator.resolve(BeamSearch(forbid=".")) == ((4, 6, 7), None)


def test_a_prefix_may_fill_the_maximum_length(translator):
    result = translator.translate(SENTENCES[:1], prefix="Le chat", maximum_length=2)[0]
    assert result.tokens == ["Le", "chat", "<end>"]


def test_the_default_maximum_length_follows_the_run(ignorant):
    """A model that never ends stops where its training split lets one expect; here, nowhere."""
    parts = ignorant.model, ignorant.codecs, ignorant.config
    short = Translator(*parts, dataclasses.replace(ignorant.record, length_ratio=1e-6))
    assert [len(result.tokens) for result in short.translate(SENTENCES)] == [10, 10, 10]


def test_a_prefix(translator):
    texts = translator.translate(SENTENCES, 3, prefix="Le chat")
    assert all(result.text.startswith("Le chat") for result in texts)
    prefixes = ["Le", "", "Ils n'"]
    for result, prefix in zip(translator.translate(SENTENCES, prefix=prefixes), prefixes):
        assert result.text.startswith(prefix)
    free = translator.translate(SENTENCES)
    assert translator.translate(SENTENCES, prefix=prefixes)[1].text == free[1].text
    for samples in translator.sample(SENTENCES, 3, prefix="Le chat"):
        assert all(result.text.startswith("Le chat") for result in samples)


def test_a_prefix_may_be_its_own_continuation(translator):
    """With the first words of what is found anyway, the same is found."""
    for result in translator.translate(SENTENCES):
        begun = translator.translate([result.source], prefix=result.text.split(" ")[0])[0]
        assert begun.text == result.text


# === Scores ===


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"alpha": 0.0}, marks=pytest.mark.slow),
        pytest.param({"length_penalty": "average"}, marks=pytest.mark.slow),
        {"beta": 0.4},
        {"minimum_length": 8, "no_repeat_ngram": 2, "repetition_penalty": 1.3},
        pytest.param({"maximum_length": 3}, marks=pytest.mark.slow),
    ],
)
def test_a_score_can_be_computed_from_the_returned_numbers(translator, options):
    """And the model's own log-probabilities are those of teacher forcing, to 1e-4."""
    results = translator.translate(SENTENCES, 4, n_best=4, **options)
    strategy = BeamSearch(beam_size=4, n_best=4, **options)
    for result in itertools.chain(*results):
        length = len(result.tokens)
        np.testing.assert_allclose(
            result.token_log_probabilities.sum(), result.log_probability, atol=1e-4
        )
        normal = length if strategy.length_penalty == "average" else None
        normal = normal or ((5 + length) / 6) ** strategy.alpha
        coverage = np.log(np.minimum(result.attention.sum(axis=0), 1.0)).sum() * strategy.beta
        if strategy.repetition_penalty == 1.0:
            expected = result.log_probability / normal + coverage
            np.testing.assert_allclose(result.score, expected, atol=1e-4)
        if "<unk>" in result.tokens or result.text.endswith((".", "'", "-")):
            continue  # joined again, the text may have other tokens
        forced = translator.score([(result.source, result.text)])[0]
        if forced.tokens == result.tokens:
            np.testing.assert_allclose(forced.log_probability, result.log_probability, atol=1e-4)
            np.testing.assert_allclose(
                forced.token_log_probabilities, result.token_log_probabilities, atol=1e-4
            )


def test_forced_scores_agree_by_ids(translator):
    """Whatever the text looks like: the ids that the search found, read with teacher forcing."""
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
def test_stopping_early_changes_nothing(translator):
    """Asked for all K, the search goes on until all K have ended; the best is the same."""
    for options in ({}, {"alpha": 2.0}, {"length_penalty": "average"}, {"beta": 0.3}):
        early = translator.translate(SENTENCES, 5, **options)
        full = translator.translate(SENTENCES, 5, n_best=5, **options)
        for one, (other, *_) in zip(early, full):
            assert one.text == other.text
            np.testing.assert_allclose(one.score, other.score, atol=1e-5)


@pytest.mark.slow
def test_coverage_favours_attention_to_the_whole_source(translator):
    """The more it weighs, the more of the source is covered by the best of the same K."""

    def covered(beta):
        results = translator.translate(SENTENCES, 8, beta=beta)
        return sum(
            np.log(np.minimum(result.attention.sum(axis=0), 1.0)).sum() for result in results
        )

    assert covered(0.0) <= covered(1.0) <= covered(100.0)
    assert covered(0.0) < covered(100.0)


# === Sampling ===


def test_samples_are_repeatable_and_differ(translator):
    one = translator.sample(SENTENCES, 4, seed=3, temperature=1.5)
    again = translator.sample(SENTENCES, 4, seed=3, temperature=1.5)
    texts = [[result.text for result in results] for results in one]
    assert texts == [[result.text for result in results] for results in again]
    assert len(set(itertools.chain(*texts))) > 3
    other = translator.sample(SENTENCES, 4, seed=4, temperature=1.5)
    assert texts != [[result.text for result in results] for results in other]


def test_neighbours_do_not_change_a_sample(translator):
    """A sentence has its own numbers by its place in the input."""
    together = translator.sample([SENTENCES[0], SENTENCES[1] * 5], 3, seed=1)[0]
    alone = translator.sample([SENTENCES[0]], 3, seed=1)[0]
    assert [result.text for result in together] == [result.text for result in alone]
    twice = translator.sample([SENTENCES[0]] * 2, 3, seed=1, temperature=2.0)
    assert [result.text for result in twice[0]] != [result.text for result in twice[1]]


def test_samples_depend_on_the_place_in_the_input_alone(translator):
    """Neither on how many sentences are read at once, nor on how they are sorted."""
    sentences = [SENTENCES[1], *SENTENCES, SENTENCES[0]]
    strategy = Sampling(samples=2, seed=5, temperature=2.0)
    once, apart = (
        [
            [one.text for one in results]
            for results in translator.stream(sentences, strategy, None, n)
        ]
        for n in (None, 2)
    )
    assert once == apart
    assert once[0] != once[2] and once[1] != once[4]


def test_no_more_lines_are_read_ahead_than_requested(translator):
    taken = []
    sentences = (taken.append(sentence) or sentence for sentence in SENTENCES)
    results = translator.stream(sentences, read_ahead=2)
    next(results)
    assert len(taken) == 2 and len(list(results)) == 2


def test_cold_samples_are_greedy(translator):
    greedy = [result.text for result in translator.translate(SENTENCES)]
    for samples in zip(*translator.sample(SENTENCES, 2, top_k=1)):
        assert [result.text for result in samples] == greedy


# === Unknown words ===


@pytest.fixture
def ignorant(translator):
    """The translator, made to write unknown words only, of which there are three."""
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    before = bias.numpy()
    bias.assign(np.where(np.arange(len(before)) == 1, 1e4, before))
    yield translator
    bias.assign(before)


def test_unknown_words_are_copied_from_where_they_attended(ignorant, tmp_path):
    sentences = ["The zyx is small.", "Zork and the xylo eat."]
    plain = ignorant.translate(sentences, maximum_length=3)
    copied = ignorant.translate(sentences, maximum_length=3, replace_unknown=True)
    (tmp_path / "words.tsv").write_text("small\tpetit\nzyx\tzéro un\n\nsmall\tother\n")
    looked_up = ignorant.translate(
        sentences, maximum_length=3, dictionary=str(tmp_path / "words.tsv")
    )
    dictionary = {"small": "petit", "zyx": "zéro un"}
    for before, after, translated in zip(plain, copied, looked_up):
        assert before.tokens == ["<unk>"] * 3 + ["<end>"]
        attended = before.attention[:3, :-1].argmax(axis=1)
        words = [before.source_tokens[place] for place in attended]
        assert after.tokens == [*words, "<end>"]
        assert translated.tokens == [*[dictionary.get(word, word) for word in words], "<end>"]
        assert "<unk>" not in after.text and "<unk>" not in translated.text
        np.testing.assert_allclose(after.score, before.score)


def test_a_dictionary_that_has_changed_is_read_again(ignorant, tmp_path):
    path = tmp_path / "words.tsv"
    texts = []
    for word in ("eins", "zweizwei"):
        path.write_text("".join(f"{source}\t{word}\n" for source in ("Hello", "world")))
        texts.append(ignorant.translate(["Hello world"], maximum_length=1, dictionary=str(path)))
    assert [results[0].text for results in texts] == ["eins", "zweizwei"]


# === Ensembles ===


def forced_by(translator, pairs):
    return [np.exp(result.token_log_probabilities) for result in translator.score(pairs)]


def test_an_ensemble_averages_the_probabilities_of_its_models(small_run, other, mode):
    one, two = Translator.load(small_run), Translator.load(other)
    pairs = list(
        zip(SENTENCES, ("Le chat est petit.", "Je vois la maison.", "Ils ne mangent pas."))
    )
    together = Translator.load(small_run, other)
    for first, second, both in zip(*(forced_by(member, pairs) for member in (one, two, together))):
        np.testing.assert_allclose(both, (first + second) / 2, atol=1e-6)
    attention = [member.score(pairs)[0].attention for member in (one, two, together)]
    np.testing.assert_allclose(attention[2], (attention[0] + attention[1]) / 2, atol=1e-5)
    # Logarithms that are averaged are divided by what is then their sum.
    geometric = Translator.load(small_run, other, average="log_probability")
    for first, second, both in zip(*(forced_by(member, pairs) for member in (one, two, geometric))):
        ratio = both / np.sqrt(first * second)
        assert np.all(ratio >= 1.0 - 1e-5)
    means, others = (forced_by(member, pairs)[0] for member in (together, geometric))
    assert np.abs(means - others).max() > 1e-4


@pytest.mark.slow
def test_an_ensemble_of_one_model_twice_is_that_model(small_run, translator):
    for average in ("probability", "log_probability"):
        twice = Translator.load(small_run, small_run, average=average)
        for one, two in zip(translator.translate(SENTENCES, 3), twice.translate(SENTENCES, 3)):
            assert one.text == two.text
            np.testing.assert_allclose(one.score, two.score, atol=1e-4)
            np.testing.assert_allclose(one.attention, two.attention, atol=1e-4)


@pytest.mark.slow
def test_an_ensemble_searches_evaluates_and_exports(small_run, other, small_corpus, tmp_path):
    together = Translator.load(small_run, other)
    results = together.translate(SENTENCES, 3, n_best=2)
    assert all(len(hypotheses) == 2 for hypotheses in results)
    assert together.evaluate(list(small_corpus.test)[:20])["sentences"] == 20
    export(together, tmp_path / "model", beam_size=3, n_best=2)
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    outputs = serve(text=tf.constant(SENTENCES))
    for row, hypotheses in enumerate(results):
        for rank, result in enumerate(hypotheses):
            assert outputs["translation"][row, rank].numpy().decode() == result.text
            np.testing.assert_allclose(outputs["score"][row, rank], result.score, atol=1e-4)


@pytest.mark.slow
def test_an_ensemble_of_three_counts_each_once(small_run, other, mode):
    pairs = [(SENTENCES[0], "Le chat est petit.")]
    runs = (small_run, other, small_run)
    one, two, _ = (forced_by(Translator.load(run), pairs)[0] for run in runs)
    together = forced_by(Translator.load(*runs), pairs)[0]
    np.testing.assert_allclose(together, (2 * one + two) / 3, atol=1e-6)


def test_models_that_cannot_be_averaged(small_run, tmp_path):
    for name, settings, message in (
        ("vocabulary", [], r"vocabulary: an ensemble needs one target vocabulary; this one has"),
        ("lower", ["case=lower"], "lower: expected a model that reads the source like the first"),
    ):
        other = untrained(settings, ["the"], ["le"])
        folder = tmp_path / name
        folder.mkdir()
        write_description(folder, other.config, other.codecs, other.record)
        save_weights(other.model, folder / WEIGHTS)
        with pytest.raises(ValueError, match=message):
            Translator.load(small_run, folder)
    with pytest.raises(ValueError, match="average must be 'probability' or 'log_prob.*'mean'"):
        Translator.load(small_run, small_run, average="mean")


# === Export ===


@pytest.mark.slow
def test_options_travel_with_an_export(ignorant, tmp_path):
    """Rules, copied words and their dictionary, in a process that has no kseq in it."""
    path = tmp_path / "words.tsv"
    path.write_text("small\tpetit\n")
    options = {"maximum_length": 3, "alpha": 0.4, "dictionary": str(path)}
    export(ignorant, tmp_path / "model", beam_size=2, **options)
    path.unlink()
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    outputs = serve(text=tf.constant(SENTENCES))
    path.write_text("small\tpetit\n")
    for row, result in enumerate(ignorant.translate(SENTENCES, 2, **options)):
        assert outputs["translation"][row].numpy().decode() == result.text
        np.testing.assert_allclose(outputs["score"][row], result.score, atol=1e-4)


# === What cannot be done ===


def test_a_beam_may_be_as_wide_as_the_vocabulary_and_no_wider(translator):
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
            "prefix 'Le xyzzy' cannot be written: 'x",
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
def test_impossible_requests_are_errors(translator, call, message):
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
def test_a_dictionary_with_a_bad_line(translator, tmp_path, content, message):
    path = tmp_path / "words.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        translator.translate(["a"], dictionary=str(path))
    with pytest.raises(FileNotFoundError, match=r"file not found: .*none\.tsv"):
        translator.translate(["a"], dictionary=str(tmp_path / "none.tsv"))


def untrained(settings, source, target):
    """A translator with new weights that knows these words."""
    config = Config().with_settings(["units=8", "embedding_dim=4", *settings])
    codecs = CodecPair.of([*SPECIAL_TOKENS, *source], [*SPECIAL_TOKENS, *target], config.text)
    model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
    record = RunRecord(length_ratio=1.0, parameters=model.count_params())
    return Translator(model, codecs, config, record)


def test_options_that_need_attention_are_errors_without_it():
    translator = untrained(["attention=none"], ["a", "b"], ["x", "y"])
    with pytest.raises(ValueError, match="beta needs attention to the source; the model has none"):
        translator.translate(["a"], beta=0.1)
    with pytest.raises(ValueError, match="replace_unknown needs a model with attention over sou"):
        translator.translate(["a"], replace_unknown=True)
    assert translator.sample(["a b"], 2, no_repeat_ngram=1)[0][0].attention is None


# === Streams ===


def test_available_lines_are_translated_while_the_next_one_is_awaited(translator):
    """A pipe that has two sentences and waits for the answer before it gives more."""

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


def test_sentences_whose_lengths_differ_a_hundredfold_are_translated_as_alone(translator):
    """Each as if it were alone, in the order in which they came."""
    sentences = ["The cat.", "I see the red car and " * 100 + "him.", "Where is he?"] * 3
    results = translator.translate(sentences, 2)
    assert [result.source for result in results] == sentences
    for place in (0, 1, 2):
        alone = translator.translate([sentences[place]], 2)[0]
        assert alone.text == results[place].text
        np.testing.assert_allclose(alone.score, results[place].score, atol=1e-4)


@pytest.mark.slow
def test_json_of_strategies_is_finite(translator):
    """Nothing that is returned is an infinity, so it can be written down."""
    for strategy in (BeamSearch(beam_size=5, n_best=5), Sampling(samples=5)):
        for results in translator.stream([*SENTENCES, ""], strategy):
            assert results
            json.dumps([result.score for result in results], allow_nan=False)


def test_a_line_without_a_possible_output_is_named_after_the_results_before_it(translator):
    """The sentences before it are translated, whatever batch it is in."""
    short, long = "The cat.", "I see the house and the big red car and the cat and the dog."
    bounds = {"no_repeat_ngram": 1, "maximum_ratio": 200.0, "minimum_ratio": 100.0}
    size = translator.codecs.target.size
    assert 2 * 100 < size < 15 * 100
    results = translator.stream([short, long, short], BeamSearch(**bounds))
    assert next(results)[0].source == short
    with pytest.raises(ValueError, match="source 2: no output for 'I see"):
        next(results)


def test_numpy_numbers_are_numbers(translator):
    options = {"beam_size": np.int64(3), "alpha": np.float32(0.5), "n_best": np.int32(2)}
    plain = translator.translate(SENTENCES, beam_size=3, alpha=0.5, n_best=2)
    for one, other in zip(translator.translate(SENTENCES, **options), plain):
        assert [result.text for result in one] == [result.text for result in other]
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
def test_arguments_of_another_kind(translator, call, message):
    with pytest.raises(TypeError, match=message):
        call(translator)


def test_arguments_that_have_no_meaning(translator):
    with pytest.raises(ValueError, match="evaluate compares the best translations; n_best is for"):
        translator.evaluate([("a", "b")], beam_size=3, n_best=2)
    with pytest.raises(ValueError, match="read_ahead must be a whole number, at least 1; received"):
        next(translator.stream(["a"], read_ahead=0))


@pytest.mark.slow
def test_an_export_with_rules_takes_no_sentence_at_all(translator, tmp_path):
    export(translator, tmp_path / "model", beam_size=3, no_repeat_ngram=2, repetition_penalty=1.2)
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    assert serve(text=tf.constant([], tf.string))["translation"].shape == (0,)


def prefer(translator, id_):
    """Makes a model write a token wherever it may."""
    bias = translator.model.get_layer("decoder").get_layer("logits").bias
    bias.assign(np.where(np.arange(bias.shape[0]) == id_, 1e4, 0.0))


def test_a_lowered_run_lowers_dictionaries_and_forbidden_tokens(tmp_path):
    translator = untrained(["case=lower"], ["paris"], ["le", "la"])
    prefer(translator, 1)
    (tmp_path / "words.tsv").write_text("Paris\tVille\nPARIS\tanders\n")
    options = {"dictionary": str(tmp_path / "words.tsv"), "maximum_length": 1}
    assert translator.translate(["Paris"], **options)[0].text == "Ville"
    prefer(translator, 4)
    assert translator.translate(["Paris"], maximum_length=1)[0].text == "le"
    assert translator.translate(["Paris"], maximum_length=1, forbid=["Le"])[0].text != "le"
