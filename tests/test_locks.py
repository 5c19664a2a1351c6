"""Locks: one process or thread at a time, without following links or touching others' files."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import threading

import filelock
import pytest
from conftest import ROOT

from kseq import locks

LOCK = "import os, pathlib, signal, sys; from kseq import locks\n"
LOCK += "with locks.lock(pathlib.Path(sys.argv[1])): "


def lock_in_another_process(place, then):
    command = [sys.executable, "-c", LOCK + then, place]
    return subprocess.run(command, capture_output=True, text=True)


def test_one_process_at_a_time_can_write_to_a_place(tmp_path):
    place = tmp_path / "folder"
    with locks.lock(place):
        process = lock_in_another_process(place, "pass")
        assert process.returncode == 1
        assert f"Occupied: another process is writing to {place}; wait" in process.stderr
    assert lock_in_another_process(place, "pass").returncode == 0
    assert not list(tmp_path.iterdir())


def test_one_thread_at_a_time_can_write_to_a_place(tmp_path):
    locked, is_over = threading.Event(), threading.Event()

    def hold():
        with locks.lock(tmp_path / "place"):
            locked.set()
            is_over.wait()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        locked.wait()
        try:
            with pytest.raises(locks.Occupied), locks.lock(tmp_path / "place"):
                pass
        finally:
            is_over.set()
        holding.result()
    with locks.lock(tmp_path / "place"):
        pass
    assert not list(tmp_path.iterdir())


def test_no_two_processes_or_threads_hold_the_same_lock_at_the_same_time():
    """Each takes the lock many times, so that it is often removed while others wait for it."""
    tool = ROOT / "tests" / "tools" / "lock_stress.py"
    process = subprocess.run(
        [sys.executable, tool, "--entries", "500"], capture_output=True, text=True
    )
    assert process.stdout.endswith("0 overlaps; files left behind: none\n"), process.stderr
    assert process.returncode == 0


def test_a_lock_on_a_file_that_was_removed_in_the_meantime_does_not_count(tmp_path, monkeypatch):
    """Someone else takes the lock and releases it after the file was opened."""
    place = tmp_path / "place"
    lock_descriptor = filelock.lock_descriptor

    someone_else = [locks.lock(place)]

    def lock_after_someone_else(descriptor, blocking):
        monkeypatch.setattr(filelock, "lock_descriptor", lock_descriptor)
        if someone_else:
            with someone_else.pop():
                pass
        return lock_descriptor(descriptor, blocking=blocking)

    monkeypatch.setattr(filelock, "lock_descriptor", lock_after_someone_else)
    with locks.lock(place), pytest.raises(locks.Occupied), locks.lock(place):
        pass
    assert not list(tmp_path.iterdir())


def test_a_kill_releases_the_lock(tmp_path):
    place = tmp_path / "place"
    process = lock_in_another_process(place, "os.kill(os.getpid(), signal.SIGKILL)")
    assert process.returncode == -signal.SIGKILL
    assert os.listdir(locks.hidden_folder(place)) == [locks.MARK]
    with locks.lock(place):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["thesis.txt", "missing.txt"])
def test_a_link_in_the_place_of_the_mark_is_not_followed(tmp_path, target):
    (tmp_path / "thesis.txt").write_text("mine")
    hidden = locks.hidden_folder(tmp_path / "run")
    hidden.mkdir()
    (hidden / locks.MARK).symlink_to(tmp_path / target)
    with (
        pytest.raises(FileExistsError, match=r"\.run\.kseq/kseq\.lock already exists and was not"),
        locks.lock(tmp_path / "run"),
    ):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == [".run.kseq", "thesis.txt"]


@pytest.mark.parametrize("target", ["thesis", "missing"])
def test_a_link_in_the_place_of_the_hidden_folder_is_not_followed(tmp_path, target):
    (tmp_path / "thesis").mkdir()
    locks.hidden_folder(tmp_path / "run").symlink_to(target)
    with (
        pytest.raises(
            FileExistsError, match=r"\.run\.kseq already exists .*; move it elsewhere, or ch"
        ),
        locks.lock(tmp_path / "run"),
    ):
        pass
    assert not list((tmp_path / "thesis").iterdir())
    assert sorted(os.listdir(tmp_path)) == [".run.kseq", "thesis"]


@pytest.mark.parametrize("kind", ["folder", "file", "pipe"])
def test_what_kseq_did_not_make_is_refused_and_not_touched(tmp_path, kind):
    hidden = locks.hidden_folder(tmp_path / "run")
    if kind == "folder":
        hidden.mkdir()
        (hidden / "thesis.txt").write_text("mine")
    elif kind == "file":
        hidden.write_text("mine")
    else:
        os.mkfifo(hidden)
    with (
        pytest.raises(
            FileExistsError, match=r"\.run\.kseq already exists and was not created by ks"
        ),
        locks.lock(tmp_path / "run"),
    ):
        pass
    if kind == "folder":
        assert [path.read_text() for path in hidden.iterdir()] == ["mine"]
    elif kind == "file":
        assert hidden.read_text() == "mine"


def test_an_error_names_the_place_and_not_the_hidden_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError) as caught, locks.lock(tmp_path / "file" / "run"):
        pass
    assert caught.value.filename == str(tmp_path / "file" / "run")


def test_a_folder_that_cannot_be_made_is_an_error():
    """The operating system gives the same error as for a folder that was just removed."""
    with pytest.raises(FileNotFoundError) as caught, locks.lock(pathlib.Path("/proc/run")):
        pass
    assert caught.value.filename == "/proc/run"


def test_new_parent_folders_are_removed_if_they_stay_empty(tmp_path):
    with pytest.raises(ValueError), locks.lock(tmp_path / "a" / "b" / "run"):
        raise ValueError("no training after all")
    assert not list(tmp_path.iterdir())
    with locks.lock(tmp_path / "a" / "b" / "run"):
        (tmp_path / "a" / "b" / "run").mkdir()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["run"]
