"""Forecasting: the electricity demand of the next day, with and without the calendar.

`python examples/forecasting.py [--out FOLDER]` reads 12 weeks of half-hourly demand in England and
Wales (Taylor 2003; the package pmdarima has them). From the demand of one day, models predict that
of the next. One of them knows the hour and the day of the week of each step that it predicts: its
covariates. The script prints the errors on the last two weeks, next to those of simple methods,
and writes the runs to FOLDER.
"""

import argparse
import pathlib

import numpy as np

from kseq.console import import_tensorflow_quietly

DAY = 48  # half-hours
WEEK = 7 * DAY
SPLITS = {"train": (0, 8 * WEEK), "valid": (8 * WEEK, 10 * WEEK), "test": (10 * WEEK, 12 * WEEK)}


def main():
    """Measures simple methods and two models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/forecasting"),
        metavar="FOLDER",
        help="folder for the runs (default: %(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=40, help="epochs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the training")
    arguments = parser.parse_args()
    try:
        from pmdarima.datasets import load_taylor
    except ImportError:
        print("skipped: this example needs the data of a package: pip install pmdarima")
        return
    demand = load_taylor().astype(np.float32) / 1000.0  # gigawatts
    calendar = make_calendar(len(demand))
    splits = {name: make_windows(demand, calendar, *ends) for name, ends in SPLITS.items()}
    print(f"{len(splits['test'][0])} test windows; root of the mean squared error in gigawatts:")
    for name, forecast in simple_forecasts(demand, splits).items():
        report(name, forecast, splits["test"])
    import_tensorflow_quietly()
    for name in ("no covariates", "covariates"):
        report(f"kseq, {name}", train(splits, name, arguments), splits["test"])


def make_calendar(count):
    """Returns what is known about each half-hour from Monday on, `[count, 9]`.

    The time of day is an angle, whose sine and cosine are the first two numbers; the others say
    which day of the week it is.
    """
    steps = np.arange(count)
    angle = 2 * np.pi * steps / DAY
    days = np.eye(7)[steps // DAY % 7]
    return np.hstack([np.sin(angle)[:, None], np.cos(angle)[:, None], days]).astype(np.float32)


def make_windows(demand, calendar, begin, end):
    """Returns every window whose target is between two half-hours.

    Args:
        demand: Gigawatts `[count]`.
        calendar: `[count, C]`.
        begin: The first half-hour of a target.
        end: The half-hour after the last one.

    Returns:
        Sources `[N, 48, 1]`, targets `[N, 48, 1]` and covariates `[N, 48, C]`; and the number of
        the first half-hour of each target, `[N]`.
    """
    starts = np.arange(max(begin, DAY), end - DAY + 1)
    steps = starts[:, None] + np.arange(DAY)
    return demand[steps - DAY, None], demand[steps, None], calendar[steps], starts


def simple_forecasts(demand, splits):
    """Returns forecasts `[N, 48]` of the test windows by the name of the method."""
    sources, _, _, starts = splits["test"]
    steps = starts[:, None] + np.arange(DAY)
    return {
        "last value": np.repeat(sources[:, -1], DAY, axis=1),
        "the day before": sources[..., 0],
        "the week before": demand[steps - WEEK],
        "linear autoregression": linear_forecast(splits, with_calendar=False),
        "the same with the calendar": linear_forecast(splits, with_calendar=True),
    }


def linear_forecast(splits, with_calendar):
    """Returns the forecast `[N, 48]` of least squares, one equation for each of the 48 steps."""

    def inputs(split, step):
        sources, _, calendar, _ = splits[split]
        columns = [sources[..., 0], np.ones([len(sources), 1])]
        return np.hstack([*columns, calendar[:, step]] if with_calendar else columns)

    forecast = []
    for step in range(DAY):
        weights, *_ = np.linalg.lstsq(inputs("train", step), splits["train"][1][:, step, 0])
        forecast.append(inputs("test", step) @ weights)
    return np.stack(forecast, axis=1)


def train(splits, name, arguments):
    """Trains a model with or without covariates; returns its forecast `[N, 48]` in a free run."""
    import kseq

    columns = 3 if name == "covariates" else 2
    (train_pairs, valid, test) = (data[:columns] for data in splits.values())
    corpus = kseq.load_corpus(*train_pairs, valid=valid, test=test)
    config = kseq.Config(
        kseq.ModelConfig(cell="lstm", units=64, attention="luong_general", dropout=0.1),
        training=kseq.TrainingConfig(
            epochs=arguments.epochs,
            batch_size=64,
            learning_rate=2e-3,
            warmup_steps=100,
            patience=8,
            decoded_pairs=200,
            monitor="val_free_run_error",
            scheduled_sampling=0.5,
            seed=arguments.seed,
        ),
    )
    out = arguments.out / name.replace(" ", "-")
    translator = kseq.train(corpus, config, out=out, overwrite=True)
    sources, targets, calendar, _ = splits["test"]
    known = {"covariates": list(calendar)} if columns == 3 else {"steps": targets.shape[1]}
    return np.stack([each.values[:, 0] for each in translator.predict(list(sources), **known)])


def report(name, forecast, test):
    """Prints the error of a forecast `[N, 48]`."""
    error = np.sqrt(np.mean(np.square(forecast - test[1][..., 0])))
    print(f"{name:28} {error:.3f}", flush=True)


if __name__ == "__main__":
    main()
