"""On a GPU: cuDNN, wherever a layer allows it. Skipped without a GPU."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq import ModelConfig, build_seq2seq
from kseq.models.factory import use_dtype_policy
from kseq.models.recurrent_layers import LAYERS

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


def operation_types(function, *arguments):
    """Types of all operations of a graph, including the functions that it calls."""
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments).graph
    definition = graph.as_graph_def()
    nodes = [*definition.node]
    for called in definition.library.function:
        nodes += called.node_def
    return {node.op for node in nodes}


def loops_among(types):
    return {name for name in types if "While" in name}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_encoder_runs_on_cudnn(cell, policy):
    with use_dtype_policy(policy):
        model = build_seq2seq(ModelConfig(cell=cell, units=16, embedding_dim=8), 12, 12)
    types = operation_types(lambda ids: model.get_layer("encoder")({"source_ids": ids}), IDS)
    assert "CudnnRNNV3" in types and not loops_among(types)


@pytest.mark.parametrize("settings", WITHOUT_LOOP, ids=str)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_training_step_runs_on_cudnn_if_the_decoder_needs_no_loop(cell, settings):
    config = ModelConfig(cell=cell, units=16, embedding_dim=8, decoder_layers=2, **settings)
    model = build_seq2seq(config, 12, 12)

    def gradients(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model({"source_ids": ids, "target_ids": ids}, training=True))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    types = operation_types(gradients, IDS)
    assert {"CudnnRNNV3", "CudnnRNNBackpropV3"} <= types and not loops_among(types)
    for gradient in tf.function(gradients, autograph=False)(IDS):
        assert np.all(np.isfinite(tf.convert_to_tensor(gradient)))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_cudnn_and_our_loop_agree_on_padded_sequences(cell, backwards):
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    mask = tf.sequence_mask([5, 3, 1], 5)
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    layer = LAYERS[cell](6, **options)
    on_cudnn = layer(values, mask=mask)
    plain = LAYERS[cell](6, use_cudnn=False, **options)
    plain.build(values.shape)
    plain.set_weights(layer.get_weights())
    for tensors in zip(on_cudnn, plain(values, mask=mask), strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, tensors), atol=1e-5)
