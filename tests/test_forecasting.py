"""The example of forecasting: its windows, its simple methods, and its message without the data."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, load_example

SCRIPT = ROOT / "examples" / "forecasting.py"


@pytest.fixture(scope="module")
def example():
    return load_example("forecasting")


@pytest.fixture(scope="module")
def windows(example):
    """Windows of a demand that repeats every week, with a trend."""
    count = 12 * example.WEEK
    steps = np.arange(count)
    week = np.random.default_rng(0).normal(size=example.WEEK)
    demand = (week[steps % example.WEEK] + 0.001 * steps).astype(np.float32)
    known = example.make_covariates(demand)
    splits = {
        name: example.make_windows(demand, known, *weeks) for name, weeks in example.SPLITS.items()
    }
    return demand, splits


def test_a_window_is_a_day_and_the_next_with_what_is_known_about_it(example, windows):
    demand, splits = windows
    begins = {"train": 1, "valid": 8, "test": 10}
    for name, (sources, targets, known) in splits.items():
        first = begins[name] * example.WEEK
        for window in (0, 100):
            start = first + window
            np.testing.assert_array_equal(sources[window, :, 0], demand[start - 48 : start])
            np.testing.assert_array_equal(targets[window, :, 0], demand[start : start + 48])
            week_before = demand[start - example.WEEK :][:48]
            np.testing.assert_array_equal(known[window, :, -1], week_before)
            # The first window begins on a Monday, the other one on a Wednesday.
            assert known[window, 0, 2:9].argmax() == window // 48
        midnight = known[0, 0, :2]
        np.testing.assert_allclose(midnight, [0.0, 1.0], atol=1e-6)
    *_, (last, _, _) = splits.values()
    assert len(last) == 2 * example.WEEK - 48 + 1


def test_least_squares_find_a_linear_rule_only_if_they_know_it(example, windows):
    """The demand is that of a week before, plus a constant."""
    _, splits = windows
    target = splits["test"][1][..., 0]
    errors = {
        name: np.abs(example.linear_forecast(splits, count) - target).max()
        for name, count in example.KNOWN.items()
    }
    assert errors["calendar and the week before"] < 0.01 and errors["nothing known"] > 0.5
    simple = example.simple_forecasts(splits)
    np.testing.assert_allclose(target - simple["the week before"], 0.001 * 336, atol=1e-3)
    assert all(forecast.shape == target.shape for forecast in simple.values())


def test_missing_data_are_reported(tmp_path):
    program = (
        "import sys, runpy; sys.modules['pmdarima'] = None; "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("skipped: ") and "pip install pmdarima" in process.stdout
    assert not list(tmp_path.iterdir())
