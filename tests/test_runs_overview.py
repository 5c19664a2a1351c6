"""The list of runs below a folder: what is found, in which order, and what damage does."""

import html
import json
import os
import subprocess
import sys

import filelock
import pytest
from run_folders import change_record, write_history, write_run_folder

import kseq
from kseq import ModelConfig, locks
from kseq.locks import MARK
from kseq.runs.history import find_best, find_measure, read_history
from kseq.runs.overview import describe_model
from kseq.runs.tables import overview_table


@pytest.fixture
def runs(tmp_path):
    """A folder with three runs."""
    folder = tmp_path / "runs"
    write_run_folder(
        folder / "run2",
        settings=["units=64"],
        corpus={"train": ["dates"], "valid": None, "test": None},
        began="2026-11-29T10:00:00Z",
        duration=5000.4,
        device="2 CPU cores (AMD EPYC)",
        parameters=20_000,
    )
    write_run_folder(
        folder / "sub" / "run10",
        losses=[0.5, 0.75],
        settings=["architecture=transformer", "encoder_layers=2"],
        began="2026-11-30T10:00:00Z",
        is_finished=False,
    )
    write_run_folder(folder / "run1", losses=[], settings=["attention=none"])
    return folder


def names(runs):
    return [run.name for run in runs]


def test_runs_are_described(runs):
    first, second, third = kseq.list_runs(runs)
    assert names([first, second, third]) == ["run1", "run2", "sub/run10"]
    assert (second.state, second.corpus, second.model) == ("finished", "dates", "gru 64, bahdanau")
    assert (second.epochs, second.planned_epochs, second.best_epoch) == (3, 5, 2)
    assert (second.measure, second.figure) == ("val_cross_entropy", 1.0)
    assert (second.duration, second.parameters) == (5000.4, 20_000)
    assert second.folder == str(runs / "run2")
    # Without a record of the duration, it is that of the epochs.
    assert (third.state, third.duration, third.corpus) == ("unfinished", 5.0, None)
    assert third.model == "transformer 512 x2+1"
    assert (first.epochs, first.best_epoch, first.figure, first.duration) == (0, None, None, None)
    assert first.model == "gru 512, no attention"


@pytest.mark.parametrize(
    "order, expected",
    [
        ("name", ["run1", "run2", "sub/run10"]),
        ("date", ["sub/run10", "run2", "run1"]),
        ("best", ["sub/run10", "run2", "run1"]),
        ("duration", ["run2", "sub/run10", "run1"]),
        ("parameters", ["run2", "run1", "sub/run10"]),
    ],
)
def test_runs_are_sorted(runs, order, expected):
    assert names(kseq.list_runs(runs, sort=order)) == expected


def test_the_mean_of_checkpoints_has_no_epochs(runs):
    change_record(runs / "run1", averaged=[2, 3])
    run = kseq.list_runs(runs)[0]
    assert (run.state, run.epochs) == ("averaged", None)
    assert "averaged" in str(kseq.compare_runs([runs / "run1", runs / "run2"]))


def test_a_model_is_described_by_what_its_encoder_and_its_decoder_are():
    descriptions = {
        "transformer 512 x2+1": {"architecture": "transformer", "encoder_layers": 2},
        "gru/lstm 512, bahdanau": {"decoder_cell": "lstm"},
        "transformer/lstm 512, luong_dot": {
            **{"architecture": "transformer", "decoder_architecture": "recurrent"},
            **{"cell": "lstm", "attention": "luong_dot"},
        },
        "gru/transformer 512": {"decoder_architecture": "transformer"},
    }
    for description, settings in descriptions.items():
        assert describe_model(ModelConfig(**settings)) == description


def test_numbers_in_names_are_sorted_by_their_value(tmp_path):
    for name in ("run10", "run9", "a", "run9b"):
        write_run_folder(tmp_path / name)
    assert names(kseq.list_runs(tmp_path)) == ["a", "run9", "run9b", "run10"]


def test_an_unknown_order_or_folder_is_an_error(runs):
    with pytest.raises(ValueError, match="sort must be 'name', .*; did you mean 'date'"):
        kseq.list_runs(runs, sort="datum")
    with pytest.raises(FileNotFoundError, match="folder not found: .*none"):
        kseq.list_runs(runs / "none")


def test_a_run_is_listed_by_itself_and_runs_in_runs_are_not(runs):
    write_run_folder(runs / "run2" / "inner")
    assert names(kseq.list_runs(runs / "run2")) == ["run2"]
    assert "run2/inner" not in names(kseq.list_runs(runs))


def test_links_to_runs_are_followed_but_not_those_to_other_folders(runs, tmp_path):
    (runs / "link").symlink_to(runs / "run1")
    (runs / "loop").symlink_to(runs)
    (runs / ".hidden").mkdir()
    write_run_folder(runs / ".hidden" / "run")
    assert names(kseq.list_runs(runs)) == ["link", "run1", "run2", "sub/run10"]


def test_other_folders_with_a_file_of_such_a_name_are_not_runs(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert kseq.list_runs(tmp_path) == () and str(kseq.list_runs(tmp_path)) == "no runs"


def test_trainings_in_their_first_epoch_are_listed(runs):
    """They are in hidden folders, of new runs and of runs that they will replace."""
    for name in ("new", "run1"):
        hidden = runs / f".{name}.kseq"
        write_run_folder(hidden / "new", is_finished=False)
        (hidden / MARK).touch()
    (runs / ".foreign.kseq" / "new").mkdir(parents=True)
    found = kseq.list_runs(runs)
    assert names(found) == ["new", "run1", "run1 (begun)", "run2", "sub/run10"]
    assert found[0].state == "unfinished"
    # A process was killed while it replaced a run.
    (runs / ".run2.kseq").mkdir()
    (runs / ".run2.kseq" / MARK).touch()
    (runs / "run2").rename(runs / ".run2.kseq" / "old")
    assert names(kseq.list_runs(runs)) == names(found)


def test_a_run_that_is_being_trained_is_told_from_one_that_was_stopped(runs):
    hidden = runs / ".new.kseq"
    write_run_folder(hidden / "new", is_finished=False)
    (hidden / MARK).write_text("kseq")
    for name, place in [("sub/run10", runs / "sub" / "run10"), ("new", runs / "new")]:
        for _ in range(2):  # Looking does not disturb the training.
            with locks.lock(place):
                states = {run.name: run.state for run in kseq.list_runs(runs)}
                assert states[name] == "running" and states["run1"] == "finished"
        states = {run.name: run.state for run in kseq.list_runs(runs)}
        assert states.get(name) == "unfinished"


def test_a_training_waits_for_someone_who_looks_whether_it_runs(tmp_path, monkeypatch):
    """The lock is taken for a moment in order to look."""
    place = tmp_path / "run"
    folder = locks.hidden_folder(place)
    folder.mkdir()
    descriptor = os.open(folder / locks.MARK, os.O_RDWR | os.O_CREAT)
    assert filelock.lock_descriptor(descriptor, blocking=False)
    monkeypatch.setattr(locks, "sleep", lambda _: filelock.unlock_descriptor(descriptor))
    with locks.lock(place):
        assert locks.is_locked(place)
    os.close(descriptor)
    assert not locks.is_locked(place)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("run.json", b"{", "run.json: damaged"),
        ("run.json", b"[" * 100_000, "run.json: damaged: nested too deeply"),
        ("config.json", b"[" * 100_000, "config.json: damaged"),
        ("config.json", b'{"model": {"units": -1}}', "config.json: damaged: units must be"),
        ("history.csv", b"epoch,loss\n1,2\nx,3\n", "history.csv:3: damaged: could not convert"),
        ("history.csv", b"epoch,loss\n1\n", "history.csv: damaged: expected a number in every"),
        ("history.csv", b"epoch,loss\n1,2,3\n", "history.csv: damaged: expected a number in every"),
        ("history.csv", b"epoch,loss\nnan,3\n", "history.csv: damaged: expected the number of an"),
        ("history.csv", b"loss\n3\n", "history.csv: damaged: expected the number of an epoch"),
        ("history.csv", b"\xff\xfe", "history.csv: damaged: 'utf-8' codec"),
        ("history.csv", b"epoch\n\x00\n", "history.csv: damaged: "),
        ("history.csv", b"epoch\n" + b"1" * 200_000, "history.csv: damaged: field larger than"),
        ("model.weights.h5", None, "not a run directory"),
        ("run.json", None, "run.json"),
    ],
)
def test_a_damaged_run_is_a_line(runs, name, content, message):
    path = runs / "run2" / name
    path.unlink() if content is None else path.write_bytes(content)
    found = kseq.list_runs(runs, sort="best")
    assert names(found) == ["sub/run10", "run1", "run2"]
    assert found[2].state == "damaged" and message in found[2].problem
    assert message in str(found)


def test_other_figures_than_the_loss_may_be_monitored(tmp_path):
    rows = [
        {"epoch": 0.5, "val_cross_entropy": 3.0, "val_bleu": 10.0},
        {"epoch": 1.0, "val_cross_entropy": 2.0, "val_bleu": float("nan")},
        {"epoch": 1.5, "val_cross_entropy": 2.0, "val_bleu": 9.0},
    ]
    training = kseq.TrainingConfig()
    assert find_measure(rows, training) == "val_cross_entropy"
    assert find_best(rows, "val_cross_entropy")["epoch"] == 1.0
    assert find_best(rows, "val_bleu")["epoch"] == 0.5
    assert find_measure([], training) is None and find_best([], None) is None


def test_a_history_may_have_other_columns_gaps_and_rows_within_epochs(tmp_path):
    run = write_run_folder(tmp_path / "run")
    write_history(run, "step,val_cross_entropy,epoch,new", "5,2,0.5,1", "10,1,1,", "15,0.5,1.5,2")
    rows = read_history(run)
    assert rows[1] == {"step": 10.0, "val_cross_entropy": 1.0, "epoch": 1.0}
    (found,) = kseq.list_runs(run)
    assert (found.epochs, found.best_epoch, found.figure) == (1, 1.5, 0.5)
    assert found.duration is None and " 1.5 " in str(kseq.list_runs(run))


def test_strings_of_a_stranger_are_harmless(runs):
    change_record(runs / "run2", device="\x1b[31mGPU\n" + "x" * 1000, began="\x1b" * 50, duration=1)
    os.rename(runs / "run1", runs / "a\nb")
    table = str(kseq.list_runs(runs))
    assert "\x1b" not in table and "<U+001B>[31mGPU<U+000A>" in table and "a<U+000A>b" in table
    assert len(table.splitlines()) == 6 and max(map(len, table.splitlines())) < 400


@pytest.mark.parametrize("duration", [float("nan"), float("inf")])
def test_a_duration_that_is_no_number_is_unknown(runs, duration):
    change_record(runs / "run2", duration=duration)
    assert kseq.list_runs(runs)[1].duration is None


def test_the_table_has_a_row_for_each_run(runs):
    lines = str(kseq.list_runs(runs)).splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["run1", "run2", "sub/run10"]
    assert "1 h 23 min" in lines[-2] and "20,000" in lines[-2] and "3 of 5" in lines[-2]
    assert "2026-11-29 10:00" in lines[-2] and "cross-entropy" in lines[1]


def test_a_narrow_terminal_shows_fewer_columns_and_says_so(runs):
    found = kseq.list_runs(runs)
    for width in (60, 80, 100):
        *lines, note = overview_table(found, width).splitlines()
        assert max(map(len, lines)) <= width and lines[-3].startswith("run2 ")
        assert note.startswith("(not shown: device")


def test_a_notebook_shows_the_table(runs):
    (runs / "<b>").symlink_to(runs / "run1")
    shown = kseq.list_runs(runs)._repr_html_()
    assert html.unescape(shown) == f"<pre>{kseq.list_runs(runs)}</pre>" and "<b>" not in shown


def test_the_command_lists_runs(runs, capsys):
    from kseq.cli.main import main

    assert main(["runs", str(runs)]) == 0
    assert capsys.readouterr().out == f"{kseq.list_runs(runs)}\n"
    assert main(["runs", str(runs), "--sort", "date", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == [run.to_dict() for run in kseq.list_runs(runs, "date")]
    assert main(["runs", str(runs / "run2" / "history.csv")]) == 2
    assert "folder not found" in capsys.readouterr().err
    (runs / "empty").mkdir()
    assert main(["runs", str(runs / "empty")]) == 0
    assert capsys.readouterr().out == f"no runs below {runs / 'empty'}\n"


def test_looking_at_runs_needs_no_tensorflow(runs, tmp_path):
    program = f"""
import sys
from kseq.cli.main import main
runs = {str(runs)!r}
assert main(["runs", runs]) == 0
assert main(["compare", runs + "/run1", runs + "/run2", "--out", {str(tmp_path / "a.png")!r}]) == 0
heavy = {{"tensorflow", "keras", "matplotlib.pyplot"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
