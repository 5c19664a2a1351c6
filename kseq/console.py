"""The terminal of a command: a quiet start, output that is safe to show, warnings and progress."""

import contextlib
import os
import re
import sys
import tempfile
import time

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def import_tensorflow_quietly(finds_devices=True):
    """Imports TensorFlow without its log lines about the processor and the GPU.

    TensorFlow logs them before any setting can stop it, so standard error itself is redirected
    during the import. If the import fails, everything is shown. Nothing is redirected if the
    environment variable TF_CPP_MIN_LOG_LEVEL is set.

    Args:
        finds_devices: Whether to look for devices, which starts the driver of a GPU. It must not
            have started in a process that is going to be forked.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow as tf

            if finds_devices:
                tf.config.list_physical_devices()
        except BaseException:
            log.seek(0)
            os.write(standard_error, log.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def printable(text):
    """Returns a text whose control characters are escapes such as `\\u001b`, as in JSON.

    A terminal would obey them: tokens, texts and file names may come from strangers. Line feeds and
    tabs are kept.
    """
    return _CONTROL.sub(lambda character: f"\\u{ord(character[0]):04x}", text)


def show(*values, **options):
    """Prints values as `print` does; on a terminal, without control characters.

    Programs that read from a file or a pipe get all characters as they are.
    """
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    print(*(printable(str(value)) if is_terminal else value for value in values), **options)


def show_warning(message, *_, **__):
    """Prints a warning as one line; a replacement for `warnings.showwarning`."""
    print(f"kseq: warning: {printable(' '.join(str(message).split()))}", file=sys.stderr)


@contextlib.contextmanager
def show_count(noun, is_visible=None):
    """Context manager that shows a count on the terminal.

    It yields a function that adds a number, 1 by default, to the count. Nothing is shown if
    standard error is not a terminal.

    Args:
        noun: What is counted, such as `"sentences"`.
        is_visible: Whether to show the count; by default, if standard output is not a terminal.
    """
    if is_visible is None:
        is_visible = not sys.stdout.isatty()
    if not (is_visible and sys.stderr.isatty()):
        yield lambda number=1: None
        return
    from rich import console, progress

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.completed:,} " + noun),
        progress.TextColumn("{task.fields[rate]:,.0f} a second"),
        progress.TimeElapsedColumn(),
    )
    start = time.monotonic()
    # The output goes elsewhere, and the bar must not print it.
    terminal = {"console": console.Console(stderr=True), "redirect_stdout": False}
    with progress.Progress(*columns, **terminal) as bar:
        task = bar.add_task("", total=None, rate=0.0)
        total = 0

        def add(number=1):
            nonlocal total
            total += number
            rate = total / max(time.monotonic() - start, 1e-3)
            bar.update(task, completed=total, rate=rate)

        yield add


@contextlib.contextmanager
def show_transfers():
    """Context manager that shows the progress of a download on the terminal, and then removes it.

    It yields a function that takes the name of a file, the number of bytes received, and the total
    or None. Nothing is shown if standard error is not a terminal.
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
        current_name = None

        def show(name, done, total):
            nonlocal current_name
            if name == current_name:
                bar.update(task, completed=done, total=total)
            else:  # bytes of an earlier download do not count towards the speed
                current_name = name
                bar.reset(task, completed=done, total=total, description=name, visible=True)

        yield show
