"""A worker: the process that holds a model, and answers batches until its connection ends."""

import contextlib
import dataclasses
import importlib
import os
import signal
import sys
import warnings

from kseq.console import printable
from kseq.errors import SettingError, is_message_of_kseq
from kseq.kernels.processor import limit_cores
from kseq.serving.batches import Batch
from kseq.serving.engines import load_engine
from kseq.serving.messages import pack_message, read_message

_LONGEST_ERROR = 1000  # characters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker is for.

    Args:
        folder: Folder of the model.
        options: Options of the search to warm up with, by name.
        cores: Number of cores that the worker uses.
        modules: Modules of the user's own to import first.
        trusted: Whether a SavedModel may have operations that kseq does not write.
    """

    folder: str
    options: dict
    cores: int
    modules: tuple = ()
    trusted: bool = False


def work(connection, task):
    """Loads a model, and answers batches.

    The first message says that the worker is ready, with the description of the model, or why it
    is not.

    Args:
        connection: Socket to the server.
        task: `Task`.
    """
    # The server ends its workers when it has no more requests, whoever else gets the signal.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
        try:
            engine = _load(task)
        except Exception as error:
            connection.sendall(pack_message({"refused": _describe(error)}))
            return
        description = dataclasses.asdict(engine.description)
        connection.sendall(pack_message({"ready": description}))
        while (message := read_message(stream)) is not None:
            connection.sendall(pack_message(answer_batch(engine, Batch(**message))))


def _load(task):
    limit_cores(task.cores)
    if task.modules:
        sys.path.append(os.getcwd())
    for name in task.modules:
        importlib.import_module(name)
    engine = load_engine(task.folder, task.trusted)
    engine.warm_up(task.options if engine.description.has_options else {})
    return engine


def answer_batch(engine, batch):
    """Runs a batch.

    Args:
        engine: `Engine`.
        batch: `Batch`.

    Returns:
        A dict: `results` from `Engine.answer`; or a message as `mistake`, about the request, or as
        `failure`.
    """
    try:
        return {"results": engine.answer(batch)}
    except Exception as error:  # The worker goes on: the next batch may be smaller.
        is_mistake = isinstance(error, (ValueError, TypeError)) and is_message_of_kseq(error)
        return {"mistake" if is_mistake else "failure": _describe(error)}


def _describe(error):
    """Returns the message of an error in one line; a setting is named as a request names it."""
    if isinstance(error, SettingError):
        text = error.spell(lambda name: "beam" if name == "beam_size" else name)
    else:
        text = f"{error}" if isinstance(error, (ValueError, OSError)) else ""
        text = text or f"{type(error).__name__}: {error}"
    return printable(" ".join(text.split()))[:_LONGEST_ERROR]
