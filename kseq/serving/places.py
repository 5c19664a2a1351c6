"""Where the models of a server are: a folder with one model, or with a folder per version."""

import contextlib
import dataclasses
import functools
import pathlib
import re

from kseq.runs.hub import find_run, parse_name
from kseq.serving.engines import kind_of

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,17}|0")
ONLY_VERSION = "1"  # of a folder that is itself a model


@dataclasses.dataclass(frozen=True)
class Place:
    """A model by its name.

    Args:
        name: Name of the model in requests.
        path: Its folder: a run or a SavedModel; or a folder with versions of it, `1/`, `2/`, ...
    """

    name: str
    path: pathlib.Path

    @functools.cached_property
    def is_versioned(self):
        """Whether the folder holds versions."""
        return kind_of(self.path) is None

    def versions(self):
        """Finds the versions that are there.

        Returns:
            The folder of each version by its name, the highest number first.
        """
        if not self.is_versioned:
            return {ONLY_VERSION: self.path}
        try:
            folders = [path for path in self.path.iterdir() if _VERSION.fullmatch(path.name)]
        except OSError:
            return {}
        folders = sorted(folders, key=lambda path: -int(path.name))
        return {path.name: path for path in folders if _may_be_model(path)}


def _may_be_model(folder):
    """Whether a folder holds a model, or cannot be read: loading it will say why."""
    try:
        return kind_of(folder) is not None
    except OSError:
        return True


def parse_place(text):
    """Reads `NAME=FOLDER`, or `FOLDER`, whose own name is then the name of the model.

    The folder can also be a run on a hub, `hf://user/name`, which is downloaded.

    Returns:
        A `Place` whose folder holds a model or versions of one.

    Raises:
        FileNotFoundError: The folder is missing.
        ValueError: It holds no model, or the name cannot be one.
    """
    name, sign, folder = text.partition("=")
    if not sign or pathlib.Path(text).exists():
        name, folder = "", text
    path = pathlib.Path(find_run(folder)).resolve()
    shared = parse_name(folder)
    name = name or (path.name if shared is None else shared.repository.partition("/")[2])
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"the name of a model must consist of letters, digits, '.', '_' and '-'; received "
            f"{name!r}; give it another one: NAME={folder}"
        )
    if not path.exists():
        raise FileNotFoundError(f"model not found: {folder}")
    place = Place(name, path)
    if not place.versions():
        raise ValueError(
            f"{folder}: expected a run, a SavedModel, a model for LiteRT, or a folder of versions "
            "of one, 1/, 2/, ...; found none of them"
        )
    return place


def parse_places(texts):
    """Reads several models: see `parse_place`.

    Raises:
        ValueError: Two models have the same name.
    """
    places = [parse_place(text) for text in texts]
    names = [place.name for place in places]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two models have the name {name}; give one another: NAME=FOLDER")
    return places


def state_of(folder):
    """Returns what changes whenever a file in a folder does: names, sizes and times."""
    entries = []
    with contextlib.suppress(OSError):  # what can be read until then
        for path in sorted(pathlib.Path(folder).rglob("*")):
            with contextlib.suppress(OSError):
                status = path.stat()
                name = str(path.relative_to(folder))
                entries.append((name, status.st_size, status.st_mtime_ns))
    return entries
