"""Checks that a downloaded file is complete and undamaged.

A check is a function of the open file. It raises ValueError if the file is not as expected.
"""

import functools
import hashlib
import os
import re
import zipfile

from kseq.corpora.archives import DAMAGES

_MAXIMUM_EXPANSION = 100  # unpacked bytes per byte of an archive; text has about three


def check_file(check, opened):
    """Runs a check on an open binary file.

    Raises:
        ValueError: The file is incomplete, damaged, or not the expected one.
        OSError: The file cannot be read.
    """
    try:
        check(opened)
    except (*DAMAGES, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # The file cannot be read; its content may be right.
        raise ValueError(f"expected a complete file; received a damaged one: {error}") from error


def sha256_check(digest):
    """Returns a check for a file with a SHA-256 digest, a hexadecimal string."""
    return functools.partial(_check_digest, digest)


def _check_digest(digest, opened):
    received = hashlib.file_digest(opened, "sha256").hexdigest()
    if received != digest:
        raise ValueError(f"expected a file of SHA-256 {digest}; received one of {received}")


def check_table(*, lines, columns):
    """Returns a check for a file with a number of lines, each with columns separated by tabs."""
    return functools.partial(_check_rows, lines, columns)


def _check_rows(lines, columns, opened):
    number = 0
    for number, line in enumerate(iter(lambda: opened.readline(1 << 16), b""), start=1):
        received = line.count(b"\t") + 1
        if received != columns or not line.endswith(b"\n"):
            raise ValueError(
                f"expected {columns} columns with tabs between them; received {received} in line "
                f"{number}: {line[:40]!r}"
            )
    if number != lines:
        raise ValueError(f"expected {lines:,} lines; received {number:,}")


def check_zip(opened):
    """Checks a zip of one text whose first line has a tab, reading it to its end.

    Raises:
        ValueError: The file is not such an archive.
    """
    size = opened.seek(0, os.SEEK_END)
    with zipfile.ZipFile(opened) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MAXIMUM_EXPANSION * size:
            raise ValueError(
                f"expected an archive of text; received one of {size:,} bytes that claims to "
                f"hold {unpacked:,}"
            )
        texts = [
            name for name in archive.namelist() if re.fullmatch(r"(.*/)?[^_/.][^/]*\.txt", name)
        ]
        if len(texts) != 1:
            listing = ", ".join(archive.namelist()[:5]) or "nothing"
            raise ValueError(f"expected a zip of one .txt; received one that holds {listing}")
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        with archive.open(texts[0]) as text:
            if b"\t" not in text.readline(1 << 16):
                raise ValueError(f"expected columns with tabs between them in {texts[0]}")


def check_dictionary(opened):
    """Checks a dictionary in which every line is `word PH ON EMES`, perhaps with `# a comment`.

    Raises:
        ValueError: A line is something else, or there are no lines.
    """
    number = 0
    for number, line in enumerate(iter(lambda: opened.readline(1 << 16), b""), start=1):
        if not re.fullmatch(rb"\S+( +[A-Z]{1,3}[0-2]?)+( +#.*)?\s*\n", line):
            raise ValueError(
                f"expected a word and its phonemes; received in line {number}: {line[:40]!r}"
            )
    if number == 0:
        raise ValueError("expected a dictionary; received an empty file")
