"""`kseq.TensorBoard`: what a training writes for TensorBoard, also if it is stopped and goes on."""

import dataclasses
import os
import re

import keras
import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf
from conftest import write_tiny_pairs
from test_event_files import read_events
from test_resume import stop_after
from untrained import untrained_translator

import kseq
from kseq import Config, load_corpus, train
from kseq.cli.main import main
from kseq.runs.directory import state_paths
from kseq.runs.history import read_history
from kseq.training.teacher import make_teacher
from kseq.training.tensorboard import make_table

SETTINGS = ["units=8", "embedding_dim=8", "epochs=2", "batch_size=32", "warmup_steps=0"]
CONFIG = Config().with_settings([*SETTINGS, "validate_every=3", "ema=0.9"])


@pytest.fixture
def corpus(tmp_path):
    return load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))


def read_curves(folder):
    """The points of each curve, by split and name: (step, value)."""
    curves = {}
    for split in ("train", "validation"):
        for step, name, (plugin, _), value in read_events(folder / split):
            if plugin == "scalars":
                curves.setdefault((split, name), []).append((step, float(value)))
    return curves


def weights_of(translator):
    return [weight.tobytes() for weight in translator.model.get_weights()]


# Two rows, as a teacher reads them: of "a b" and "b", and of the targets "x" and "y".
BATCH = (
    {
        "source_ids": np.array([[4, 5, 3], [5, 3, 0]], np.int32),
        "target_ids": np.array([[2, 4], [2, 5]], np.int32),
    },
    np.array([[4, 3], [5, 3]], np.int32),
    np.ones([2, 2], np.float32),
)


def test_curves_outputs_and_attention_are_written(tmp_path, eager_mode):
    """Three batches with Keras' own `fit`, and a validation."""
    translator = untrained_translator(["dropout=0", "attention=luong_dot"], ["a", "b"], ["x", "y"])
    teacher = make_teacher(translator.model)
    teacher.compile(keras.optimizers.SGD(0.25))
    board = kseq.TensorBoard(every=1)
    board.connect(tmp_path / "run", translator, [("a b", "x y")])
    assert board.folder == tmp_path / "tensorboard" / "run"
    assert f"tensorboard --logdir {tmp_path / 'tensorboard'}" in board.invitation

    means = []
    recorder = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: means.append(float(logs["loss"]))
    )
    batches = tf.data.Dataset.from_tensors(BATCH).repeat(3)
    teacher.fit(batches, callbacks=[recorder, board], shuffle=False, verbose=0)
    board.on_validation({"epoch": 1, "step": 3, "seconds": 0.1, "loss": 2.0, "val_loss": 4.0})
    curves = read_curves(board.folder)
    # Keras has the means of all batches so far, which are equally large.
    sums = [number * mean for number, mean in enumerate(means, start=1)]
    steps, losses = zip(*curves.pop(("train", "batch/loss")))
    assert steps == (1, 2, 3)
    np.testing.assert_allclose(losses, np.diff([0.0, *sums]), rtol=1e-4)
    assert curves.pop(("train", "batch/learning_rate")) == [(1, 0.25), (2, 0.25), (3, 0.25)]
    speeds = curves.pop(("train", "batch/tokens_per_second"))
    assert [step for step, _ in speeds] == [2, 3] and min(speeds)[1] > 0
    assert curves.pop(("train", "figures/loss")) == [(3, 2.0)]
    assert curves.pop(("validation", "figures/loss")) == [(3, 4.0)] and not curves

    events = read_events(board.folder / "validation")
    shown = {name: value for step, name, _, value in events if step == 3}
    (result,) = translator.translate(["a b"])
    assert f"| 1 | a b | {result.text} | x y |" in shown["outputs"].item().decode()
    width, height, png = shown["attention/1"]
    (tmp_path / "a.png").write_bytes(png)
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (int(height), int(width))


@pytest.mark.slow  # trains several times
def test_a_training_is_unchanged(corpus, tmp_path, eager_mode):
    plain = train(corpus, CONFIG, out=tmp_path / "plain", verbose=False)
    board = kseq.TensorBoard(every=3)
    watched = train(corpus, CONFIG, out=tmp_path / "run", callbacks=[board], verbose=False)
    assert weights_of(watched) == weights_of(plain)
    rows = read_history(tmp_path / "run")
    curves = read_curves(board.folder)
    for name in ("loss", "cross_entropy", "accuracy", "perplexity"):
        for split, prefix in (("train", ""), ("validation", "val_")):
            steps, values = zip(*curves[split, f"figures/{name}"])
            assert steps == (3, 4, 6, 8)
            np.testing.assert_allclose(values, [row[prefix + name] for row in rows], rtol=1e-5)
    assert [step for step, _ in curves["train", "batch/tokens_per_second"]] == [6]


@pytest.mark.slow  # trains several times
def test_outputs_are_those_of_the_weights_that_are_kept(corpus, tmp_path, eager_mode):
    """Of their moving averages, that is; the last validation is the best one here."""
    config = CONFIG.with_settings(["learning_rate=0.05", "validate_every=0", "epochs=4"])
    board = kseq.TensorBoard(tmp_path / "logs", pairs=3)
    trained = train(corpus, config, out=tmp_path / "run", callbacks=board, verbose=False)
    rows = read_history(tmp_path / "run")
    best = min(rows, key=lambda row: row["val_cross_entropy"])["step"]
    events = read_events(tmp_path / "logs" / "validation")
    (text,) = [
        value.item().decode()
        for step, name, _, value in events
        if (step, name) == (best, "outputs")
    ]
    pairs = [re.sub(r"^\| \d \| ", "", line).split(" | ") for line in text.splitlines()[2:]]
    outputs = [result.text for result in trained.translate([pair[0] for pair in pairs])]
    assert [pair[1] for pair in pairs] == outputs


@pytest.mark.slow  # trains several times
def test_a_training_that_goes_on_leaves_the_same_curves(corpus, tmp_path, monkeypatch, eager_mode):
    """What was written after the batch from which it goes on is replaced."""
    board = kseq.TensorBoard(tmp_path / "whole", every=1, pairs=0)
    train(corpus, CONFIG, out=tmp_path / "a", callbacks=[board], verbose=False)
    board = kseq.TensorBoard(tmp_path / "parts", every=1, pairs=0)
    options = {"out": tmp_path / "b", "callbacks": [board], "resume": True, "verbose": False}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 6)
        train(corpus, CONFIG, **options)
    (newest, _) = state_paths(tmp_path / "b")
    newest.write_bytes(b"damaged")  # The state before it is that of the first epoch.
    train(corpus, CONFIG, **options)
    whole, parts = read_curves(tmp_path / "whole"), read_curves(tmp_path / "parts")
    for curves in (whole, parts):
        curves.pop(("train", "batch/tokens_per_second"))
    assert parts == whole and [step for step, _ in parts["train", "batch/loss"]] == list(
        range(1, 9)
    )


@pytest.mark.slow  # trains several times
def test_a_new_training_replaces_the_curves_of_an_old_one(corpus, tmp_path, eager_mode):
    config = CONFIG.with_settings(["epochs=1"])
    for _ in range(2):
        board = kseq.TensorBoard(pairs=0)
        train(corpus, config, out=tmp_path / "run", callbacks=board, overwrite=True, verbose=False)
    assert [step for step, _ in read_curves(board.folder)["validation", "figures/loss"]] == [3, 4]


@pytest.mark.parametrize("options", [{"every": 0}, {"pairs": -1}])
def test_wrong_numbers_are_errors(options):
    with pytest.raises(
        ValueError, match="every must be at least 1, and pairs at least 0; received"
    ):
        kseq.TensorBoard(**options)


def test_a_folder_that_cannot_be_made_is_named_before_training(corpus, tmp_path, eager_mode):
    board = kseq.TensorBoard(tmp_path / "pairs.tsv" / "logs")
    with pytest.raises(OSError, match="pairs.tsv"):
        train(corpus, CONFIG, out=tmp_path / "run", callbacks=board, verbose=False)
    assert os.listdir(tmp_path) == ["pairs.tsv"]


@dataclasses.dataclass
class Output:
    """The part of a result that a table shows."""

    text: str | None = None
    values: np.ndarray | None = None


def test_texts_mean_nothing_in_markdown():
    table = make_table([("a | b\n<b>", "*c*")], [Output("[d](e) `f`")])
    row = table.splitlines()[2]
    assert row.count("|") == 5 and not set("*<>[]()`") & set(row)
    assert "a &#124; b &#60;b&#62;" in row


def test_real_values_are_described():
    pair = np.zeros([5, 2]), np.zeros([3, 1])
    (*_, row) = make_table([pair], [Output(values=np.full([3, 1], 2.0))]).splitlines()
    assert row == "| 1 | 5 steps of 2 values | squared error 4 | 3 steps of 1 values |"


def test_the_command_writes_to_a_folder_next_to_the_run_or_to_a_given_one(tmp_path, monkeypatch):
    def record(*_, callbacks, **__):
        folders.extend(callback.folder for callback in callbacks)

    monkeypatch.setattr("kseq.training.train.train", record)
    words = ["train", "--corpus", "dates", "--out", str(tmp_path / "run")]
    folders = []
    for options in ([], ["--tensorboard"], ["--tensorboard", str(tmp_path / "logs")]):
        assert main([*words, *options]) == 0
    assert folders == [None, tmp_path / "logs"]
