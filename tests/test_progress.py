"""Progress of training in a notebook, in a pipe and in a terminal."""

import re
import types

import keras
import nbformat
import pytest
from conftest import write_tiny_pairs
from nbclient import NotebookClient
from test_validation import CONFIG

from kseq import load_corpus, train
from kseq.runs import directory
from kseq.training import progress
from kseq.training.progress import (
    PlainLines,
    Progress,
    TerminalLine,
    choose_display,
    format_seconds,
)

CELL = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from kseq import Config, load_corpus, train
from kseq.training import progress
progress._SECONDS_BETWEEN_UPDATES = 0
tf.config.run_functions_eagerly(True)
config = Config().with_settings(["units=8", "embedding_dim=8", "batch_size=32", "epochs=2"])
translator = train(load_corpus("pairs.tsv"), config, out="run")
"""


class Recorder(NotebookClient):
    """Runs a notebook, and keeps every text that is displayed or updated while it runs."""

    def process_message(self, message, *arguments):
        """Handles a message from the kernel."""
        if message["msg_type"] in ("display_data", "update_display_data"):
            self.texts.append(message["content"]["data"]["text/plain"])
        return super().process_message(message, *arguments)


@pytest.mark.slow  # starts the kernel of a notebook
def test_a_notebook_shows_progress_within_an_epoch_and_keeps_one_line_for_each(tmp_path):
    write_tiny_pairs(tmp_path / "pairs.tsv")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    client = Recorder(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.texts = []
    client.execute()
    starts = [re.match(r"epoch \d/2: (first batch|\d/4|\d+ s)", text)[0] for text in client.texts]
    epochs = [[text for text in starts if text.startswith(f"epoch {n}/2")] for n in (1, 2)]
    for number, texts in enumerate(epochs, start=1):
        title = f"epoch {number}/2: "
        assert texts[:-1] == [title + text for text in ("first batch", "1/4", "2/4", "3/4", "4/4")]
        assert re.fullmatch(r"epoch \d/2: \d+ s", texts[-1])
    lines = [output for output in notebook.cells[0].outputs if output.output_type == "display_data"]
    texts = [output.data["text/plain"] for output in lines]
    assert len(texts) == 2 and all("val_cross_entropy" in text for text in texts)


@pytest.fixture
def show_all(monkeypatch):
    """Updates the line after every batch."""
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 0)


def train_tiny(folder, *settings, **options):
    corpus = load_corpus(write_tiny_pairs(folder / "pairs.tsv"))
    train(corpus, CONFIG.with_settings(settings), out=folder / "run", **options)


@pytest.mark.slow  # trains
def test_a_terminal_has_a_line_that_is_replaced_until_the_epoch_ends(
    tmp_path, monkeypatch, capsys, eager_mode, show_all
):
    monkeypatch.setattr("kseq.training.fitting.choose_display", TerminalLine)
    monkeypatch.setenv("COLUMNS", "60")
    train_tiny(tmp_path, "epochs=1", "decoded_pairs=2", "batch_size=64")
    output = capsys.readouterr().out
    first, *updates = output[output.index("\r") :].split("\r\x1b[K")[1:]
    assert first == "epoch 1/1: first batch ..."
    batches = [text for text in updates if "\n" not in text]
    assert [text.split(" ")[2] for text in batches] == ["1/2", "2/2"]
    assert all(len(text) <= 59 for text in batches) and "left" not in batches[0]
    assert all(re.search(r"\d tokens/s  \d+ s left", text) for text in batches[1:])
    samples = [text for text in updates if "(expected: x" in text]
    assert len(samples) == 2 and all(text.endswith(f"\n{batches[-1]}") for text in samples)
    last_line = updates[-1].splitlines()[0]
    assert re.match(r"epoch 1/1: \d+ s  [\d,]+ tokens/s  accuracy 0\.", last_line)
    assert "val_cross_entropy" in last_line and "val_bleu" in last_line


def test_speed_and_time_left_are_those_of_the_batches_after_the_first(monkeypatch):
    """Of target tokens, END included; the first batch takes long, as its graph is traced.

    The validation at the end of the epoch does not count either.
    """
    now, lines = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = Progress(types.SimpleNamespace(update=lines.append, finish=lines.append), 3, 10, int)
    count = keras.Variable(0.0)
    side = types.SimpleNamespace(is_text=True)
    metric, seq2seq = types.SimpleNamespace(count=count), types.SimpleNamespace(target_side=side)
    shown.set_model(types.SimpleNamespace(metrics=[metric], model=seq2seq))
    shown.on_epoch_begin(0)
    for batch, (seconds, tokens) in enumerate([(60, 500), (64, 900), (68, 1300)]):
        now[0] = seconds
        count.assign(tokens)
        shown.on_train_batch_end(batch, {"accuracy": 0.5})
    now[0] = 90
    shown.on_epoch_end(0, {"accuracy": 0.5})
    # 27 batches of 4 seconds are left.
    assert lines == [
        "epoch 1/3: first batch ...",
        "epoch 1/3: 1/10  accuracy 0.5",
        "epoch 1/3: 2/10  100 tokens/s  2 min left  accuracy 0.5",
        "epoch 1/3: 3/10  100 tokens/s  2 min left  accuracy 0.5",
        "epoch 1/3: 90 s  100 tokens/s  accuracy 0.5",
    ]


@pytest.mark.slow  # trains
def test_a_pipe_gets_a_line_for_each_validation(tmp_path, capsys, eager_mode):
    """In tests/test_validation.py, a silent training writes nothing."""
    assert isinstance(choose_display(), PlainLines)
    train_tiny(tmp_path, "epochs=2", "validate_every=3", "batch_size=64")
    starts = [line[:9] for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert starts == ["epoch 1/2", "epoch 1.5", "epoch 2/2"]
    history = (tmp_path / "run" / directory.HISTORY).read_text().splitlines()
    assert [line.split(",")[:2] for line in history[1:]] == [["1", "2"], ["1.5", "3"], ["2", "4"]]


def test_control_characters_of_outputs_do_not_reach_the_terminal(capsys):
    line = TerminalLine()
    line.update("a\x1b[2Jb")
    line.add("c\x07d")
    line.finish("e\x9bf")
    output = capsys.readouterr().out.replace("\r\x1b[K", "")
    assert output == "a\\u001b[2Jbc\\u0007d\na\\u001b[2Jbe\\u009bf\n"


@pytest.mark.parametrize(
    "seconds, text",
    [(3.4, "3 s"), (99, "99 s"), (150, "2 min"), (5399, "90 min"), (7500, "2 h 5 min")],
)
def test_durations_are_short(seconds, text):
    assert format_seconds(seconds) == text
