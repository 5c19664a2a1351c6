"""A run in one file, and back: a ZIP archive of plain files with their checksums."""

import hashlib
import pathlib
import stat
import zipfile
import zlib
from typing import Any

from kseq import files
from kseq.path_names import PathName
from kseq.runs.contents import CARD, SHARED, check_contents, require_complete, shared_paths
from kseq.runs.directory import WEIGHTS, NewRun, check_codecs, check_weights
from kseq.runs.reading import read_run
from kseq.sharing.card import read_or_make_card

SUFFIX = ".kseq"
_CHECKSUMS = "SHA256SUMS"  # as `sha256sum --check` reads it
_LARGEST_CHECKSUMS = 2**16
_BLOCK = 2**20  # bytes that are read at once
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time in ZIP: equal runs have equal files
_DAMAGES = (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError, zlib.error)
_IS_ENCRYPTED = 1  # among the flags of an entry


def pack(run: PathName, path: PathName, **card: Any) -> None:
    """Writes a run to one file, to give it to others: `kseq pack`.

    Args:
        run: Run directory.
        path: Path of the file, whose name ends in `.kseq`.
        **card: Arguments of `kseq.sharing.card.make_card`, for a run without a `README.md`.

    Raises:
        FileNotFoundError: The run is missing, or the folder of the file.
        ValueError: It is not a run, or is damaged; or the file has another suffix.

    Warns:
        UnfinishedRunWarning: The training of the run has not ended.
    """
    if pathlib.Path(path).suffix != SUFFIX:
        raise ValueError(f"expected a file whose name ends in {SUFFIX}; received {path}")
    folder, _, record = read_run(run)
    check_codecs(folder, record)
    check_weights(folder / WEIGHTS, record)
    record.warn_if_unfinished(run)
    contents = {CARD: read_or_make_card(folder, pathlib.Path(path).stem, **card).encode()}
    contents |= {name: each for name, each in shared_paths(folder).items() if name != CARD}
    sums = "".join(f"{_digest(content)}  {name}\n" for name, content in contents.items())
    with files.replaced_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, content in {**contents, _CHECKSUMS: sums.encode()}.items():
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            # Weights are random to a compressor. So a small archive cannot hold large ones.
            entry.compress_type = zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=name == WEIGHTS) as file:
                for block in _blocks(content):
                    file.write(block)


def unpack(path: PathName, run: PathName, overwrite: bool = False) -> None:
    """Writes the run that a file of `pack` holds; nothing of it is executed: `kseq unpack`.

    The file may come from a stranger. Its entries must have names of files of a run, and nothing
    is written outside the run directory, or before names, sizes and kinds of all entries are known.

    Args:
        path: Path of the file.
        run: Run directory to create.
        overwrite: Whether an existing run may be replaced.

    Raises:
        FileNotFoundError: There is no such file.
        FileExistsError: `run` exists and is not a run, or must not be overwritten.
        ValueError: The file is not a packed run, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _check_entries(archive, path)
            sums = _read_checksums(archive, entries, path)
            with NewRun(run, overwrite) as new_run:
                files.require_room(new_run.folder, sum(each.file_size for each in entries.values()))
                for name, checksum in sums.items():
                    if _extract(archive, entries[name], new_run.folder / name) != checksum:
                        raise ValueError(f"{path}: damaged: {name} has another checksum")
                require_complete(new_run.folder, path)
                new_run.publish()
    except _DAMAGES as error:
        raise ValueError(f"{path}: not a packed run, or damaged: {error}") from error


def _check_entries(archive, path):
    """Returns the entries of an archive by name, after checking them."""
    entries = {}
    for entry in archive.infolist():
        name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
        if name in entries:
            raise ValueError(f"{path}: has two files {name!r}")
        methods = [zipfile.ZIP_STORED] + [zipfile.ZIP_DEFLATED] * (name != WEIGHTS)
        is_plain = kind in (0, stat.S_IFREG) and not entry.flag_bits & _IS_ENCRYPTED
        if not is_plain or entry.compress_type not in methods or len(entries) > len(SHARED):
            raise ValueError(f"{path}: {name!r} is not a plain file as kseq pack writes it")
        entries[name] = entry
    sizes = {name: entry.file_size for name, entry in entries.items()}
    if sizes.pop(_CHECKSUMS, _LARGEST_CHECKSUMS + 1) > _LARGEST_CHECKSUMS:
        raise ValueError(f"{path}: not a packed run: it has no {_CHECKSUMS}")
    check_contents(sizes, path)
    return entries


def _read_checksums(archive, entries, path):
    """Returns the checksums of all entries by name."""
    lines = archive.read(entries[_CHECKSUMS]).decode().splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if {*sums, _CHECKSUMS} != set(entries):
        raise ValueError(f"{path}: damaged: {_CHECKSUMS} does not name the files that are there")
    return sums


def _extract(archive, entry, path):
    """Writes an entry to a new file; returns its checksum."""
    digest = hashlib.sha256()
    with archive.open(entry) as source, open(path, "xb") as file:
        while block := source.read(_BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _digest(content):
    """The checksum of bytes, or of a file."""
    digest = hashlib.sha256()
    for block in _blocks(content):
        digest.update(block)
    return digest.hexdigest()


def _blocks(content):
    """The blocks of bytes, or of a file that a path names."""
    if isinstance(content, bytes):
        yield content
        return
    with open(content, "rb") as file:
        while block := file.read(_BLOCK):
            yield block
