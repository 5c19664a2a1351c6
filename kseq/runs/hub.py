"""Runs on a hub: `hf://user/name[@revision]` wherever a run is named, through huggingface_hub.

A downloaded run is data, as any run is; only files with the names of a run's files are downloaded.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import warnings

from kseq.errors import KseqWarning
from kseq.runs.contents import SHARED, check_contents, require_complete

_PREFIX = "hf://"
_NAME = re.compile(r"hf://([\w][\w.-]*/[\w][\w.-]*)(?:@([\w][\w./-]*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class UnpinnedRunWarning(KseqWarning):
    """A run on a hub was named without a revision, so that its author can replace it."""


class HubFailed(RuntimeError):
    """A hub cannot be reached, or refuses."""


@dataclasses.dataclass(frozen=True)
class HubName:
    """The name of a run on a hub.

    Args:
        repository: `user/name`.
        revision: A commit, a branch or a tag; None for the newest.
    """

    repository: str
    revision: str | None = None

    def __str__(self):
        return f"{_PREFIX}{self.repository}{f'@{self.revision}' if self.revision else ''}"


def parse_name(name):
    """Returns the `HubName` that a string is; None if it is the path of something else.

    Raises:
        ValueError: It begins with `hf://`, but is no name.
    """
    if not (isinstance(name, str) and name.startswith(_PREFIX)):
        return None
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"expected hf://user/name or hf://user/name@revision; received {name!r}")
    return HubName(*match.groups())


def find_run(name):
    """Returns the folder that the name of a run stands for, after downloading it from a hub.

    In one process, a name stands for one revision.

    Args:
        name: A path, or `hf://user/name[@revision]`.

    Raises:
        FileNotFoundError: The hub has no such run.
        HubFailed: The hub cannot be reached.
        ImportError: huggingface_hub is not installed.
        ValueError: The name is malformed; or the files are not those of a run, or too large.

    Warns:
        UnpinnedRunWarning: A name has no commit.
    """
    return name if parse_name(name) is None else _download(name)[0]


def pinned_name(name):
    """Returns the name of a run with the commit that `find_run` downloads; None for a path."""
    return None if parse_name(name) is None else _download(name)[1]


@functools.lru_cache
def _download(name):
    """Returns the folder of a downloaded run, and its pinned name."""
    hub_name = parse_name(name)
    hub = require_hub()
    options = {"allow_patterns": list(SHARED), "endpoint": endpoint()}
    repository, revision = hub_name.repository, hub_name.revision
    with explained_failures(hub_name):
        if not _COMMIT.fullmatch(revision or ""):
            revision = hub.HfApi(endpoint()).repo_info(repository, revision=revision).sha
            pinned = str(HubName(repository, revision))
            warnings.warn(
                f"{name} is now {pinned}; name it so to use the same model tomorrow",
                UnpinnedRunWarning,
                stacklevel=4,
            )
        try:
            folder = hub.snapshot_download(
                repository, revision=revision, local_files_only=True, **options
            )
        except hub.errors.LocalEntryNotFoundError:
            _check_files(hub, repository, revision)
            folder = hub.snapshot_download(repository, revision=revision, **options)
    require_complete(folder, name)
    return pathlib.Path(folder), str(HubName(repository, revision))


def _check_files(hub, repository, revision):
    """Checks the sizes of the files to download."""
    info = hub.HfApi(endpoint()).repo_info(repository, revision=revision, files_metadata=True)
    sizes = {each.rfilename: each.size for each in info.siblings if each.rfilename in SHARED}
    check_contents(sizes, HubName(repository, revision))


def endpoint():
    """Returns the address of the hub that the user has chosen; None for the usual one."""
    return os.environ.get("HF_ENDPOINT")


def require_hub():
    """Imports and returns the package huggingface_hub.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise ImportError(
            "runs on a hub need the package huggingface_hub: pip install kseq[hub]"
        ) from error
    return huggingface_hub


@contextlib.contextmanager
def explained_failures(name):
    """A context in which errors of the hub are explained in one line.

    Args:
        name: `HubName`.

    Raises:
        FileNotFoundError: The hub has no such run, or no such revision.
        HubFailed: Any other error.
    """
    import httpx2

    errors = require_hub().errors
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise FileNotFoundError(
            f"{name}: not found, or private (hf auth login, or HF_TOKEN, says who you are)"
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.HTTPError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise HubFailed(f"{name}: the hub failed: {first_line}") from error
