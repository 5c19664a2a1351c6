"""`kseq.TensorBoard`: what a training writes for TensorBoard, also if it is stopped and goes on."""

import dataclasses
import os
import re

import matplotlib.image
import numpy as np
import pytest
from conftest import write_tiny_pairs
from test_event_files import read_events
from test_resume import stop_after

import kseq
from kseq import Config, load_corpus, train
from kseq.cli.main import main
from kseq.runs.directory import state_paths
from kseq.runs.history import read_history
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


def test_figures_outputs_and_attention_are_written(corpus, tmp_path, eager_mode, capsys):
    """Two batches, each with a validation."""
    config = CONFIG.with_settings(["epochs=1", "batch_size=64", "validate_every=1"])
    board = kseq.TensorBoard(every=2, pairs=1)
    train(corpus, config, out=tmp_path / "run", callbacks=[board])
    assert board.folder == tmp_path / "tensorboard" / "run"
    assert f"tensorboard --logdir {tmp_path / 'tensorboard'}" in capsys.readouterr().out

    rows = read_history(tmp_path / "run")
    curves = read_curves(board.folder)
    for name in ("loss", "cross_entropy", "accuracy", "perplexity"):
        for split, prefix in (("train", ""), ("validation", "val_")):
            steps, values = zip(*curves.pop((split, f"figures/{name}")))
            assert steps == (1, 2)
            np.testing.assert_allclose(values, [row[prefix + name] for row in rows], rtol=1e-5)
    # Both batches are those of the epoch.
    ((step, loss),) = curves.pop(("train", "batch/loss"))
    np.testing.assert_allclose([step, loss], [2, rows[1]["loss"]], rtol=1e-5)
    ((_, rate),) = curves.pop(("train", "batch/learning_rate"))
    assert 0 < rate < 1e-3 and not curves

    events = read_events(board.folder / "validation")
    pictures = [(step, name, value) for step, name, (kind, _), value in events if kind == "images"]
    assert [picture[:2] for picture in pictures] == [(1, "attention/1"), (2, "attention/1")]
    width, height, png = pictures[1][2]
    (tmp_path / "a.png").write_bytes(png)
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (int(height), int(width))
    texts = [value.item().decode() for *_, (kind, _), value in events if kind == "text"]
    source, target = next(iter(corpus.valid))
    assert len(texts) == 2 and f"| 1 | {source} | " in texts[0] and f" | {target} |" in texts[0]


@pytest.mark.slow  # trains several times
def test_a_training_is_unchanged(corpus, tmp_path, eager_mode):
    plain = train(corpus, CONFIG, out=tmp_path / "plain", verbose=False)
    board = kseq.TensorBoard(every=3)
    watched = train(corpus, CONFIG, out=tmp_path / "run", callbacks=[board], verbose=False)
    assert weights_of(watched) == weights_of(plain)
    speeds = read_curves(board.folder)["train", "batch/tokens_per_second"]
    assert [step for step, _ in speeds] == [6] and speeds[0][1] > 0


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
