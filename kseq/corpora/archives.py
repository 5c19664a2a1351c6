"""Which files of a downloaded archive hold the pairs."""

import lzma
import pathlib
import re
import zipfile
import zlib

# Errors from reading a damaged archive, besides OSError. RuntimeError: the archive is encrypted;
# its subclass NotImplementedError: the compression is unknown.
DAMAGES = (EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

_NOTICES = ("_", ".", "README", "LICENSE", "LICENCE", "COPYING")  # prefixes of their names
_LANGUAGES = re.compile(r"(?:^|[^A-Za-z])([A-Za-z]\w*)-([A-Za-z]\w*)(?:$|\.)", re.ASCII)


def only_member(path, archive):
    """Returns the name of the only file in a zip apart from notices such as `README`.

    Args:
        path: Path of the archive, for the error message.
        archive: The archive, an open `zipfile.ZipFile`.

    Raises:
        ValueError: The archive holds no such file, or several.
    """
    members = _members(archive)
    if len(members) != 1:
        listing = ", ".join(members) or "none"
        raise ValueError(f"{path}: expected one file of pairs in the archive; it holds {listing}")
    return members[0]


def aligned_members(path):
    """Returns the names of the two line-aligned files in a zip, source first.

    Their names differ only in the suffix, which is a language. The names of the files or of the
    archive give the order of the languages. OPUS packs `Tatoeba.de-en.de` and `Tatoeba.de-en.en`
    in this way, together with a `README` and files of ids.

    Args:
        path: Any file.

    Returns:
        Two names; None if the file is not such an archive.

    Raises:
        ValueError: The archive is damaged; it holds several such pairs of files; or no name gives
            the order of the two files.
    """
    path = pathlib.Path(path)
    if path.suffix != ".zip":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: damaged: {error}") from error
    stems = dict.fromkeys(name.rpartition(".")[0] for name in members)
    pairs = list(filter(None, (_find_sides(stem, members, path.name) for stem in stems)))
    if len(pairs) > 1:
        listing = ", ".join(name for pair in pairs for name in pair)
        raise ValueError(
            f"{path}: expected two line-aligned files; it holds {listing}; unpack it, and "
            "name two of them"
        )
    if not pairs:
        _reject_unordered(path, members)
    return pairs[0] if pairs else None


def _members(archive):
    """Returns the names of the files in an archive, without folders and notices."""
    return [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not pathlib.PurePath(name).name.startswith(_NOTICES)
    ]


def _find_sides(stem, members, archive_name):
    """Returns the two members with a stem, in the order of their languages, or None."""
    for name in (pathlib.PurePath(stem).name, archive_name):
        for languages in _LANGUAGES.findall(name):
            sides = tuple(f"{stem}.{language}" for language in languages)
            if sides[0] != sides[1] and set(sides) <= set(members):
                return sides
    return None


def _reject_unordered(path, members):
    """Raises ValueError if the members are two sides whose order is unknown."""
    stems = {name.rpartition(".")[0] for name in members}
    if len(members) == 2 and len(stems) == 1:
        raise ValueError(
            f"{path}: it holds {' and '.join(members)}, but no name says which is the source, as "
            "in Tatoeba.de-en.de; unpack it, and name both files in order"
        )
