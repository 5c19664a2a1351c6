"""Which files of a run are shared with others, and how large those of a stranger may be."""

import pathlib

from kseq.runs.directory import CODECS, CONFIG, CURVES, HISTORY, RECORD, WEIGHTS, is_run

CARD = "README.md"  # the model card: what a run is, for people
SHARED = (CARD, CONFIG, RECORD, *CODECS, WEIGHTS, HISTORY, CURVES)
_LARGEST = 2**26  # bytes of a file other than the weights
_LARGEST_WEIGHTS = 2**36


def shared_paths(folder):
    """Returns the paths of the files of a run that are shared, by name.

    Checkpoints and the state of a training are not.
    """
    folder = pathlib.Path(folder)
    return {name: folder / name for name in SHARED if (folder / name).is_file()}


def check_contents(sizes, place):
    """Checks the files of a stranger's run before any of them is written.

    Args:
        sizes: Sizes in bytes by name.
        place: Where the files are, for messages.

    Raises:
        ValueError: A name is not that of a file of a run, or a file is too large.
    """
    for name, size in sizes.items():
        if name not in SHARED:
            raise ValueError(f"{place}: unexpected file {name!r}; a run has no file of this name")
        largest = _LARGEST_WEIGHTS if name == WEIGHTS else _LARGEST
        if size is None:
            raise ValueError(f"{place}: the size of {name} is not known")
        if not 0 <= size <= largest:
            raise ValueError(f"{place}: {name} has {size:,} bytes; expected at most {largest:,}")


def require_complete(folder, place):
    """Checks that the files of a stranger's run make a run.

    Args:
        folder: Folder of the files.
        place: Where they come from, for the message.

    Raises:
        ValueError: Some are missing.
    """
    if not is_run(folder):
        names = ", ".join(shared_paths(folder)) or "none of its files"
        raise ValueError(f"{place}: not a complete run; received {names}")
