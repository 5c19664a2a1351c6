"""The weights of a run: written, read, and averaged over epochs, without any training."""

import dataclasses
import json
import os
import shutil

import h5py
import numpy as np
import pytest
from untrained import untrained_translator, write_run

import kseq.runs.weights
from kseq import Config, locks
from kseq.models.factory import build_seq2seq
from kseq.pipeline.codecs import CodecPair
from kseq.runs import directory as run_directory
from kseq.runs.averaging import average_checkpoints
from kseq.runs.reading import require_run
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


def forget_checksums(run):
    """Makes a run look as if an older version had trained it."""
    path = run / run_directory.RECORD
    dataclasses.replace(RunRecord.load(path), checksums={}).save(path)


@pytest.mark.parametrize(
    "last", [None, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3))]
)
def test_averaging_gives_the_mean_of_the_last_epochs_and_leaves_the_run_unchanged(
    run, tmp_path, monkeypatch, last
):
    monkeypatch.chdir(tmp_path)
    averaged = average_checkpoints("run", "mean", last)
    assert averaged == list(EPOCHS[-(last or 3) :])
    model, codecs, config, record = load_model(tmp_path / "mean")
    old_model, old_codecs, old_config, old_record = load_model(run)
    weights_by_epoch = [random_weights(model, epoch) for epoch in averaged]
    for mean, weights in zip(model.get_weights(), zip(*weights_by_epoch), strict=True):
        np.testing.assert_allclose(mean, np.mean(weights, axis=0, dtype="float64"), rtol=1e-6)
    for weight, expected in zip(old_model.get_weights(), random_weights(old_model, 0)):
        np.testing.assert_array_equal(weight, expected)
    assert config == old_config and codecs.descriptions == old_codecs.descriptions
    expected_record = dataclasses.replace(record, averaged=[], checksums={}, is_finished=None)
    assert expected_record == dataclasses.replace(old_record, checksums={})
    assert record.averaged == averaged and record.is_finished
    assert set(record.checksums) == {*run_directory.VOCABULARIES, run_directory.WEIGHTS}


def test_checkpoints_are_in_the_order_of_their_epochs_however_many_digits_these_have(run):
    for epoch in (9999, 10_000, 100_000):
        run_directory.checkpoint_path(run, epoch).write_bytes(b"")
    (run / "checkpoints" / "epoch-best.weights.h5").write_bytes(b"of the user")
    assert list(run_directory.checkpoint_paths(run)) == [*EPOCHS, 9999, 10_000, 100_000]


def test_overwriting_keeps_files_that_kseq_did_not_write(run, tmp_path):
    out = tmp_path / "mean"
    average_checkpoints(run, out)
    (out / "checkpoints").mkdir()
    for name in ("notes.txt", "checkpoints/epoch-best.weights.h5"):
        (out / name).write_text("mine")
    for name in (".123.model.weights.h5", "checkpoints/.123.epoch-0001.weights.h5"):
        (out / name).write_text("left behind by an older version")
    average_checkpoints(run, out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert os.listdir(out / "checkpoints") == ["epoch-best.weights.h5"]
    assert not [name for name in os.listdir(out) if name.startswith(".")]
    assert sorted(os.listdir(tmp_path)) == ["mean", "run"]


def test_a_run_that_was_about_to_be_replaced_is_read_and_nothing_is_written(run, tmp_path):
    """The kill came between the two moves."""
    hidden = locks.hidden_folder(run)
    hidden.mkdir()
    (hidden / locks.MARK).write_text("kseq")
    run.rename(hidden / "old")
    assert require_run(run) == hidden / "old"
    assert os.listdir(tmp_path) == [hidden.name]


def test_looking_for_a_run_follows_no_link_and_writes_nothing(tmp_path):
    (tmp_path / ".run.lock").symlink_to(tmp_path / "missing")
    locks.hidden_folder(tmp_path / "run").symlink_to(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="run directory not found"):
        require_run(tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == [".run.kseq", ".run.lock"]


def test_checkpoints_that_cannot_be_averaged_are_an_error(run, tmp_path):
    for last in (0, 4, -1):
        with pytest.raises(ValueError, match="last must be from 1 to 3, the number of checkpoi"):
            average_checkpoints(run, tmp_path / "mean", last)
    run_directory.checkpoint_path(run, 10).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"epoch-0010.*: has been changed since the run was tr"):
        average_checkpoints(run, tmp_path / "mean")
    forget_checksums(run)
    with pytest.raises(ValueError, match=r"epoch-0010.*: cannot be read into the model"):
        average_checkpoints(run, tmp_path / "mean")
    assert average_checkpoints(run, tmp_path / "mean", last=1) == [11]
    with pytest.raises(
        FileExistsError, match="already holds a run; choose another destination, or"
    ):
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


def test_changed_weights_are_refused_and_those_of_older_runs_are_not(run):
    path = run / run_directory.WEIGHTS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        ValueError, match=r"weights\.h5: has been changed since .*remove the checks"
    ):
        load_model(run)
    forget_checksums(run)
    load_model(run)


def test_a_checkpoint_may_take_the_place_of_the_best_weights(run):
    shutil.copy(run_directory.checkpoint_path(run, EPOCHS[1]), run / run_directory.WEIGHTS)
    model, *_ = load_model(run)
    for weight, expected in zip(model.get_weights(), random_weights(model, EPOCHS[1])):
        np.testing.assert_array_equal(weight, expected)


def test_the_record_of_a_run_gets_the_checksums_of_weights_and_checkpoints(run):
    """When the training has ended: until then the weights change."""
    checksums = RunRecord.load(run / run_directory.RECORD).checksums
    checkpoints = {f"checkpoints/epoch-{epoch:04d}.weights.h5" for epoch in EPOCHS}
    vocabularies = set(run_directory.VOCABULARIES)
    assert set(checksums) == {*vocabularies, run_directory.WEIGHTS, *checkpoints}
    assert sorted(os.listdir(run)) == sorted(
        ["checkpoints", "config.json", run_directory.WEIGHTS, "run.json", *vocabularies]
    )


def test_a_run_can_be_loaded_before_its_training_has_ended(run):
    with run_directory.NewRun(run, overwrite=True) as new_run:
        model, codecs, config, record = load_model(run)
        run_directory.write_description(new_run.folder, config, codecs, record)
        save_weights(model, new_run.folder / run_directory.WEIGHTS)
        new_run.publish()
        model.set_weights(random_weights(model, 1))
        with new_run.replaced_file(run / run_directory.WEIGHTS) as path:
            save_weights(model, path)
        load_model(run)
    load_model(run)


@pytest.mark.parametrize("setting", ["units=60000", "embedding_dim=60000", "encoder_layers=90"])
def test_a_model_much_larger_than_its_weights_is_not_built(run, monkeypatch, setting):
    config = Config.load(run / run_directory.CONFIG).with_settings([setting])
    (run / run_directory.CONFIG).write_text(config.dumps())
    monkeypatch.setattr(kseq.runs.weights, "build_seq2seq", None)
    message = "config.json: describes a model of [0-9,]+ parameters or more, but the run was"
    with pytest.raises(ValueError, match=message):
        load_model(run)


def test_the_number_of_parameters_is_compared_with_the_weights_before_the_model_is_built(
    run, monkeypatch
):
    path = run / run_directory.RECORD
    record = RunRecord.load(path)
    dataclasses.replace(record, parameters=10**12).save(path)
    monkeypatch.setattr(kseq.runs.weights, "build_seq2seq", None)
    message = r"weights\.h5: holds [0-9,]+ parameters, but the run was trained with 1,000,000,000,0"
    with pytest.raises(ValueError, match=message):
        load_model(run)


def test_arrays_larger_than_their_file_are_damage(run):
    """HDF5 does not store parts of an array that were never written."""
    forget_checksums(run)
    with h5py.File(run / run_directory.WEIGHTS, "w") as file:
        file.create_dataset("a", (10**9,), "float32", chunks=True)
    with pytest.raises(ValueError, match="weights.h5: damaged: it is smaller than the arrays in"):
        load_model(run)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(run, number):
    model, *_ = load_model(run)
    weights = model.get_weights()
    weights[3].flat[-1] = number
    model.set_weights(weights)
    save_weights(model, run / run_directory.WEIGHTS)
    forget_checksums(run)
    with pytest.raises(ValueError, match=r"weights\.h5: \S+ holds numbers that are not finite"):
        load_model(run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"units": 3}', b"[" * 100_000])
def test_a_damaged_config_is_called_damaged(run, content):
    (run / run_directory.CONFIG).write_bytes(content)
    with pytest.raises(ValueError, match="config.json: damaged: "):
        load_model(run)
