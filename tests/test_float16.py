"""Training in mixed_float16: scaled losses, and steps that are skipped."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq import ModelConfig, build_seq2seq
from kseq.kernels.finite import find_not_finite
from kseq.models.factory import use_dtype_policy
from kseq.training.optimizers import with_loss_scaling
from kseq.training.teacher import make_teacher

SMALL = {"units": 8, "embedding_dim": 6, "dropout": 0.0}
IDS = np.array([[4, 5, 3, 0], [6, 3, 0, 0], [7, 8, 9, 3]], "int32")
INPUTS = {"source_ids": IDS, "target_ids": np.roll(IDS, 1, axis=1)}
BATCH = (INPUTS, IDS, (IDS != 0).astype("float32"))
VALUES = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("float32")
VALUE_BATCH = ({"source_ids": IDS, "target": VALUES[0]}, VALUES[1], BATCH[2])


def make(policy, settings=(), optimizer=None):
    keras.utils.set_random_seed(1)
    config = ModelConfig(**{**SMALL, **dict(settings)})
    with use_dtype_policy(policy):
        model = build_seq2seq(config, 11, None if config.target_features else 11)
    teacher = make_teacher(model, 0.0 if config.target_features else 0.1)
    optimizer = optimizer or keras.optimizers.SGD(0.5)
    if policy == "mixed_float16":
        optimizer = with_loss_scaling(optimizer)
    optimizer.build(model.trainable_variables)
    teacher.compile(optimizer, jit_compile=False)
    return teacher


def train(teacher, batches, batch=BATCH):
    return [teacher.train_on_batch(*batch, return_dict=True) for _ in range(batches)]


def weights_of(teacher):
    return [weight.numpy() for weight in teacher.model.trainable_weights]


@pytest.mark.slow  # the other tests see overflow and underflow
@pytest.mark.parametrize(
    "settings, batch",
    [
        ({}, BATCH),
        ({"target_features": 2}, VALUE_BATCH),
        ({"attention": "coverage", "coverage_loss": 0.5}, BATCH),
        (
            {"architecture": "transformer", "embedding_dim": 8, "heads": 2, "tie_output": True},
            BATCH,
        ),
    ],
    ids=["recurrent", "values", "coverage", "transformer"],
)
def test_training_follows_that_in_float32(settings, batch, mode):
    """Updates and metrics, to the precision of float16."""
    teachers = [make(policy, settings) for policy in ("float32", "mixed_float16")]
    before = weights_of(teachers[0])
    single, half = (train(teacher, 3, batch) for teacher in teachers)
    for expected, results in zip(single, half, strict=True):
        assert results == pytest.approx(expected, rel=0.01)
    # As a whole: near 0, one unit with a ReLU may be on in one precision and off in the other.
    expected, updates = (
        np.concatenate([(new - old).ravel() for new, old in zip(weights_of(teacher), before)])
        for teacher in teachers
    )
    assert np.linalg.norm(updates - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.slow
def test_gradients_that_float16_cannot_hold_are_kept(eager_mode):
    """The only sentence with the ids 4 and 5 has a share of less than a millionth in the loss."""
    inputs, labels, weights = BATCH
    batch = (inputs, labels, weights * np.array([[1], [1e6], [1e6]], "float32"))
    updates = []
    for policy in ("float32", "mixed_float16"):
        teacher = make(policy, optimizer=keras.optimizers.SGD(1e5))
        embedding = teacher.model.get_layer("encoder").get_layer("source_embedding").embeddings
        before = embedding.numpy()
        train(teacher, 1, batch)
        updates.append((embedding.numpy() - before)[4:6])
    expected, update = updates
    assert np.abs(expected).min() > 1e-6
    np.testing.assert_allclose(update, expected, rtol=0, atol=0.02 * np.abs(expected).max())


def test_a_step_that_overflows_is_skipped(mode):
    teacher = make("mixed_float16")
    optimizer = teacher.optimizer
    before, loss = weights_of(teacher), make("float32").test_on_batch(*BATCH, return_dict=True)
    optimizer.dynamic_scale.assign(2.0**60)
    (results,) = train(teacher, 1)
    assert all(map(np.array_equal, weights_of(teacher), before))
    assert results["loss"] == pytest.approx(loss["loss"], rel=0.01)
    assert results["cross_entropy"] == pytest.approx(loss["cross_entropy"], rel=0.01)
    # The batch counts, as the data go on with the next one; the learning rate does not.
    assert (int(teacher.steps), int(optimizer.iterations)) == (1, 0)
    assert float(optimizer.dynamic_scale) == 2.0**59
    optimizer.dynamic_scale.assign(2.0**10)
    train(teacher, 1)
    assert (int(teacher.steps), int(optimizer.iterations)) == (2, 1)
    assert not all(map(np.array_equal, weights_of(teacher), before))
    assert float(optimizer.dynamic_scale) == 2.0**10


def test_gradients_that_overflow_with_any_factor_end_the_training():
    teacher = make("mixed_float16")
    optimizer, before = teacher.optimizer, weights_of(teacher)
    gradients = [tf.fill(weight.shape, np.inf) for weight in before]
    optimizer.dynamic_scale.assign(2.0**-9)
    run = tf.function(lambda: optimizer.apply(gradients), autograph=False)
    run()
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        run()
    assert find_not_finite(raised.value) == "gradient"
    assert all(map(np.array_equal, weights_of(teacher), before))
