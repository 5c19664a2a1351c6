"""Forecasting: the electricity demand of the next day, with and without what is known about it.

`python examples/forecasting.py [--out FOLDER]` reads 12 weeks of half-hourly demand in England and
Wales (Taylor 2003; the package pmdarima has them). From the demand of one day, models predict that
of the next. The first one has no covariates. The second one knows the time and the day of the week
of each step that it predicts, the third one also the demand a week before. The script prints the
errors on the last two weeks, next to those of simple methods, and writes the runs to FOLDER.
"""

import argparse
import pathlib

import numpy as np

from kseq.console import import_tensorflow_quietly

DAY = 48  # half-hours
WEEK = 7 * DAY
SPLITS = {"train": (1, 8), "valid": (8, 10), "test": (10, 12)}  # weeks
KNOWN = {"nothing known": 0, "calendar": 9, "calendar and the week before": 10}  # covariates


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
    parser.add_argument("--epochs", type=int, default=20, help="epochs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the training")
    arguments = parser.parse_args()
    try:
        from pmdarima.datasets import load_taylor
    except ImportError:
        print("skipped: this example needs the data of a package: pip install pmdarima")
        return
    demand = load_taylor().astype(np.float32) / 1000.0  # gigawatts
    known = make_covariates(demand)
    splits = {name: make_windows(demand, known, *weeks) for name, weeks in SPLITS.items()}
    print(f"{len(splits['test'][0])} test windows; root of the mean squared error in gigawatts:")
    for name, forecast in simple_forecasts(splits).items():
        report(name, forecast, splits["test"])
    for name, count in KNOWN.items():
        report(f"linear, {name}", linear_forecast(splits, count), splits["test"])
    import_tensorflow_quietly()
    for name, count in KNOWN.items():
        report(f"kseq, {name}", train(splits, name, count, arguments), splits["test"])


def make_covariates(demand):
    """Returns what is known beforehand about each half-hour from a Monday on, `[count, 10]`.

    The time of day is an angle, whose sine and cosine are the first two numbers. The next seven say
    which day of the week it is; the last one is the demand a week before, 0 in the first week.
    """
    steps = np.arange(len(demand))
    angle = 2 * np.pi * steps / DAY
    days = np.eye(7)[steps // DAY % 7]
    before = np.pad(demand, [WEEK, 0])[: len(demand)]
    columns = [np.sin(angle), np.cos(angle), *days.T, before]
    return np.stack(columns, axis=1).astype(np.float32)


def make_windows(demand, known, first, last):
    """Returns every window whose target is between the beginnings of two weeks.

    Args:
        demand: Gigawatts `[count]`.
        known: Covariates `[count, C]`.
        first: The first week, from 0.
        last: The week after the last one.

    Returns:
        Sources `[N, 48, 1]`, targets `[N, 48, 1]` and covariates `[N, 48, C]`.
    """
    starts = np.arange(first * WEEK, last * WEEK - DAY + 1)
    steps = starts[:, None] + np.arange(DAY)
    return demand[steps - DAY, None], demand[steps, None], known[steps]


def simple_forecasts(splits):
    """Returns forecasts `[N, 48]` of the test windows by the name of the method."""
    sources, _, known = splits["test"]
    return {
        "last value": np.repeat(sources[:, -1], DAY, axis=1),
        "the day before": sources[..., 0],
        "the week before": known[..., -1],
    }


def linear_forecast(splits, count):
    """Returns the forecast `[N, 48]` of least squares: an equation for each of the 48 steps.

    Args:
        splits: Windows by the name of the split.
        count: Number of covariates that it knows.
    """

    def inputs(split, step):
        sources, _, known = splits[split]
        return np.hstack([sources[..., 0], np.ones([len(sources), 1]), known[:, step, :count]])

    forecast = []
    for step in range(DAY):
        weights, *_ = np.linalg.lstsq(inputs("train", step), splits["train"][1][:, step, 0])
        forecast.append(inputs("test", step) @ weights)
    return np.stack(forecast, axis=1)


def train(splits, name, count, arguments):
    """Trains a model that knows some covariates; returns its forecast `[N, 48]` in a free run."""
    import kseq

    train_pairs, valid, test = (
        (sources, targets, known[..., :count]) if count else (sources, targets)
        for sources, targets, known in splits.values()
    )
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
            scheduled_sampling=0.75,
            sampling_schedule="constant",
            seed=arguments.seed,
        ),
    )
    out = arguments.out / name.replace(" ", "-")
    translator = kseq.train(corpus, config, out=out, overwrite=True)
    known = list(test[2]) if count else None
    predictions = translator.predict(list(test[0]), DAY, known)
    return np.stack([prediction.values[:, 0] for prediction in predictions])


def report(name, forecast, test):
    """Prints the error of a forecast `[N, 48]`."""
    error = np.sqrt(np.mean(np.square(forecast - test[1][..., 0])))
    print(f"{name:38}{error:.2f}", flush=True)


if __name__ == "__main__":
    main()
