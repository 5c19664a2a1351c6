"""Embeddings that come from a file, are shared by both sides, or are tied to the output."""

import re

import numpy as np
import pytest

from kseq import Config, ModelConfig, TextConfig, TrainingConfig, Translator, load_corpus, train
from kseq.cli.main import main

SMALL = {"units": 16, "embedding_dim": 4}
TWO_STEPS = {"epochs": 1, "batch_size": 128, "warmup_steps": 0, "learning_rate": 0.2}


@pytest.fixture
def short_pairs(tmp_path):
    """A corpus of 120 pairs of three words."""
    words = [("The", "Le"), ("the", "le"), ("my", "mon"), ("He", "Il"), ("he", "il")]
    pairs = (f"{words[n % 5][0]} is in{n % 7}\t{words[n % 5][1]} the y{n % 7}" for n in range(120))
    (tmp_path / "pairs.tsv").write_text("".join(f"{pair}\n" for pair in pairs))
    return load_corpus(tmp_path / "pairs.tsv")


@pytest.fixture
def vectors(tmp_path):
    """A file with vectors of three words of the corpus and of a word not in it; their values."""
    path = tmp_path / "vectors.txt"
    rows = {"the": [1, 2, 3, 4], "my": [5, 6, 7, 8], "he": [0, -1, 0, 1], "zebu": [9, 9, 9, 9]}
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows.items()))
    return path, rows


def embedding_matrix(translator, part, name):
    return translator.model.get_layer(part).get_layer(name).embeddings.numpy()


@pytest.mark.parametrize(
    "frozen",
    [
        pytest.param(True, id="frozen"),
        pytest.param(False, id="trained", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow  # trains
def test_vectors_from_a_file_become_rows_of_the_embedding(
    short_pairs, vectors, tmp_path, capsys, eager_mode, frozen
):
    path, rows = vectors
    training = TrainingConfig(**TWO_STEPS, source_vectors=str(path), freeze_vectors=frozen)
    config = Config(ModelConfig(**SMALL), training=training)
    out = tmp_path / "run"
    translator = train(short_pairs, config, out=out)
    output = capsys.readouterr().out
    # "The" has the vector of "the", and so on.
    count = translator.codecs.source.size - 4
    assert re.search(f"^source: vectors for 5 of {count} tokens; missing: ", output, re.M)
    path.unlink()  # a run no longer needs it
    loaded = Translator.load(out)
    matrix = embedding_matrix(loaded, "encoder", "source_embedding")
    for word in ("the", "my", "he"):
        row = matrix[loaded.codecs.source.vocabulary.index(word)]
        assert np.array_equal(row, rows[word]) == frozen
        np.testing.assert_allclose(row, rows[word], atol=0.5)
    # Words without a vector start below 0.05 and are learnt, even if the others are frozen.
    learnt = matrix[[loaded.codecs.source.vocabulary.index(word) for word in ("is", "in0", "in1")]]
    assert (np.abs(learnt).max(axis=1) > 0.05).all() and np.abs(learnt).max() < 1


@pytest.mark.parametrize(
    "content, message",
    [
        ("the 1 2 3\n", "vectors.txt, line 1: expected .* 4 .*embedding_dim.*received 3"),
        (
            "zebu 1 2 3 4\n",
            "vectors.txt: expected vectors of words in the vocabulary; received none",
        ),
        (None, "target_vectors: file not found: .*vectors.txt"),
    ],
)
def test_invalid_vectors_are_an_error_in_one_line(
    small_files, vectors, tmp_path, capsys, content, message
):
    path, _ = vectors
    path.unlink() if content is None else path.write_text(content)
    out = tmp_path / "run"
    arguments = ["train", "--train", str(small_files / "valid.tsv"), "--out", str(out)]
    settings = ["units=16", "embedding_dim=4", f"target_vectors={path}"]
    code = main([*arguments, *(part for setting in settings for part in ("--set", setting))])
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1
    assert re.search(message, error), error
    assert not out.exists() and not list(tmp_path.glob(".*"))


# tests/test_encoded.py has the vocabulary, and tests/test_combinations.py the matrix.
@pytest.mark.slow
@pytest.mark.parametrize("tie", [True, False])
def test_both_sides_can_share_a_vocabulary_and_a_matrix(short_pairs, tmp_path, eager_mode, tie):
    config = Config(
        ModelConfig(**SMALL, share_embeddings=True, tie_output=tie),
        TextConfig(minimum_frequency=2),
        TrainingConfig(**TWO_STEPS),
    )
    translator = train(short_pairs, config, out=tmp_path / "run", verbose=False)
    source, target = translator.codecs.sides
    assert source.vocabulary == target.vocabulary
    assert {"the", "le"} <= set(source.vocabulary)
    paths = [weight.path for weight in translator.model.weights if "embedding" in weight.path]
    matrices = [path for path in paths if path.endswith("embeddings")]
    assert matrices == ["shared_embedding/embeddings"]
    logits = [weight.path for weight in translator.model.weights if "logits" in weight.path]
    assert bool(logits) != tie
    loaded = Translator.load(tmp_path / "run")
    for weight, loaded_weight in zip(translator.model.get_weights(), loaded.model.get_weights()):
        np.testing.assert_array_equal(weight, loaded_weight)
    pairs = [("The cat is small.", "Le chat est petit."), ("Where is he?", "il")]
    for expected, result in zip(translator.score(pairs), loaded.score(pairs), strict=True):
        assert result.score == expected.score
