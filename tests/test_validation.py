"""Validation during training: its figures, best weights, early stopping; own parts; failures."""

import csv
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import LEARNING, SMALL, write_tiny_pairs
from test_resume import check_stopped, rows_of, weights_of

from kseq import Config, TrainingFailed, Translator, load_corpus, train
from kseq.runs import directory
from kseq.runs.record import UnfinishedRunWarning
from kseq.sides.text_side import TextSide
from kseq.sides.value_side import ValueSide
from kseq.training.decoding import choose_pairs
from kseq.training.monitor import Monitor, choose_monitor

FASTEST = ["units=8", "embedding_dim=8", "bidirectional=false"]
FASTEST += ["attention=luong_dot", "input_feeding=false"]  # a decoder without a loop of its own
CONFIG = Config().with_settings([*SMALL, *FASTEST])
ONE_BATCH = CONFIG.with_settings(["batch_size=128"])
TWO_BATCHES = CONFIG.with_settings(["batch_size=64"])


@pytest.fixture
def corpus(tmp_path):
    return load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))


def read_history(run):
    with open(run / directory.HISTORY) as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


@pytest.mark.slow  # trains twice
def test_validation_within_an_epoch_changes_nothing_but_the_history(
    corpus, tmp_path, capsys, eager_mode
):
    """Not the metrics of the epoch, either; and both validate after every epoch.

    tests/test_progress.py counts the steps over two epochs.
    """
    config = TWO_BATCHES.with_settings(["epochs=1"])
    often = train(
        *(corpus, config.with_settings(["validate_every=1"])),
        out=tmp_path / "often",
        verbose=False,
    )
    once = train(corpus, config, out=tmp_path / "once", verbose=False)
    assert capsys.readouterr().out == ""
    rows = read_history(tmp_path / "often")
    assert [(row["epoch"], row["step"]) for row in rows] == [(0.5, 1), (1, 2)]
    ends = [row for row in rows_of(tmp_path / "often") if "." not in row[0]]
    assert ends == rows_of(tmp_path / "once")
    assert weights_of(often) == weights_of(once)
    assert rows[0]["val_cross_entropy"] > rows[1]["val_cross_entropy"]


@pytest.mark.slow  # trains and decodes
def test_the_weights_with_the_best_monitored_figure_are_kept(small_corpus, tmp_path):
    config = Config().with_settings([*SMALL, *LEARNING, "decoded_pairs=1000", "epochs=5"])
    for monitor, name in (("val_chrf", "chrf"), ("val_token_error_rate", "token_error_rate")):
        out = tmp_path / name
        train(small_corpus, config.with_settings([f"monitor={monitor}"]), out=out, verbose=False)
        values = [row[monitor] for row in read_history(out)]
        best = max(values) if name == "chrf" else min(values)
        figures = Translator.load(out).evaluate(small_corpus.valid)
        np.testing.assert_allclose(figures[name], best, rtol=1e-4)
        assert len(set(values)) > 1


@pytest.mark.slow  # trains twice
def test_a_training_with_all_kinds_of_state_can_be_stopped(corpus, tmp_path, monkeypatch):
    settings = ["batch_size=16", "validate_every=3", "schedule=plateau", "ema=0.9", "patience=9"]
    settings += ["gradient_accumulation=2", "monitor=val_chrf", "decoded_pairs=3"]
    check_stopped(corpus, settings, [2, 3, 5, 1, 4], tmp_path, monkeypatch)


@pytest.mark.slow  # trains
def test_the_averages_are_kept_in_place_of_the_weights(corpus, tmp_path, eager_mode):
    """Averages that nearly stand still stay near the initial weights."""
    config = ONE_BATCH.with_settings(["ema=0.999999", "learning_rate=0.3", "epochs=1"])
    keep = keras.callbacks.Callback()
    translator = train(corpus, config, out=tmp_path / "run", callbacks=[keep], verbose=False)
    teacher = keep.model
    trained = teacher.model.trainable_weights
    kept = translator.model.trainable_weights
    for weight, expected in zip(kept, teacher.averages.variables):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())
    assert np.abs(trained[0].numpy() - kept[0].numpy()).max() > 0.01


def test_a_monitor_remembers_the_best_finite_value():
    monitor = Monitor("val_bleu")
    for epoch, value in enumerate([np.nan, 3.0, 5.0, 5.0, np.inf, 4.0], start=1):
        monitor.add(value, epoch)
    assert (monitor.best, monitor.best_epoch, monitor.without_improvement) == (5.0, 3, 3)
    other = Monitor("val_bleu")
    other.set_state(monitor.get_state())
    assert other.improves(5.1) and not other.improves(5.0)
    assert Monitor("val_loss").improves(1.0)
    lower = Monitor("val_token_error_rate")
    lower.add(1.0, 1)
    assert lower.improves(0.5) and not lower.improves(1.5)


def test_a_figure_that_is_not_measured_is_refused_with_those_that_are():
    config = Config().with_settings(["monitor=val_free_run_error", "decoded_pairs=3"]).training
    with pytest.raises(ValueError, match="for this target, which is text; .* val_accuracy, val_bl"):
        choose_monitor(config, TextSide(10))
    assert choose_monitor(config, ValueSide(1)) == "val_free_run_error"


def test_a_figure_of_outputs_needs_no_number_of_pairs():
    assert Config().with_settings(["monitor=val_bleu"]).training.decoded_pairs == 500
    assert (
        Config().with_settings(["monitor=val_bleu", "decoded_pairs=3"]).training.decoded_pairs == 3
    )
    assert Config().training.decoded_pairs == 0


def test_decoded_pairs_are_chosen_evenly_from_the_whole_split():
    assert choose_pairs(range(6), 4, 6) == [0, 1, 3, 4]
    assert choose_pairs(range(100), 5, 100) == [0, 20, 40, 60, 80]
    assert choose_pairs(range(3), 500, 3) == [0, 1, 2]


@pytest.mark.slow  # trains
def test_own_callbacks_and_an_own_optimizer_take_part(corpus, tmp_path, eager_mode):
    """Callbacks get the figures of validation, and can stop training."""
    logs_of_epochs = []
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            logs_of_epochs.append(dict(logs)),
            setattr(stop.model, "stop_training", epoch == 1),
        )
    )
    config = ONE_BATCH.with_settings(["epochs=5"])
    own = {"callbacks": [stop], "optimizer": keras.optimizers.SGD(1e-9)}
    trained = train(corpus, config, out=tmp_path / "run", verbose=False, **own)
    rows = read_history(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2]
    for row, logs in zip(rows, logs_of_epochs):
        assert {name: row[name] for name in logs} == pytest.approx(logs, rel=1e-5)
    # At such a rate, the optimizer changes nothing.
    assert rows[1]["val_loss"] == pytest.approx(rows[0]["val_loss"], rel=1e-6)
    assert trained.record.optimizer["class"] == "SGD" and trained.record.is_finished
    with pytest.raises(FileExistsError, match="the optimizer is not the same"):
        train(corpus, config, out=tmp_path / "run", verbose=False, resume=True)
    with pytest.raises(TypeError, match="callbacks must be callbacks of Keras.*'early'"):
        train(corpus, config, out=tmp_path / "other", callbacks=["early"])


def test_a_loss_that_is_not_finite_stops_training_with_its_batch_saved(corpus, tmp_path, mode):
    """The first step of such an optimizer is too large for float32."""
    options = {"out": tmp_path / "run", "verbose": False}
    options["optimizer"] = keras.optimizers.SGD(1e39)
    message = "the loss of batch 2 of epoch 1 is not a finite number; .* with a lower learning_rat"
    with pytest.raises(TrainingFailed, match=message):
        train(corpus, TWO_BATCHES, **options)
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "run.failed_batch.npz"]
    with np.load(tmp_path / "run.failed_batch.npz") as batch:
        assert batch["labels"].shape[0] == len(batch["source_text"]) >= 112 - 64
        pairs = set(zip(batch["source_text"], batch["target_text"]))
    # Other source words than the most frequent ones are unknown.
    targets = {target for _, target in corpus.train}
    assert len(pairs) > 10 and {target for _, target in pairs} <= targets


def test_a_gradient_that_is_not_finite_leaves_the_best_weights(
    corpus, tmp_path, monkeypatch, eager_mode
):
    norm = tf.linalg.global_norm
    factors = iter([1.0, float("inf")])
    monkeypatch.setattr(tf.linalg, "global_norm", lambda each: norm(each) * next(factors))
    with pytest.raises(TrainingFailed, match="gradient of batch 1 of epoch 2 is not .*failed_bat"):
        train(corpus, ONE_BATCH, out=tmp_path / "run", verbose=False)
    monkeypatch.undo()
    with pytest.warns(UnfinishedRunWarning):
        translator = Translator.load(tmp_path / "run")
    results = translator.score(corpus.valid)
    total = sum(result.log_probability for result in results)
    loss = -total / sum(len(result.tokens) for result in results)
    (row,) = read_history(tmp_path / "run")
    assert row["val_cross_entropy"] == pytest.approx(loss, rel=1e-4)
    assert directory.has_state(tmp_path / "run")


def test_too_little_memory_names_the_setting_to_lower(corpus, tmp_path, eager_mode):
    def fail(batch, logs):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory on the device")

    callback = keras.callbacks.LambdaCallback(on_train_batch_begin=fail)
    with pytest.raises(TrainingFailed, match=r"lower batch_size \(now 32\) or maximum_length \(no"):
        train(corpus, CONFIG, out=tmp_path / "run", callbacks=callback, verbose=False)
