"""The weights of a run: written, read, and averaged over epochs, without any training."""

import dataclasses
import os

import numpy as np
import pytest

from kseq import Config, locks
from kseq.models.factory import build_seq2seq
from kseq.pipeline.codecs import CodecPair
from kseq.runs import directory as run_directory
from kseq.runs.averaging import average_checkpoints
from kseq.runs.record import RunRecord
from kseq.runs.weights import load_model, load_weights, save_weights
from kseq.special_tokens import SPECIAL_TOKENS

EPOCHS = (9, 10, 11)


def random_weights(model, seed):
    random = np.random.default_rng(seed)
    return [random.normal(size=weight.shape).astype("float32") for weight in model.get_weights()]


@pytest.fixture
def run(tmp_path):
    """A run as `train` writes it, with random weights for its checkpoints and its best epoch."""
    config = Config().with_settings(["units=4", "embedding_dim=3"])
    codecs = CodecPair.of([*SPECIAL_TOKENS, "a"], [*SPECIAL_TOKENS, "b", "c"], config.text)
    model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
    record = RunRecord(length_ratio=1.0, parameters=model.count_params())
    with run_directory.NewRun(tmp_path / "run") as new_run:
        run_directory.write_description(new_run.folder, config, codecs, record)
        (new_run.folder / run_directory.CHECKPOINTS).mkdir()
        for epoch in EPOCHS:
            model.set_weights(random_weights(model, epoch))
            save_weights(model, run_directory.checkpoint_path(new_run.folder, epoch))
        model.set_weights(random_weights(model, 0))
        save_weights(model, new_run.folder / run_directory.WEIGHTS)
        new_run.publish()
    return tmp_path / "run"


@pytest.mark.parametrize("last", [None, 1, 2, 3])
def test_averaging_gives_the_mean_of_the_last_epochs_and_leaves_the_run_unchanged(
    run, tmp_path, last
):
    averaged = average_checkpoints(run, tmp_path / "mean", last)
    assert averaged == list(EPOCHS[-(last or 3) :])
    model, codecs, config, record = load_model(tmp_path / "mean")
    old_model, old_codecs, old_config, old_record = load_model(run)
    weights_by_epoch = [random_weights(model, epoch) for epoch in averaged]
    for mean, weights in zip(model.get_weights(), zip(*weights_by_epoch), strict=True):
        np.testing.assert_allclose(mean, np.mean(weights, axis=0, dtype="float64"), rtol=1e-6)
    for weight, expected in zip(old_model.get_weights(), random_weights(old_model, 0)):
        np.testing.assert_array_equal(weight, expected)
    assert config == old_config and codecs.descriptions == old_codecs.descriptions
    assert record == dataclasses.replace(old_record, averaged=averaged)


def test_checkpoints_are_in_the_order_of_their_epochs_however_many_digits_these_have(run):
    for epoch in (9999, 10_000, 100_000):
        run_directory.checkpoint_path(run, epoch).write_bytes(b"")
    assert list(run_directory.checkpoint_paths(run)) == [*EPOCHS, 9999, 10_000, 100_000]


def test_overwriting_keeps_files_that_kseq_did_not_write(run, tmp_path):
    out = tmp_path / "mean"
    average_checkpoints(run, out)
    (out / "checkpoints").mkdir()
    for name in ("notes.txt", "checkpoints/best.weights.h5"):
        (out / name).write_text("mine")
    for name in (".123.model.weights.h5", "checkpoints/.123.epoch-0001.weights.h5"):
        (out / name).write_text("left behind by an older version")
    average_checkpoints(run, out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert os.listdir(out / "checkpoints") == ["best.weights.h5"]
    assert not [name for name in os.listdir(out) if name.startswith(".")]
    assert sorted(os.listdir(tmp_path)) == ["mean", "run"]


def test_a_run_that_was_about_to_be_replaced_is_read_and_nothing_is_written(run, tmp_path):
    """The kill came between the two moves."""
    hidden = locks.hidden_folder(run)
    hidden.mkdir()
    (hidden / locks.MARK).write_text("kseq")
    run.rename(hidden / "old")
    assert run_directory.require_run(run) == hidden / "old"
    assert os.listdir(tmp_path) == [hidden.name]


def test_looking_for_a_run_follows_no_link_and_writes_nothing(tmp_path):
    (tmp_path / ".run.lock").symlink_to(tmp_path / "missing")
    locks.hidden_folder(tmp_path / "run").symlink_to(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="run directory not found"):
        run_directory.require_run(tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == [".run.kseq", ".run.lock"]


def test_checkpoints_that_cannot_be_averaged_are_an_error(run, tmp_path):
    for last in (0, 4, -1):
        with pytest.raises(ValueError, match="last must be from 1 to 3, the number of checkpoi"):
            average_checkpoints(run, tmp_path / "mean", last)
    run_directory.checkpoint_path(run, 10).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"epoch-0010.*: cannot be read into the model"):
        average_checkpoints(run, tmp_path / "mean")
    assert average_checkpoints(run, tmp_path / "mean", last=1) == [11]
    with pytest.raises(FileExistsError, match="already holds a run; choose another place, or"):
        average_checkpoints(run, tmp_path / "mean", last=1)
    assert average_checkpoints(run, tmp_path / "mean", last=1, overwrite=True) == [11]
    with pytest.raises(ValueError, match="has no checkpoints; train with checkpoints=5, for"):
        average_checkpoints(tmp_path / "mean", tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="run directory not found"):
        average_checkpoints(tmp_path / "none", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_state_of_the_optimizer_is_not_written(run, tmp_path):
    """It would make up two thirds of the file."""
    model, *_ = load_model(run)
    plain = tmp_path / "plain.weights.h5"
    save_weights(model, plain)
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    save_weights(model, tmp_path / "trained.weights.h5")
    assert (tmp_path / "trained.weights.h5").stat().st_size == plain.stat().st_size
    reloaded, *_ = load_model(run)
    reloaded.set_weights(random_weights(reloaded, 5))
    load_weights(reloaded, tmp_path / "trained.weights.h5")
    for weight, expected in zip(reloaded.get_weights(), random_weights(reloaded, 0)):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # a wrong guess of Keras
def test_weights_of_another_model_are_refused(run, tmp_path):
    config = Config().with_settings(["units=6", "embedding_dim=3"])
    larger_model = build_seq2seq(config.model, 5, 6)
    with pytest.raises(ValueError, match=r"cannot be read into the model that config.json descr"):
        load_weights(larger_model, run / run_directory.WEIGHTS)
