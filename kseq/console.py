"""What a command does before it can keep its terminal tidy."""

import contextlib
import os
import sys
import tempfile
import time


def import_tensorflow_quietly():
    """Imports TensorFlow without its greeting: lines about processor and GPU on standard error.

    They come before any setting can stop them, so the descriptor itself is turned away for a
    moment. Who has set TF_CPP_MIN_LOG_LEVEL gets what that says; a failing import is not hushed.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            log.seek(0)
            os.write(standard_error, log.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def show_warning(message, *_, **__):
    """Prints a warning as one line; takes the place of `warnings.showwarning`."""
    print(f"kseq: warning: {' '.join(str(message).split())}", file=sys.stderr)


@contextlib.contextmanager
def counted(what, is_shown=None):
    """Counts on the terminal what has been done, a context that gives a function to call.

    The function takes how many more have been done, 1 by default. Nothing is shown where standard
    error is no terminal.

    Args:
        what: What is counted, such as `"sentences"`.
        is_shown: Whether it is; by default, where the output itself is not seen on a terminal.
    """
    if is_shown is None:
        is_shown = not sys.stdout.isatty()
    if not (is_shown and sys.stderr.isatty()):
        yield lambda more=1: None
        return
    from rich import console, progress

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.completed:,} " + what),
        progress.TextColumn("{task.fields[rate]:,.0f} a second"),
        progress.TimeElapsedColumn(),
    )
    started = time.monotonic()
    # The output is going elsewhere: the bar must not take it for its own.
    terminal = {"console": console.Console(stderr=True), "redirect_stdout": False}
    with progress.Progress(*columns, **terminal) as bar:
        task = bar.add_task("", total=None, rate=0.0)
        done = 0

        def count(more=1):
            nonlocal done
            done += more
            rate = done / max(time.monotonic() - started, 1e-3)
            bar.update(task, completed=done, rate=rate)

        yield count


@contextlib.contextmanager
def transferred():
    """Shows on the terminal how far a file has come, a context that gives a function to call.

    The function takes the file's name, the bytes that are there, and how many it will have or
    None. Nothing is shown where standard error is no terminal; nothing stays when all is done.
    """
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich import console, progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    terminal = {"console": console.Console(stderr=True), "redirect_stdout": False}
    with progress.Progress(*columns, **terminal, transient=True) as bar:
        task = bar.add_task("", visible=False)
        shown = None

        def show(name, done, total):
            nonlocal shown
            if name == shown:
                bar.update(task, completed=done, total=total)
            else:  # what was there before does not count as speed
                shown = name
                bar.reset(task, completed=done, total=total, description=name, visible=True)

        yield show
