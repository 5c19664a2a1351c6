"""A stranger's run is data: reading it executes nothing, and opens no other files."""

import json
import os

import h5py
import keras
import numpy as np
import pytest
from untrained import untrained_translator

import kseq
from kseq.runs.pairs import open_test_pairs


@pytest.fixture(scope="module")
def translator():
    return untrained_translator([], ["a", "b"], ["x", "y"])


@pytest.fixture
def run(translator, tmp_path):
    translator.save(tmp_path / "run")
    return tmp_path / "run"


def change(run, file, **fields):
    """Replaces settings of the model, or fields of the record."""
    values = json.loads((run / file).read_text())
    (values["model"] if file == "config.json" else values).update(fields)
    (run / file).write_text(json.dumps(values))


def code_that_makes(path):
    """A layer of Keras that makes a file when it is called, as a file of Keras holds it."""
    layer = keras.layers.Lambda(lambda tensor, path=str(path): os.mkdir(path))
    return keras.saving.serialize_keras_object(layer)


def layer(name, **config):
    return {"module": "keras.layers", "class_name": name, "config": config}


NESTED = {
    "lambda": (code_that_makes, "safe_mode"),
    "SavedModel": (lambda path: layer("TFSMLayer", filepath=str(path.parent)), "safe_mode|safe m"),
    "file": (lambda path: layer("StringLookup", vocabulary="/etc/hostname"), "safe_mode|safe mod"),
    "os.system": (
        lambda path: {
            "module": "os",
            "class_name": "system",
            "config": {"command": f"touch {path}"},
        },
        "Could not",
    ),
    "open": (
        lambda path: {"module": "builtins", "class_name": "function", "config": "open"},
        "Could not locate function 'open'",
    ),
    "Popen": (
        lambda path: {
            "module": "subprocess",
            "class_name": "Popen",
            "config": {"args": ["touch", str(path)]},
        },
        "Could not locate class 'Popen'",
    ),
}


@pytest.mark.parametrize("make, message", NESTED.values(), ids=NESTED)
def test_a_layer_with_code_is_refused(run, make, message, tmp_path):
    """An attention of kseq whose score is a layer of its own."""
    config = {"units": 8, "score": make(tmp_path / "made"), "window": 1}
    part = {"registered_name": "kseq>PredictiveLocalAttention", "config": config}
    change(run, "config.json", attention=part)
    with pytest.raises((ValueError, TypeError), match=message):
        kseq.Translator.load(run)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "name", ["keras>Lambda", "builtins>eval", "os>system", "kseq>Seq2Seq", "strangers_module>Layer"]
)
def test_a_class_that_no_import_has_registered_is_not_looked_for(run, name, tmp_path, monkeypatch):
    """The module of a stranger's class may lie in the folder in which the user is."""
    (tmp_path / "strangers_module.py").write_text("open('made', 'x')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    change(run, "config.json", attention={"registered_name": name, "config": {}})
    with pytest.raises((ValueError, TypeError), match="registered with Keras|must be a layer whos"):
        kseq.Translator.load(run)
    assert not (tmp_path / "made").exists()


def test_the_recorded_optimizer_and_command_are_only_text(run, tmp_path):
    made = str(tmp_path / "made")
    change(
        run,
        "run.json",
        optimizer={"class": "Lambda", "function": code_that_makes(made)},
        command=f"kseq train; touch {made}",
        corpus={"train": [made], "valid": [made], "test": ["/etc/hostname"]},
    )
    translator = kseq.Translator.load(run)
    assert translator.translate(["a"], maximum_length=2)
    with pytest.raises(ValueError, match="test must name files of pairs"):
        open_test_pairs(run)
    assert not os.path.exists(made)


# === Weights ===


def external_storage(file, name, array, other):
    other.write_bytes(array.tobytes())
    file.create_dataset(name, array.shape, array.dtype, external=[(str(other), 0, array.nbytes)])


def external_link(file, name, array, other):
    with h5py.File(other, "w") as there:
        there["array"] = array
    file[name] = h5py.ExternalLink(str(other), "array")


def virtual(file, name, array, other):
    with h5py.File(other, "w") as there:
        there["array"] = array
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[...] = h5py.VirtualSource(str(other), "array", array.shape)
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("replace", [external_storage, external_link, virtual])
def test_weights_in_other_files_are_not_read(run, replace, tmp_path):
    """They would turn any file of the user into weights, which the user may hand on."""
    change(run, "run.json", checksums={})
    with h5py.File(run / "model.weights.h5", "a") as file:
        names = []
        file.visititems(lambda name, each: names.append(name))
        name = next(each for each in names if getattr(file[each], "shape", ()) != ())
        array = np.array(file[name])
        del file[name]
        replace(file, name, array, tmp_path / "other")
    with pytest.raises(ValueError, match="model.weights.h5: "):
        kseq.Translator.load(run)
