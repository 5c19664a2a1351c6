"""Fetching public corpora, and listing those that can be fetched."""

import dataclasses
import functools
import gzip
import os
import pathlib
import re
import shutil

from kseq.console import show_transfers
from kseq.corpora.downloads import DownloadFailed, Part, download, require_address
from kseq.corpora.integrity import check_file
from kseq.corpora.public_files import CORPORA, PAIRS_LIST, make_language_pair
from kseq.errors import SettingError
from kseq.files import replaced_file
from kseq.locks import lock
from kseq.path_names import PathName

_INDENT = 20  # columns


def fetch(
    name: str, folder: PathName, base: str | None = None, timeout: float = 60.0
) -> list[pathlib.Path]:
    """Fetches a public corpus into a folder; complete files in it are not fetched again.

    The next call continues an interrupted download. Archives are not unpacked: `load_corpus` reads
    them as they are. Read the licence first: `kseq fetch` lists it.

    Args:
        name: A name that `kseq fetch` lists, such as `"multi30k"`, or the archive name of a
            language pair of manythings.org/anki, such as `"spa-eng"`.
        folder: Folder to write to; it is created if it is missing.
        base: Address of a mirror with the same paths as the original: `spa-eng.zip`,
            `cmudict.dict`, `raw/train.de.gz`.
        timeout: Seconds without data after which a connection is considered broken.

    Returns:
        The paths of the files, as a list.

    Raises:
        ValueError: The corpus is unknown, or an option is wrong.
        DownloadFailed: A file cannot be downloaded; or it is damaged, and has been removed.
        OSError: A file cannot be written, or another file has its name.
    """
    corpus = find_corpus(name)
    folder = pathlib.Path(folder)
    if base is not None:
        require_address(base)
    if not 0 < timeout < 1e6:
        raise SettingError(
            "{timeout} must be a number of seconds greater than 0; received {0}", timeout
        )
    _require_writable(folder)
    with lock(folder / corpus.name), show_transfers() as report:
        return [_fetch_file(corpus, file, folder, base, timeout, report) for file in corpus.files]


def find_corpus(name):
    """Returns the `PublicCorpus` with a name.

    Raises:
        ValueError: The corpus is unknown.
    """
    if str(name) in CORPORA:
        return CORPORA[name]
    if re.fullmatch("[a-z]{3}-eng", str(name)):
        return make_language_pair(name)
    raise ValueError(
        f"unknown corpus: {name!r}; expected {', '.join(CORPORA)} or a language pair of "
        f"{PAIRS_LIST} by the name of its archive, such as spa-eng"
    )


def table():
    """Returns a table of the corpora with their sizes and licences, as plain text."""
    pairs = dataclasses.replace(
        make_language_pair("xxx-eng"), source=f"{PAIRS_LIST} lists the pairs"
    )
    return "\n\n".join(map(_describe, (*CORPORA.values(), pairs)))


def _describe(corpus):
    """Returns the lines of the table about a corpus."""
    lines = f"{corpus.description}; {corpus.size}", corpus.source, corpus.licence, corpus.terms
    return f"{corpus.name:{_INDENT}}" + f"\n{'':{_INDENT}}".join(lines)


def _require_writable(folder):
    """Checks that the folder, or its nearest existing parent, can be written to."""
    for path in (folder, *folder.absolute().parents):
        if path.exists():
            if not path.is_dir():
                raise NotADirectoryError(f"expected a folder; received a file: {path}")
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(f"cannot write to the folder {path}; choose another one")
            return


def _fetch_file(corpus, file, folder, base, timeout, report):
    """Fetches a file unless it exists; returns its path."""
    path = folder / file.name
    address = f"{(base or file.home).rstrip('/')}/{file.path}"
    if path.exists():
        _require_complete(path, file, address)
        Part(path).remove()  # A process may have been killed before it did so.
        return path
    try:
        part = download(address, path, timeout, functools.partial(report, file.name))
    except DownloadFailed as error:
        if error.status == 404 and corpus.name not in CORPORA:
            raise ValueError(
                f"{error}; perhaps there is no language pair {corpus.name}: {PAIRS_LIST} lists all"
            ) from error
        raise
    try:
        with open(part.path, "rb") as opened:
            check_file(file.check, opened)
    except ValueError as error:
        part.remove()
        raise DownloadFailed(f"{address}: {error}; removed it, fetch again") from error
    if file.is_stored_compressed:
        _compress(part.path, path)
        part.remove()
    else:
        part.move_to(path)
    return path


def _require_complete(path, file, address):
    """Checks an existing file, which is never removed."""
    try:
        with gzip.open(path) if file.is_stored_compressed else open(path, "rb") as opened:
            check_file(file.check, opened)
    except ValueError as error:
        raise FileExistsError(
            f"{path} already exists, but is not the file at {address}: {error}; "
            "move it elsewhere, or choose another folder"
        ) from error


def _compress(plain, path):
    """Writes a `.gz` that depends only on its content: it records no name and no time."""
    with (
        replaced_file(path) as unfinished,
        open(plain, "rb") as source,
        open(unfinished, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as compressed,
    ):
        shutil.copyfileobj(source, compressed)
