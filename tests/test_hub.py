"""Runs on a hub, which is a server on this machine."""

import logging

import pytest
from hub_server import serving_hub
from untrained import untrained_translator, write_run

import kseq
from kseq.runs import hub
from kseq.runs.hub import HubFailed, HubName, UnpinnedRunWarning, find_run, parse_name
from kseq.runs.reading import read_run
from kseq.serving.places import parse_place

constants = pytest.importorskip("huggingface_hub.constants", reason="needs huggingface_hub")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with checkpoints, a state of training and a file of the user."""
    translator = untrained_translator([], ["a", "b"], ["x", "y"])
    folder = write_run(translator, tmp_path_factory.mktemp("runs") / "letters")
    (folder / "checkpoints").mkdir()
    for name in ("checkpoints/epoch-0001.weights.h5", "training_state.1.npz", "secret.txt"):
        (folder / name).write_bytes(b"?")
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A hub, and an empty cache."""
    with serving_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        logging.getLogger("huggingface_hub").setLevel("ERROR")
        hub._download.cache_clear()
        yield server
        hub._download.cache_clear()


def files_of(run):
    names = ("config.json", "run.json", "model.weights.h5")
    names += ("source_vocabulary.txt", "target_vocabulary.txt")
    return {name: (run / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("hf://ada/en-fr", HubName("ada/en-fr")),
        ("hf://ada/en.fr_2@v1.0", HubName("ada/en.fr_2", "v1.0")),
        ("runs/en-fr", None),
    ],
)
def test_a_name_is_a_repository_and_perhaps_a_revision(name, expected):
    assert parse_name(name) == expected
    assert expected is None or str(expected) == name


@pytest.mark.parametrize("name", ["hf://", "hf://ada", "hf://ada/a/b", "hf://../x", "hf://a/b@"])
def test_a_malformed_name_is_an_error(name):
    with pytest.raises(ValueError, match="expected hf://user/name or hf://user/name@revision"):
        find_run(name)


def test_a_pushed_run_is_the_same_run(run, server):
    """A pinned name warns of nothing."""
    name = kseq.push(run, "hf://ada/letters", licence="cc-by-4.0", languages=["en"])
    commit, files = server.commits["ada/letters"][-1]
    assert name == f"hf://ada/letters@{commit}"
    assert {each: data for each, data in files.items() if each in files_of(run)} == files_of(run)
    assert set(files) == {*files_of(run), "README.md", ".gitattributes"}
    assert b'license: "cc-by-4.0"' in files["README.md"]
    translator = kseq.Translator.load(name)
    assert translator.codecs.source.vocabulary[4:] == ("a", "b")
    assert ".gitattributes" not in server.downloads


def test_a_name_without_a_commit_is_pinned_and_recorded(run, server):
    commit = server.add("ada/letters", files_of(run))
    with pytest.warns(UnpinnedRunWarning, match=f"letters is now hf://ada/letters@{commit}; name"):
        folder, _, record = read_run("hf://ada/letters")
    server.add("ada/letters", {})
    # In this process it remains the same, and so it is recorded.
    assert read_run("hf://ada/letters")[0] == folder
    assert hub.pinned_name("hf://ada/letters") == f"hf://ada/letters@{commit}"
    assert hub.pinned_name(str(run)) is None


def test_a_downloaded_commit_needs_no_hub(run, server):
    name = f"hf://ada/letters@{server.add('ada/letters', files_of(run))}"
    folder = find_run(name)
    hub._download.cache_clear()
    server.commits.clear()
    assert find_run(name) == folder


def test_a_second_push_removes_files_of_the_first(run, server):
    server.add("ada/letters", {"source_subwords.model": b"old", "notes.txt": b"of the author"})
    kseq.push(run, "hf://ada/letters")
    _, files = server.commits["ada/letters"][-1]
    assert "source_subwords.model" not in files and files["notes.txt"] == b"of the author"


def test_only_files_of_a_run_are_downloaded(run, server):
    """Others, such as code or a pickle, stay where they are."""
    files = {**files_of(run), "modeling.py": b"raise SystemExit", "model.pkl": b"?", "a/b.h5": b"?"}
    folder = find_run(f"hf://ada/letters@{server.add('ada/letters', files)}")
    assert set(server.downloads) == set(files_of(run))
    assert {path.name for path in folder.iterdir()} == set(files_of(run))


def test_files_that_are_too_large_are_not_downloaded(run, server):
    server.sizes["config.json"] = 2**40
    commit = server.add("ada/letters", files_of(run))
    with pytest.raises(ValueError, match="config.json has 1,099,511,627,776 bytes; expected at mo"):
        find_run(f"hf://ada/letters@{commit}")
    assert not server.downloads


def test_what_is_not_a_run_is_an_error(server):
    commit = server.add("ada/other", {"config.json": b"{}", "pytorch_model.bin": b""})
    with pytest.raises(ValueError, match="ada/other@.*: not a complete run; received config.json"):
        find_run(f"hf://ada/other@{commit}")


def test_a_missing_run_and_a_missing_revision_are_errors(run, server):
    server.add("ada/letters", files_of(run))
    for name in ("hf://ada/nothing", "hf://ada/letters@v2", f"hf://ada/letters@{'0' * 40}"):
        with pytest.raises(FileNotFoundError, match=f"{name}: not found, or private"):
            find_run(name)


def test_a_hub_that_cannot_be_reached_is_an_error(monkeypatch, server, run):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubFailed, match="hf://ada/letters: the hub failed: "):
        find_run("hf://ada/letters")
    with pytest.raises(HubFailed, match="hf://ada/letters: the hub failed: "):
        kseq.push(run, "hf://ada/letters")


@pytest.mark.parametrize("name", ["runs/copy", "hf://ada/letters@v1"])
def test_a_run_is_pushed_to_a_repository(name, run):
    with pytest.raises(ValueError, match="expected hf://user/name as the place to push to; recei"):
        kseq.push(run, name)


def test_commands_take_the_name_of_a_run_on_a_hub(run, server, command):
    code, output, errors = command("push", run, "hf://ada/letters")
    assert code == 0, errors
    code, translated, errors = command("translate", output.strip(), data=b"a b\n")
    assert code == 0 and translated.count("\n") == 1, errors
    place = parse_place(output.strip())
    assert place.name == "letters" and list(place.versions()) == ["1"]
    assert parse_place(f"short={output.strip()}").name == "short"
    code, _, errors = command("translate", "hf://ada/nothing", data=b"a\n")
    assert code == 2 and errors == (
        "kseq: hf://ada/nothing: not found, or private (hf auth login, or HF_TOKEN, says who you "
        "are)\n"
    )
