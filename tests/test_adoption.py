"""Models trained by hand, with Keras' own `fit`, as translators and as runs."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, write_tiny_pairs

import kseq
from kseq import Config, ModelConfig, TextCodec, Translator, ValueCodec, build_seq2seq
from kseq.cli.main import main
from kseq.special_tokens import SPECIAL_TOKENS

SETTINGS = ["units=8", "embedding_dim=8"]
PAIRS = [("b a b", "X y z"), ("c", "z z")]


def build(source=7, target=7, *settings):
    """A model with random weights, also of its biases."""
    config = Config().with_settings([*SETTINGS, *settings]).model
    keras.utils.set_random_seed(3)
    model = build_seq2seq(config, source, target)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def make_codec(words="abc", **options):
    return TextCodec([*SPECIAL_TOKENS, *words], tokenizer="space", **options)


def vectorization(*tokens, **options):
    """Keras puts an empty string and [UNK] before the tokens."""
    return keras.layers.TextVectorization(vocabulary=list(tokens), **options)


def log_probability(model, source_ids, target_ids):
    """What the model gives a target, a list of ids with START and END, by definition."""
    ids = {"source_ids": [source_ids], "target_ids": [target_ids[:-1]]}
    logits = model({name: np.array(rows) for name, rows in ids.items()}).numpy()[0]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    steps = zip(probabilities, target_ids[1:], strict=True)
    return sum(np.log(row[number]) for row, number in steps)


def require_same_score(translator, model, sources, targets):
    results = translator.score(PAIRS)
    expected = [log_probability(model, *ids) for ids in zip(sources, targets)]
    assert [result.log_probability for result in results] == pytest.approx(expected, abs=1e-5)


def test_a_codec_of_ones_own_tokens_gives_the_ids_of_training():
    model = build()
    translator = Translator(model, make_codec(case="lower"), make_codec("xyz", case="lower"))
    assert translator.model is model
    sources, targets = [[5, 4, 5, 3], [6, 3]], [[2, 4, 5, 6, 3], [2, 6, 6, 3]]
    require_same_score(translator, model, sources, targets)


LAYERS = {
    "separate": (
        [],
        vectorization("c", "[end]", "b", "a"),  # No token begins a source.
        vectorization("z", "[end]", "y", "[start]", "x", standardize="lower"),
        ([[4, 5, 4, 3], [2, 3]], [[5, 6, 4, 2, 3], [5, 2, 2, 3]]),
    ),
    "tied": (
        ["share_embeddings=true", "tie_output=true"],
        *[vectorization("z", "[end]", "y", "[start]", "x", "b", "c", "a")] * 2,
        ([[7, 9, 7, 3], [8, 3]], [[5, 6, 4, 2, 3], [5, 2, 2, 3]]),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_ids_of_a_text_vectorization_are_translated(name, tmp_path):
    settings, source, target, ids = LAYERS[name]
    model = build(source.vocabulary_size(), target.vocabulary_size(), *settings)
    translator = Translator(model, source, target)
    require_same_score(translator, model, *ids)
    translator.save(tmp_path / "run")
    require_same_score(Translator.load(tmp_path / "run"), model, *ids)


@pytest.mark.slow  # traces a search and a SavedModel
def test_the_saved_model_reads_text_as_the_layer_does(tmp_path):
    source = vectorization("a", "[end]", "b")
    target = vectorization("x", "[end]", "y", "[start]", standardize=None, split="character")
    translator = Translator(build(5, 6), source, target)
    folder = translator.export(tmp_path / "exported", maximum_length=4)
    serve = tf.saved_model.load(folder).signatures["details"]
    texts = ["A, b!", "b  b"]
    expected = [result.text for result in translator.translate(texts, maximum_length=4)]
    received = serve(text=tf.constant(texts))["translation"].numpy()
    assert [text.decode() for text in received] == expected
    assert serve(text=tf.constant(["a b"]))["source_tokens"].numpy().tolist() == [
        [b"a", b"b", b"<end>"]
    ]


def train_subwords(**ids):
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([source for source, _ in PAIRS] * 5),
        model_writer=model,
        vocab_size=9,
        hard_vocab_limit=False,
        minloglevel=2,
        **ids,
    )
    return model.getvalue()


OWN_IDS = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}


def test_a_sentencepiece_model_of_ones_own_is_a_codec(tmp_path):
    import sentencepiece

    path = tmp_path / "own.model"
    path.write_bytes(train_subwords(**OWN_IDS))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    model = build(len(processor))
    translator = Translator(model, str(path), make_codec("xyz", case="keep", normalization="none"))
    sources = [[*processor.encode(source), 3] for source, _ in PAIRS]
    require_same_score(translator, model, sources, [[2, 1, 5, 6, 3], [2, 6, 6, 3]])
    same = Translator(model, processor, translator.codecs.target)
    assert same.codecs.source.vocabulary == translator.codecs.source.vocabulary


class PythonTokenizer:
    def encode(self, text):
        return [4]

    def decode(self, ids):
        return "a"


REFUSED = {
    "a list": (["<pad>"], TypeError, r"source: expected kseq\.TextCodec\(tokens, tokenizer"),
    "a tokenizer in Python": (PythonTokenizer(), TypeError, "join its tokens with spaces"),
    "a codec of values": (ValueCodec([0.0], [1.0]), TypeError, "source: expected kseq.TextCodec"),
    "too few tokens": (make_codec("ab"), ValueError, r"has 7 tokens, .* 6; .*<unused1>"),
    "no end": (
        vectorization("a", "end", "b", "c", "d"),
        ValueError,
        r"source: each must end with a token such as <end> in .* received none of them",
    ),
    "a function": (
        vectorization("a", "[end]", standardize=tf.strings.lower),
        ValueError,
        "source: a run cannot hold a TextVectorization with .* standardize=None",
    ),
    "other ids": (
        train_subwords(),
        ValueError,
        "expected a SentencePiece model trained with pad_id=0, .*; received pad_id=-1, unk_id=0",
    ),
    "another normalization": (
        make_codec(normalization="nfkc"),
        ValueError,
        "same normalization on both sides; received normalization='nfkc' and normalization='nfc'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_run_cannot_hold_is_refused(name):
    source, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        Translator(build(), source, make_codec("xyz"))


def test_a_model_of_other_layers_is_refused():
    with pytest.raises(ValueError, match="expected a model from build_seq2seq"):
        Translator(keras.Sequential(), make_codec(), make_codec())


@pytest.mark.parametrize(
    "settings, sizes, message",
    [
        (["copy=true"], {}, "expected a model without copy; received copy=True: train such"),
        (
            ["features=tokens"],
            {"feature_vocabulary_size": 5},
            "expected a model without features; received features=tokens: train such",
        ),
    ],
    ids=["copy", "features"],
)
def test_a_model_that_needs_more_than_two_codecs_is_refused(settings, sizes, message):
    config = Config().with_settings([*SETTINGS, *settings]).model
    with pytest.raises(ValueError, match=message):
        Translator(build_seq2seq(config, 7, 7, **sizes), make_codec(), make_codec("xyz"))


def test_real_values_may_be_used_as_they_are(tmp_path):
    config = ModelConfig(units=4, embedding_dim=4, source_features=2, target_features=1)
    model = build_seq2seq(config)
    sources, steps = [np.array([[100.0, 0.0], [1.0, -3.0]], "float32")], 3
    translator = Translator(model)
    inputs = {"source": sources[0][None], "source_mask": np.ones([1, 2], bool)}
    first = model({**inputs, "target": np.zeros([1, 1, 1])}).numpy()[0]
    prediction = translator.predict(sources, steps)[0].values
    np.testing.assert_allclose(prediction[:1], first, atol=1e-6)
    translator.save(tmp_path / "run")
    loaded = Translator.load(tmp_path / "run")
    np.testing.assert_allclose(loaded.predict(sources, steps)[0].values, prediction, atol=1e-6)
    with pytest.raises(TypeError, match="source: the model's source is real-valued: expected kseq"):
        Translator(model, make_codec())


def test_the_run_of_such_a_model_is_listed_as_saved(tmp_path, capsys):
    Translator(build(), make_codec(), make_codec("xyz")).save(tmp_path / "run")
    assert main(["runs", str(tmp_path)]) == 0
    assert "saved" in capsys.readouterr().out
    assert '"origin": "a Keras model' in (tmp_path / "run" / "run.json").read_text()
    with pytest.raises(FileExistsError, match="already holds a run"):
        Translator.load(tmp_path / "run").save(tmp_path / "run")


def documented_block():
    """The Python of docs/keras.md that trains by hand."""
    text = (ROOT / "docs" / "keras.md").read_text(encoding="utf-8")
    (block,) = (
        block for block in re.findall("```python\n(.*?)```", text, re.DOTALL) if ".fit(" in block
    )
    return block


@pytest.mark.slow  # trains twice
def test_fit_by_hand_ends_in_the_same_place_as_train(tmp_path, eager_mode):
    """The documentation's own lines, on fewer pairs; up to rounding, even with dropout."""
    block = documented_block().replace('"en-fr"', repr(str(write_tiny_pairs(tmp_path / "pairs"))))
    settings = [*SETTINGS, "epochs=2", "minimum_frequency=1", "dropout=0.3", "checkpoints=1"]
    block, count = re.subn(r"corpus\.config", f"Config().with_settings({settings!r})", block)
    assert count == 1
    block = block.replace('"runs/by-hand"', repr(str(tmp_path / "by-hand")))
    names = {"Config": Config}
    exec(block, names)
    trained = kseq.train(names["corpus"], names["config"], out=tmp_path / "run", verbose=False)
    trained.model.load_weights(tmp_path / "run" / "checkpoints" / "epoch-0002.weights.h5")
    saved = Translator.load(tmp_path / "by-hand").model
    for expected, received in zip(trained.model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)
