"""Lines of text from plain, gzipped and zipped files, with every fault named by file and line."""

import contextlib
import gzip
import io
import pathlib
import queue
import threading
import zipfile

from kseq.corpora.archives import DAMAGES, only_member


class NotUtf8Error(ValueError):
    """A text file is not in UTF-8.

    Args:
        message: What was expected, what was received, and how to fix it.
        file: Name of the file, as the message gives it.
        line: Number of the first line that is not UTF-8, counted from 1.
    """

    def __init__(self, message, file=None, line=None):
        super().__init__(message)
        self.file = file
        self.line = line


def read_lines(path, member=None):
    """Yields the lines of a text file, each with its number from 1, without its line end.

    Line ends may be `\\n`, `\\r\\n` or `\\r`, mixed; a byte-order mark is dropped.

    Args:
        path: A plain, `.gz` or `.zip` file in UTF-8.
        member: Which file of a `.zip` to read; there must be only one by default.

    Raises:
        FileNotFoundError: There is no such file.
        NotUtf8Error: A line is not UTF-8.
        ValueError: An archive is damaged or holds several files.
    """
    path = pathlib.Path(path)
    require_file(path)
    _refuse_packed(path)
    number = 0
    name = path if member is None else f"{path}: {member}"
    try:
        with open_bytes(path, member) as file:
            for number, line in decode_lines(file, name):
                yield number, line
    except (*DAMAGES, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the file could not be opened; bzip2 reports damage as an OSError too
        raise ValueError(f"{name}: damaged after line {number}: {error}") from error


def read_columns(path, columns_wanted="source, tab, target"):
    """Yields the number of each line and its first two columns; a blank line has empty ones.

    Args:
        path: A TSV, as `read_lines` takes it; further columns are ignored.
        columns_wanted: What the two stand for, for the message.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line has one column, or cannot be read.
    """
    for number, line in read_lines(path):
        columns = line.split("\t")
        if len(columns) > 1:
            yield number, columns[0], columns[1]
        elif line.strip():
            raise ValueError(
                f"{path}, line {number}: expected {columns_wanted}; received one column: "
                f"{_excerpt(line)}"
            )
        else:
            yield number, "", ""


def chunks(iterable, size, is_waiting=lambda: False):
    """Yields lists of `size` things, the last one shorter perhaps, or the one before an error.

    Args:
        iterable: What gives the things.
        size: Most things of a list.
        is_waiting: Tells whether the next thing is not there yet; then nobody waits for it who
            has one already.
    """
    chunk = []
    try:
        for thing in iterable:
            chunk.append(thing)
            if len(chunk) == size or is_waiting():
                yield chunk
                chunk = []
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


class WaitingLines:
    """Lines that are read in the background, so that one can ask whether there are any yet.

    Args:
        lines: Iterable of lines, which may keep one waiting.
    """

    _ROOM = 4096  # lines that are held at most
    _END = object()

    def __init__(self, lines):
        self._queue = queue.Queue(self._ROOM)
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def __iter__(self):
        while (item := self._queue.get()) is not self._END:
            if isinstance(item, BaseException):
                raise item
            yield item

    def is_waiting(self):
        """Whether the next line is not there yet."""
        return self._queue.empty()

    def _read(self, lines):
        try:
            for line in lines:
                self._queue.put(line)
        except Exception as error:  # it belongs to whoever takes the lines
            self._queue.put(error)
        self._queue.put(self._END)


def decode_lines(file, name):
    """Yields the lines of an open binary file, like `read_lines`; errors call it `name`."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape")
    holds_utf8 = False
    try:
        for number, line in enumerate(text, start=1):
            if number == 1 and _is_utf16(line):
                raise NotUtf8Error(
                    f"{name}: expected UTF-8; received UTF-16; convert the file, such as with "
                    "iconv -f utf-16 -t utf-8",
                    name,
                    number,
                )
            if not line.isascii():
                if _holds_surrogates(line):
                    complaint = _complaint(line, holds_utf8)
                    raise NotUtf8Error(f"{name}, line {number}: {complaint}", name, number)
                holds_utf8 = True
            yield number, line.removesuffix("\n")
    finally:
        text.detach()  # the file belongs to the caller, who closes it


@contextlib.contextmanager
def open_bytes(path, member=None):
    """Opens a plain file, a `.gz`, or a member of a `.zip` or its only one, to read what it holds.

    Raises:
        OSError: It cannot be opened.
        ValueError: The archive holds several files.
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
    """Checks that a path leads to something that can be opened.

    Raises:
        FileNotFoundError: It leads nowhere, or to a directory.
    """
    if path.is_dir():
        raise FileNotFoundError(f"expected a file, received a directory: {path}")
    if not path.exists():
        raise FileNotFoundError(f"file not found: {path}")


def require_lasting_file(path):
    """Checks that a file can be read more than once, which a pipe cannot.

    Raises:
        FileNotFoundError: It cannot, or there is none.
    """
    require_file(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file that can be read again and again: {path} is none")


def _refuse_packed(path):
    """Refuses archives of other kinds, which would be taken for text in a strange encoding."""
    name = path.name.lower()
    kinds = (".tar", ".tar.gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
    if name.endswith(kinds):
        raise ValueError(f"{path}: expected a plain file, a .gz or a .zip; unpack it first")


def _is_utf16(line):
    """Whether the first line begins with the byte-order mark of UTF-16, or has its many zeros."""
    has_mark = line[:2] in ("\udcff\udcfe", "\udcfe\udcff")
    return has_mark or line.count("\0") * 3 > len(line) > 3


def _complaint(line, follows_utf8):
    """What is wrong with a line that is not UTF-8, and how to mend it."""
    if not follows_utf8:
        return "not valid UTF-8; convert the file, such as with iconv -f latin1 -t utf-8"
    as_latin = line.encode("utf-8", "surrogateescape").decode("latin1").strip()
    return (
        "not valid UTF-8, as lines before it are: the file mixes encodings; convert this line "
        f"alone (in Latin-1 it is {_excerpt(as_latin)}), or drop all that is not UTF-8 with "
        "iconv -c -f utf-8 -t utf-8"
    )


def _holds_surrogates(line):
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _excerpt(line, length=60):
    return repr(line if len(line) <= length else line[: length - 1] + "…")
