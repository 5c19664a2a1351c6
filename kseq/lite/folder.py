"""The folder of a model for LiteRT: its files, and the description that names them.

`docs/litert.md` documents it for programs in other languages.
"""

import json
import pathlib

DESCRIPTION = "kseq.json"
MODEL = "model.tflite"
FORMAT, VERSION = "kseq-litert", 1
FORMATS = ("savedmodel", "litert")  # of `kseq export`
_ENTRIES = ("source", "target", "features", "copies", "search", "lengths", "plans_memory")
QUANTIZATIONS = ("none", "dynamic", "float16")  # of the weights
LONGEST_BY_DEFAULT = 1000  # tokens in an output


def read_description(folder):
    """Reads the description of an exported model.

    Args:
        folder: Folder that `kseq export --format litert` wrote.

    Returns:
        A dict.

    Raises:
        FileNotFoundError: There is no such folder, or no description in it.
        ValueError: The description is damaged, or that of another format or version.
    """
    path = pathlib.Path(folder) / DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a model for LiteRT: it has no {DESCRIPTION}; write one with "
            "kseq export RUN DIR --format litert"
        )
    try:
        description = json.loads(path.read_bytes())
        found = description["format"], description["version"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    if found != (FORMAT, VERSION):
        raise ValueError(
            f"{path}: expected format {FORMAT}, version {VERSION}; received {found[0]}, version "
            f"{found[1]}; export the run again, or install the version of kseq that wrote it"
        )
    if missing := [name for name in _ENTRIES if name not in description]:
        raise ValueError(f"{path}: has no {', '.join(missing)}; export the run again")
    for name in ("source", "target", "features"):
        _require_own_file(description[name], path)
    return description


def _require_own_file(side, path):
    """Checks that the file of a side is one of the folder, as a stranger could name any."""
    if side is not None:
        name = side.get("file") if isinstance(side, dict) else None
        if not isinstance(name, str) or name in ("", "..") or pathlib.PurePath(name).name != name:
            raise ValueError(f"{path}: damaged: expected the name of a file in this folder")


def read_lines(path):
    """Returns the lines of a vocabulary: tokens in the order of their ids."""
    return pathlib.Path(path).read_text(encoding="utf-8").split("\n")[:-1]
