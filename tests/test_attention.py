"""The attention mechanisms compared with the equations of the papers."""

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq import ModelConfig
from kseq.attention.mechanisms import mechanism_of
from kseq.kernels.masked_softmax import masked_softmax
from kseq.models.factory import use_dtype_policy

rng = np.random.default_rng(0)
WINDOW = 1
KINDS = [
    *("bahdanau", "coverage", "luong_dot", "luong_scaled_dot", "luong_general", "luong_concat"),
    *("local_m", "local_p"),
]
LENGTHS = [6, 2]


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def mechanism(kind, units=4):
    window = {"window": WINDOW} if kind.startswith("local") else {}
    return mechanism_of(ModelConfig(attention=kind, units=units, **window))


def make(kind, units=4):
    layer = mechanism(kind, units).make()
    layer.build((None, None, units))
    layer.set_weights([normal(*weight.shape) for weight in layer.get_weights()])
    return layer


def inputs(kind, queries_per_memory=1, steps=1, units=4):
    """Query, keys, memory, mask, and the attention state at the third step."""
    batch, length = len(LENGTHS), max(LENGTHS)
    rows = batch * queries_per_memory
    mask = np.arange(length) < np.array(LENGTHS)[:, None]
    state = ()
    if kind == "coverage":
        state = [np.abs(normal(rows, length)) * np.repeat(mask, queries_per_memory, axis=0)]
    if kind == "local_m":
        state = [np.full(rows, 2, "int32")]
    shapes = (rows, steps, units), (batch, length, units), (batch, length, units + 2)
    return *(normal(*shape) for shape in shapes), mask, state


def plain_weights(layer):
    return {
        weight.path.removeprefix(f"{layer.name}/"): weight.numpy().astype("float64")
        for weight in layer.weights
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_mechanism_agrees_with_its_paper(kind):
    layer = make(kind)
    query, keys, memory, mask, state = inputs(kind)
    contexts, weights, _ = layer(query, keys, memory, mask, state)
    for row, length in enumerate(LENGTHS):
        expected = references.attention_weights(
            kind,
            WINDOW,
            plain_weights(layer),
            query[row, 0].astype("float64"),
            keys[row, :length].astype("float64"),
            step=2,
            coverage=state[0][row] if kind == "coverage" else None,
        )
        np.testing.assert_allclose(weights[row, 0, :length], expected, atol=1e-6)
        assert np.all(weights[row, 0, length:].numpy() == 0.0)
        np.testing.assert_allclose(contexts[row, 0], expected @ memory[row, :length], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_values_in_padding_have_no_effect(kind):
    layer = make(kind)
    query, keys, memory, mask, state = inputs(kind)
    before = layer(query, keys, memory, mask, state)
    keys[1, 2:], memory[1, 2:] = 1e6, -1e6
    after = layer(query, keys, memory, mask, state)
    for tensor, expected in zip(after[:2], before[:2]):
        np.testing.assert_array_equal(tensor, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_hypotheses_of_a_sentence_share_its_memory(kind):
    layer = make(kind)
    steps = 1 if kind == "coverage" else 3
    query, keys, memory, mask, state = inputs(kind, queries_per_memory=3, steps=steps)
    shared = layer(query, keys, memory, mask, state)
    repeated = (np.repeat(array, 3, axis=0) for array in (keys, memory, mask))
    keras.tree.map_structure(
        lambda tensor, expected: np.testing.assert_allclose(tensor, expected, atol=1e-6),
        shared,
        layer(query, *repeated, state),
    )


def test_coverage_is_the_sum_of_the_weights_of_all_earlier_steps():
    """See et al. 2017, equation 10; a float32 sum even if the layer computes in bfloat16."""
    query, keys, memory, mask, (coverage,) = inputs("coverage")
    for policy in ("float32", "mixed_bfloat16"):
        with use_dtype_policy(policy):
            layer = make("coverage")
        _, weights, (after,) = layer(query, keys, memory, mask, [coverage])
        assert after.dtype == tf.float32
        np.testing.assert_allclose(after, coverage + weights[:, 0], rtol=1e-6)


def test_the_monotonic_window_moves_by_one_and_stops_at_the_end():
    """Centres 2, 3, 4 and so on, of 6 positions and a half width of 1; the short row stays at 1."""
    query, keys, memory, mask, state = inputs("local_m", steps=5)
    _, weights, (after,) = make("local_m")(query, keys, memory, mask, state)
    windows = [[np.flatnonzero(weights[row, time]).tolist() for time in range(5)] for row in (0, 1)]
    assert windows == [[[1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5], [4, 5]], [[0, 1]] * 5]
    assert after.numpy().tolist() == [7, 7]


def test_a_position_vector_of_zeros_puts_the_predicted_window_in_the_middle():
    """Luong et al. 2015, equation 9; the middle depends on the length of the sentence."""
    layer = make("local_p")
    layer.position_vector.assign(np.zeros((4, 1)))
    query, keys, memory, mask, state = inputs("local_p")
    _, weights, _ = layer(query, keys, memory, mask, state)
    windows = [np.flatnonzero(row).tolist() for row in weights[:, 0].numpy()]
    assert windows == [[2, 3, 4], [0, 1]]
    # The middle keeps its full weight; its neighbours are multiplied by `exp(-1 / (2 · 0.5²))`.
    energies = [query[0, 0] @ keys[0, place] for place in (2, 3, 4)]
    expected = references.softmax(np.array(energies)) * np.exp([-2.0, 0.0, -2.0])
    np.testing.assert_allclose(weights[0, 0, 2:5], expected, atol=1e-6)


def test_a_row_without_a_real_position_has_weights_of_zero():
    weights = masked_softmax(tf.constant([[1.0, 2.0]]), tf.constant([[False, False]]))
    assert weights.numpy().tolist() == [[0.0, 0.0]]


def test_large_energies_do_not_overflow():
    weights = masked_softmax(tf.constant([[3e4, -3e4, 0.0]]), tf.constant([[True, True, False]]))
    assert weights.numpy().tolist() == [[1.0, 0.0, 0.0]]


def test_only_dot_products_compare_queries_with_the_memory_itself():
    kinds = [kind for kind in KINDS if not mechanism(kind).projects_keys]
    assert kinds == ["luong_dot", "luong_scaled_dot"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_gives_empty_results(kind):
    query, keys, memory, mask, state = inputs(kind)
    empty = (array[:0] for array in (query, keys, memory, mask))
    context, weights, _ = make(kind)(*empty, [array[:0] for array in state])
    assert context.shape == (0, 1, 6) and weights.shape == (0, 1, 6)
