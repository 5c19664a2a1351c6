"""Training on several devices and in several processes, as a user starts it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import h5py
import pytest
from conftest import ROOT

from kseq import locks
from kseq.cli.launching import _free_ports
from kseq.cluster import local_config
from kseq.runs import directory
from kseq.training.workers import HEARTBEAT_SECONDS

pytestmark = pytest.mark.slow

SMALL = ["units=12", "embedding_dim=8", "batch_size=22", "epochs=2", "warmup_steps=0"]
# A command whose process has several logical processors, as many as its first argument says.
SEVERAL = """
import sys, tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
logical = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
tf.config.set_logical_device_configuration(cpu, logical)
from kseq.cli.main import main
if "float64" in sys.argv[2]:
    import keras, kseq.training.train
    keras.config.set_floatx("float64")
    # Search is in float32, and no part of training.
    sys.modules["kseq.training.train"].choose_examples = lambda pairs: []
sys.exit(main(sys.argv[3:]))
"""
SETTINGS = {
    "recurrent": ["dropout=0.3", "word_dropout=0.2", "ema=0.9"],
    "tokens": ["dropout=0.3", "batch_tokens=70", "attention=coverage", "coverage_loss=0.5"],
    "transformer": [
        *("architecture=transformer", "heads=2", "units=16", "embedding_dim=16", "dropout=0.2"),
        *("optimizer=adamw", "weight_decay=0.01", "gradient_accumulation=2"),
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with 75 pairs, so that the last batch has 9 rows; and kseq in float64."""
    folder = tmp_path_factory.mktemp("distribution")
    lines = (ROOT / "data" / "en-fr" / "train.tsv").read_text(encoding="utf-8").splitlines()
    (folder / "train.tsv").write_text("\n".join(lines[:75]), encoding="utf-8")
    (folder / "valid.tsv").write_text("\n".join(lines[100:110]), encoding="utf-8")
    (folder / "float32").mkdir()
    (folder / "float32" / "kseq").symlink_to(ROOT / "kseq")
    shutil.copytree(ROOT / "kseq", folder / "float64" / "kseq")
    for path in (folder / "float64").rglob("*.py"):
        path.write_text(path.read_text(encoding="utf-8").replace("float32", "float64"))
    return folder


def words(out, settings):
    if any("batch_tokens" in setting for setting in settings):
        settings = [*(setting for setting in SMALL if "batch_size" not in setting), *settings]
    else:
        settings = [*SMALL, *settings]
    data = ["--train", "train.tsv", "--valid", "valid.tsv"]
    return ["train", *data, "--out", str(out), "--set", *settings]


def environment(folder, kind, **variables):
    inherited = {name: text for name, text in os.environ.items() if name != "TF_CONFIG"}
    return {
        **inherited,
        "PYTHONPATH": str(folder / kind),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": "1",
        **variables,
    }


def start(folder, arguments, kind="float32", devices=1, **variables):
    """Starts `kseq` in a process with a number of logical devices."""
    return subprocess.Popen(
        [sys.executable, "-c", SEVERAL, str(devices), kind, *arguments],
        cwd=folder,
        env=environment(folder, kind, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_workers(folder, arguments, count, kind="float32"):
    ports = _free_ports(count)
    return [
        start(folder, arguments, kind, TF_CONFIG=local_config(ports, number))
        for number in range(count)
    ]


def finish(*processes):
    """Waits for processes; returns their outputs."""
    outputs = [process.communicate(timeout=1800)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return outputs


def weights_of(run):
    arrays = {}
    with h5py.File(pathlib.Path(run) / "model.weights.h5") as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
    assert arrays
    return arrays


def history_of(run):
    """The rows of the history, without the seconds."""
    names, *rows = [line.split(",") for line in (run / "history.csv").read_text().splitlines()]
    return [dict(zip(names, row)) | {"seconds": None} for row in rows]


def largest_difference(one, other):
    one, other = weights_of(one), weights_of(other)
    assert one.keys() == other.keys()
    return max(abs(one[name] - other[name]).max() for name in one)


@pytest.mark.parametrize("name", SETTINGS)
def test_any_number_of_devices_trains_the_same_model(folder, name):
    """In float64, with dropout: one device, three of one process, and two processes."""
    runs = [folder / f"{name} {number}" for number in range(3)]
    one, three, two = (words(run, SETTINGS[name]) for run in runs)
    finish(start(folder, one, "float64"))
    finish(start(folder, [*three, "--devices", "all"], "float64", devices=3))
    chief, other = finish(*start_workers(folder, two, 2, "float64"))
    assert "the run is in" in chief and "epoch" not in other
    assert {array.dtype.name for array in weights_of(runs[0]).values()} == {"float64"}
    for run in runs[1:]:
        assert history_of(run) == history_of(runs[0])
        assert largest_difference(run, runs[0]) < 1e-10
    assert "2 replicas" in json.loads((runs[2] / "run.json").read_text())["device"]


def wait_for(condition, *processes):
    while not condition():
        assert all(process.poll() is None for process in processes), "ended too early"
        time.sleep(0.05)


def has_rows(run, count):
    with contextlib.suppress(OSError):
        return (run / "history.csv").read_text().count("\n") > count
    return False


@pytest.mark.parametrize("killed", [0, 1])
def test_a_lost_worker_ends_the_others_and_the_same_command_goes_on(folder, killed):
    settings = ["dropout=0.3", "epochs=15", "patience=15"]
    whole, parts = folder / f"whole {killed}", folder / f"parts {killed}"
    finish(*start_workers(folder, words(whole, settings), 2))
    workers = start_workers(folder, words(parts, settings), 2)
    wait_for(lambda: has_rows(parts, 3), *workers)
    workers[killed].send_signal(signal.SIGKILL)
    other = workers[1 - killed]
    began = time.monotonic()
    output, _ = other.communicate(timeout=HEARTBEAT_SECONDS + 120)
    assert other.returncode == 1 and time.monotonic() - began < HEARTBEAT_SECONDS + 60
    assert f"kseq: worker {killed} of 2 (127.0.0.1:" in output
    assert output.count("kseq: ") == 1 and "Traceback" not in output
    workers[killed].communicate()
    chief, _ = finish(*start_workers(folder, words(parts, settings), 2))
    assert "going on with epoch" in chief
    assert largest_difference(whole, parts) == 0.0
    assert history_of(whole) == history_of(parts)


def test_a_training_goes_on_with_another_number_of_workers(folder):
    settings = ["dropout=0.3", "epochs=15", "patience=15"]
    whole, parts = folder / "one device", folder / "one device, then two"
    finish(start(folder, words(whole, settings), "float64"))
    process = start(folder, words(parts, settings), "float64")
    wait_for(lambda: has_rows(parts, 2), process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    chief, _ = finish(*start_workers(folder, words(parts, settings), 2, "float64"))
    assert "going on with epoch" in chief
    assert largest_difference(whole, parts) < 1e-10


def test_several_workers_go_on_with_a_stopped_fine_tuning(folder):
    """It was killed in its first epoch; the run that it started from is not named again."""
    start_run, run = folder / "start", folder / "fine-tuned"
    finish(start(folder, words(start_run, ["epochs=1"])))
    data = ["--train", "train.tsv", "--valid", "valid.tsv", "--from", str(start_run)]
    settings = ["--set", "freeze=encoder", "save_minutes=0", "batch_size=4", "epochs=1"]
    first = start_workers(folder, ["train", *data, "--out", str(run), *settings], 2)
    hidden = locks.hidden_folder(run) / "new"
    wait_for(lambda: hidden.exists() and directory.has_state(hidden), *first)
    first[1].kill()
    for worker in first:
        worker.communicate()
    assert directory.has_state(directory.find_stopped(run))
    chief, _ = finish(*start_workers(folder, ["train", "--resume", str(run)], 2))
    assert "going on with epoch 1, after" in chief
    weights, old = weights_of(run), weights_of(start_run)
    same = [name for name in weights if (weights[name] == old[name]).all()]
    assert same and len(same) < len(weights)


def test_workers_with_other_settings_or_data_are_refused(folder):
    ports = _free_ports(2)
    variables = [{"TF_CONFIG": local_config(ports, number)} for number in range(2)]
    chief = start(folder, words(folder / "refused", []), **variables[0])
    other = start(folder, words(folder / "refused", ["units=10"]), **variables[1])
    outputs = [process.communicate(timeout=300)[0] for process in (chief, other)]
    assert "units: not the same as that of the chief (12 there, 10 here)" in outputs[1]
    assert "kseq: worker 1 of 2" in outputs[0] and "units: not the same" in outputs[0]
    assert [process.returncode for process in (chief, other)] == [1, 2]
    assert not (folder / "refused").exists()


def test_all_optimizers_for_float16_update_all_devices(folder):
    settings = ["precision=mixed_float16", "gradient_accumulation=2", "learning_rate=0.01"]
    runs = [folder / f"float16 {count}" for count in (1, 2)]
    for count, run in enumerate(runs, start=1):
        finish(start(folder, [*words(run, settings), "--devices", "all"], devices=count))
    one, two = ([float(row["val_cross_entropy"]) for row in history_of(run)] for run in runs)
    assert one[0] > one[1] and two == pytest.approx(one, rel=1e-3)


def launch(folder, run, settings, **options):
    command = [sys.executable, "-m", "kseq", "launch", "-n", "2", *words(run, settings)]
    return subprocess.Popen(command, cwd=folder, env=environment(folder, "float32"), **options)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_workers_end_with_launch_and_the_same_command_goes_on(folder, kind):
    run, settings = folder / f"ended by {kind.name}", ["epochs=200", "patience=200"]
    with (folder / f"{kind.name}.log").open("w+") as log:
        process = launch(folder, run, settings, stdout=log, stderr=log)
        wait_for(lambda: has_rows(run, 2), process)
        process.send_signal(kind)
        assert process.wait() == (-kind if kind == signal.SIGKILL else 1)
        wait_for(lambda: not locks.is_locked(run))  # by the chief
        log.seek(0)
        assert f"kseq: stopped; {run} holds the best epoch so far; the same" in log.read()
    assert directory.has_state(run)


def test_launch_starts_workers_and_ends_with_the_error_of_the_chief(folder):
    run = folder / "launched"
    command = [sys.executable, "-m", "kseq", "launch", "-n", "2", *words(run, ["epochs=1"])]
    options = {"cwd": folder, "env": environment(folder, "float32"), "text": True}
    done = subprocess.run(command, capture_output=True, timeout=900, **options)
    assert done.returncode == 0, done.stderr
    assert f"the run is in {run}" in done.stdout
    refused = [word if word != "train.tsv" else "missing.tsv" for word in command]
    done = subprocess.run(refused, capture_output=True, timeout=900, **options)
    assert done.returncode == 2 and "file not found: missing.tsv" in done.stderr
