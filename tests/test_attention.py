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
POSITIONS = 4
KINDS = [
    *("bahdanau", "coverage", "luong_dot", "luong_scaled_dot", "luong_general", "luong_concat"),
    *("local_m", "local_p", "local_m-dot", "local_p-concat", "local_m-scaled_dot"),
    *("location", "trained_query", "location_aware"),
]
LENGTHS = [6, 2]


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def config_of(kind, units=4):
    """Settings of a kind, such as `"local_p-concat"`, with small windows and filters."""
    kind, _, score = kind.partition("-")
    settings = {
        "location": {"positions": POSITIONS},
        "location_aware": {"filters": 2, "filter_width": 5},
        "local_m": {"window": WINDOW, "local_score": score or "general"},
        "local_p": {"window": WINDOW, "local_score": score or "general"},
    }
    return ModelConfig(attention=kind, units=units, **settings.get(kind, {}))


def make(kind, units=4):
    layer = mechanism_of(config_of(kind, units)).make()
    layer.build((None, None, units))
    layer.set_weights([normal(*weight.shape) for weight in layer.get_weights()])
    return layer


def inputs(kind, queries_per_memory=1, steps=1, units=4):
    """Query, keys, memory, mask, and the attention state at the third step."""
    batch, length = len(LENGTHS), max(LENGTHS)
    rows = batch * queries_per_memory
    mask = np.arange(length) < np.array(LENGTHS)[:, None]
    state = ()
    if kind in ("coverage", "location_aware"):
        state = [np.abs(normal(rows, length)) * np.repeat(mask, queries_per_memory, axis=0)]
    if kind.startswith("local_m"):
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
            config_of(kind),
            plain_weights(layer),
            query[row, 0].astype("float64"),
            keys[row, :length].astype("float64"),
            step=2,
            history=[] if kind.startswith("local_m") or not state else [state[0][row, :length]],
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
    steps = 1 if kind in ("coverage", "location_aware") else 3
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
    kinds = [kind for kind in KINDS if not mechanism_of(config_of(kind)).projects_keys]
    dots = ["luong_dot", "luong_scaled_dot", "local_m-dot", "local_m-scaled_dot", "trained_query"]
    assert set(kinds) == {*dots, "location"}  # which compares nothing


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_gives_empty_results(kind):
    query, keys, memory, mask, state = inputs(kind)
    empty = (array[:0] for array in (query, keys, memory, mask))
    context, weights, _ = make(kind)(*empty, [array[:0] for array in state])
    assert context.shape == (0, 1, 6) and weights.shape == (0, 1, 6)


def test_location_attention_ignores_what_the_source_holds_and_words_after_its_last_position():
    """Luong et al. 2015, equation 8 and its footnote: the first row has 6 words, W 4 rows."""
    layer = make("location")
    query, keys, memory, mask, _ = inputs("location", steps=2)
    _, weights, _ = layer(query, keys, memory, mask)
    np.testing.assert_array_equal(weights, layer(query, 1 - keys, 1 - memory, mask)[1])
    assert np.all(weights[0, :, POSITIONS:].numpy() == 0.0)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=-1), 1.0, atol=1e-6)
    assert np.abs(weights[0, 0] - weights[0, 1]).max() > 1e-3


def test_a_trained_query_gives_every_step_the_same_weights():
    query, keys, memory, mask, _ = inputs("trained_query", steps=3)
    contexts, weights, _ = make("trained_query")(query, keys, memory, mask)
    for tensor in (contexts, weights):
        np.testing.assert_array_equal(tensor, tf.repeat(tensor[:, :1], 3, axis=1))


def test_location_aware_attention_passes_its_weights_on_as_float32():
    """Chorowski et al. 2015, equation 8, reads the weights of the last step."""
    query, keys, memory, mask, state = inputs("location_aware")
    with use_dtype_policy("mixed_bfloat16"):
        layer = make("location_aware")
    _, weights, (after,) = layer(query, keys, memory, mask, state)
    assert after.dtype == tf.float32
    np.testing.assert_array_equal(after, weights[:, 0])
