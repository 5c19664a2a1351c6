"""How the settings and the data of a run differ from others."""

import dataclasses

from kseq.runs import directory
from kseq.runs.record import RunRecord

_WITHOUT_EFFECT = ("save_minutes",)  # on the weights


def find_differences(folder, config, data):
    """Compares the settings and the data of a run with others.

    Args:
        folder: Run directory, which may be incomplete.
        config: `Config`.
        data: Fields of a `RunRecord` by name.

    Returns:
        A list of descriptions such as `"units: 64 in the run, now 128"`.
    """
    data = dict(data)
    differences = compare_configs(directory.load_config(folder), config, "run")
    record = RunRecord.load(folder / directory.RECORD)
    if record.optimizer != data.pop("optimizer", None):
        differences.append("the optimizer is not the same")
    start = data.pop("start", None)
    if record.start != start:
        old, new = map(_describe_start, (record.start, start))
        differences.append(
            f"start: {old} in the run, now {new}"
            if old != new
            else f"start: the weights of {new} are not the same"
        )
    # Older runs lack some of these fields.
    changed = [name for name, value in data.items() if getattr(record, name) not in (None, value)]
    return differences + ["the pairs are not the same"] * bool(changed)


def _describe_start(start):
    return "nothing" if start is None else start["name"]


def compare_configs(recorded, config, noun):
    """Returns descriptions of the settings in which two configs differ, a list.

    Args:
        recorded: `Config` of a run or a study.
        config: `Config`.
        noun: What has the recorded one, such as `"run"`.
    """
    differences = []
    for section in dataclasses.fields(config):
        old, new = (dataclasses.asdict(getattr(each, section.name)) for each in (recorded, config))
        differences += [
            f"{name}: {_show(old[name])} in the {noun}, now {_show(new[name])}"
            for name in new
            if old[name] != new[name] and name not in _WITHOUT_EFFECT
        ]
    return differences


def _show(value):
    return (",".join(value) or "nothing") if isinstance(value, tuple) else value
