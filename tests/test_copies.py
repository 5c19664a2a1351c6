"""Translators that are copied, pickled, or used in a fork of their process."""

import copy
import multiprocessing
import pickle
import shutil

import numpy as np
import pytest
from conftest import write_tiny_pairs
from untrained import untrained_reader, untrained_translator, write_run

from kseq import Config, Translator, inspect, load_corpus, train
from kseq.pipeline.value_codec import ValueCodec

WORDS = ["a", "b", "c"], ["x", "y", "z"]
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda translator: pickle.loads(pickle.dumps(translator)),
    "pickle of an unused copy": lambda translator: pickle.loads(
        pickle.dumps(pickle.loads(pickle.dumps(translator)))
    ),
}


@pytest.fixture(scope="module")
def translator():
    return untrained_translator([], *WORDS)


def score(translator):
    """The score of a target that is given, which needs no search."""
    (result,) = translator.score([("a b", "y z")])
    return result.score


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (n in (1, 3))) for n, name in enumerate(COPIES)],
)
def test_a_copy_gives_the_same_scores_with_a_model_of_its_own(translator, name):
    copied = COPIES[name](translator)
    assert score(copied) == score(translator)
    copied.model.set_weights([0 * weight for weight in copied.model.get_weights()])
    assert score(COPIES[name](copied)) != score(translator)


def test_a_copy_gives_the_same_translations(translator, eager_mode):
    copied = pickle.loads(pickle.dumps(translator))
    results, expected = (t.translate(["a b"], minimum_length=2) for t in (copied, translator))
    assert (results[0].text, results[0].score) == (expected[0].text, expected[0].score)


def test_the_run_directory_is_not_needed_any_more(translator, tmp_path, eager_mode):
    run = write_run(translator, tmp_path / "run")
    loaded = Translator.load(run)
    expected = score(loaded)
    shutil.rmtree(run)
    assert score(pickle.loads(pickle.dumps(loaded))) == expected


@pytest.mark.slow  # three models; each is copied as in the tests above
def test_a_copy_of_an_ensemble_is_the_same_ensemble(translator, tmp_path):
    runs = [write_run(untrained_translator([], *WORDS), tmp_path / name) for name in ("one", "two")]
    ensemble = Translator.load(*runs, average="log_probability")
    copied = pickle.loads(pickle.dumps(ensemble))
    assert len(copied.members) == 2 and copied.inference.average == "log_probability"
    assert score(copied) == score(ensemble) != score(Translator.load(*runs))


@pytest.mark.slow  # traces two models
def test_a_copy_keeps_the_precision(translator, tmp_path):
    run = write_run(translator, tmp_path / "run")
    loaded = Translator.load(run, precision="bfloat16")
    copied = pickle.loads(pickle.dumps(loaded))
    assert {weight.dtype for weight in copied.model.weights} == {"bfloat16"}
    assert score(copied) == score(loaded)


def test_a_model_of_real_values_can_be_copied(eager_mode):
    speech = ValueCodec(np.arange(3.0), np.ones(3))
    reader = untrained_reader(
        ["source_features=3", "target_features=3", "attention=bahdanau"], speech, speech
    )
    source = np.ones([4, 3], "float32")
    (expected,), (received,) = (
        t.predict([source], 2) for t in (reader, pickle.loads(pickle.dumps(reader)))
    )
    np.testing.assert_array_equal(received.values, expected.values)


@pytest.mark.slow  # trains a model
def test_what_train_returns_can_be_copied(tmp_path, eager_mode):
    settings = ["units=8", "embedding_dim=4", "epochs=1", "batch_size=128"]
    corpus = load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    trained = train(corpus, Config().with_settings(settings), out=tmp_path / "run", verbose=False)
    pair = [("a1 b1", "x1 y1")]
    copied = pickle.loads(pickle.dumps(trained))
    assert copied.score(pair)[0].score == trained.score(pair)[0].score


# What a fork does; a Pool pickles what it is given and what it returns.
TASKS = {
    "translate": lambda translator, folder: translator.translate(["a b"]),
    "sample": lambda translator, folder: translator.sample(["a b"]),
    "score": lambda translator, folder: translator.score([("a", "x")]),
    "evaluate": lambda translator, folder: translator.evaluate([("a", "x")]),
    "export": lambda translator, folder: translator.export(folder / "exported"),
    "load": lambda translator, folder: Translator.load(folder / "run"),
    "inspect": lambda translator, folder: inspect(folder / "pairs.tsv", verbose=False),
    "train": lambda translator, folder: train(
        load_corpus(folder / "pairs.tsv"), out=folder / "new", verbose=False
    ),
}


def perform(name, translator, folder):
    TASKS[name](translator, folder)


def test_a_fork_refuses_with_words_instead_of_hanging(translator, tmp_path):
    write_run(translator, tmp_path / "run")
    write_tiny_pairs(tmp_path / "pairs.tsv")
    score(translator)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        for name in TASKS:
            result = pool.apply_async(perform, (name, translator, tmp_path))
            with pytest.raises(RuntimeError, match=r"is a fork .*get_context\(\"spawn\"\)"):
                result.get(timeout=60)
    score(translator)
