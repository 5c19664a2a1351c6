"""The message and the exit code for an error."""

import sys

from kseq.backend import ForeignBackendError
from kseq.cli.options import flag
from kseq.errors import SettingError, is_message_of_kseq

FAILED = 1
MISTAKE = 2  # in the command, or in its data

# Other errors of the operating system, such as a full disk, are failures.
_WRONG_PATHS = (
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


def explain(error, options):
    """Explains an error to the user of the command.

    Args:
        error: The exception.
        options: Parsed options of the command.

    Returns:
        The message and the exit code; None if the error is a fault in kseq, whose traceback is
        needed.
    """
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "stopped", FAILED
    if isinstance(error, SettingError):
        names = vars(options).keys()
        if "set" in names:  # Then `features=tokens` is a setting of the model, not --features.
            names -= error.assigned
        return error.spell(lambda name: flag(name) if name in names else name), MISTAKE
    if isinstance(error, OSError):
        is_mistake = error.errno is None or isinstance(error, _WRONG_PATHS)
        return _describe(error), MISTAKE if is_mistake else FAILED
    if isinstance(error, MemoryError):
        return f"out of memory: {error}", FAILED
    if isinstance(error, (ValueError, TypeError, RuntimeError)) and not is_message_of_kseq(error):
        first_line = str(error).strip().partition("\n")[0]
        return f"{type(error).__name__}: {first_line} (KSEQ_DEBUG=1 shows where)", FAILED
    if isinstance(error, (ValueError, TypeError, ForeignBackendError)):
        return str(error), MISTAKE
    if isinstance(error, RuntimeError):
        return str(error), FAILED
    if isinstance(error, ImportError) and is_message_of_kseq(error):
        return str(error), FAILED  # an optional library is missing
    return _explain_tensorflow(error) if "tensorflow" in sys.modules else None


def _describe(error):
    """Returns the message with the name of the file, which errors of kseq already contain."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _explain_tensorflow(error):
    from tensorflow import errors

    if isinstance(error, errors.ResourceExhaustedError):
        return "out of memory; shorter sequences, small batches or a small beam need less", FAILED
    if isinstance(error, errors.OpError):
        # The first paragraphs describe where the graph failed.
        *_, last = error.message.strip().split("\n\n")
        return f"{type(error).__name__}: {last.strip().partition(chr(10))[0]}", FAILED
    return None
