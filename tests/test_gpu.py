"""On a GPU: cuDNN, wherever a layer allows it. Skipped without a GPU.

`python tests/tools/gpu_check.py` runs these tests and prints figures.
"""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from gpu_kernels import graph_of, operation_types

from kseq import ModelConfig, build_seq2seq
from kseq.kernels.adam import Adam
from kseq.models.factory import use_dtype_policy
from kseq.models.recurrent_layers import LAYERS
from kseq.training.optimizers import with_loss_scaling
from kseq.training.teacher import make_teacher

pytestmark = pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="needs a GPU")

IDS = tf.constant([[5, 6, 7, 3], [8, 9, 3, 0], [4, 3, 0, 0]])
WITHOUT_LOOP = [
    {"attention": "none"},
    {"attention": "none", "context_every_step": True},
    *(
        {"attention": kind, "input_feeding": False}
        for kind in ("luong_dot", "luong_scaled_dot", "luong_general", "luong_concat")
    ),
    *({"attention": kind, "input_feeding": False} for kind in ("local_m", "local_p")),
]


def loops_among(types):
    return {name for name in types if "While" in name}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_encoder_runs_on_cudnn(cell, policy):
    with use_dtype_policy(policy):
        model = build_seq2seq(ModelConfig(cell=cell, units=16, embedding_dim=8), 12, 12)
    encode = tf.function(lambda ids: model.get_layer("encoder")({"source_ids": ids}))
    types = operation_types(graph_of(encode, IDS))
    assert "CudnnRNNV3" in types and not loops_among(types)
    memory = tf.cast(encode(IDS)["memory"], tf.float32).numpy()
    assert np.all(np.isfinite(memory)) and memory[0].any() and not memory[2, 2:].any()


@pytest.mark.parametrize("settings", WITHOUT_LOOP, ids=str)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_training_step_runs_on_cudnn_if_the_decoder_needs_no_loop(cell, settings):
    config = ModelConfig(cell=cell, units=16, embedding_dim=8, decoder_layers=2, **settings)
    model = build_seq2seq(config, 12, 12)

    def gradients(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model({"source_ids": ids, "target_ids": ids}, training=True))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    types = operation_types(graph_of(gradients, IDS))
    assert {"CudnnRNNV3", "CudnnRNNBackpropV3"} <= types and not loops_among(types)
    for gradient in tf.function(gradients, autograph=False)(IDS):
        assert np.all(np.isfinite(tf.convert_to_tensor(gradient)))


@pytest.fixture(params=[False, True], ids=["float32", "TensorFloat-32"])
def tolerance(request):
    """How exact products are: TensorFloat-32, TensorFlow's default, has 10 bits after the point."""
    tf.config.experimental.enable_tensor_float_32_execution(request.param)
    yield 1e-2 if request.param else 1e-5
    tf.config.experimental.enable_tensor_float_32_execution(False)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_cudnn_and_our_loop_agree_on_padded_sequences(cell, backwards, tolerance):
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    mask = tf.sequence_mask([5, 3, 1], 5)
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    layer = LAYERS[cell](6, **options)
    on_cudnn = layer(values, mask=mask)
    plain = LAYERS[cell](6, use_cudnn=False, **options)
    plain.build(values.shape)
    plain.set_weights(layer.get_weights())
    for tensors in zip(on_cudnn, plain(values, mask=mask), strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, tensors), atol=tolerance)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("settings", [{}, {"architecture": "transformer"}], ids=str)
def test_training_lowers_the_loss(settings, policy):
    keras.utils.set_random_seed(1)
    with use_dtype_policy(policy):
        model = build_seq2seq(ModelConfig(units=16, embedding_dim=16, **settings), 12, 12)
    teacher = make_teacher(model)
    teacher.compile(with_loss_scaling(Adam(0.02)), jit_compile=False)
    inputs = {"source_ids": IDS, "target_ids": IDS}
    batch = (inputs, IDS, tf.cast(IDS > 0, tf.float32))
    losses = [teacher.train_on_batch(*batch, return_dict=True)["loss"] for _ in range(30)]
    assert np.isfinite(losses[-1]) and losses[-1] < losses[0]


def test_processes_share_a_gpu():
    """Each takes the memory that it needs; without `grow_gpu_memory`, the first takes it all."""
    program = (
        "import kseq, sys; kseq.build_seq2seq(kseq.ModelConfig(units=64), 99, 99); print('built',"
        "flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", program], **pipes) for _ in range(2)]
    assert [process.stdout.readline().strip() for process in processes] == ["built", "built"]
    for process in processes:
        process.communicate()
