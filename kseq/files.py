"""Files and folders that are written as a whole or not at all, even when the process is killed."""

import contextlib
import errno
import os
import pathlib
import shutil


@contextlib.contextmanager
def replaced_file(path):
    """Yields a path to write to; at the end, that file replaces `path`.

    After an error, `path` is unchanged.

    Raises:
        OSError: The file could not be written; the error names `path`. An error about another
            file that was read in the meantime is passed on unchanged.
    """
    path = pathlib.Path(path)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        names = {str(name) for name in (error.filename, error.filename2) if name is not None}
        if str(unfinished) in names or (error.errno is not None and not names):
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
        FileNotFoundError: The folder does not exist.
    """
    folder = pathlib.Path(path).resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def require_replaceable(folder, kind, is_of_kind):
    """Resolves the path of a folder that does not exist, is empty, or holds the same kind.

    Args:
        folder: The folder.
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
def lock(place):
    """Locks a file or folder to be written, so that only one process at a time writes to it.

    The lock is a hidden file next to `place`, and is removed at the end. The operating system
    releases it when the process ends, however it ends; a lock file that a killed process leaves
    behind locks nothing.

    Raises:
        FileExistsError: Another process has locked `place`.
    """
    from filelock import FileLock, Timeout  # takes 0.1 s; commands that lock nothing skip it

    path = _sibling(place, "lock")
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()  # raises the OSError that FileLock would mistake for a lock
    # A soft lock is only a file, and would outlive a killed process.
    file_lock = FileLock(path, fallback_to_soft=False)
    try:
        file_lock.acquire(timeout=0)
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
        file_lock.release()
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()  # unless it is in use by now


@contextlib.contextmanager
def replaced_folder(place):
    """Yields a folder to fill; at the end, it replaces `place`.

    After an error, `place` is unchanged.

    Raises:
        FileExistsError: Another process is writing to `place`.
    """
    with lock(place):
        unfinished = make_successor(place)
        try:
            yield unfinished
            move_into_place(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def make_successor(place):
    """Makes and returns the hidden folder next to `place` in which its successor is written."""
    unfinished = _sibling(place, "new")
    for leftover in (unfinished, _sibling(place, "old")):
        if leftover.exists():
            shutil.rmtree(leftover)
    unfinished.mkdir(parents=True)
    return unfinished


def move_into_place(unfinished, place):
    """Moves a finished folder to `place`, and removes the old one."""
    old = _sibling(place, "old")
    if place.exists():
        place.rename(old)
    unfinished.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def restore(place):
    """Moves the old folder back if `move_into_place` was killed between its two moves."""
    old = _sibling(place, "old")
    if old.exists() and not place.exists():
        old.rename(place)


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


def _sibling(place, suffix):
    return place.with_name(f".{place.name}.{suffix}")
