"""Run directories with every file but a model, for tests that only read about runs."""

import json

from kseq import Config
from kseq.runs.record import RunRecord

USUAL = {"kseq": "0.1.0", "length_ratio": 1.0, "parameters": 1000, "is_finished": True}
COLUMNS = "epoch,step,seconds,cross_entropy,accuracy,val_cross_entropy,val_accuracy"


def write_run_folder(folder, losses=(3.0, 1.0, 2.0), settings=(), **record):
    """Writes a run with a validation loss for each epoch; returns its folder.

    Args:
        folder: Path of the run.
        losses: Cross-entropies of validation.
        settings: Settings, such as `"units=64"`.
        **record: Fields of its `RunRecord`.
    """
    folder.mkdir(parents=True)
    config = Config().with_settings(["epochs=5", *settings])
    (folder / "config.json").write_text(config.dumps())
    RunRecord(**USUAL | record).save(folder / "run.json")
    for name in ("source_vocabulary.txt", "target_vocabulary.txt", "model.weights.h5"):
        (folder / name).touch()
    rows = [f"{n},{10 * n},2.5,{2 * loss},0.5,{loss},0.25" for n, loss in enumerate(losses, 1)]
    write_history(folder, COLUMNS, *rows)
    return folder


def write_history(folder, *lines):
    """Writes the lines of a history, the names of the columns first."""
    (folder / "history.csv").write_text("".join(f"{line}\n" for line in lines))


def change_record(folder, **changes):
    """Changes fields of a record, with any values."""
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
