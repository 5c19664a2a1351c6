"""Whole or not at all: failures, kills and other processes."""

import os
import signal
import subprocess
import sys

import pytest

from kseq import files


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_text("old")
    with files.replaced_file(path) as unfinished:
        assert unfinished.name.endswith(".weights.h5")
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_appears_at_once(tmp_path):
    """Whoever has the old file open goes on reading the old one."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with open(path) as reader:
        files.write_text(path, "new")
        assert reader.read() == "old"


def test_an_old_folder_is_put_back_before_its_successor_is_made(tmp_path):
    """A kill between the two moves, and then a failure at the next attempt."""
    (tmp_path / ".folder.old").mkdir()
    (tmp_path / ".folder.old" / "version").write_text("old")
    with pytest.raises(RuntimeError), files.replaced_folder(tmp_path / "folder"):
        raise RuntimeError
    assert (tmp_path / "folder" / "version").read_text() == "old"


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replaced_file(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(RuntimeError), files.replaced_folder(folder) as unfinished:
        (unfinished / "new").touch()
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]
    with files.replaced_folder(folder) as unfinished:
        (unfinished / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("kill_at", range(1, 6))
def test_a_kill_leaves_the_old_or_the_new_folder(tmp_path, kill_at):
    """Killed just before each of the calls that change the disk."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "version").write_text("old")
    program = f"""
import os, pathlib, signal, sys
from kseq import files
calls = 0
def counted(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == {kill_at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
pathlib.Path.mkdir = counted(pathlib.Path.mkdir)
pathlib.Path.rename = counted(pathlib.Path.rename)
files.shutil.rmtree = counted(files.shutil.rmtree)
with files.replaced_folder(pathlib.Path(sys.argv[1])) as unfinished:
    (unfinished / "version").write_text("new")
"""
    process = subprocess.run([sys.executable, "-c", program, folder])
    assert process.returncode in (0, -signal.SIGKILL)
    files.restore(folder)
    assert (folder / "version").read_text() in ("old", "new")
    with files.replaced_folder(folder) as unfinished:
        assert os.listdir(unfinished) == []
        (unfinished / "version").write_text("newer")
    assert (folder / "version").read_text() == "newer"
    assert os.listdir(tmp_path) == ["folder"]


def test_only_one_process_at_a_time(tmp_path):
    place = tmp_path / "folder"
    program = "import pathlib, sys; from kseq import files\n"
    program += "with files.alone_at(pathlib.Path(sys.argv[1])): print('alone')"
    with files.alone_at(place):
        refused = subprocess.run(
            [sys.executable, "-c", program, place], capture_output=True, text=True
        )
        assert refused.returncode == 1
        assert f"another process is writing to {place}; wait" in refused.stderr
    assert subprocess.run([sys.executable, "-c", program, place]).returncode == 0
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".", "/", tmp_path, "x/.."):
        with pytest.raises(FileExistsError, match="cannot be replaced as a whole; choose one in"):
            files.require_replaceable(place, "a run", lambda folder: True)


def test_a_link_leads_to_the_place_itself(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for version in ("one", "two"):
        place = files.require_replaceable(tmp_path / "link", "a run", lambda folder: True)
        with files.replaced_folder(place) as unfinished:
            (unfinished / "version").write_text(version)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "version").read_text() == "two"


def test_an_error_names_the_file_and_not_the_hidden_one(tmp_path):
    path = tmp_path / "no" / "x.png"
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(path, "x")
    assert caught.value.filename == str(path)


def test_folders_that_were_made_for_nothing_go_again(tmp_path):
    with pytest.raises(ValueError), files.alone_at(tmp_path / "a" / "b" / "run"):
        raise ValueError("no training after all")
    assert not list(tmp_path.iterdir())
    with files.alone_at(tmp_path / "a" / "b" / "run"):
        (tmp_path / "a" / "b" / "run").mkdir()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["run"]
