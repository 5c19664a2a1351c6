"""Which operations a SavedModel of kseq consists of, and the check of a SavedModel of others."""

import os
import shutil
import subprocess
import sys

import combinations
import pytest
import tensorflow as tf
from gpu_kernels import pretended_gpu
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from test_export_combinations import translator_of
from untrained import untrained_reader, untrained_translator

from kseq.pipeline.log_mel import LogMel
from kseq.pipeline.value_codec import ValueCodec
from kseq.serving.engines import load_engine
from kseq.text.subwords import train_subwords
from kseq.translation.operations import OPERATIONS, check_saved_model

OPTIONS = {"beam_size": 2, "no_repeat_ngram": 2, "beta": 0.2, "replace_unknown": True}
SAVING = {"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"}
# Of tensorflow_text, which TensorFlow Serving includes.
OF_TEXT = {
    *("NormalizeUTF8", "RaggedGather"),
    *("SentencepieceDetokenizeOp", "SentencepieceOp", "SentencepieceTokenizeOp"),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exported while there seems to be a GPU."""
    with pytest.MonkeyPatch.context() as patch, pretended_gpu(patch):
        translator = untrained_translator(["cell=lstm", "case=mark"], ["a", "b"], ["x", "y"])
        return translator.export(tmp_path_factory.mktemp("exported") / "model", **OPTIONS)


def operations_of(folder):
    graphs = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    nodes = [node for graph in graphs for node in graph.graph_def.node]
    for graph in graphs:
        for function in graph.graph_def.library.function:
            nodes += function.node_def
    return {node.op for node in nodes}, {node.device for node in nodes}


def test_an_export_on_a_gpu_runs_anywhere(exported):
    """It has no operation of cuDNN, and is bound to no GPU."""
    operations, devices = operations_of(exported)
    assert "While" in operations
    assert not {name for name in operations if "Cudnn" in name}
    assert not {name for name in devices if "GPU" in name}
    outputs = tf.saved_model.load(exported).signatures["details"](text=tf.constant(["a b"]))
    assert outputs["source_tokens"].shape == (1, 3)


def test_an_export_passes_the_check(exported):
    check_saved_model(exported)
    operations, _ = operations_of(exported)
    assert operations <= OPERATIONS | SAVING


def test_no_operation_of_the_list_reaches_outside_a_model():
    outside = ("File", "Py", "Save", "Restore", "Dataset", "Print", "Rpc", "Debug", "Summary")
    assert not [name for name in OPERATIONS if any(part in name for part in outside)]


@pytest.mark.slow  # starts a process
def test_the_list_holds_operations_of_tensorflow_and_tensorflow_text():
    """TensorFlow Serving has no others."""
    program = (
        "import sys, tensorflow as tf\n"
        "from tensorflow.python.framework import op_def_registry\n"
        "print(*[name for name in sys.argv[1:] if op_def_registry.get(name) is None])"
    )
    words = [sys.executable, "-c", program, *OPERATIONS]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert set(output.split()) <= OF_TEXT


@pytest.mark.slow  # exports every combination
def test_the_list_is_what_kseq_writes(tmp_path):
    translators = [translator_of(config) for config in combinations.COMBINATIONS]
    sentences = [f"the cat number {n} sat on a mat {n * n}" for n in range(300)]
    subwords = train_subwords(sentences, 330)
    settings = ["source_tokenizer=subword", "target_tokenizer=subword"]
    translators.append(untrained_reader(settings, subwords, subwords))
    translators.append(untrained_translator(["case=mark"], ["a"], ["b"]))
    recordings = ValueCodec.plain(20, log_mel=LogMel(8000, mel_bands=20))
    settings = ["source_features=20", "target_tokenizer=subword"]
    translators.append(untrained_reader(settings, recordings, subwords))
    written = set()
    for translator in translators:
        folder = translator.export(tmp_path / "model")
        written |= operations_of(folder)[0]
        check_saved_model(folder)
        shutil.rmtree(folder)
    assert written == OPERATIONS | SAVING


# === The check of a SavedModel of others ===


class ReadsAFile(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, text):
        return {"translation": tf.fill(tf.shape(text), tf.io.read_file("/etc/hostname"))}


class CallsPython(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, text):
        return {"translation": tf.py_function(lambda each: each, [text], tf.string)}


class WritesAFile(tf.Module):
    """With an operation that saves variables, which every SavedModel has."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, text):
        tf.raw_ops.SaveV2(
            prefix=text[0], tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
        )
        return {"translation": text}


@pytest.mark.parametrize(
    "kind, message",
    [
        (ReadsAFile, "operations that kseq export does not write: ReadFile. A SavedModel is a pro"),
        (CallsPython, "does not write: EagerPyFunc"),
        (WritesAFile, "operations on files outside the functions that load and save its variables"),
    ],
)
def test_a_program_is_refused_without_running_it(kind, message, tmp_path):
    module = kind()
    tf.saved_model.save(module, tmp_path, signatures={"serving_default": module.serve})
    with pytest.raises(ValueError, match=message):
        check_saved_model(tmp_path)


@pytest.fixture
def copied(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "model")


def change(folder, edit):
    model = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    edit(model.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())


def test_a_signature_must_not_save_variables(copied):
    """The function that saves variables writes to any file that its caller names."""

    def edit(graph):
        name = graph.saver_def.save_tensor_name
        graph.signature_def["serving_default"].outputs["score"].name = name

    change(copied, edit)
    with pytest.raises(ValueError, match="operations on files outside"):
        check_saved_model(copied)


def test_an_operation_on_files_in_the_graph_itself_is_refused(copied):
    change(copied, lambda graph: graph.graph_def.node.add(name="save", op="SaveV2"))
    with pytest.raises(ValueError, match="operations on files outside"):
        check_saved_model(copied)


def test_an_asset_elsewhere_is_refused(copied):
    def edit(graph):
        graph.asset_file_def[0].filename = "../../secret.txt"

    change(copied, edit)
    with pytest.raises(ValueError, match="unexpected asset '../../secret.txt'"):
        check_saved_model(copied)


def test_a_link_and_damage_and_absence_are_named(copied, tmp_path):
    with pytest.raises(FileNotFoundError, match="saved_model.pb, the graph of a SavedModel"):
        check_saved_model(tmp_path)
    os.symlink("/etc/hostname", copied / "variables" / "more")
    with pytest.raises(ValueError, match="more: a SavedModel of others must not contain links"):
        check_saved_model(copied)
    (copied / "variables" / "more").unlink()
    (copied / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(ValueError, match="saved_model.pb: damaged: not a SavedModel"):
        check_saved_model(copied)


def _save_elsewhere(graph):
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.attr["value"].tensor.string_val == [b"_temp/part"]:
                node.attr["value"].tensor.string_val[:] = [b"/elsewhere"]


def _run_the_saver_when_loading(graph):
    nodes = graph.collection_def["saved_model_main_op"].node_list
    nodes.value[:] = [graph.saver_def.restore_op_name]


def _disguise_an_operation(graph):
    function = graph.graph_def.library.function.add()
    function.signature.name = "ReadFile"


@pytest.mark.parametrize(
    "change, message",
    [
        (_save_elsewhere, "operations on files outside the functions that load and save"),
        (_run_the_saver_when_loading, "operations on files outside the functions that load and"),
        (_disguise_an_operation, "does not write: ReadFile"),
        (lambda graph: graph.ClearField("object_graph_def"), "is a single graph with objects"),
    ],
)
def test_a_changed_export_is_refused(exported, tmp_path, change, message):
    shutil.copytree(exported, tmp_path / "model")
    path = tmp_path / "model" / "saved_model.pb"
    program = SavedModel.FromString(path.read_bytes())
    change(program.meta_graphs[0])
    path.write_bytes(program.SerializeToString())
    with pytest.raises(ValueError, match=message):
        check_saved_model(tmp_path / "model")


def test_the_server_loads_a_program_only_if_it_is_trusted(tmp_path):
    module = ReadsAFile()
    tf.saved_model.save(module, tmp_path / "model", signatures=module.serve)
    with pytest.raises(ValueError, match="ReadFile.* start with --trust-models"):
        load_engine(tmp_path / "model")
    assert load_engine(tmp_path / "model", trusted=True).description.engine == "saved_model"
