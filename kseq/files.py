"""Files and folders that are written whole or not at all, whenever the process is killed."""

import contextlib
import errno
import fcntl
import os
import pathlib
import shutil


@contextlib.contextmanager
def replaced_file(path):
    """Gives a name to write to; the file takes the place of `path` when all went well.

    Raises:
        OSError: It could not be written; the error names `path`. What is wrong with another
            file, one that was read meanwhile, is left as it is.
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
    """Writes a small text file in UTF-8, lines ending as they do in `text`."""
    with replaced_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def require_folder_of(path):
    """Checks that the folder is there that a file shall be written to.

    Raises:
        FileNotFoundError: It is not.
    """
    folder = pathlib.Path(path).resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def require_replaceable(folder, kind, is_of_kind):
    """Returns the resolved path of a place that is free: missing, empty, or of the same kind.

    Args:
        folder: The place.
        kind: What shall stand there, for the message: `"a run"`.
        is_of_kind: Function of a folder that tells whether it holds one.

    Raises:
        FileExistsError: There is something else, or a folder that cannot be moved.
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
def alone_at(place):
    """Lets one process at a time make something new at a place; a kill lets go of it too.

    Raises:
        FileExistsError: Another process is at it.
    """
    lock = _beside(place, "lock")
    made = [folder for folder in lock.parents if not folder.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(
                f"another process is writing to {place}; wait for it or choose another place"
            ) from None
        try:
            restore(place)
            yield
        finally:
            lock.unlink(missing_ok=True)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # unless something has come into it


@contextlib.contextmanager
def replaced_folder(place):
    """Gives a folder to fill; it takes the place of `place` when all went well."""
    with alone_at(place):
        unfinished = unfinished_beside(place)
        try:
            yield unfinished
            move_into_place(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def unfinished_beside(place):
    """Returns the hidden folder beside `place`, empty and new, where its successor is made."""
    unfinished = _beside(place, "new")
    for leftover in (unfinished, _beside(place, "old")):
        if leftover.exists():
            shutil.rmtree(leftover)
    unfinished.mkdir(parents=True)
    return unfinished


def move_into_place(unfinished, place):
    """Moves a finished folder to its place, in exchange for what is there."""
    old = _beside(place, "old")
    if place.exists():
        place.rename(old)
    unfinished.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def restore(place):
    """Puts the old folder back where a kill fell between the two moves of `move_into_place`."""
    old = _beside(place, "old")
    if old.exists() and not place.exists():
        old.rename(place)


def require_room(folder, size):
    """Checks that a folder has room for `size` bytes, before something that would crash without.

    Raises:
        OSError: It has not.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _beside(place, suffix):
    return place.with_name(f".{place.name}.{suffix}")
