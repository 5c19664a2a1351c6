"""Files and folders that are written completely or not at all, despite failures and kills."""

import os
import signal
import subprocess
import sys

import pytest

from kseq import files


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_text("old")
    with files.replaced_file(path) as unfinished:
        assert unfinished.name.endswith(".weights.h5")
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with open(path) as reader:
        files.write_text(path, "new")
        assert reader.read() == "old"


def test_a_folder_moved_aside_before_a_kill_survives_a_failure_of_the_next_attempt(tmp_path):
    """The kill came between the two moves."""
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
    """The process is killed just before each of the calls that change the disk."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "version").write_text("old")
    program = f"""
import os, pathlib, signal, sys
from kseq import files
calls = 0
def count_calls(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == {kill_at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
pathlib.Path.mkdir = count_calls(pathlib.Path.mkdir)
pathlib.Path.rename = count_calls(pathlib.Path.rename)
files.shutil.rmtree = count_calls(files.shutil.rmtree)
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


def test_one_process_at_a_time_can_write_to_a_place(tmp_path):
    place = tmp_path / "folder"
    program = "import pathlib, sys; from kseq import files\n"
    program += "with files.lock(pathlib.Path(sys.argv[1])): print('alone')"
    with files.lock(place):
        process = subprocess.run(
            [sys.executable, "-c", program, place], capture_output=True, text=True
        )
        assert process.returncode == 1
        assert f"another process is writing to {place}; wait" in process.stderr
    assert subprocess.run([sys.executable, "-c", program, place]).returncode == 0
    assert not list(tmp_path.iterdir())


def test_no_two_processes_hold_the_same_lock_at_the_same_time(tmp_path):
    """Each takes the lock many times, so that it is often removed while others wait for it."""
    program = """
import os, pathlib, sys, time
from kseq import files
folder = pathlib.Path(sys.argv[1])
end, entered = time.monotonic() + 2, 0
while time.monotonic() < end:
    try:
        with files.lock(folder / "place"):
            os.close(os.open(folder / "occupied", os.O_CREAT | os.O_EXCL))
            os.sched_yield()
            os.unlink(folder / "occupied")
            entered += 1
    except FileExistsError as error:
        assert "another process is writing" in str(error), error
print(entered)
"""
    command = [sys.executable, "-c", program, tmp_path]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(map(int, outputs)) > 0
    assert not list(tmp_path.iterdir())


def test_a_kill_releases_the_lock(tmp_path):
    program = "import os, pathlib, signal, sys; from kseq import files\n"
    program += "with files.lock(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", program, tmp_path / "place"])
    with files.lock(tmp_path / "place"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_mount_point_and_the_working_directory_are_never_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".", "/", tmp_path, "x/.."):
        with pytest.raises(FileExistsError, match="cannot be replaced as a whole; choose one in"):
            files.require_replaceable(place, "a run", lambda folder: True)


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for version in ("one", "two"):
        place = files.require_replaceable(tmp_path / "link", "a run", lambda folder: True)
        with files.replaced_folder(place) as unfinished:
            (unfinished / "version").write_text(version)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "version").read_text() == "two"


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "no" / "x.png"
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(path, "x")
    assert caught.value.filename == str(path)


def test_new_parent_folders_are_removed_if_they_stay_empty(tmp_path):
    with pytest.raises(ValueError), files.lock(tmp_path / "a" / "b" / "run"):
        raise ValueError("no training after all")
    assert not list(tmp_path.iterdir())
    with files.lock(tmp_path / "a" / "b" / "run"):
        (tmp_path / "a" / "b" / "run").mkdir()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["run"]
