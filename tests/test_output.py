"""The losses of the output layer compared with plain NumPy and with autodiff."""

import numpy as np
import pytest
import references
import tensorflow as tf

from kseq.kernels import cross_entropy
from kseq.kernels.cross_entropy import output_losses

rng = np.random.default_rng(0)
HIDDEN = rng.normal(size=(7, 4)).astype("float32")
KERNEL = rng.normal(size=(4, 5)).astype("float32") * 2
BIAS = rng.normal(size=5).astype("float32")
LABELS = np.array([1, 4, 0, 2, 0, 3, 0], "int32")
SHARES = np.array([1, 1, 0, 1, 0.5, 1, 0], "float32") / 4.5
LOGITS = HIDDEN @ KERNEL + BIAS


def losses(hidden=HIDDEN, kernel=KERNEL, bias=BIAS, labels=LABELS, shares=SHARES, **options):
    arrays = (hidden, kernel, bias)
    tensors = [None if array is None else tf.constant(array) for array in arrays]
    return output_losses(*tensors, tf.constant(labels), tf.constant(shares), **options)


@pytest.fixture(params=[2**26, 5, 10, 15], ids="{} logits at once".format)
def at_once(request, monkeypatch):
    monkeypatch.setattr(cross_entropy, "MAX_LOGITS", request.param)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_agree_with_numpy(at_once, smoothing, training):
    loss, entropies, correct = losses(label_smoothing=smoothing, training=training)
    smoothed = references.cross_entropy(LABELS, LOGITS, smoothing)
    np.testing.assert_allclose(loss, (smoothed * SHARES).sum(), rtol=1e-5)
    np.testing.assert_allclose(
        entropies, references.cross_entropy(LABELS, LOGITS), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(correct, LOGITS.argmax(axis=-1) == LABELS)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_gradients_agree_with_autodiff(at_once, smoothing, transposed, has_bias):
    kernel = tf.constant(KERNEL.T if transposed else KERNEL)
    tensors = [tf.constant(HIDDEN), kernel, *([tf.constant(BIAS)] if has_bias else [])]
    distribution = (1 - smoothing) * tf.one_hot(LABELS, 5) + smoothing / 5
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        options = {"label_smoothing": smoothing, "transposed": transposed, "training": True}
        loss = losses(*tensors, **({} if has_bias else {"bias": None}), **options)[0] * 3.0
        logits = tf.matmul(tensors[0], kernel, transpose_b=transposed)
        logits += tensors[2] if has_bias else 0.0
        rows = -tf.reduce_sum(distribution * tf.nn.log_softmax(logits), axis=-1)
        reference = tf.reduce_sum(rows * SHARES) * 3.0
    np.testing.assert_allclose(loss, reference, rtol=1e-5)
    for gradient, autodiff in zip(tape.gradient(loss, tensors), tape.gradient(reference, tensors)):
        np.testing.assert_allclose(gradient, autodiff, atol=1e-6)


@pytest.mark.parametrize("ids", [15, 16, 17, 32])
def test_the_number_of_ids_need_not_be_a_multiple_of_16(ids):
    """Ids are padded to a multiple of 16: here by one, by none, or by fifteen."""
    kernel, bias = (rng.normal(size=size).astype("float32") for size in ((4, ids), ids))
    with tf.GradientTape() as tape:
        parameters = [tf.constant(kernel), tf.constant(bias)]
        tape.watch(parameters)
        loss, entropies, _ = losses(HIDDEN, *parameters, training=True)
    logits = HIDDEN @ kernel + bias
    np.testing.assert_allclose(entropies, references.cross_entropy(LABELS, logits), rtol=1e-5)
    bias_gradient = tape.gradient(loss, parameters)[1]
    errors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - np.eye(ids)[LABELS]
    np.testing.assert_allclose(bias_gradient, SHARES @ errors, atol=1e-6)


def test_values_in_padding_have_no_effect():
    hidden = np.where(SHARES[:, None] > 0, HIDDEN, 100.0).astype("float32")
    assert losses(hidden=hidden)[0] == losses()[0]


@pytest.mark.parametrize("bias", [None, np.full(3, -9e4, "float32")], ids=["no bias", "bias"])
def test_extreme_logits_stay_finite(bias):
    kernel = np.array([[500.0, 0.0, -500.0]], "float32")
    arguments = {"hidden": np.ones((2, 1), "float32"), "kernel": kernel, "bias": bias}
    loss, entropies, _ = losses(
        **arguments, labels=np.array([2, 0], "int32"), shares=np.full(2, 0.5, "float32")
    )
    np.testing.assert_allclose(entropies, [1000.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(loss, 500.0)


def test_only_one_of_equal_logits_is_the_highest():
    """In half precision many logits are equal."""
    arguments = {"kernel": np.zeros((4, 5), "float32"), "bias": None}
    _, _, correct = losses(
        **arguments,
        hidden=np.ones((5, 4), "float32"),
        labels=np.arange(5, dtype="int32"),
        shares=np.ones(5, "float32"),
    )
    assert correct.numpy().sum() == 1


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_half_precision_stays_close_to_float32(has_bias, transposed, smoothing):
    kernel = tf.constant(KERNEL.T if transposed else KERNEL)
    single = [tf.constant(HIDDEN), kernel, *([tf.constant(BIAS)] if has_bias else [])]
    half = [tf.cast(single[0], tf.bfloat16), *single[1:]]
    options = {} if has_bias else {"bias": None}
    options |= {"label_smoothing": smoothing, "transposed": transposed, "training": True}
    results = []
    for tensors in (single, half):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = losses(*tensors, **options)[0]
        results.append([loss, *tape.gradient(loss, tensors)])
    assert [tensor.dtype for tensor in results[1]] == [
        tf.float32,
        tf.bfloat16,
        *[tf.float32] * (len(half) - 1),
    ]
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=0.02)
    for near, exact in zip(results[1][1:], results[0][1:]):
        np.testing.assert_allclose(tf.cast(near, tf.float32), exact, atol=0.02)


def test_only_the_loss_has_a_gradient():
    """A gradient of the entropies would not be computed, so none is given."""
    hidden = tf.constant(np.ones([2, 3], np.float32))
    kernel = tf.Variable(np.eye(3, 5, dtype=np.float32))
    with tf.GradientTape(persistent=True) as tape:
        loss, entropies, _ = output_losses(
            *(hidden, kernel, None, tf.constant([1, 2]), tf.constant([0.5, 0.5])), training=True
        )
        total = tf.reduce_sum(entropies)
    assert tape.gradient(loss, kernel) is not None
    assert tape.gradient(total, kernel) is None
