"""Copying: words outside the vocabulary in data, in the mixture, in search and in results."""

import dataclasses

import numpy as np
import pytest
import references
import tensorflow as tf
from combinations import SIZE
from test_export_combinations import translator_of

from kseq import Config, ModelConfig, TextConfig, TrainingConfig, Translator, train
from kseq.corpora.corpus import load_corpus
from kseq.models.copying import PointerGenerator
from kseq.pipeline.batching import training_pipeline
from kseq.pipeline.encoded import prepare
from kseq.sides.extended_ids import extended_ids
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, START, UNK
from kseq.text.codec import TextCodec

COPYING = ModelConfig(units=8, embedding_dim=6, copy=True)


def test_an_unknown_word_of_the_source_has_the_position_where_it_first_occurs():
    unknown, other = SIZE + 1000, SIZE + 77
    sources = tf.constant([[5, unknown, 4, other, unknown, END], [other, END, *[PAD] * 4]])
    targets = tf.constant([[START, other, 5, unknown, 9], [START, unknown, other, UNK, PAD]])
    np.testing.assert_array_equal(
        extended_ids(sources, sources, SIZE),
        [[5, SIZE + 1, 4, SIZE + 3, SIZE + 1, END], [SIZE, END, PAD, PAD, PAD, PAD]],
    )
    np.testing.assert_array_equal(
        extended_ids(targets, sources, SIZE),
        [[START, SIZE + 3, 5, SIZE + 1, 9], [START, UNK, SIZE, UNK, PAD]],
    )


def test_a_codec_writes_the_unknown_words_of_the_source():
    codec = TextCodec([*SPECIAL_TOKENS, "is", "here"], copies=True)
    texts = ["Zoé is here", "Xu is Zoé"]
    sources, targets = (codec.encode(tf.constant(rows)) for rows in (texts, texts[::-1]))
    ids = codec.side.pad_targets(targets, sources)
    tokens = codec.output_tokens(ids[:, :-1], codec.tokenize(texts).to_tensor(""))
    assert codec.join(ids[:, :-1], tokens).numpy().tolist() == [
        b"<unk> is Zo\xc3\xa9",
        b"Zo\xc3\xa9 is here",
    ]


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(True, id="ids in RAM"),
        pytest.param(False, marks=pytest.mark.slow, id="tokenised in every epoch"),
    ],
)
def test_batches_say_which_words_can_be_copied(stored, monkeypatch):
    """With a vocabulary chosen from counts, and with one that is complete."""
    pairs = [("call Ann now", "now call Ann"), ("call Bob now", "now call Tom")]
    config = Config(COPYING, TextConfig(minimum_frequency=3), TrainingConfig(batch_size=2))
    corpus = load_corpus(pairs, valid=pairs, test=pairs)
    if not stored:
        monkeypatch.setattr("kseq.pipeline.encoded.SMALLEST", 0)
    prepared = prepare(corpus, config, cache="off")
    codecs, training = prepared.codecs, config.training
    size = codecs.source.size
    ids = dict(zip(codecs.source.vocabulary, range(size)))
    assert codecs.source.vocabulary == codecs.target.vocabulary and "Ann" not in ids
    for split, survey in zip(prepared.splits, prepared.surveys):
        batches = training_pipeline(split, codecs, training, survey, shuffled=False)
        ((inputs, labels, _),) = batches
        name = inputs["target_ids"].numpy()[:, -1]
        assert set(name) == {size + 1, UNK}
        for row, word in enumerate(name):
            source, target = (inputs[key][row].numpy().tolist() for key in inputs)
            assert source == [ids["call"], size + 1, ids["now"], END]
            assert target == [START, ids["now"], ids["call"], word]
            assert labels[row].numpy().tolist() == [ids["now"], ids["call"], word, END]


def test_the_mixture_agrees_with_the_paper():
    """For hypotheses that share a source; also for a weight of exactly 0."""
    random = np.random.default_rng(0)
    logits, switch = random.normal(size=(6, 2, SIZE)), random.normal(size=(6, 2, 1))
    weights = random.dirichlet(np.ones(5), size=(6, 2))
    weights[:, :, 2:] *= 1.0 / weights[:, :, 2:].sum(axis=-1, keepdims=True)
    weights[:, :, :2] = 0.0
    copy_ids = np.array([[4, SIZE + 1, 7, SIZE + 1, 7], [SIZE, 5, 6, 3, 9], [4, 5, SIZE + 2, 4, 3]])
    arguments = [
        tf.constant(array, dtype)
        for array, dtype in zip((logits, switch, weights, copy_ids), ["float32"] * 3 + ["int32"])
    ]
    with tf.GradientTape() as tape:
        tape.watch(arguments[:3])
        mixed, generation = PointerGenerator(dtype="float32")(*arguments)
        possible = tf.boolean_mask(mixed, tf.math.is_finite(mixed))
        loss = tf.reduce_sum(possible)
    np.testing.assert_allclose(generation, references.sigmoid(switch[..., 0]), rtol=1e-5)
    for row, step in np.ndindex(6, 2):
        expected = references.pointer_generator(
            logits[row, step], generation[row, step], weights[row, step], copy_ids[row // 2], 5
        )
        np.testing.assert_allclose(np.exp(mixed[row, step]), expected, atol=1e-6)
    for gradient in tape.gradient(loss, arguments[:3]):
        assert np.isfinite(gradient).all()


@pytest.fixture(scope="module")
def copier():
    """An untrained translator that copies a word at almost every step."""
    translator = translator_of(dataclasses.replace(COPYING, attention="luong_dot"))
    switch = translator.model.get_layer("decoder").get_layer("generation_switch")
    switch.kernel.assign(tf.zeros_like(switch.kernel))
    switch.bias.assign([-6.0])
    return translator


SOURCE = "a Zoé b Zoé"


def test_every_search_writes_words_that_only_the_source_has(copier, eager_mode):
    lengths = {"maximum_length": 3, "minimum_length": 3}
    found = [
        *copier.translate([SOURCE], beam_size=4, n_best=4, **lengths)[0],
        *copier.translate([SOURCE], **lengths),
        *copier.sample([SOURCE], samples=4, seed=3, **lengths)[0],
    ]
    assert sum("Zoé" in result.text.split() for result in found) >= 4
    for result in found:
        assert set(result.text.split()) <= {*SOURCE.split(), *"cdefghijk", "<unk>"}
        assert result.generation_probability.shape == (4,)
        np.testing.assert_allclose(
            result.generation_probability, references.sigmoid(-6.0), rtol=1e-4
        )
        assert result.to_dict()["generation_probability"] == [0.002473] * 4


def test_a_given_target_is_scored_like_the_same_output_of_a_search(copier, eager_mode):
    (result,) = copier.translate([SOURCE], prefix="Zoé", maximum_length=3)
    assert result.tokens[0] == "Zoé"
    (scored,) = copier.score([(SOURCE, result.text)])
    np.testing.assert_allclose(
        scored.token_log_probabilities, result.token_log_probabilities, atol=1e-5
    )
    (other,) = copier.score([(SOURCE, "Xu")])
    assert other.token_log_probabilities[0] < scored.token_log_probabilities[0] - 2


def test_a_prefix_may_have_unknown_words_of_its_own_source_only(copier, eager_mode):
    results = copier.translate(["Xu a", "b Yi"], prefix=["Xu", "a Yi"], maximum_length=2)
    assert [result.text.split()[0] for result in results] == ["Xu", "a"]
    with pytest.raises(ValueError, match="'Xu' is not in the target vocabulary or in the source"):
        copier.translate(["Xu a", "b Yi"], prefix="Xu")


def test_a_heatmap_shows_the_generation_probability_in_a_strip(copier, eager_mode):
    from kseq.analysis.heatmap import draw_figure

    (result,) = copier.translate([SOURCE], maximum_length=3)
    axes = draw_figure(result).axes[0]
    weights, strip = (image.get_array() for image in axes.images)
    np.testing.assert_allclose(weights, result.attention)
    np.testing.assert_allclose(strip[:, 0], result.generation_probability)
    left, right, *_ = axes.images[1].get_extent()
    assert len(result.source_tokens) - 0.5 < left < right == axes.get_xlim()[1]


def test_a_copying_model_and_another_cannot_be_an_ensemble(copier):
    plain = translator_of(dataclasses.replace(COPYING, copy=False))
    with pytest.raises(ValueError, match="expected copy=true, like the first model"):
        Translator.of_run(copier.model, copier.codecs, copier.config, copier.record, [plain])


def test_an_ensemble_averages_the_probabilities_of_copied_words(copier, eager_mode):
    other = translator_of(COPYING)
    ensemble = Translator.of_run(copier.model, copier.codecs, copier.config, copier.record, [other])
    pair = [(SOURCE, "Zoé a")]
    alone = [translator.score(pair)[0] for translator in (copier, other)]
    (together,) = ensemble.score(pair)
    means = np.mean([np.exp(each.token_log_probabilities) for each in alone], axis=0)
    np.testing.assert_allclose(np.exp(together.token_log_probabilities), means, rtol=1e-4)
    mean = np.mean([each.generation_probability for each in alone], axis=0)
    np.testing.assert_allclose(together.generation_probability, mean, rtol=1e-4)
    (found,) = ensemble.translate([SOURCE], beam_size=2, maximum_length=3, prefix="Zoé")
    assert found.text.startswith("Zoé")


@pytest.mark.parametrize(
    "model, text, training, message",
    [
        ({"attention": "none"}, {}, {}, "copy=true needs attention whose weights sum to 1"),
        ({"attention": "local_p"}, {}, {}, "copy=true needs attention whose weights sum to 1"),
        ({"source_features": 3}, {}, {}, "copy=true needs text on both sides"),
        ({}, {"target_tokenizer": "character"}, {}, "copy=true needs the same tokenizer"),
        ({}, {}, {"word_dropout": 0.1}, "word_dropout=0.1 does not fit copy=true"),
    ],
)
def test_settings_that_do_not_fit_copying_are_errors(model, text, training, message):
    with pytest.raises(ValueError, match=message):
        Config(ModelConfig(copy=True, **model), TextConfig(**text), TrainingConfig(**training))


NAMES = [f"{first}{last}" for first in ("Ba", "Ko", "Ri", "Ta") for last in ("lo", "mu", "sel")]


def pairs_of(names):
    return [
        pair
        for name in names
        for pair in (
            (f"my name is {name} .", f"hello {name} !"),
            (f"where is {name} today ?", f"{name} is here today ."),
        )
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "coverage", "cell": "lstm"},
        {"attention": "luong_general"},
        {"architecture": "transformer", "heads": 4},
    ],
    ids=["coverage", "luong", "transformer"],
)
def test_a_trained_model_copies_names_that_it_has_never_seen(settings, tmp_path):
    """The vocabulary has none of the names, so that a model that cannot copy writes `<unk>`."""
    letters = np.random.default_rng(0).choice(list("abcdefgh"), (500, 5))
    names = ["X" + "".join(row) for row in letters]
    unseen = pairs_of(["Quvoxy", "Zutiwo", "Pymoru"])
    right = {}
    for copy in (True, False):
        config = Config(
            ModelConfig(units=48, embedding_dim=24, dropout=0.0, copy=copy, **settings),
            TextConfig(share_vocabulary=True, minimum_frequency=20),
            TrainingConfig(epochs=6, batch_size=20, learning_rate=0.005, warmup_steps=0),
        )
        corpus = load_corpus(pairs_of(names), valid=pairs_of(["Xaaaaa"]), test=unseen)
        translator = train(corpus, config, out=tmp_path / str(copy), verbose=False)
        results = translator.translate([source for source, _ in unseen])
        right[copy] = [result.text for result in results] == [target for _, target in unseen]
    assert right == {True: True, False: False}
