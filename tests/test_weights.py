"""The weights of a run: written, read, and averaged over epochs, without any training."""

import dataclasses
import json

import numpy as np
import pytest
from untrained import untrained_translator, write_run

from kseq import Config
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


def test_a_failed_copy_leaves_the_old_weights(run, monkeypatch):
    model, *_ = load_model(run)
    path = run / run_directory.WEIGHTS
    before = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("shutil.copyfile", fail)
    with pytest.raises(OSError, match="the disk is full"):
        save_weights(model, path)
    assert path.read_bytes() == before
    assert not [name for name in run.iterdir() if "unfinished" in name.name]


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


def test_a_run_whose_config_has_no_unicode_form_keeps_the_one_it_was_trained_with(tmp_path):
    """Runs were trained with NFKC before there was a setting."""
    run = write_run(untrained_translator([], ["sh"], ["sh"]), tmp_path / "run")
    for form, tokens in (("nfc", "sʰ"), ("nfkc", "sh")):
        _, codecs, config, _ = load_model(run)
        assert config.text.normalization == form
        assert codecs.source.tokenize(["sʰ"]).to_list() == [[tokens.encode()]]
        settings = json.loads((run / run_directory.CONFIG).read_text())
        settings["text"].pop("normalization", None)
        (run / run_directory.CONFIG).write_text(json.dumps(settings))
