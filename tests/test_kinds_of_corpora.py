"""Corpora other than pairs of text: training on them is stopped, goes on, and is a start."""

import keras
import numpy as np
import pytest
from test_fine_tuning import weights_by_part
from test_resume import rows_of, train_in_pieces, weights_of
from test_speech import say, write_wav

from kseq import Translator, fine_tuning_config, load_corpus, train

# Each trains several times; what is different from pairs of text is little.
pytestmark = pytest.mark.slow

SETTINGS = ["units=8", "embedding_dim=8", "epochs=2", "batch_size=16", "warmup_steps=0"]


def write_recordings(folder, random):
    lines = []
    for number in range(40):
        words = random.choice(["low", "middle", "high"], size=random.integers(2, 4))
        write_wav(folder / f"{number}.wav", say(words))
        lines.append(f"{number}.wav\t{' '.join(words)}\n")
    (folder / "index.tsv").write_text("".join(lines))
    return load_corpus(folder / "index.tsv")


def write_forecasts(folder, random):
    known = [random.normal(size=(random.integers(2, 5), 1)) for _ in range(40)]
    sources = [random.normal(size=(3, 2)) for _ in known]
    return load_corpus(sources, [2 * values for values in known], covariates=known)


def write_texts(folder, random):
    lines = ("".join(random.choice(list("ab c"), size=6)).strip() + "b\n" for _ in range(60))
    (folder / "texts.txt").write_text("".join(lines))
    return load_corpus(folder / "texts.txt", language_model=True)


def write_conversations(folder, random):
    turns = [[f"{word} {number % 9}" for word in ("hi", "so", "bye")] for number in range(40)]
    (folder / "turns.txt").write_text("\n\n".join(map("\n".join, turns)))
    return load_corpus(folder / "turns.txt", context=2)


@pytest.fixture(params=[write_recordings, write_forecasts, write_texts, write_conversations])
def corpus(request, tmp_path):
    (tmp_path / "corpus").mkdir()
    return request.param(tmp_path / "corpus", np.random.default_rng(0))


class Counter(keras.callbacks.Callback):
    """Counts batches."""

    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


def test_a_stopped_training_ends_with_the_same_weights(corpus, tmp_path, monkeypatch, eager_mode):
    config = corpus.config.with_settings(SETTINGS)
    once, pieces = Counter(), Counter()
    whole = train(corpus, config, out=tmp_path / "whole", verbose=False, callbacks=[once])
    parts = train_in_pieces(
        *(corpus, config, tmp_path / "parts", [1, 4], monkeypatch), callbacks=[pieces]
    )
    assert pieces.batches == once.batches  # It goes on, and does not begin again.
    assert weights_of(parts) == weights_of(whole)
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


def test_a_run_is_the_start_of_another(corpus, tmp_path, eager_mode):
    config = corpus.config.with_settings(SETTINGS)
    old = train(corpus, config, out=tmp_path / "old", verbose=False)
    config = fine_tuning_config(tmp_path / "old").with_settings(["freeze=decoder", "epochs=1"])
    new = train(corpus, config, out=tmp_path / "new", start=tmp_path / "old", verbose=False)
    frozen, trained = weights_by_part(new.model, ["decoder"])
    old_frozen, old_trained = weights_by_part(old.model, ["decoder"])
    assert frozen == old_frozen and frozen
    assert trained != old_trained
    assert weights_of(Translator.load(tmp_path / "new")) == weights_of(new)
