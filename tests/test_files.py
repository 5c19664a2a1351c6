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
with files.replaced_folder(sys.argv[1]) as unfinished:
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
