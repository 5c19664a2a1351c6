"""Files and folders that are written as a whole or not at all, even when the process is killed."""

import contextlib
import dataclasses
import errno
import filecmp
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable

from kseq import locks

_NEW, _OLD = "new", "old"  # in the hidden folder: a folder to be published, and the one it replaces


@contextlib.contextmanager
def replaced_file(path):
    """Yields a path to write to; at the end, that file replaces `path`.

    After an error, `path` is unchanged.

    Raises:
        FileExistsError: Another process is writing to `path`.
        OSError: The file could not be written; the error names `path`. An error about another
            file that was read in the meantime is passed on unchanged.
    """
    path = pathlib.Path(path)
    require_folder_of(path)
    with locks.lock(path) as hidden:
        _remove_leftovers(hidden)
        with _replaced(path, hidden / path.name) as unfinished:
            yield unfinished


@contextlib.contextmanager
def _replaced(path, unfinished):
    """The same as `replaced_file`, with the path of the file that is written."""
    try:
        yield unfinished
        move_finished(unfinished, path)
    except OSError as error:
        names = {str(name) for name in (error.filename, error.filename2) if name is not None}
        if str(unfinished) in names or (error.errno is not None and not names):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def move_finished(unfinished, path):
    """Moves a finished file to its path, once its content is on the disk."""
    _write_to_disk(unfinished)
    os.replace(unfinished, path)
    _write_to_disk(path.parent)


def write_text(path, text):
    """Writes a small text file in UTF-8, with the line endings of `text`."""
    with replaced_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def require_folder_of(path):
    """Checks that the folder of a file that will be written exists.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    folder = pathlib.Path(path).resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


@dataclasses.dataclass(frozen=True)
class FolderKind:
    """What kseq writes as a folder, such as a run.

    Args:
        name: Name for messages: `"a run"`.
        is_in: Function that returns whether a folder holds one.
        owns: Function that returns whether a path relative to the folder, a `pathlib.PurePath`, is
            one of its files or folders. All others belong to the user, and are never removed.
        can_go_on: Function that returns whether writing can go on in an incomplete folder.
    """

    name: str
    is_in: Callable
    owns: Callable
    can_go_on: Callable = lambda folder: False


def require_replaceable(folder, kind):
    """Resolves the path of a folder that does not exist, is empty, or holds the same kind.

    Raises:
        FileExistsError: Something else is there, or the folder cannot be moved.
    """
    place = pathlib.Path(folder).resolve()
    if place == pathlib.Path.cwd() or os.path.ismount(place):
        raise FileExistsError(
            f"{folder} is a folder that cannot be replaced as a whole; choose one inside it, "
            f"such as {os.path.join(folder, 'new')}"
        )
    if place.exists() and not (place.is_dir() and (kind.is_in(place) or not any(place.iterdir()))):
        raise FileExistsError(f"{folder} exists and is not {kind.name}; choose another destination")
    return place


class NewFolder:
    """A context manager that writes a folder, in a hidden folder until it is complete.

    While it is open, no other process can write to the same destination. At first, it finishes
    what a killed process began. At the end, an incomplete folder is removed, unless writing ended
    with an error and can go on in it.

    Args:
        destination: Resolved path of the folder.
        kind: `FolderKind`.
        goes_on: Whether to go on in an incomplete folder, if there is one.

    Attributes:
        destination: Its argument.
        folder: Folder to write to: a hidden folder and, after `publish`, the destination.

    Raises:
        FileExistsError: Another process is writing to the destination.
    """

    def __init__(self, destination, kind, goes_on=False):
        self.folder = None
        self.destination = destination
        self._kind = kind
        self._goes_on = goes_on
        self._lock = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._hidden = stack.enter_context(locks.lock(self.destination))
            new = self.new_folder
            kept = {_NEW} if self._goes_on and self._kind.can_go_on(new) else set()
            _finish_replacement(self.destination, self._hidden, self._kind, kept)
            self.folder = new
            new.mkdir(exist_ok=True)
            self._lock = stack.pop_all()
        return self

    def __exit__(self, error=None, *_):
        with self._lock:
            is_kept = error is not None and self._kind.can_go_on(self.folder)
            if not (self.is_published or is_kept):
                shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def new_folder(self):
        """The hidden folder to write to before `publish`."""
        return self._hidden / _NEW

    @property
    def is_published(self):
        """Whether the folder is at its destination."""
        return self.folder == self.destination

    def publish(self):
        """Moves the folder to its destination.

        The old folder that it replaces is removed, except for files that kseq did not write: they
        move to the new folder.
        """
        for path in self.folder.rglob("*"):
            _write_to_disk(path)
        old = self._hidden / _OLD
        if self.destination.exists():
            self.destination.rename(old)
        self.folder.rename(self.destination)
        self.folder = self.destination
        _write_to_disk(self._hidden)
        _write_to_disk(self.destination.parent)
        _finish_replacement(self.destination, self._hidden, self._kind)

    @contextlib.contextmanager
    def replaced_file(self, path):
        """Yields a path to write to; at the end, that file replaces `path`, a file in the folder.

        After an error, `path` is unchanged.

        Raises:
            OSError: The file could not be written; the error names `path`.
        """
        with _replaced(path, self._hidden / path.name) as unfinished:
            yield unfinished


@contextlib.contextmanager
def replaced_folder(place, kind):
    """Yields a folder to fill; at the end, it replaces `place`.

    After an error, `place` is unchanged.

    Raises:
        FileExistsError: Another process is writing to `place`.
    """
    with NewFolder(place, kind) as new_folder:
        yield new_folder.folder
        new_folder.publish()


def find_folder(place):
    """Returns where a folder is: in its hidden folder if it was about to be replaced.

    A killed process leaves it there between the two moves of `NewFolder.publish`, until the next
    process writes to the same destination.
    """
    hidden = locks.hidden_folder(place)
    old = hidden / _OLD
    return old if not place.exists() and (hidden / locks.MARK).is_file() and old.is_dir() else place


def find_unfinished(place):
    """Returns the hidden folder in which a folder was being written; it need not exist."""
    return locks.hidden_folder(place) / _NEW


def finish_replacement(place, kind):
    """Finishes what a killed process began, unless another process is writing to `place`."""
    if locks.hidden_folder(place).exists():
        with contextlib.suppress(locks.Occupied), locks.lock(place) as hidden:
            _finish_replacement(place, hidden, kind)


def remove_folder(place, kind):
    """Removes a folder that kseq wrote, finished or not; files of the user in it are kept.

    Args:
        place: Resolved path of the folder; it need not exist.
        kind: `FolderKind`.

    Raises:
        FileExistsError: Another process is writing to it.
    """
    with locks.lock(place) as hidden:
        _finish_replacement(place, hidden, kind)
        paths = sorted(place.rglob("*"), reverse=True) if place.is_dir() else []
        for path in (*paths, place):
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.rmdir()  # unless there is something in it
            elif kind.owns(path.relative_to(place)):
                path.unlink(missing_ok=True)


def _finish_replacement(place, hidden, kind, kept=()):
    """Moves the old folder back if nothing has replaced it, or else removes it.

    In the hidden folder, the names in `kept` are kept.
    """
    old = hidden / _OLD
    if old.exists():
        if place.exists():
            _keep_foreign(old, place, kind)
        else:
            old.rename(place)
    _remove_leftovers(hidden, kept)


def _keep_foreign(old, place, kind, inner=""):
    """Moves all that kseq did not write from an old folder to the new one.

    If the new one has something else of that name, the old file gets a number.
    """
    for path in old.iterdir():
        name = pathlib.PurePath(inner, path.name)
        if not kind.owns(name):
            place.mkdir(exist_ok=True)
            if not _is_copy(path, place / path.name):
                path.rename(_free_path(place / path.name))
        elif path.is_dir() and not path.is_symlink():
            _keep_foreign(path, place / path.name, kind, name)


def _is_copy(path, other):
    """Returns whether two paths are files with the same content."""
    are_files = all(each.is_file() and not each.is_symlink() for each in (path, other))
    return are_files and filecmp.cmp(path, other, shallow=False)


def _free_path(path):
    """Returns a path, or if there is something, the path with the first free number added."""
    paths = (path.with_name(f"{path.name}.{number}") for number in itertools.count(1))
    return next(each for each in itertools.chain([path], paths) if not os.path.lexists(each))


def _remove_leftovers(hidden, kept=()):
    """Removes what a killed process has left in a hidden folder, whose lock is held."""
    for path in hidden.iterdir():
        if path.name != locks.MARK and path.name not in kept:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _write_to_disk(path):
    """Waits until a file or a folder is on the disk, so that it survives a power failure."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return  # Windows cannot open a folder.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not is_folder:  # Some file systems cannot do this for a folder.
            raise
    finally:
        os.close(descriptor)


def require_room(folder, size):
    """Checks that a disk has room for a file whose writer would otherwise crash.

    Args:
        folder: A folder on the disk.
        size: Size of the file in bytes.

    Raises:
        OSError: The disk is too full.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
