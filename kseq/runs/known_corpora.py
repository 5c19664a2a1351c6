"""The corpora that this user has trained on: a run names its corpus by a key, never by paths.

A run may come from a stranger, and must not make kseq open files of the stranger's choosing. So the
paths of a corpus stay in a folder of the user. Whoever trained a run can measure it without naming
files, wherever the run is now; for everyone else, the key means nothing.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import warnings

from kseq import files, locks
from kseq.corpora.corpus import embedded_corpora, reopen_corpus
from kseq.corpora.doubts import DoubtfulColumnsWarning


def remember_corpus(corpus):
    """Returns the description of a corpus for the record of a run.

    Args:
        corpus: `Corpus`.

    Returns:
        A dict that `recall_corpus` takes: the name of an embedded corpus, or a key; None if the
        files of the corpus are unknown, or cannot be remembered.
    """
    if corpus.origin is None or _is_embedded(corpus.origin):
        return corpus.origin
    text = json.dumps(corpus.origin, sort_keys=True)
    key = _key_of(text)
    # Without a home, or on a full disk, the files of the corpus can still be named.
    with contextlib.suppress(OSError, RuntimeError):
        path = _path_of(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(locks.Occupied):  # by a training on the same corpus
            files.write_text(path, text)
        return {"key": key}
    return None


def recall_corpus(description):
    """Opens a corpus that `remember_corpus` has described, on this machine and for this user.

    Args:
        description: The `corpus` of a `RunRecord`, which may be a stranger's.

    Returns:
        A `Corpus`; None if this user has not trained on it.

    Raises:
        FileNotFoundError: A file of the corpus is missing.
        ValueError: A file of the corpus cannot be read.
    """
    if _is_embedded(description):
        return reopen_corpus({"train": description["train"]})
    origin = _recall_origin(description.get("key"))
    if origin is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DoubtfulColumnsWarning)  # `train` has shown it.
        return reopen_corpus(origin)


def name_corpus(description):
    """Returns the name of a corpus that `remember_corpus` has described, to show it.

    Args:
        description: The `corpus` of a `RunRecord`, which may be a stranger's; or None.

    Returns:
        The name of an embedded corpus; or the names of one or two training files, without folders;
        None if they are unknown here.
    """
    origin = (description or {}) | (_recall_origin((description or {}).get("key")) or {})
    sides = origin.get("train")
    if not isinstance(sides, list):
        return None
    paths = [path for side in sides for path in (side if isinstance(side, list) else [side])]
    names = [pathlib.PurePath(path).name for path in paths if isinstance(path, str)]
    shown = names if len(names) < 3 else [names[0], f"{len(names) - 1:,} more"]
    return " + ".join(shown) or None


def _recall_origin(key):
    """Returns the `origin` of a corpus, which this user has trained on; None otherwise."""
    if not isinstance(key, str) or not re.fullmatch("[0-9a-f]{32}", key):
        return None
    try:
        text = _path_of(key).read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError):
        return None
    return json.loads(text) if _key_of(text) == key else None


def _is_embedded(origin):
    return origin.get("train") in [[name] for name in embedded_corpora()]


def _key_of(text):
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _path_of(key):
    """Returns the path of the file that holds the paths of a corpus."""
    home = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    return pathlib.Path(home) / "kseq" / "corpora" / f"{key}.json"
