"""Locks: one process or thread at a time writes to a place, in a hidden folder next to it."""

import contextlib
import os
import stat
from time import sleep

MARK = "kseq.lock"  # the file in a hidden folder that is locked; it shows who made the folder
_TEXT = b"kseq works in this folder. It may be deleted while no kseq command is running.\n"
_ATTEMPTS = 100
_MOMENT = 0.05  # seconds, much more than `is_locked` holds a lock


class Occupied(FileExistsError):
    """Another process or thread is writing to a place."""


def hidden_folder(place):
    """Returns the path of the hidden folder next to a file or folder, a `pathlib.Path`."""
    return place.with_name(f".{place.name}.kseq")


@contextlib.contextmanager
def lock(place):
    """Locks a file or folder to be written; yields the hidden folder in which to prepare it.

    The operating system releases the lock when the process ends, however it ends. What a killed
    process has left in the hidden folder is still there for the next one that locks the place. At
    the end, the hidden folder is removed if it is empty, and so are new folders above it.

    Args:
        place: A `pathlib.Path`; missing folders above it are made.

    Raises:
        Occupied: Another process or thread has locked `place`.
        FileExistsError: Something else has the name of the hidden folder.
        OSError: The hidden folder cannot be made; the error names `place`.
    """
    missing = [folder for folder in place.parents if not folder.exists()]
    folder = hidden_folder(place)
    try:
        descriptor = _acquire(folder, place)
    except OSError as error:
        if error.errno is not None:  # The other errors name their files themselves.
            error.filename = str(place)
        raise
    try:
        yield folder
    finally:
        _release(descriptor, folder)
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()  # unless it is in use by now


def is_locked(place):
    """Whether a process writes to a file or folder; it takes the lock for a moment to find out.

    Args:
        place: A `pathlib.Path`.
    """
    from filelock import lock_descriptor, unlock_descriptor

    try:
        descriptor = os.open(hidden_folder(place) / MARK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        is_free = lock_descriptor(descriptor, blocking=False)
        if is_free:
            unlock_descriptor(descriptor)
        return not is_free
    except OSError:  # of a file system without locks
        return False
    finally:
        os.close(descriptor)


def _acquire(folder, place):
    """Returns the descriptor of the mark in a hidden folder, which is then locked."""
    from filelock import lock_descriptor  # takes 0.1 s; commands that write nothing skip it

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            descriptor = _open_mark(folder)
        except FileNotFoundError:  # The process that had the lock has just removed the folder.
            if attempt < _ATTEMPTS:
                continue
            raise
        try:
            is_free = lock_descriptor(descriptor, blocking=False)
            if not is_free:
                sleep(_MOMENT)
                is_free = lock_descriptor(descriptor, blocking=False)
            if is_free and _is_there(descriptor, folder / MARK):
                _write_mark(descriptor, folder)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not is_free:
            break
    raise Occupied(
        f"another process is writing to {place}; wait for it or choose another destination"
    )


def _open_mark(folder):
    """Makes a hidden folder with its mark, unless they exist, and opens the mark."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True, exist_ok=True)
    mark = folder / MARK
    _require(folder, stat.S_ISDIR)
    _require(mark, stat.S_ISREG)
    # A link that is made after these checks is not followed either.
    return os.open(mark, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _is_there(descriptor, path):
    """Returns whether an open file still has its name, and was not removed before it was locked."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _write_mark(descriptor, folder):
    """Fills a new mark; a folder in which there is something else belongs to someone else."""
    if os.fstat(descriptor).st_size:
        return
    try:
        if len(os.listdir(folder)) > 1:
            raise _make_refusal(folder)
        os.write(descriptor, _TEXT)
    except OSError:
        with contextlib.suppress(OSError):
            (folder / MARK).unlink()
        raise


def _require(path, is_kind):
    """Raises FileExistsError if something else, or a link, has a name that kseq needs."""
    with contextlib.suppress(FileNotFoundError):
        if not is_kind(os.lstat(path).st_mode):
            raise _make_refusal(path)


def _make_refusal(path):
    return FileExistsError(
        f"{path} already exists and was not created by kseq; move it elsewhere, or choose another "
        "destination"
    )


def _release(descriptor, folder):
    """Removes a hidden folder if it is empty, and releases its lock."""
    from filelock import unlock_descriptor

    mark = folder / MARK
    is_windows = os.name == "nt"
    is_empty = False
    with contextlib.suppress(OSError):
        is_empty = os.listdir(folder) == [MARK]
        # While it is locked: a process that has already opened the mark notices that it is gone.
        if is_empty and not is_windows:
            mark.unlink()
    unlock_descriptor(descriptor)
    os.close(descriptor)
    if is_empty:
        with contextlib.suppress(OSError):
            if is_windows:  # Windows cannot remove a file that another process has open.
                mark.unlink()
            folder.rmdir()
