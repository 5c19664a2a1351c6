"""The backend of Keras: kseq is written for TensorFlow, and refuses any other."""

import json
import os
import pathlib
import sys


class ForeignBackendError(ImportError):
    """Keras is set to a backend other than TensorFlow."""


def require_tensorflow_backend():
    """Checks that Keras runs on TensorFlow, or would if it was imported now.

    Raises:
        ForeignBackendError: It is set to another backend.
    """
    name, origin = _find_backend()
    if name != "tensorflow":
        raise ForeignBackendError(
            f"kseq requires the TensorFlow backend of Keras, but {origin} selects {name!r}; set "
            "the environment variable KERAS_BACKEND=tensorflow before Keras is imported"
        )


def _find_backend():
    """The backend of Keras, and what it is set by."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend(), "the program that imported it"
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"], "the environment variable KERAS_BACKEND"
    path = _config_path()
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):  # no file, or one without a backend
        name = "tensorflow"
    return name, f"the file {path}"


def _config_path():
    """The file of settings that Keras reads."""
    home = os.path.expanduser("~")
    folder = pathlib.Path(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return pathlib.Path(os.environ.get("KERAS_HOME", folder)).joinpath("keras.json").absolute()
