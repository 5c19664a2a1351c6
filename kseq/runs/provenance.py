"""How a run came about: the command that trains it, and the time that this takes."""

import contextlib
import contextvars
import datetime
import re
import shlex
import time

_words = contextvars.ContextVar("words of the command", default=None)
_FOLDERS = re.compile(r".*[/\\](?=[^/\\])", re.DOTALL)  # of a path, up to its last part


@contextlib.contextmanager
def recorded_command(words):
    """A context in which new runs record a command.

    Args:
        words: Its words, without the name of the program.
    """
    token = _words.set(["kseq", *words])
    try:
        yield
    finally:
        _words.reset(token)


def current_command():
    """Returns the command of the context as a shell would read it, without folders.

    Runs are shared, and folders may hold the name of a user or of a customer. So of every path,
    only the last part is left: `--out=/home/ada/runs/mine` becomes `--out=mine`.

    Returns:
        The command; None outside a context of `recorded_command`, as in Python.
    """
    words = _words.get()
    return words and shlex.join(map(_without_folders, words))


def _without_folders(word):
    """Returns a word with only the last part of the path that it holds, perhaps after a `=`."""
    name, equals, value = word.partition("=")
    if "/" in name or "\\" in name:
        return _FOLDERS.sub("", word)
    return name + equals + _FOLDERS.sub("", value)


class Stopwatch:
    """The time that the training of a run has taken, in this and in earlier processes.

    It begins with its creation, and is a participant of `StateKeeper`.
    """

    def __init__(self):
        self._start = time.monotonic()
        self._earlier = 0.0

    @property
    def seconds(self):
        """Seconds so far."""
        return self._earlier + time.monotonic() - self._start

    def get_state(self):
        """Returns what `set_state` needs in another process, for JSON."""
        return {"seconds": self.seconds}

    def set_state(self, state):
        """Adds the time that another process had taken when it called `get_state`."""
        self._earlier = state["seconds"]


def add_device(earlier, device):
    """Returns the description of the devices of all processes of a run.

    Args:
        earlier: That of earlier processes, or None.
        device: That of this process.
    """
    if earlier in (None, device):
        return device
    return earlier if earlier.endswith(f", then {device}") else f"{earlier}, then {device}"


def utc_now():
    """Returns the time of day as a string: `"2026-11-29T19:11:00Z"`."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
