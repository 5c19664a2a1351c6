"""Sources to translate, one for each line of a file or of standard input."""

import contextlib
import sys

from kseq.corpora.arrays import read_values
from kseq.corpora.featured import FeaturedText
from kseq.corpora.lines import BackgroundLines, decode_lines, excerpt, read_lines
from kseq.corpora.recordings import is_recording, read_recording


@contextlib.contextmanager
def open_sources(file=None, is_text=True, features=None, *, has_covariates=False):
    """Opens sources for `Translator.stream` or `Translator.predict`; a context manager.

    Args:
        file: File of lines that `kseq.corpora.lines.read_lines` accepts; None for standard input,
            whose lines are read in the background (`BackgroundLines`).
        is_text: Whether a line is a source; if not, it is the name of a `.npy` or a `.wav` file.
        features: Where the features of each sentence are: the number of a column, from 1, in lines
            with tabs, whose first other column is the sentence; or a file with a line for each
            line. None for sentences without features.
        has_covariates: Whether a line has a second column, the name of a `.npy` file of covariates.

    Yields:
        An iterable of sentences, of `FeaturedText`s, of arrays `[S, F]` or of `Recording`s; with
        covariates, of tuples of these and of arrays `[T, C]`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: Standard input is closed, a line is not UTF-8, or an array cannot be read.
    """
    with _open_lines(file) as lines:
        if has_covariates:
            yield _Converted(lines, lambda line: _read_with_covariates(line, is_text))
        elif features is None:
            yield lines if is_text else _Converted(lines, _read_values)
        elif isinstance(features, int):
            yield _Converted(lines, lambda line: _split_columns(line, features))
        else:
            with _open_lines(features) as others:
                yield _Converted(
                    lines,
                    lambda line: _join_features(line, others, features),
                    lambda count: _require_end(others, features, count),
                )


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


class _Converted:
    """Sources that are made of lines; errors include the line number.

    Args:
        lines: Iterable of lines, perhaps `BackgroundLines`.
        convert: Function from a line to a source.
        finish: Function of the number of lines that is called at their end.
    """

    def __init__(self, lines, convert, finish=lambda count: None):
        self._lines, self._convert, self._finish = lines, convert, finish
        self.is_waiting = getattr(lines, "is_waiting", lambda: False)

    def __iter__(self):
        """Yields the sources."""
        number = 0
        for number, line in enumerate(self._lines, start=1):
            try:
                yield self._convert(line)
            except (ValueError, OSError) as error:
                raise ValueError(f"line {number} of the input: {error}") from error
        self._finish(number)


def _read_values(line):
    """The array or the `Recording` in the file that a line names."""
    name = line.strip()
    if not name:
        raise ValueError("expected the name of a .npy or a .wav file; received an empty line")
    return read_recording(name) if is_recording(name) else read_values(name)


def _read_with_covariates(line, is_text):
    """The source in the first column of a line, and the array that the second column names."""
    source, _, covariates = line.partition("\t")
    if not covariates.strip():
        raise ValueError(
            "expected a source, a tab and the name of a .npy file of covariates, because the model "
            f"reads known inputs of each step; received {excerpt(line)}"
        )
    covariates = read_values(covariates.strip())
    return (source if is_text else _read_values(source)), covariates


def _split_columns(line, number):
    """The `FeaturedText` of a line with tabs, whose column of this number holds the features."""
    columns = line.split("\t")
    source = 2 if number == 1 else 1
    if not line.strip():
        return FeaturedText("", "")
    if len(columns) < max(number, source):
        raise ValueError(
            "expected a sentence, a tab and its features, because the model reads features; "
            f"received {excerpt(line)}"
        )
    return FeaturedText(columns[source - 1], columns[number - 1])


def _join_features(line, others, file):
    """The `FeaturedText` of a line and of the next line of a file of features."""
    features = next(others, None)
    if features is None:
        raise ValueError(f"expected a line of features for it in {file}, which has fewer lines")
    return FeaturedText(line, features)


def _require_end(others, file, count):
    """Raises a ValueError if a file of features goes on after the last of `count` lines."""
    if next(others, None) is not None:
        raise ValueError(
            f"{file} has more lines than the input, which has {count:,}: do they belong together?"
        )
