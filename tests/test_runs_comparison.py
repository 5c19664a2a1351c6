"""Runs side by side: settings, data, figures and curves."""

import html
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from run_folders import change_record, write_history, write_run_folder

import kseq
from kseq.analysis.compared_curves import save_comparison
from kseq.cli.main import main
from kseq.runs.comparison import shortest_names
from kseq.runs.tables import comparison_table


@pytest.fixture
def runs(tmp_path):
    return [
        write_run_folder(tmp_path / "a", fingerprint=7, duration=60.0),
        write_run_folder(
            tmp_path / "b",
            losses=[2.0, 0.5],
            settings=["units=64", "bidirectional=false"],
            fingerprint=7,
            is_finished=False,
        ),
    ]


def test_settings_data_and_figures_are_compared(runs):
    comparison = kseq.compare_runs(runs)
    assert comparison.names == ("a", "b")
    assert comparison.settings == {"units": (512, 64), "bidirectional": (True, False)}
    assert comparison.data == ("same", "same")
    assert list(comparison.figures)[:2] == ["val_cross_entropy", "val_accuracy"]
    assert comparison.figures["val_cross_entropy"] == (1.0, 0.5)
    assert comparison.figures["cross_entropy"] == (2.0, 1.0)
    assert [run.best_epoch for run in comparison.runs] == [2, 2]
    assert len(comparison.histories[1]) == 2
    assert repr(comparison) == "<kseq.Comparison of a, b>"


EMBEDDED = {"train": ["dates"], "valid": None, "test": None}
OTHER = {"train": ["en-fr"], "valid": None, "test": None}


@pytest.mark.parametrize(
    "first, other, settings, expected",
    [
        ({"fingerprint": 1}, {"fingerprint": 1}, [], "same"),
        ({"fingerprint": 1}, {"fingerprint": 2}, [], "different"),
        ({"fingerprint": 1}, {"fingerprint": 2}, ["units=8"], "different"),
        # Other tokens are other ids, even of the same pairs.
        ({"fingerprint": 1}, {"fingerprint": 2}, ["source_tokenizer=character"], "unknown"),
        ({"fingerprint": 1}, {"fingerprint": 2}, ["maximum_length=9"], "unknown"),
        ({}, {"fingerprint": 2}, [], "unknown"),
        (
            {"fingerprint": 1, "corpus": EMBEDDED},
            {"fingerprint": 2, "corpus": EMBEDDED},
            ["source_tokenizer=character"],
            "same corpus",
        ),
        ({"corpus": EMBEDDED}, {"corpus": EMBEDDED}, [], "same corpus"),
        ({"corpus": EMBEDDED}, {"corpus": OTHER}, [], "different"),
        ({"corpus": EMBEDDED}, {"corpus": {"key": "0" * 32}}, [], "unknown"),
        ({"corpus": {"key": "1" * 32}}, {"corpus": {"key": "0" * 32}}, [], "unknown"),
    ],
)
def test_data_are_related(tmp_path, first, other, settings, expected):
    runs = [
        write_run_folder(tmp_path / "a", **first),
        write_run_folder(tmp_path / "b", settings=settings, **other),
    ]
    assert kseq.compare_runs(runs).data == ("same", expected)


def test_names_are_as_long_as_they_must_be(tmp_path):
    runs = [write_run_folder(tmp_path / name) for name in ("x/run", "y/run", "z")]
    assert kseq.compare_runs(runs).names == ("x/run", "y/run", runs[2].parent.name + "/z")
    assert shortest_names([runs[0], runs[1]] * 2) == tuple(
        f"{name}/run ({number})" for number, name in enumerate("xyxy", start=1)
    )
    assert kseq.compare_runs([runs[0], runs[0]]).names == ("run (1)", "run (2)")


@pytest.mark.parametrize(
    "given, error, message",
    [
        (lambda runs: str(runs[0]), TypeError, "expected a list of two runs or more; received '"),
        (lambda runs: runs[:1], ValueError, "expected two runs or more to compare; received 1"),
        (lambda runs: [*runs, "none"], FileNotFoundError, "run directory not found: none"),
        (lambda runs: [*runs, runs[0].parent], ValueError, "not a run directory: "),
    ],
)
def test_what_cannot_be_compared_is_named(runs, given, error, message):
    with pytest.raises(error, match=message):
        kseq.compare_runs(given(runs))


def test_a_damaged_run_is_named(runs):
    (runs[1] / "history.csv").write_text("epoch\nx\n")
    with pytest.raises(ValueError, match="b/history.csv: damaged: could not convert"):
        kseq.compare_runs(runs)


def test_a_training_in_its_first_epoch_is_compared(runs, tmp_path):
    write_run_folder(tmp_path / ".c.kseq" / "new", losses=[], is_finished=False)
    comparison = kseq.compare_runs([*runs, tmp_path / "c"])
    assert comparison.names == ("a", "b", "c") and comparison.runs[2].epochs == 0
    assert comparison.figures["accuracy"] == (0.5, 0.5, None)


def rows_of(table):
    return {line[:26].strip(): line[26:].split() for line in table.splitlines() if line.strip()}


def test_the_table_has_a_column_for_each_run(runs):
    table = str(kseq.compare_runs(runs))
    rows = rows_of(table)
    assert rows["validation cross-entropy"] == ["1", "0.5"]
    assert rows["state"] == ["finished", "unfinished"]
    assert "units                   512      64" in table
    change_record(runs[1], began="\x1b[31m2026")
    assert "<U+001B>" in str(kseq.compare_runs(runs))


def test_runs_with_the_same_settings_say_so(tmp_path):
    runs = [write_run_folder(tmp_path / name) for name in "ab"]
    assert str(kseq.compare_runs(runs)).startswith("all settings are the same\n")


def test_many_or_long_names_become_numbers(tmp_path):
    runs = [write_run_folder(tmp_path / (letter * 50)) for letter in "abcd"]
    table = comparison_table(kseq.compare_runs(runs), 100)
    assert f"2: {'b' * 50}\n" in table and max(map(len, table.splitlines())) <= 100
    assert table.count("b" * 50) == 1


def lines_of(axes, width):
    """Curves with a number of points, by their colour."""
    return {line.get_color(): line for line in axes.lines if line.get_linewidth() == width}


def test_the_picture_has_a_curve_of_each_run_in_each_panel(runs):
    axes = kseq.plot_comparison(kseq.compare_runs(runs))
    assert [panel.get_ylabel() for panel in axes] == [
        "cross-entropy per token (nats)",
        "token accuracy",
    ]
    curves = list(lines_of(axes[0], 1.8).values())
    np.testing.assert_array_equal(curves[0].get_ydata(), [3, 1, 2])
    np.testing.assert_array_equal(curves[1].get_ydata(), [2, 0.5])
    training = list(lines_of(axes[0], 0.8).values())
    np.testing.assert_array_equal(training[1].get_ydata(), [4, 1])
    dots = [line for line in axes[0].lines if line.get_marker() == "o"]
    # The best epochs of both runs, and the end of the unfinished one.
    assert [tuple(*line.get_xydata()) for line in dots] == [(2, 1), (2, 0.5), (2, 0.5)]
    legend = [text.get_text() for text in axes[0].figure.legends[0].get_texts()]
    assert legend == ["a", "b (unfinished)", "validation", "training"]
    assert axes[0].get_yscale() == "log" and axes[1].get_yscale() == "linear"
    assert plt.get_fignums()


def test_runs_with_other_figures_share_a_picture(runs, tmp_path):
    values = write_run_folder(tmp_path / "values")
    write_history(values, "epoch,seconds,val_mean_squared_error", "1,2,0.5", "2,2,inf", "3,2,0.25")
    empty = write_run_folder(tmp_path / "empty $\\frac$", losses=[])
    comparison = kseq.compare_runs([*runs, values, empty])
    axes = kseq.plot_comparison(comparison)
    assert len(axes) == 3 and axes[2].get_ylabel() == "mean squared error"
    save_comparison(comparison, tmp_path / "a.svg")
    assert "empty $\\frac$" in html.unescape((tmp_path / "a.svg").read_text())


def test_runs_without_an_epoch_have_no_picture(tmp_path):
    runs = [write_run_folder(tmp_path / name, losses=[]) for name in "ab"]
    with pytest.raises(ValueError, match="expected runs with epochs that have ended"):
        kseq.plot_comparison(kseq.compare_runs(runs))


def test_more_runs_than_colours_can_be_told_apart(tmp_path):
    runs = [write_run_folder(tmp_path / f"r{number}") for number in range(20)]
    axes = kseq.plot_comparison(kseq.compare_runs(runs))
    looks = {
        (line.get_color(), line.get_linestyle())
        for line in axes[0].lines
        if len(line.get_xdata()) > 1
    }
    assert len(looks) == 20


def test_files_and_notebooks_leave_no_figure_open(runs, tmp_path):
    comparison = kseq.compare_runs(runs)
    save_comparison(comparison, tmp_path / "a.png")
    shown = comparison._repr_html_()
    assert html.escape(str(comparison)) in shown and "data:image/png;base64," in shown
    assert comparison._repr_png_().startswith(b"\x89PNG")
    assert not plt.get_fignums()


def test_the_command_compares_runs(runs, tmp_path, capsys):
    words = ["compare", *map(str, runs)]
    assert main([*words, "--out", str(tmp_path / "curves.png")]) == 0
    assert capsys.readouterr().out == f"{kseq.compare_runs(runs)}\n"
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    write_history(runs[0], "epoch,val_cross_entropy,loss", "1,2,nan")
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["figures"]["val_cross_entropy"] == [2.0, 0.5] and found["names"] == ["a", "b"]
    for wrong, message in (
        (words[:2], "expected two runs or more to compare; received 1"),
        ([*words, "--out", "a.txt"], "--out must end in .png, .svg or .pdf; received a.txt"),
        ([*words, "--out", str(tmp_path / "x" / "a.png")], "No such file or directory"),
    ):
        assert main(wrong) == 2
        assert message in capsys.readouterr().err
