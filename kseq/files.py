"""Files and folders that are written as a whole or not at all, even when the process is killed."""

import contextlib
import errno
import os
import pathlib
import shutil


@contextlib.contextmanager
def replaced_file(path):
    """Yields a path to write to; at the end that file takes the place of `path`.

    After an error `path` is what it was before.

    Raises:
        OSError: The file could not be written; the error names `path`. An error about another
            file, which was read meanwhile, is not changed.
    """
    path = pathlib.Path(path)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        named = {str(name) for name in (error.filename, error.filename2) if name is not None}
        if str(unfinished) in named or (error.errno is not None and not named):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def write_text(path, text):
    """Writes a small text file in UTF-8, with the line endings of `text`."""
    with replaced_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def require_folder_of(path):
    """Checks that the folder of a file that will be written exists.

    Raises:
        FileNotFoundError: It does not.
    """
    folder = pathlib.Path(path).resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def require_replaceable(folder, kind, is_of_kind):
    """Returns the resolved path of a place that is missing, empty, or holds the same kind.

    Args:
        folder: The place.
        kind: What will be written there, for the message: `"a run"`.
        is_of_kind: Function that returns whether a folder holds one.

    Raises:
        FileExistsError: Something else is there, or the folder cannot be moved.
    """
    place = pathlib.Path(folder).resolve()
    if place == pathlib.Path.cwd() or os.path.ismount(place):
        raise FileExistsError(
            f"{folder} is a folder that cannot be replaced as a whole; choose one inside it, "
            f"such as {os.path.join(folder, 'new')}"
        )
    if place.exists() and not (place.is_dir() and (is_of_kind(place) or not any(place.iterdir()))):
        raise FileExistsError(f"{folder} exists and is not {kind}; choose another place")
    return place


@contextlib.contextmanager
def locked(place):
    """Locks a place where something new is made, so that one process at a time writes to it.

    The lock is a hidden file next to the place, which is removed at the end. The operating
    system releases it when the process ends, however it ends; a file that is left behind by a
    kill locks nothing.

    Raises:
        FileExistsError: Another process has locked the place.
    """
    from filelock import FileLock, Timeout  # takes 0.1 s, which commands that lock nothing save

    path = _sibling(place, "lock")
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()  # raises the OSError that FileLock would take for a lock
    # A soft lock, which is a mere file, would outlive a process that is killed.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FileExistsError(
            f"another process is writing to {place}; wait for it or choose another place"
        ) from None
    try:
        restore(place)
        yield
    finally:
        # The file is removed while it is locked: a process that has already opened it gets a lock
        # on a file without a name, which FileLock refuses. Windows cannot remove an open file;
        # there FileLock removes it.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()  # unless it is in use by now


@contextlib.contextmanager
def replaced_folder(place):
    """Yields a folder to fill; at the end it takes the place of `place`.

    After an error `place` is what it was before.

    Raises:
        FileExistsError: Another process is writing to the same place.
    """
    with locked(place):
        unfinished = make_successor(place)
        try:
            yield unfinished
            move_into_place(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def make_successor(place):
    """Makes the hidden folder next to `place` where its successor is written, and returns it."""
    unfinished = _sibling(place, "new")
    for leftover in (unfinished, _sibling(place, "old")):
        if leftover.exists():
            shutil.rmtree(leftover)
    unfinished.mkdir(parents=True)
    return unfinished


def move_into_place(unfinished, place):
    """Moves a finished folder to its place, and removes what was there."""
    old = _sibling(place, "old")
    if place.exists():
        place.rename(old)
    unfinished.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def restore(place):
    """Moves the old folder back if a kill came between the two moves of `move_into_place`."""
    old = _sibling(place, "old")
    if old.exists() and not place.exists():
        old.rename(place)


def require_room(folder, size):
    """Checks that a disk has room for a file, for a writer that would crash without it.

    Args:
        folder: A folder on the disk.
        size: Size of the file in bytes.

    Raises:
        OSError: It has not.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _sibling(place, suffix):
    return place.with_name(f".{place.name}.{suffix}")
