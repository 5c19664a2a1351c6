"""The backend of Keras: anything but TensorFlow is refused before it is imported."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import kseq; print(kseq.__version__); kseq.train"


def run(words, folder, **variables):
    """Runs Python with an empty home directory; returns the exit code, output and errors."""
    environment = {**os.environ, "HOME": str(folder), **variables}
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        if name not in variables:
            environment.pop(name, None)
    process = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment
    )
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize(
    "backend, place",
    [
        # Where the backend is set does not depend on its name.
        pytest.param(backend, place, marks=[pytest.mark.slow] * (row != column))
        for row, backend in enumerate(("jax", "torch", "no_backend"))
        for column, place in enumerate(("variable", "home", "KERAS_HOME"))
    ],
)
def test_another_backend_is_refused_in_one_line_that_says_where_it_is_set(tmp_path, backend, place):
    variables, where = {"KERAS_BACKEND": backend}, "the environment variable KERAS_BACKEND"
    if place != "variable":
        folder = tmp_path / (".keras" if place == "home" else "elsewhere")
        folder.mkdir()
        (folder / "keras.json").write_text(f'{{"backend": "{backend}"}}')
        variables = {} if place == "home" else {"KERAS_HOME": str(folder)}
        where = f"the file {folder / 'keras.json'}"
    message = (
        f"kseq requires the TensorFlow backend of Keras, but {where} selects {backend!r}; set "
        "the environment variable KERAS_BACKEND=tensorflow before Keras is imported\n"
    )
    code, output, errors = run(["-m", "kseq", "recipes"], tmp_path, **variables)
    assert (code, output, errors) == (2, "", f"kseq: {message}")
    code, output, errors = run(["-c", PROGRAM], tmp_path, **variables)
    assert code == 1 and output == "0.1.0\n"
    assert errors.endswith(f"ForeignBackendError: {message}")


@pytest.mark.parametrize("text", ["{}", "[]", "not JSON", '{"backend": "tensorflow"}'])
def test_a_file_that_names_no_other_backend_is_no_obstacle(tmp_path, text):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(text)
    assert run(["-m", "kseq", "recipes"], tmp_path)[0] == 0


def test_the_variable_overrules_the_file(tmp_path):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"backend": "jax"}')
    variables = {"KERAS_BACKEND": "tensorflow"}
    assert run(["-m", "kseq", "recipes"], tmp_path, **variables)[0] == 0
