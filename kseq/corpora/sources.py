"""Sources to translate, one for each line of a file or of standard input."""

import contextlib
import sys

from kseq.corpora.arrays import read_values
from kseq.corpora.lines import BackgroundLines, decode_lines, read_lines


@contextlib.contextmanager
def open_sources(file=None, is_text=True):
    """Opens sources for `Translator.stream` or `Translator.predict`; a context manager.

    Args:
        file: File of lines that `kseq.corpora.lines.read_lines` accepts; None for standard input,
            whose lines are read in the background (`BackgroundLines`).
        is_text: Whether a line is a source; if not, it is the name of a `.npy` file of real values.

    Yields:
        An iterable of sentences, or of arrays `[S, F]`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: Standard input is closed, a line is not UTF-8, or an array cannot be read.
    """
    with _open_lines(file) as lines:
        yield lines if is_text else _Arrays(lines)


@contextlib.contextmanager
def _open_lines(file):
    """Yields the lines of a file or of standard input, without their numbers."""
    if file is not None:
        with contextlib.closing(read_lines(file)) as numbered:
            yield (line for _, line in numbered)
        return
    if sys.stdin is None:
        raise ValueError("standard input is closed; name a file")
    # Opened again, because at exit Python would wait for a thread that still reads `sys.stdin`.
    with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
        yield BackgroundLines(line for _, line in decode_lines(stream, "standard input"))


class _Arrays:
    """The arrays in the files named by the lines.

    Args:
        lines: Iterable of lines, perhaps `BackgroundLines`.
    """

    def __init__(self, lines):
        self._lines = lines
        self.is_waiting = getattr(lines, "is_waiting", lambda: False)

    def __iter__(self):
        """Yields the arrays; errors include the line number."""
        for number, line in enumerate(self._lines, start=1):
            try:
                if not line.strip():
                    raise ValueError("expected the name of a .npy file; received an empty line")
                yield read_values(line.strip())
            except (ValueError, OSError) as error:
                raise ValueError(f"line {number} of the input: {error}") from error
