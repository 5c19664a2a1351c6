"""Weights of runs that were never trained: written, read, and averaged over epochs."""

import numpy as np
import pytest

from kseq import Config
from kseq.models.factory import build_seq2seq
from kseq.pipeline.codecs import CodecPair
from kseq.runs import directory as run_directory
from kseq.runs.weights import average_checkpoints, load_model, load_weights, save_weights
from kseq.special_tokens import SPECIAL_TOKENS

EPOCHS = (9, 10, 11)


def random_weights(model, seed):
    random = np.random.default_rng(seed)
    return [random.normal(size=weight.shape).astype("float32") for weight in model.get_weights()]


@pytest.fixture
def run(tmp_path):
    """A run as training leaves it, with random weights of its last epochs and of its best."""
    config = Config().with_settings(["units=4", "embedding_dim=3"])
    codecs = CodecPair.of([*SPECIAL_TOKENS, "a"], [*SPECIAL_TOKENS, "b", "c"], config.text)
    model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
    record = {"length_ratio": 1.0, "corpus": None, "parameters": model.count_params()}
    with run_directory.NewRun(tmp_path / "run") as made:
        run_directory.describe(made.folder, config, codecs, record)
        (made.folder / run_directory.CHECKPOINTS).mkdir()
        for epoch in EPOCHS:
            model.set_weights(random_weights(model, epoch))
            save_weights(model, run_directory.checkpoint(made.folder, epoch))
        model.set_weights(random_weights(model, 0))
        save_weights(model, made.folder / run_directory.WEIGHTS)
        made.settle()
    return tmp_path / "run"


@pytest.mark.parametrize("last", [None, 1, 2, 3])
def test_the_mean_of_the_last_epochs(run, tmp_path, last):
    """A run like the first, which is left as it was."""
    averaged = average_checkpoints(run, tmp_path / "mean", last)
    assert averaged == list(EPOCHS[-(last or 3) :])
    model, codecs, config, record = load_model(tmp_path / "mean")
    before, old_codecs, old_config, old_record = load_model(run)
    each = zip(*(random_weights(model, epoch) for epoch in averaged))
    for weight, weights in zip(model.get_weights(), each, strict=True):
        np.testing.assert_allclose(weight, np.mean(weights, axis=0, dtype="float64"), rtol=1e-6)
    for weight, expected in zip(before.get_weights(), random_weights(before, 0)):
        np.testing.assert_array_equal(weight, expected)
    assert config == old_config and codecs.descriptions == old_codecs.descriptions
    assert record == {**old_record, "averaged": averaged}


def test_epochs_are_in_the_order_of_their_numbers(run):
    """Whatever the number of their digits: the ten thousandth comes behind the one before."""
    for epoch in (9999, 10_000, 100_000):
        run_directory.checkpoint(run, epoch).write_bytes(b"")
    assert list(run_directory.checkpoints(run)) == [*EPOCHS, 9999, 10_000, 100_000]


def test_what_cannot_be_averaged(run, tmp_path):
    for last in (0, 4, -1):
        with pytest.raises(ValueError, match="last must be from 1 to 3, as many as .* has kept"):
            average_checkpoints(run, tmp_path / "mean", last)
    run_directory.checkpoint(run, 10).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"epoch-0010.*: cannot be read into the model"):
        average_checkpoints(run, tmp_path / "mean")
    assert average_checkpoints(run, tmp_path / "mean", last=1) == [11]
    with pytest.raises(FileExistsError, match="already holds a run; choose another place, or"):
        average_checkpoints(run, tmp_path / "mean", last=1)
    assert average_checkpoints(run, tmp_path / "mean", last=1, overwrite=True) == [11]
    with pytest.raises(ValueError, match="kept no checkpoints; train with checkpoints=5, say"):
        average_checkpoints(tmp_path / "mean", tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="run directory not found"):
        average_checkpoints(tmp_path / "none", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_weights_are_written_whole_or_not_at_all(run, monkeypatch):
    model, *_ = load_model(run)
    path = run / run_directory.WEIGHTS
    before = path.read_bytes()

    def breaks(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("shutil.copyfile", breaks)
    with pytest.raises(OSError, match="the disk is full"):
        save_weights(model, path)
    assert path.read_bytes() == before
    assert not [name for name in run.iterdir() if "unfinished" in name.name]


def test_the_state_of_the_optimizer_is_not_written(run, tmp_path):
    """Two thirds of a file would be what nobody reads again."""
    model, *_ = load_model(run)
    plain = tmp_path / "plain.weights.h5"
    save_weights(model, plain)
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    save_weights(model, tmp_path / "trained.weights.h5")
    assert (tmp_path / "trained.weights.h5").stat().st_size == plain.stat().st_size
    again, *_ = load_model(run)
    again.set_weights(random_weights(again, 5))
    load_weights(again, tmp_path / "trained.weights.h5")
    for weight, expected in zip(again.get_weights(), random_weights(again, 0)):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras's guess at the reason
def test_weights_of_another_model_are_refused(run, tmp_path):
    config = Config().with_settings(["units=6", "embedding_dim=3"])
    other = build_seq2seq(config.model, 5, 6)
    with pytest.raises(ValueError, match=r"cannot be read into the model that config.json descr"):
        load_weights(other, run / run_directory.WEIGHTS)
