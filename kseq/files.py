"""Files and folders that are written whole or not at all, whenever the process is killed."""

import contextlib
import os
import pathlib
import shutil


@contextlib.contextmanager
def replaced_file(path):
    """Gives a name to write to; the file takes the place of `path` when all went well."""
    path = pathlib.Path(path)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path, text):
    """Writes a small text file in UTF-8, lines ending as they do in `text`."""
    with replaced_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def replaced_folder(folder):
    """Gives a folder to fill; it takes the place of `folder` when all went well."""
    unfinished = unfinished_beside(folder)
    try:
        yield unfinished
        move_into_place(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def unfinished_beside(folder):
    """Returns the hidden folder beside `folder`, empty and new, where its successor is made."""
    restore(folder)
    unfinished = _beside(folder, "new")
    for leftover in (unfinished, _beside(folder, "old")):
        if leftover.exists():
            shutil.rmtree(leftover)
    unfinished.mkdir(parents=True)
    return unfinished


def move_into_place(unfinished, folder):
    """Moves a finished folder to its place, in exchange for what is there."""
    folder, old = pathlib.Path(folder), _beside(folder, "old")
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def restore(folder):
    """Puts the old folder back where a kill fell between the two moves of `move_into_place`."""
    folder, old = pathlib.Path(folder), _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def _beside(folder, suffix):
    folder = pathlib.Path(folder).absolute()
    return folder.with_name(f".{folder.name}.{suffix}")
