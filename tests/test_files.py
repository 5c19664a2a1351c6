"""Files and folders that are written completely or not at all, despite failures and kills."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from kseq import files, locks

KIND = files.FolderKind("a folder", lambda folder: True, lambda path: path.name in ("old", "new"))


def write_folder(place, name, content=""):
    """Writes a folder with one file; returns it."""
    place.mkdir()
    (place / name).write_text(content)
    return place


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
    place = tmp_path / "folder"
    hidden = write_folder(locks.hidden_folder(place), locks.MARK, "kseq")
    write_folder(hidden / "old", "old", "content")
    assert (files.find_folder(place) / "old").read_text() == "content"
    with pytest.raises(RuntimeError), files.replaced_folder(place, KIND):
        raise RuntimeError
    assert (place / "old").read_text() == "content"
    assert list(tmp_path.iterdir()) == [place]


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
    with pytest.raises(RuntimeError), files.replaced_folder(folder, KIND) as unfinished:
        (unfinished / "new").touch()
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]
    with files.replaced_folder(folder, KIND) as unfinished:
        (unfinished / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_in_a_published_folder_is_replaced_as_a_whole(tmp_path):
    place = tmp_path / "folder"
    with files.NewFolder(place, KIND) as new_folder:
        (new_folder.folder / "new").write_text("one")
        new_folder.publish()
        path = new_folder.folder / "new"
        with pytest.raises(RuntimeError), new_folder.replaced_file(path) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError
        assert path.read_text() == "one"
        with new_folder.replaced_file(path) as unfinished:
            unfinished.write_text("two")
        assert os.listdir(place) == ["new"]
    assert (place / "new").read_text() == "two"
    assert list(tmp_path.iterdir()) == [place]


def test_kills_damage_nothing_and_the_same_command_leaves_nothing_behind():
    """Some kills of a replaced folder and of a download; the tool can do more."""
    tool = ROOT / "tests" / "tools" / "kills.py"
    command = [sys.executable, tool, "--kills", "30", "folder", "fetch"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.stdout.endswith("30 kills: 0 faults\n"), process.stdout + process.stderr


def test_files_that_kseq_did_not_write_move_to_the_new_folder(tmp_path):
    place = write_folder(tmp_path / "folder", "old")
    (place / "notes.txt").write_text("mine")
    write_folder(place / "pictures", "a.png", "mine")
    with files.replaced_folder(place, KIND) as unfinished:
        (unfinished / "new").touch()
    assert sorted(os.listdir(place)) == ["new", "notes.txt", "pictures"]
    assert (place / "notes.txt").read_text() == (place / "pictures" / "a.png").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [place]


def test_files_that_kseq_did_not_write_are_kept_in_folders_that_it_did(tmp_path):
    place = write_folder(tmp_path / "folder", "other")
    write_folder(place / "old", "mine", "content")
    with files.replaced_folder(place, KIND):
        pass
    assert (place / "old" / "mine").read_text() == "content"


def test_a_file_of_the_user_is_not_overwritten_by_an_older_one(tmp_path):
    """A kill came before the older one could move."""
    place = write_folder(tmp_path / "folder", "notes.txt", "newer")
    hidden = write_folder(locks.hidden_folder(place), locks.MARK, "kseq")
    write_folder(hidden / "old", "notes.txt", "older")
    with files.replaced_folder(place, KIND):
        pass
    assert (place / "notes.txt").read_text() == "newer"
    assert (place / "notes.txt.1").read_text() == "older"


def test_a_file_of_the_user_that_the_new_folder_has_too_is_kept_once_or_numbered(tmp_path):
    place = write_folder(tmp_path / "folder", "same.txt", "mine")
    for content in ("mine", "mine", "yours"):
        with files.replaced_folder(place, KIND) as unfinished:
            (unfinished / "same.txt").write_text(content)
    assert sorted(os.listdir(place)) == ["same.txt", "same.txt.1"]
    assert (place / "same.txt").read_text() == "yours"
    assert (place / "same.txt.1").read_text() == "mine"


@pytest.mark.parametrize("suffix", ["old", "new", "lock"])
def test_hidden_files_and_folders_of_the_user_are_not_touched(tmp_path, suffix):
    place = tmp_path / "folder"
    own = write_folder(tmp_path / f".folder.{suffix}", "thesis.txt", "mine")
    with files.replaced_folder(place, KIND) as unfinished:
        (unfinished / "new").touch()
    with files.replaced_folder(place, KIND) as unfinished:
        (unfinished / "new").touch()
    assert (own / "thesis.txt").read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [own, place]


def test_a_mount_point_and_the_working_directory_are_never_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (".", "/", tmp_path, "x/.."):
        with pytest.raises(FileExistsError, match="cannot be replaced as a whole; choose one in"):
            files.require_replaceable(place, KIND)


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for version in ("old", "new"):
        place = files.require_replaceable(tmp_path / "link", KIND)
        with files.replaced_folder(place, KIND) as unfinished:
            (unfinished / version).touch()
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "real") == ["new"]


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "no" / "x.png"
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(path, "x")
    assert caught.value.filename == str(path)
