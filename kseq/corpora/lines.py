"""Lines of text from plain, gzipped and zipped files; errors name the file and the line."""

import contextlib
import gzip
import io
import pathlib
import queue
import threading
import warnings
import zipfile

from kseq.corpora.archives import DAMAGES, only_member
from kseq.errors import KseqWarning


class FaultyLineError(ValueError):
    """A line of a file cannot be used; the lines after it can.

    Args:
        message: Error message.
        file: Name of the file, as in the message.
        line: Number of the line, counted from 1.
    """

    def __init__(self, message, file=None, line=None):
        super().__init__(message)
        self.file = file
        self.line = line


class NotUtf8Error(FaultyLineError):
    """A text file is not in UTF-8; `line` is the number of the first such line."""


class LineEndWarning(KseqWarning):
    """Carriage returns inside lines were read as spaces."""


def read_lines(path, member=None):
    """Yields the number of each line of a text file, from 1, and the line without its ending.

    A line ends with `\\n` or `\\r\\n`; a carriage return inside a line becomes a space. In a file
    without any `\\n`, as old Macs wrote them, carriage returns end the lines. A byte-order mark is
    dropped.

    Args:
        path: A plain, `.gz` or `.zip` file in UTF-8.
        member: Name of the file to read in a `.zip`; None if the archive holds only one.

    Raises:
        FileNotFoundError: The file is missing.
        NotUtf8Error: A line is not UTF-8.
        ValueError: An archive is damaged or holds several files.

    Warns:
        LineEndWarning: There were carriage returns inside lines.
    """
    return raise_faults(scan_lines(path, member))


def raise_faults(items):
    """Yields numbered items, tuples `(number, item)`; raises those that are `FaultyLineError`s."""
    with contextlib.closing(items):
        for number, item in items:
            if isinstance(item, FaultyLineError):
                raise item
            yield number, item


def scan_lines(path, member=None):
    """Yields the same as `read_lines`, with a `FaultyLineError` in place of each faulty line."""
    path = pathlib.Path(path)
    require_file(path)
    _reject_other_archives(path)
    number = 0
    name = path if member is None else f"{path}: {member}"
    try:
        with open_bytes(path, member) as file:
            for number, line in _decode_lines(file, name):
                yield number, line
    except (*DAMAGES, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # The file could not be opened; errors from damaged files have no filename.
        raise ValueError(f"{name}: damaged after line {number}: {error}") from error


def chunks(iterable, size, is_waiting=None):
    """Yields lists of `size` items; the last one, or one before an error, may be shorter.

    Args:
        iterable: Iterable of the items.
        size: Maximum number of items in a list.
        is_waiting: Function that returns whether the next item has not arrived yet; a list that
            is not empty is then yielded without waiting. By default the method of this name of
            the iterable, if it has one.
    """
    is_waiting = is_waiting or getattr(iterable, "is_waiting", lambda: False)
    chunk = []
    try:
        for item in iterable:
            chunk.append(item)
            if len(chunk) == size or is_waiting():
                yield chunk
                chunk = []
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


class BackgroundLines:
    """Lines that a thread reads in the background, so that a consumer knows if it must wait.

    Args:
        lines: Iterable of lines that may block.
    """

    _ROOM = 4096  # maximum number of lines in the queue
    _END = object()

    def __init__(self, lines):
        self._queue = queue.Queue(self._ROOM)
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def __iter__(self):
        """Yields the lines; a read error is raised after the lines before it."""
        while (item := self._queue.get()) is not self._END:
            if isinstance(item, BaseException):
                raise item
            yield item

    def is_waiting(self):
        """Returns whether the next line has not arrived yet."""
        return self._queue.empty()

    def _read(self, lines):
        """Puts the lines, or the error that ends them, and the end into the queue."""
        try:
            for line in lines:
                self._queue.put(line)
        except Exception as error:  # Raised in the thread that consumes the lines.
            self._queue.put(error)
        self._queue.put(self._END)


def decode_lines(file, name):
    """Yields the lines of an open binary file, as `read_lines` does.

    Args:
        file: Binary file; it stays open.
        name: Name of the file in error messages.

    Raises:
        NotUtf8Error: A line is not UTF-8.

    Warns:
        LineEndWarning: There were carriage returns inside lines.
    """
    return raise_faults(_decode_lines(file, name))


def _decode_lines(file, name):
    """Yields the same as `decode_lines`, with an error in place of each faulty line."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="\n")
    holds_utf8 = False
    try:
        for number, line in enumerate(_split_at_line_ends(text, name), start=1):
            if number == 1 and _is_utf16(line):
                raise NotUtf8Error(
                    f"{name}: expected UTF-8; received UTF-16; convert the file, such as with "
                    "iconv -f utf-16 -t utf-8",
                    name,
                    number,
                )
            if not line.isascii():
                if _holds_surrogates(line):
                    fault = _describe_fault(line, holds_utf8)
                    line = NotUtf8Error(f"{name}, line {number}: {fault}", name, number)
                else:
                    holds_utf8 = True
            yield number, line
    finally:
        text.detach()  # The caller closes the file.


def _split_at_line_ends(text, name):
    """Yields the lines of a text file that is split at `\\n`; warns about carriage returns."""
    strays, first_stray = 0, None
    for number, line in enumerate(text, start=1):
        is_whole_file = number == 1 and not line.endswith("\n")
        line = line.removesuffix("\n").removesuffix("\r")
        if "\r" not in line:
            yield line
        elif is_whole_file:
            yield from line.split("\r")
        else:
            strays += line.count("\r")
            first_stray = first_stray or number
            yield line.replace("\r", " ")
    if strays:
        warnings.warn(
            f"{name}: carriage returns inside lines were read as spaces: {strays:,} in all, the "
            f"first in line {first_stray:,}",
            LineEndWarning,
            stacklevel=1,  # the same place for every pass over the file, so it is shown once
        )


@contextlib.contextmanager
def open_bytes(path, member=None):
    """Opens a plain, `.gz` or `.zip` file to read its uncompressed bytes.

    Args:
        path: A `pathlib.Path`.
        member: Name of the file to read in a `.zip`; None if the archive holds only one.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The archive does not hold exactly one file.
    """
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as file:
            yield file
    elif path.suffix.lower() == ".zip":
        with contextlib.ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(path))
            yield stack.enter_context(archive.open(member or only_member(path, archive)))
    else:
        with open(path, "rb") as file:
            yield file


def require_file(path):
    """Checks that a path exists and is not a directory.

    Raises:
        FileNotFoundError: The file is missing, or is a directory.
    """
    if path.is_dir():
        raise FileNotFoundError(f"expected a file, received a directory: {path}")
    if not path.exists():
        raise FileNotFoundError(f"file not found: {path}")


def require_lasting_file(path):
    """Checks that a file exists and can be read more than once, unlike a pipe.

    Raises:
        FileNotFoundError: The file is missing, or can be read only once.
    """
    require_file(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file that can be read more than once; {path} cannot")


def _reject_other_archives(path):
    """Raises ValueError for other archives, which would be mistaken for text in some encoding."""
    name = path.name.lower()
    kinds = (".tar", ".tar.gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
    if name.endswith(kinds):
        raise ValueError(f"{path}: expected a plain file, a .gz or a .zip; unpack it first")


def _is_utf16(line):
    """Returns whether a first line has the byte-order mark of UTF-16, or its many zero bytes."""
    has_mark = line[:2] in ("\udcff\udcfe", "\udcfe\udcff")
    return has_mark or line.count("\0") * 3 > len(line) > 3


def _describe_fault(line, follows_utf8):
    """Describes the fault of a line that is not UTF-8, and how to fix it."""
    if not follows_utf8:
        return "not valid UTF-8; convert the file, such as with iconv -f latin1 -t utf-8"
    as_latin = line.encode("utf-8", "surrogateescape").decode("latin1").strip()
    return (
        "not valid UTF-8, unlike lines before it: the file mixes encodings; convert only this "
        f"line (in Latin-1 it is {excerpt(as_latin)}), or drop everything that is not UTF-8 with "
        "iconv -c -f utf-8 -t utf-8"
    )


def _holds_surrogates(line):
    """Returns whether a line holds bytes that could not be decoded."""
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def excerpt(line, length=60):
    """Returns the beginning of a line, in quotes."""
    return repr(line if len(line) <= length else line[: length - 1] + "…")
