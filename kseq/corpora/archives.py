"""Which files of a downloaded archive hold the pairs."""

import lzma
import pathlib
import re
import zipfile
import zlib

# What reading a damaged archive raises, besides OSError. RuntimeError: an encrypted one;
# NotImplementedError, one of it: an unknown compression.
DAMAGES = (EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

_NOTICES = ("_", ".", "README", "LICENSE", "LICENCE", "COPYING")  # how their names begin
_LANGUAGES = re.compile(r"(?:^|[^A-Za-z])([A-Za-z]\w*)-([A-Za-z]\w*)(?:$|\.)", re.ASCII)


def only_member(path, archive):
    """Returns the name of the one file in a zip, beside notices such as `README` or `_about.txt`.

    Args:
        path: The archive, for the message.
        archive: The same as an open `zipfile.ZipFile`.

    Raises:
        ValueError: It holds none, or several.
    """
    members = _members(archive)
    if len(members) != 1:
        listing = ", ".join(members) or "none"
        raise ValueError(f"{path}: expected one file of pairs in the archive; it holds {listing}")
    return members[0]


def aligned_members(path):
    """Returns the names of the two line-aligned files in a zip, source first; None in any other.

    They are called alike but for their endings, which are the languages that their name, or that
    of the archive, tells in order: `Tatoeba.de-en.de` and `Tatoeba.de-en.en`, as OPUS packs them
    beside a `README` and files of ids.

    Args:
        path: Any file.

    Raises:
        ValueError: The archive is damaged, it holds several such pairs of files, or two files
            called alike whose order no name tells.
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
    found = list(filter(None, (_sides(stem, members, path.name) for stem in stems)))
    if len(found) > 1:
        listing = ", ".join(name for sides in found for name in sides)
        raise ValueError(
            f"{path}: expected two line-aligned files; it holds {listing}: unpack it, and name them"
        )
    if not found:
        _refuse_unordered(path, members)
    return found[0] if found else None


def _members(archive):
    return [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not pathlib.PurePath(name).name.startswith(_NOTICES)
    ]


def _sides(stem, members, archive_name):
    """The two members called alike, in the order that their name or the archive's tells."""
    for name in (pathlib.PurePath(stem).name, archive_name):
        for languages in _LANGUAGES.findall(name):
            sides = tuple(f"{stem}.{language}" for language in languages)
            if sides[0] != sides[1] and set(sides) <= set(members):
                return sides
    return None


def _refuse_unordered(path, members):
    stems = {name.rpartition(".")[0] for name in members}
    if len(members) == 2 and len(stems) == 1:
        raise ValueError(
            f"{path}: it holds {' and '.join(members)}, and no name tells which is the source, as "
            "in Tatoeba.de-en.de; unpack it, and name both files in order"
        )
