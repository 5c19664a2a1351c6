"""Progress of training in a notebook, in a pipe and in a terminal."""

import re
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from kseq.training.progress import choose_progress

CELL = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
from kseq.training import progress
progress._SECONDS_BETWEEN_UPDATES = 0
verbose, callbacks = progress.choose_progress(True)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse", run_eagerly=True)
x = np.ones([3, 1])
model.fit(x, x, batch_size=1, epochs=2, verbose=verbose, callbacks=callbacks)
print(progress.choose_progress(False))
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
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    client = Recorder(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.texts = []
    client.execute()
    starts = [re.match(r"Epoch \d/2: \d/3 - ", text)[0][:-3] for text in client.texts]
    epoch = "Epoch 1/2: 0/3,Epoch 1/2: 1/3,Epoch 1/2: 2/3,Epoch 1/2: 3/3,Epoch 1/2: 3/3"
    assert starts == [*epoch.split(","), *epoch.replace("Epoch 1", "Epoch 2").split(",")]
    lines = [output for output in notebook.cells[0].outputs if output.output_type == "display_data"]
    texts = [output.data["text/plain"] for output in lines]
    assert len(texts) == 2 and all(re.fullmatch(r".*3/3 - \ds - loss: .*", text) for text in texts)
    assert "(0, [])" in str(notebook.cells[0].outputs)


def test_a_terminal_has_the_bar_of_keras_and_a_pipe_a_line_for_each_epoch(monkeypatch):
    for is_terminal, verbose in ((True, 1), (False, 2)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda answer=is_terminal: answer, raising=False)
        assert choose_progress(True) == (verbose, [])
        assert choose_progress(False) == (0, [])
