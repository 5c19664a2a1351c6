"""Features of a source: their columns, their ids, and the models that read them."""

import copy
import json
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq
from kseq.config import Config
from kseq.corpora.corpus import load_corpus
from kseq.corpora.doubts import DoubtfulColumnsWarning
from kseq.corpora.featured import FeaturedText
from kseq.corpora.opening import open_pairs
from kseq.corpora.sources import open_sources
from kseq.models.factory import build_seq2seq, split_for_inference
from kseq.pipeline.batching import training_pipeline
from kseq.pipeline.encoded import prepare
from kseq.runs.pairs import open_test_pairs
from kseq.settings.model import ModelConfig
from kseq.text.feature_codec import FeatureCodec
from kseq.translation.features import UnknownFeaturesWarning
from kseq.translation.translator import Translator

ROWS = [("gehen", "V;PST", "ging"), ("gehen", "V;PRS", "geht"), ("Haus", "N(2,PL)", "Häuser")]
EXPECTED = [(FeaturedText(source, features), target) for source, features, target in ROWS]


def write_rows(path, rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_column(path, number):
    path.write_text("".join(f"{row[number]}\n" for row in ROWS), encoding="utf-8")
    return path


def write_objects(path):
    names = ("source", "tags", "target")
    path.write_text("".join(json.dumps(dict(zip(names, row))) + "\n" for row in ROWS))
    return path


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda folder: (write_rows(folder / "a.tsv", ROWS),), {"features": 2}),
        (lambda folder: (write_rows(folder / "a.tsv", ROWS),), {"features": "2"}),
        (
            lambda folder: (write_rows(folder / "a.tsv", [row[::-1] for row in ROWS]),),
            {"columns": (3, 1), "features": 2},
        ),
        (
            lambda folder: (write_rows(folder / "a.tsv", [("a", "b", "c"), *ROWS]),),
            {"features": "b"},
        ),
        (lambda folder: (write_objects(folder / "a.jsonl"),), {"features": "tags"}),
        (lambda folder: tuple(write_column(folder / f"{n}", n) for n in (0, 2, 1)), {}),
        (lambda folder: (ROWS,), {"features": 2}),
        (lambda folder: ([(a, c, b) for a, b, c in ROWS],), {"features": 3}),
        (lambda folder: tuple(map(list, zip(*((a, c, b) for a, b, c in ROWS)))), {}),
        (
            lambda folder: (dict(zip(("source", "tags", "target"), zip(*ROWS))),),
            {"features": "tags"},
        ),
        (lambda folder: (dict(zip(("lemma", "tags", "form"), zip(*ROWS))),), {"features": "tags"}),
        (lambda folder: (EXPECTED,), {}),
    ],
)
def test_features_are_read_from_every_kind_of_pairs(make, options, tmp_path):
    data = make(tmp_path)
    pairs = open_pairs(data if len(data) > 1 else data[0], **options)
    assert pairs.has_features
    assert list(pairs) == EXPECTED
    assert [source.features for source, _ in pairs] == [row[1] for row in ROWS]


def test_swapped_sides_keep_their_features(tmp_path):
    pairs = open_pairs(write_rows(tmp_path / "a.tsv", ROWS), swap=True, features=2)
    assert list(pairs)[0] == (FeaturedText("ging", "V;PST"), "gehen")


def test_a_source_with_other_features_is_another_source():
    first, second = FeaturedText("gehen", "V;PST"), FeaturedText("gehen", "V;PRS")
    assert first != second and hash(first) != hash(second) and first != "gehen"
    assert pickle.loads(pickle.dumps(first)) == first == copy.deepcopy(first)
    inspection = kseq.inspect(ROWS * 10, features=2, verbose=False)
    assert inspection.several_targets == 0 and inspection.different_sources == len(ROWS)
    kept = list(kseq.clean([*EXPECTED, *EXPECTED]))
    assert kept == EXPECTED
    assert kseq.inspect(ROWS, columns=(1, 3), verbose=False).several_targets == 1


def test_cleaned_pairs_have_features_in_the_third_column(tmp_path):
    rows = [*ROWS, ROWS[0], ("ohne", " ", "Tags")]
    kseq.clean_files(write_rows(tmp_path / "a.tsv", rows), tmp_path / "b.tsv", features=2)
    assert list(open_pairs(tmp_path / "b.tsv", features=3)) == EXPECTED


def test_tags_that_are_read_as_text_are_doubtful(tmp_path):
    rows = [(f"wort{number}", f"V;PST;{number % 3}", "form") for number in range(9)]
    path = write_rows(tmp_path / "a.tsv", rows)
    with pytest.warns(DoubtfulColumnsWarning, match="column 2 looks like features.*--features 2"):
        open_pairs(path)
    open_pairs(path, features=2)
    with pytest.warns(DoubtfulColumnsWarning, match="column 2 looks like features.*--features 2"):
        open_pairs(path, features=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features must be a column, by number from 1"),
        ({"features": 2, "columns": (1, 2)}, "features must be another column"),
        ({"features": "tags", "columns": (1, 2)}, "by number if columns are numbers"),
    ],
)
def test_wrong_columns_of_features_are_errors(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        open_pairs(write_rows(tmp_path / "a.tsv", ROWS), **options)


def test_features_are_for_all_splits_or_for_none(tmp_path):
    path = write_rows(tmp_path / "a.tsv", ROWS)
    plain = [("a", "b")]
    with pytest.raises(ValueError, match="no features in .*; name their column"):
        load_corpus(EXPECTED, valid=plain, test=EXPECTED)
    with pytest.raises(ValueError, match="has none; leave those of .* out"):
        load_corpus(plain, valid=EXPECTED)
    with pytest.raises(ValueError, match="features is for files with columns.*a third file"):
        open_pairs((write_column(tmp_path / "s", 0), write_column(tmp_path / "t", 2)), features=2)
    with pytest.raises(ValueError, match="no features in .*; name their column"):
        kseq.train(
            load_corpus(plain * 40, valid=plain), ModelConfig(features="embedding"), out=tmp_path
        )
    assert load_corpus(path, valid=path, features=2).config.model.features == "tokens"


def test_features_are_split_at_the_separator():
    codec = FeatureCodec(["<pad>", "<unk>", "<start>", "<end>", "V", "NOM(2,PL)", "Old High"])
    ids = codec.encode([" V ; NOM(2,PL)", "Old High", "", "V;NEW;<unk>"])
    assert ids.to_list() == [[4, 5, 3], [6, 3], [3], [4, 1, 1, 3]]
    assert codec.unknown(["V;NEW", "NEW;Old"]) == ["NEW", "Old"]
    assert FeatureCodec(codec.description, "|").encode(["V|NOM(2,PL)"]).to_list() == [[4, 5, 3]]


@pytest.mark.slow  # reads a corpus in every way
def test_batches_have_features_whether_pairs_are_encoded_or_streamed(monkeypatch, tmp_path):
    config = Config(ModelConfig(features="tokens")).with_settings(
        ["minimum_frequency=1", "source_tokenizer=character", "batch_size=4"]
    )
    path = write_rows(tmp_path / "a.tsv", ROWS)
    corpus = load_corpus(path, valid=path, features=2)
    in_ram = prepare(corpus, config)
    monkeypatch.setattr("kseq.pipeline.encoded.SMALLEST", 0)
    cached = prepare(corpus, config, cache=tmp_path / "cache")
    assert in_ram.fingerprint() == cached.fingerprint()
    streamed = prepare(corpus, config, cache="off")
    codec = in_ram.codecs.features
    assert set(codec.vocabulary[4:]) == {"V", "PST", "PRS", "N(2,PL)"}
    for prepared in (in_ram, cached, streamed):
        batches = training_pipeline(
            prepared.splits[0], prepared.codecs, config.training, prepared.surveys[0]
        )
        ((inputs, _, _),) = batches
        rows = zip(
            prepared.codecs.source.decode(inputs["source_ids"]).numpy(),
            prepared.codecs.features.tokens(inputs["feature_ids"]).numpy(),
        )
        read = {(source.decode(), tuple(tags[tags != b"<pad>"])) for source, tags in rows}
        assert read == {
            ("gehen", (b"V", b"PST", b"<end>")),
            ("gehen", (b"V", b"PRS", b"<end>")),
            ("Haus", (b"N(2,PL)", b"<end>")),
        }
    other = write_rows(tmp_path / "b.tsv", [(a, b + ";X", c) for a, b, c in ROWS])
    changed = prepare(load_corpus(other, valid=other, features=2), config, cache="off")
    assert len(changed.codecs.features.vocabulary) == len(codec.vocabulary) + 1


SMALL = {"units": 8, "embedding_dim": 6, "dropout": 0.0}
INPUTS = {
    "source_ids": np.array([[5, 6, 3, 0], [4, 5, 6, 3]], np.int32),
    "feature_ids": np.array([[4, 3, 0], [5, 6, 3]], np.int32),
    "target_ids": np.array([[2, 4, 5], [2, 6, 0]], np.int32),
}
MODELS = {
    "joint": {},
    "separate": {"feature_attention": "separate", "attention": "coverage"},
    "without a loop": {"attention": "luong_dot", "input_feeding": False},
    "transformer": {"architecture": "transformer", "heads": 2, "feature_attention": "separate"},
    "embedding": {"features": "embedding", "attention": "local_m"},
}


def build(settings):
    keras.utils.set_random_seed(1)
    config = ModelConfig(**{**SMALL, "features": "tokens", **settings})
    model = build_seq2seq(config, 8, 7, feature_vocabulary_size=9)
    # Random biases and large embeddings, so that no term is 0 by chance.
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("feature_attention", ["joint", "separate"])
def test_a_model_that_copies_and_reads_features_gives_probabilities(feature_attention):
    """A share of the attention is on features, of which none is copied."""
    config = ModelConfig(**SMALL, features="tokens", feature_attention=feature_attention, copy=True)
    model = build_seq2seq(config, 8, 8, feature_vocabulary_size=9)
    _, outputs = forced(model, INPUTS)
    assert outputs["feature_attention"].numpy().sum() > 0.1
    probabilities = np.exp(outputs["logits"].numpy())
    assert probabilities.shape == (2, 3, 8 + 4)
    np.testing.assert_allclose(probabilities.sum(axis=-1), np.ones((2, 3)), atol=1e-5)


USUAL = ("separate", "without a loop")  # in the usual tests, which take less time then


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=[] if n in USUAL else pytest.mark.slow) for n in MODELS],
)
def model(request):
    return build(MODELS[request.param])


def forced(model, inputs):
    """The decoder's outputs for the targets of a batch."""
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    encoded = encoder({name: tf.constant(inputs[name]) for name in encoder.input})
    return encoded, decoder({"target_ids": tf.constant(inputs["target_ids"]), **encoded})


def test_features_change_only_their_own_row_and_their_padding_changes_nothing(model):
    expected = model(INPUTS).numpy()
    padded = {name: np.pad(ids, ((0, 0), (0, 2))) for name, ids in INPUTS.items()}
    padded["target_ids"] = INPUTS["target_ids"]
    np.testing.assert_allclose(model(padded), expected, atol=1e-5)
    other = np.array([[7, 3, 0], [5, 6, 3]], np.int32)
    changed = model({**INPUTS, "feature_ids": other}).numpy()
    assert np.abs(changed[0] - expected[0]).max() > 1e-3
    np.testing.assert_allclose(changed[1], expected[1], atol=1e-5)


def test_attention_to_features_is_zero_on_padding_and_sums_to_one(model):
    _, outputs = forced(model, INPUTS)
    source = outputs["attention"].numpy()
    assert source.shape == (2, 3, 4)
    if model.config.features == "embedding":
        assert "feature_attention" not in outputs
        return
    features = outputs["feature_attention"].numpy()
    assert features.shape == (2, 3, 3)
    assert not source[0, :, 3].any() and not features[0, :, 2].any()
    total = source.sum(axis=-1), features.sum(axis=-1)
    if model.config.feature_attention == "separate":
        np.testing.assert_allclose(total, np.ones((2, 2, 3)), atol=1e-6)
    else:
        np.testing.assert_allclose(sum(total), np.ones((2, 3)), atol=1e-6)
        assert (features.sum(axis=-1) > 0).all()


def test_steps_of_a_search_give_the_logits_of_teacher_forcing(model):
    encoded, outputs = forced(model, INPUTS)
    _, step = split_for_inference(model)
    state = encoded.pop("state")
    for time in range(3):
        ids = tf.constant(INPUTS["target_ids"][:, time])
        result = step({"ids": ids, **encoded, "state": state})
        state = result["state"]
        np.testing.assert_allclose(result["logits"], outputs["logits"][:, time], atol=1e-5)
        if "feature_attention" in outputs:
            np.testing.assert_allclose(
                result["feature_attention"], outputs["feature_attention"][:, time], atol=1e-5
            )


@pytest.mark.slow
def test_a_model_with_features_round_trips(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(INPUTS), model(INPUTS), atol=1e-6)


def test_joint_attention_is_one_softmax_over_source_and_features():
    """An independent computation of Luong's dot attention over both, in NumPy."""
    model = build({"attention": "luong_dot", "input_feeding": False})
    encoded, outputs = forced(model, INPUTS)
    memory = encoded["memory"].numpy()
    decoder = model.get_layer("decoder")
    layers = {layer.name: layer for layer in decoder.layers}
    hidden = keras.Model(decoder.input, layers["decoder_layer_1"].output[0])(
        {"target_ids": tf.constant(INPUTS["target_ids"]), **encoded}
    ).numpy()
    real = np.concatenate([INPUTS["source_ids"] > 0, INPUTS["feature_ids"] > 0], axis=1)
    energies = np.where(real[:, None], hidden @ memory.transpose(0, 2, 1), -np.inf)
    weights = np.exp(energies - energies.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(outputs["attention"], weights[..., :4], atol=1e-5)
    np.testing.assert_allclose(outputs["feature_attention"], weights[..., 4:], atol=1e-5)


def test_each_feature_is_encoded_together_with_all_others():
    """An independent computation of the formula in NumPy."""
    model = build({"attention": "luong_dot", "input_feeding": False})
    encoder = model.get_layer("encoder")
    encoded, _ = forced(model, INPUTS)
    ids = INPUTS["feature_ids"]
    (table,) = encoder.get_layer("feature_embedding").get_weights()
    own, bias = encoder.get_layer("feature_encoder").get_weights()
    (shared,) = encoder.get_layer("feature_context").get_weights()
    features = table[ids] * (ids > 0)[..., None]
    expected = np.tanh(features @ own + features.sum(axis=1, keepdims=True) @ shared + bias)
    positions = encoded["memory"].numpy()[:, INPUTS["source_ids"].shape[1] :]
    np.testing.assert_allclose(positions[ids > 0], expected[ids > 0], atol=1e-5)


def test_the_order_of_features_changes_nothing(model):
    expected = model(INPUTS).numpy()
    reordered = np.stack([INPUTS["feature_ids"][0][[1, 0, 2]], INPUTS["feature_ids"][1][[2, 0, 1]]])
    assert (reordered != INPUTS["feature_ids"]).any(axis=1).all()
    actual = model({**INPUTS, "feature_ids": reordered}).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention": "local_m"}, "features=tokens needs attention to all positions"),
        ({"attention": "none"}, "features=tokens needs attention to all positions"),
        ({"source_features": 3}, "features=tokens needs text on both sides"),
        ({"features": "embedding", "feature_attention": "separate"}, "needs features=tokens"),
        ({"attention": "coverage", "coverage_loss": 1.0}, "does not fit features=tokens"),
    ],
)
def test_settings_that_do_not_fit_features_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{"features": "tokens", **settings})


def test_the_size_of_the_feature_vocabulary_is_required_and_only_then():
    with pytest.raises(ValueError, match="feature_vocabulary_size must be a whole number"):
        build_seq2seq(ModelConfig(**SMALL, features="tokens"), 8, 7)
    with pytest.raises(ValueError, match="the config has no features"):
        build_seq2seq(ModelConfig(**SMALL), 8, 7, feature_vocabulary_size=9)


def train_run(folder, epochs):
    """A run whose targets depend on nothing but the features of the source."""
    words = [a + b + c for a in "abcd" for b in "abcd" for c in "abcd"]
    rows = [(word, tag, form) for word in words for tag, form in (("A;X", "eins"), ("B;X", "zwei"))]
    path = write_rows(folder / "pairs.tsv", rows)
    config = Config(ModelConfig(units=16, embedding_dim=8)).with_settings(
        ["source_tokenizer=character", f"epochs={epochs}", "batch_size=16", "learning_rate=0.03"]
    )
    corpus = load_corpus(path, features=2)
    kseq.train(corpus, config, out=folder / "run", verbose=False)
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has hardly learnt anything."""
    return train_run(tmp_path_factory.mktemp("features"), epochs=1)


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory):
    """A run whose outputs are right."""
    return train_run(tmp_path_factory.mktemp("trained"), epochs=12)


@pytest.mark.slow
def test_a_trained_model_writes_what_the_features_ask_for(trained_run):
    translator = Translator.load(trained_run)
    results = translator.translate(["aab", "aab"], features=["A;X", "B;X"])
    assert [result.text for result in results] == ["eins", "zwei"]
    first = results[0]
    assert (first.source, first.features) == ("aab", "A;X")
    assert first.feature_tokens == ["A", "X", "<end>"]
    assert first.feature_attention.shape == (2, 3) and first.attention.shape == (2, 4)
    np.testing.assert_allclose(
        first.attention.sum(axis=1) + first.feature_attention.sum(axis=1), np.ones(2), atol=1e-5
    )
    assert translator.translate(["aab"], features="B;X", beam_size=2)[0].text == "zwei"
    sampled = translator.sample(["abc"], features="A;X", temperature=0.01)
    assert sampled[0][0].text == "eins"
    good, bad = translator.score([("abc", "eins"), ("abc", "zwei")], features="A;X")
    assert good.score > bad.score
    pairs, _ = open_test_pairs(trained_run)
    assert translator.evaluate(pairs)["exact_match"] == 100.0
    again = pickle.loads(pickle.dumps(translator)).translate(["aab"], features="A;X")
    assert again[0].text == "eins"


def test_missing_and_unknown_features_are_named(run):
    translator = Translator.load(run)
    with pytest.raises(ValueError, match="trained with features, such as X, A, B; expected some"):
        translator.translate(["aab"])
    with pytest.raises(ValueError, match="received none for 'aab'"):
        translator.translate(["aab"], features=" ")
    with pytest.raises(ValueError, match="expected features for all sources, or for each"):
        translator.translate(["aab"], features=["A", "B"])
    with pytest.raises(TypeError, match="features must be a string; received 3"):
        translator.translate(["aab"], features=[3])
    with pytest.warns(UnknownFeaturesWarning, match="1 feature .* never seen.*: C .it knows X"):
        translator.translate(["aab"], features="C;X")
    with pytest.raises(ValueError, match="no features in .*; name their column"):
        open_test_pairs(run, [run.parent / "pairs.tsv"], columns=(1, 3))
    assert translator.translate([""], features="A")[0].text == ""


def test_the_heatmap_shows_features_after_a_gap(run):
    from kseq.analysis.heatmap_options import HeatmapOptions
    from kseq.analysis.panels import make_panels

    (result,) = Translator.load(run).translate(["aab"], features="A;X")
    panel = make_panels(result, HeatmapOptions())[()]
    assert panel.columns.labels == ["a", "a", "b", "<end>", "", "A", "X", "<end>"]
    assert np.isnan(panel.weights[:, 4]).all() and panel.columns.word_count == 3
    np.testing.assert_array_equal(panel.weights[:, 5:], result.feature_attention)
    assert "A;X" in result._repr_html_()
    kseq.plot_attention(result).figure.canvas.draw()


# Loads and runs a model without importing kseq.
PROGRAM = """
import json, sys
import tensorflow as tf, tensorflow_text
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
outputs = serve(text=tf.constant(["aab", "abc"]), features=tf.constant(["B;X", "A;X"]))
assert not [name for name in sys.modules if name.partition(".")[0] == "kseq"]
print(json.dumps([text.decode() for text in outputs["translation"].numpy().tolist()]))
"""


@pytest.mark.slow
def test_a_saved_model_reads_features_in_a_new_process(trained_run, tmp_path):
    Translator.load(trained_run).export(tmp_path / "model")
    program = [sys.executable, "-c", PROGRAM, tmp_path / "model"]
    process = subprocess.run(program, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(process.stdout) == ["zwei", "eins"]


@pytest.mark.slow
def test_a_saved_model_reads_features(trained_run, tmp_path):
    translator = Translator.load(trained_run)
    translator.export(tmp_path / "model")
    serve = tf.saved_model.load(tmp_path / "model").signatures["details"]
    outputs = serve(text=tf.constant(["aab", "abc"]), features=tf.constant(["B;X", "A;X"]))
    assert outputs["translation"].numpy().tolist() == [b"zwei", b"eins"]
    assert outputs["feature_tokens"].numpy().tolist() == [
        [b"B", b"X", b"<end>"],
        [b"A", b"X", b"<end>"],
    ]
    (result,) = translator.translate(["aab"], features="B;X")
    np.testing.assert_allclose(
        outputs["feature_attention"][0, :2], result.feature_attention, atol=1e-4
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="a string for each source"):
        serve(text=tf.constant(["aab", "abc"]), features=tf.constant(["B;X"]))


def test_sources_of_a_file_have_features_in_a_column_or_in_another_file(tmp_path):
    both = write_rows(tmp_path / "both.tsv", [("aab", "A;X"), ("",), ("b", "B")])
    expected = [FeaturedText("aab", "A;X"), FeaturedText("", ""), FeaturedText("b", "B")]
    with open_sources(both, features=2) as sources:
        assert list(sources) == expected
    texts, features = tmp_path / "texts", tmp_path / "features"
    texts.write_text("aab\n\nb\n")
    features.write_text("A;X\n\nB\n")
    with open_sources(texts, features=features) as sources:
        assert list(sources) == expected
    with (
        open_sources(texts, features=2) as sources,
        pytest.raises(ValueError, match="line 1 of the input: expected a sentence, a tab and"),
    ):
        list(sources)
    features.write_text("A;X\n")
    with (
        open_sources(texts, features=features) as sources,
        pytest.raises(ValueError, match="line 2 .*features.* has fewer lines"),
    ):
        list(sources)
    features.write_text("A;X\n\nB\nB\n")
    with (
        open_sources(texts, features=features) as sources,
        pytest.raises(ValueError, match="features has more lines than the input, which has 3"),
    ):
        list(sources)


def test_a_column_that_is_not_there_is_named_by_its_option(tmp_path):
    path = write_rows(tmp_path / "a.tsv", [("lemma", "tags", "form"), *ROWS])
    with pytest.raises(
        ValueError, match="features or covariates must name what the first line of .*'tag'"
    ):
        open_pairs(path, features="tag")
    with pytest.raises(ValueError, match="columns must name what the first line of .*'forms'"):
        open_pairs(path, columns=("lemma", "forms"))


def test_the_column_of_features_to_translate_is_checked_before_anything_is_loaded(command):
    code, _, errors = command("translate", "nowhere", "--features", "0")
    assert code == 2 and "--features must be a file, or the number of a column, from 1" in errors
