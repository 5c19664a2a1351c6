"""Graphs made for a GPU, without one: which operations they consist of, and where those can run."""

import gpu_kernels
import pytest
import tensorflow as tf
from gpu_kernels import graph_of, operation_types, pretended_gpu, without_gpu_kernel

from kseq import ModelConfig, build_seq2seq
from kseq.kernels.adam import Adam
from kseq.kernels.cross_entropy import output_losses
from kseq.models.factory import split_for_inference, use_dtype_policy
from kseq.models.recurrent_layers import LAYERS
from kseq.training.optimizers import with_loss_scaling
from kseq.training.teacher import make_teacher
from kseq.translation.portable import portable_copy

SMALL = {"units": 16, "embedding_dim": 8}
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
IDS = tf.TensorSpec([None, None], tf.int32)
needs_kernels = pytest.mark.skipif(
    not gpu_kernels.KNOWS_GPUS, reason="this TensorFlow has no kernels for GPUs"
)


@needs_kernels
@pytest.mark.parametrize(
    "dtype",
    [
        "bfloat16",
        *(pytest.param(dtype, marks=pytest.mark.slow) for dtype in ("float32", "float16")),
    ],
)
def test_all_of_the_output_loss_runs_on_a_gpu(dtype):
    """Tensors of the size of the logits must not leave it."""

    def gradients(hidden, kernel, labels, shares):
        with tf.GradientTape() as tape:
            tape.watch([hidden, kernel])
            loss, *figures = output_losses(
                *(hidden, kernel, None, labels, shares), label_smoothing=0.1, training=True
            )
        return loss, figures, tape.gradient(loss, [hidden, kernel])

    graph = graph_of(
        gradients,
        tf.TensorSpec([None, 4], dtype),
        tf.TensorSpec([4, 16]),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None]),
    )
    assert not without_gpu_kernel(graph)
    # TensorFlow compares int32 on the processor, which then waits for the GPU.
    assert not {
        node.attr["T"].type
        for node in gpu_kernels.nodes_of(graph)
        if node.op == "Equal" and node.attr["T"].type == tf.int32.as_datatype_enum
    }


@needs_kernels
@pytest.mark.slow  # traces many training steps
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.1},
        {"cell": "lstm", "attention": "luong_general", "decoder_layers": 2, "residual": True},
        {"cell": "rnn", "attention": "coverage", "coverage_loss": 1.0},
        {"attention": "none", "context_every_step": True},
        {"attention": "local_p", "input_feeding": False},
        {"attention": "hard", "monotonic": True},
        {"attention": "hard", "alignment_order": 1},
        {"architecture": "transformer", "dropout": 0.1},
        {"source_features": 3, "pyramid": True, "encoder_layers": 2},
        {"target_features": 3, "reverse_source": True, "bidirectional": False},
    ],
    ids=str,
)
def test_every_operation_of_a_training_step_runs_on_a_gpu(settings, policy, monkeypatch):
    config = ModelConfig(**{**SMALL, **settings})
    sizes = [None if width else 12 for width in (config.source_features, config.target_features)]
    with pretended_gpu(monkeypatch):
        with use_dtype_policy(policy):
            model = build_seq2seq(config, *sizes)
        teacher = make_teacher(model)
        optimizer = with_loss_scaling(Adam(global_clipnorm=1.0))
        optimizer.build(model.trainable_variables)
        teacher.compile(optimizer, jit_compile=False)
        target = model.target_side.target_spec
        inputs = {**model.source_side.source_specs, model.target_side.target_name: target}
        graph = graph_of(teacher.train_step, (inputs, target, tf.TensorSpec([None, None])))
    assert not without_gpu_kernel(graph)


CELLS = ["gru", pytest.param("lstm", marks=pytest.mark.slow)]


@pytest.mark.parametrize(
    "policy, cudnn",
    [("float32", "float32"), ("mixed_bfloat16", "float32"), ("mixed_float16", "float16")],
)
@pytest.mark.parametrize("cell", CELLS)
def test_cudnn_never_computes_in_bfloat16(cell, policy, cudnn, monkeypatch):
    """Most versions of cuDNN cannot. What surrounds the layer does not notice."""
    layer = LAYERS[cell](4, return_sequences=True, return_state=True, dtype=policy)
    layer.build((None, None, 3))
    sequences = tf.TensorSpec([None, None, 3], layer.compute_dtype)
    with pretended_gpu(monkeypatch):
        function = tf.function(layer, autograph=False).get_concrete_function(sequences)
    nodes = gpu_kernels.nodes_of(function.graph.as_graph_def())
    types = [node.attr["T"].type for node in nodes if node.op == "CudnnRNNV3"]
    assert [tf.as_dtype(number).name for number in types] == [cudnn]
    outputs = tf.nest.flatten(function.structured_outputs)
    assert {output.dtype.name for output in outputs} == {layer.compute_dtype}


@pytest.mark.parametrize("cell", CELLS)
def test_layers_without_a_loop_use_cudnn_for_sequences_only(cell, monkeypatch):
    """In a step of a search, packing kernels for cuDNN takes longer than multiplying by them."""
    settings = {"cell": cell, "attention": "luong_dot", "input_feeding": False}
    with pretended_gpu(monkeypatch):
        model = build_seq2seq(ModelConfig(**SMALL, **settings), 12, 12)
        encoder, step = split_for_inference(model)
        encoder_types = operation_types(graph_of(lambda ids: encoder({"source_ids": ids}), IDS))
        specs = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), step.input
        )
        step_types = operation_types(graph_of(lambda inputs: step(inputs, training=False), specs))
        # What is exported while there is a GPU must run without one.
        exported = portable_copy(model).get_layer("encoder")
        exported_types = operation_types(graph_of(lambda ids: exported({"source_ids": ids}), IDS))
    assert "CudnnRNNV3" in encoder_types
    assert not {name for name in step_types if "Cudnn" in name or "While" in name}
    assert "CudnnRNNV3" not in exported_types


def test_xla_compiles_nothing_unless_asked(monkeypatch):
    """Keras would compile a plain `fit` on a GPU, again for each shape of a batch."""
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [gpu])
    settings = {**SMALL, "cell": "rnn", "bidirectional": False, "attention": "none"}
    model = build_seq2seq(ModelConfig(**settings), 12, 12)
    assert model.supports_jit
    for options in {}, {"jit_compile": "auto"}, {"jit_compile": True}:
        model.compile("sgd", **options)
        assert model.jit_compile == (options.get("jit_compile") is True)
