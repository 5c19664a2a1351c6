"""The optimizers, the learning rate and the moving averages compared with plain NumPy."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq import TrainingConfig
from kseq.kernels.adam import Adam
from kseq.kernels.finite import find_not_finite
from kseq.training.learning_rate import make_learning_rate
from kseq.training.moving_averages import MovingAverages
from kseq.training.optimizers import (
    copy_optimizer,
    describe_optimizer,
    halve_learning_rate,
    make_optimizer,
)

RATES = [0.1, 0.05, 0.02, 0.01]


def reference(value, gradients, rates, clip, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1, for one vector.

    As in Keras and at the end of section 2 of the paper, ε is added to √v, not to √v̂.
    """
    first = second = np.zeros_like(value)
    for step, (gradient, rate) in enumerate(zip(gradients, rates), start=1):
        gradient = gradient * min(1.0, clip / np.linalg.norm(gradient))
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        corrected = first / (1 - beta_1**step), np.sqrt(second / (1 - beta_2**step))
        value = value - rate * corrected[0] / (corrected[1] + epsilon / np.sqrt(1 - beta_2**step))
    return value


@pytest.mark.parametrize("clip", [1.0, 1e6])
def test_an_update_agrees_with_the_paper(clip):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=12), rng.normal(size=(4, 12)) * [[1.0], [1e-4], [3.0], [0.1]]
    table, vector = (keras.Variable(part, dtype="float64") for part in np.split(start, [8]))
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1, 2], RATES)
    optimizer = Adam(schedule, global_clipnorm=clip)

    @tf.function
    def apply(gradient):
        optimizer.apply_gradients([(gradient[:8], table), (gradient[8:], vector)])

    for gradient in gradients:
        apply(tf.constant(gradient))
    values = np.concatenate([table.numpy(), vector.numpy()])
    np.testing.assert_allclose(values, reference(start, gradients, RATES, clip), rtol=1e-6)


@pytest.mark.parametrize("clip", [1.0, 1e6])
def test_gradients_of_the_same_row_are_added_up(clip):
    """The gradients of an embedding are rows, some twice in a step, some absent in a step."""
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 4, (4, 3))
    upstream = rng.normal(size=(4, 3, 2)) * np.reshape([1.0, 9.0, 0.1, 2.0], (4, 1, 1))
    dense = np.zeros((4, 4, 2))
    for step in range(4):
        np.add.at(dense[step], ids[step], upstream[step])
    assert any(len(set(row)) < 3 for row in ids)
    table = keras.Variable(np.ones((4, 2)), dtype="float64")
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1, 2], RATES)
    optimizer = Adam(schedule, global_clipnorm=clip)
    for rows, values in zip(ids, upstream):
        rows = tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([4, 2]))
        optimizer.apply_gradients([(rows, table)])
    expected = reference(np.ones(8), dense.reshape(4, -1), RATES, clip)
    np.testing.assert_allclose(table.numpy().reshape(-1), expected, rtol=1e-6)


def test_amsgrad_is_left_to_keras():
    values = []
    for kind in (Adam, keras.optimizers.Adam):
        variable, optimizer = keras.Variable([1.0, 2.0]), kind(0.1, amsgrad=True)
        for gradient in ([3.0, -1.0], [0.1, 0.2], [0.0, -4.0]):
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        values.append(variable.numpy())
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize(
    "schedule, expected",
    [
        ("constant", lambda step: 1.0),
        ("plateau", lambda step: 1.0),
        ("linear", lambda step: 1.0 - 0.95 * (step - 10) / 90),
        ("inverse_sqrt", lambda step: np.sqrt(10 / step)),
        ("cosine", lambda step: 0.05 + 0.95 * (1 + np.cos(np.pi * (step - 10) / 90)) / 2),
    ],
)
def test_the_learning_rate_rises_and_then_falls(schedule, expected):
    training = TrainingConfig(learning_rate=0.4, schedule=schedule, warmup_steps=400)
    learning_rate = make_learning_rate(training, steps=100)  # a warm-up of a tenth
    steps = np.arange(0, 101, 5)
    rates = [0.4 * (step / 10 if step < 10 else expected(step)) for step in steps]
    received = [float(learning_rate(step)) for step in steps]
    np.testing.assert_allclose(received, rates, rtol=1e-5, atol=1e-7)


NAMES = ("adam", "adamw", "adafactor", "adagrad", "lamb", "lion", "nadam", "rmsprop", "sgd")


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_finds_the_minimum_of_a_square(name):
    training = TrainingConfig(
        optimizer=name,
        learning_rate={"adafactor": 0.5, "adagrad": 1.0}.get(name, 0.05),
        schedule="linear",
        weight_decay=1e-6 if name == "adamw" else 0.0,
    )
    variable = keras.Variable([1.0, -2.0])
    optimizer = make_optimizer(training, steps=200)

    @tf.function
    def step():
        optimizer.apply_gradients([(2.0 * (variable - 0.5), variable)])

    optimizer.build([variable])
    for _ in range(200):
        step()
    np.testing.assert_allclose(variable.numpy(), [0.5, 0.5], atol=0.15)


def test_weights_decay_but_biases_do_not():
    training = TrainingConfig(
        optimizer="adamw", learning_rate=0.1, warmup_steps=0, weight_decay=0.5, schedule="constant"
    )
    kernel, bias = (keras.Variable([2.0], name=name) for name in ("kernel", "bias"))
    optimizer = make_optimizer(training, steps=10)
    optimizer.apply_gradients([(tf.zeros([1]), kernel), (tf.zeros([1]), bias)])
    np.testing.assert_allclose([kernel[0], bias[0]], [2.0 * (1 - 0.1 * 0.5), 2.0], rtol=1e-6)


def test_accumulated_gradients_make_the_update_of_their_mean():
    gradients = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    values = []
    for accumulated, given in ((3, gradients), (1, gradients.reshape(2, 3, 3).mean(axis=1))):
        training = TrainingConfig(
            warmup_steps=0, schedule="constant", gradient_accumulation=accumulated
        )
        variable = keras.Variable(np.ones(3), dtype="float32")
        optimizer = make_optimizer(training, steps=100)
        for gradient in given:
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        values.append(variable.numpy())
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_a_learning_rate_that_was_halved_is_part_of_the_state():
    training = TrainingConfig(schedule="plateau", warmup_steps=0, learning_rate=0.1)
    optimizers = [make_optimizer(training, steps=100) for _ in range(2)]
    for optimizer in optimizers:
        optimizer.build([keras.Variable([1.0])])
    halve_learning_rate(optimizers[0])
    for variable, value in zip(optimizers[1].variables, optimizers[0].variables):
        variable.assign(value)
    assert [float(optimizer.learning_rate) for optimizer in optimizers] == [pytest.approx(0.05)] * 2


def test_an_own_optimizer_is_copied_and_described():
    own = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9))
    copy = copy_optimizer(own)
    copy.apply_gradients([(tf.ones([1]), keras.Variable([1.0]))])
    assert not own.built and float(copy.learning_rate) == pytest.approx(0.5 * 0.9**0.1)
    described = describe_optimizer(own)
    assert described["class"] == "SGD" and json.loads(json.dumps(described)) == described
    assert describe_optimizer(keras.optimizers.SGD(0.1)) != describe_optimizer(
        keras.optimizers.SGD(0.2)
    )
    with pytest.raises(TypeError, match="must be an optimizer of Keras, such as .*'sgd'"):
        copy_optimizer("sgd")


def test_gradients_that_are_not_finite_leave_the_weights_as_they_are():
    variable, optimizer = keras.Variable([1.0, 2.0]), Adam(0.1, global_clipnorm=1.0)

    @tf.function
    def apply(gradient):
        optimizer.apply_gradients([(gradient, variable)])

    for bad in (np.nan, np.inf):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            apply(tf.constant([1.0, bad]))
        assert find_not_finite(error.value) == "gradient"
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


def test_other_errors_are_not_mistaken_for_a_number_that_is_not_finite():
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.debugging.assert_equal(1, 2, "kseq")
    assert find_not_finite(error.value) is None


def test_moving_averages_follow_the_weights():
    """`average = d · average + (1 - d) · weight`, in NumPy."""
    values = np.random.default_rng(0).normal(size=(30, 4))
    weight = keras.Variable(values[0], dtype="float64")
    averages = MovingAverages([weight], decay=0.7)
    expected = values[0]
    for step, value in enumerate(values, start=1):
        weight.assign(value)
        averages.update(step)
        decay = min(0.7, step / (9 + step))
        expected = decay * expected + (1 - decay) * value
    np.testing.assert_allclose(averages.variables[0].numpy(), expected, rtol=1e-6)
    with pytest.raises(KeyboardInterrupt), averages.in_place():
        np.testing.assert_array_equal(weight.numpy(), averages.variables[0].numpy())
        raise KeyboardInterrupt
    np.testing.assert_array_equal(weight.numpy(), values[-1])
