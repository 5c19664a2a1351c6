"""Search compared with exhaustive search and a plain beam search; sampling compared with counts."""

import numpy as np
import pytest
import references
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq.search.continuations import find_candidates, padding_of
from kseq.search.free_run import free_run
from kseq.search.loop import search
from kseq.search.rules import make_requirements
from kseq.search.strategies import BeamSearch, Sampling
from kseq.special_tokens import END, PAD, START, UNK


class RandomModel:
    """A language model with random logits for each source and each prefix.

    Its state is the number of the prefix. The attention is the prefix, one-hot, and weights of
    three source positions.
    """

    def __init__(self, seed, vocabulary=6, sources=2, steps=4, spread=2.0):
        self.vocabulary, self.sources, self.steps = vocabulary, sources, steps
        self.prefixes = sum(vocabulary**n for n in range(steps + 1))
        rng = np.random.default_rng(seed)
        self.table = (
            rng.normal(size=(sources, self.prefixes, vocabulary)).astype("float32") * spread
        )
        weights = rng.uniform(0.1, 1.0, size=(self.prefixes, 3)).astype("float32") ** 4
        self.weights = weights / weights.sum(axis=1, keepdims=True)

    def state(self):
        return {"source": tf.range(self.sources), "prefix": tf.zeros([self.sources], tf.int32)}

    def step(self, ids, state, _):
        prefix = tf.where(
            ids == START, 0, (state["prefix"] * self.vocabulary + 1 + ids) % self.prefixes
        )
        indices = tf.stack([state["source"], prefix], axis=1)
        attention = {
            "prefix": tf.one_hot(prefix, self.prefixes),
            "attention": tf.gather(self.weights, prefix),
        }
        return tf.gather_nd(self.table, indices), {**state, "prefix": prefix}, attention

    def prefix_of(self, ids):
        prefix = 0
        for token in ids:
            prefix = (prefix * self.vocabulary + 1 + token) % self.prefixes
        return prefix

    def log_probabilities(self, source, ids):
        return references.log_softmax(self.table[source, self.prefix_of(ids)].astype("float64"))

    def search(self, strategy=None, lengths=None, **requirements):
        lengths = [self.steps] * self.sources if lengths is None else lengths
        spec = {"prefix": tf.TensorSpec([None]), "attention": tf.TensorSpec([3])}
        requirements.setdefault("mask", tf.constant([[True, True, True], [True, True, False]]))
        required = make_requirements(lengths, **requirements)
        return search(self.step, self.state(), (), spec, strategy or BeamSearch(), required)

    def problem(self, source, **options):
        allowed = [token for token in range(self.vocabulary) if token not in (PAD, START)]
        options = {"allowed": allowed, "longest": self.steps, **options}
        return references.SearchProblem(
            lambda ids: self.log_probabilities(source, ids), end=END, **options
        )

    def coverage(self, source, beta):
        """The coverage penalty of Wu et al. 2016, as a function of ids."""

        def penalty(ids):
            attended = sum(self.weights[self.prefix_of(ids[:place])] for place in range(len(ids)))
            return beta * sum(np.log(min(weight, 1.0)) for weight in attended[: 3 - source])

        return penalty


# Each example is several searches, so half as many examples do.
half_as_many = settings(max_examples=settings.default.max_examples // 2)


def beam(beam_size, **options):
    """Returns a beam search that returns all its hypotheses."""
    return BeamSearch(beam_size=beam_size, n_best=beam_size, **options)


def hypothesis_ids(result, source, rank=0):
    return tuple(result.ids[source, rank, : result.lengths[source, rank]].numpy())


def require_same(result, source, expected, count=None):
    """Checks that the hypotheses of a source are those of the reference, in its order."""
    count = len(expected) if count is None else count
    for rank, (score, log_probability, ids) in enumerate(expected[:count]):
        assert hypothesis_ids(result, source, rank) == ids
        np.testing.assert_allclose(result.scores[source, rank], score, atol=1e-4)
        np.testing.assert_allclose(
            result.log_probabilities[source, rank], log_probability, atol=1e-4
        )


@pytest.mark.parametrize(
    "strategy", [BeamSearch(), beam(3), Sampling(samples=2)], ids=["greedy", "beam", "sampling"]
)
def test_an_output_is_cut_if_nothing_but_the_maximum_length_ends_it(strategy):
    """The model of the second source writes END at the maximum by itself; the third is empty."""
    model = RandomModel(0, sources=3, steps=3)
    model.table[..., END] = -20.0
    has_two_ids = np.arange(1 + 6, 1 + 6 + 36)
    model.table[1, has_two_ids, END] = 20.0
    result = model.search(strategy, lengths=[3, 3, 0], mask=tf.ones([3, 3], tf.bool))
    assert result.lengths[:2].numpy().tolist() == 2 * [strategy.returned * [3]]
    assert result.is_cut[0].numpy().all() and not result.is_cut[1:].numpy().any()
    longer = model.search(strategy, lengths=[3, 4, 0], mask=tf.ones([3, 3], tf.bool))
    assert not longer.is_cut[1].numpy().any()


@st.composite
def search_options(draw):
    """Options that change scores or allowed ids, for the search and for the reference."""
    vocabulary = draw(st.sampled_from([5, 6]))
    words = [token for token in range(vocabulary) if token not in (PAD, START, END)]
    penalty = draw(st.sampled_from(["wu", "average"]))
    alpha = draw(st.sampled_from([0.0, 0.6, 1.0, 2.0])) if penalty == "wu" else 1.0
    beta = draw(st.sampled_from([0.0, 0.3, 2.0]))
    ngram = draw(st.sampled_from([0, 0, 1, 2]))
    repetition = draw(st.sampled_from([1.0, 1.0, 1.7]))
    shortest = draw(st.sampled_from([0, 0, 2, 3]))
    forbidden = draw(st.sampled_from([[], [], [UNK], [words[-1]]]))
    prefix = draw(st.sampled_from([[], [], words[:1], words[1:3], words[:1] * 2]))
    strategy = {
        "length_penalty": penalty,
        "alpha": alpha,
        "beta": beta,
        "no_repeat_ngram": ngram,
        "repetition_penalty": repetition,
    }
    required = {
        "minimum_lengths": tf.fill([2], shortest),
        "forbidden": tf.constant(forbidden, tf.int32),
        "prefix": tf.constant([prefix] * 2, tf.int32, [2, len(prefix)]),
    }
    reference = {
        "allowed": [*[token for token in words if token not in forbidden], END],
        "penalty": float if penalty == "average" else references.wu_penalty(alpha),
        "shortest": shortest,
        "prefix": prefix,
        "ngram": ngram,
        "repetition": repetition,
    }
    return vocabulary, beta, strategy, required, reference


@half_as_many
@given(seed=st.integers(0, 10_000), options=search_options())
def test_a_beam_that_is_wide_enough_is_an_exhaustive_search(seed, options):
    """With any options it gives all sequences in order of their scores."""
    vocabulary, beta, strategy, required, reference = options
    model = RandomModel(seed, vocabulary, steps=4 if vocabulary == 5 else 3)
    result = model.search(beam(min(vocabulary**model.steps, 1000), **strategy), **required)
    for source in range(2):
        coverage = model.coverage(source, beta)
        expected = model.problem(source, coverage=coverage, **reference).exhaustive()
        assert int(np.isfinite(result.scores[source]).sum()) == len(expected)
        require_same(result, source, expected)


@half_as_many
@given(
    seed=st.integers(0, 10_000),
    options=search_options(),
    beam_size=st.integers(1, 9),
    spread=st.sampled_from([0.3, 1.0, 3.0]),
)
def test_beam_search_gives_the_hypotheses_of_the_reference(seed, options, beam_size, spread):
    """With any options, also if the beam is wider than the number of hypotheses."""
    vocabulary, beta, strategy, required, reference = options
    model = RandomModel(seed, vocabulary, spread=spread)
    result = model.search(beam(beam_size, **strategy), **required)
    for source in range(2):
        coverage = model.coverage(source, beta)
        expected = model.problem(source, coverage=coverage, **reference).beam(beam_size)
        require_same(result, source, expected)


@half_as_many
@given(
    seed=st.integers(0, 10_000),
    options=search_options(),
    beam_size=st.integers(2, 9),
    n_best=st.integers(1, 3),
)
def test_stopping_early_does_not_change_the_result(seed, options, beam_size, n_best):
    """The reference extends every hypothesis to its end; the search stops when N are certain."""
    vocabulary, beta, strategy, required, reference = options
    n_best = min(n_best, beam_size)
    model = RandomModel(seed, vocabulary, steps=5)
    result = model.search(BeamSearch(beam_size=beam_size, n_best=n_best, **strategy), **required)
    for source in range(2):
        coverage = model.coverage(source, beta)
        expected = model.problem(source, coverage=coverage, **reference).beam(beam_size)
        require_same(result, source, expected, n_best)


@pytest.mark.parametrize(
    "options",
    [
        {"length_penalty": "average"},
        *(pytest.param(options, marks=pytest.mark.slow) for options in ({}, {"alpha": 2.0})),
    ],
)
def test_the_search_stops_when_no_better_hypothesis_is_possible(options):
    """A short hypothesis that no longer one can beat ends the search."""
    steps = tf.Variable(0)

    def step(ids, state, _):
        steps.assign_add(1)
        # At first END or another id, after which END never becomes probable.
        ends = tf.where(ids == START, 0.9, 0.01)
        words = (1.0 - ends) / 2
        probabilities = tf.stack([ends * 0, words, ends * 0, ends, words], axis=1)
        return tf.math.log(probabilities), state, {}

    lengths = make_requirements([40])
    result = search(step, (), (), {}, BeamSearch(beam_size=3, **options), lengths)
    assert hypothesis_ids(result, 0) == (END,)
    assert steps.numpy() < 40
    steps.assign(0)
    search(step, (), (), {}, beam(3, **options), lengths)
    assert steps.numpy() == 40


class Crossroads:
    """A model that writes END at once, with probability `short`, or 4 and then certain ids.

    A hypothesis that continues attends to the source positions 1 and 2 only.

    Args:
        short: Probability of END at the first step, for each source.
        ends: Step at which END is certain, for each source.
    """

    def __init__(self, short, ends):
        self.short, self.ends, self.steps = short, ends, 0
        self._mask = tf.ones([len(short), 3], tf.bool)

    def step(self, ids, state, _):
        self.steps += 1
        zeros = tf.zeros_like(state["short"])
        end = tf.where(ids == START, state["short"], tf.where(state["left"] > 0, zeros, 1.0))
        probabilities = tf.stack([zeros, zeros, zeros, end, 1.0 - end], axis=1)
        attention = tf.one_hot(tf.math.mod(state["left"], 2) + 1, 3)
        attention = tf.where((ids == START)[:, None], tf.one_hot(0, 3), attention)
        new = {**state, "left": state["left"] - 1}
        return tf.math.log(probabilities), new, {"attention": attention}

    def search(self, strategy, lengths):
        state = {"short": tf.constant(self.short), "left": tf.constant(self.ends) - 1}
        spec = {"attention": tf.TensorSpec([3])}
        return search(
            self.step, state, (), spec, strategy, make_requirements(lengths, mask=self._mask)
        )


def find_short(penalty, length, advantage):
    """Returns `short` such that a hypothesis of a given length is better by `advantage`."""
    short = np.linspace(0.5, 0.99, 1_000_001)
    difference = np.log(1.0 - short) / penalty(length) * (1.0 + advantage) - np.log(short)
    return float(short[np.abs(difference / penalty(1)).argmin()])


LENGTH_PENALTIES = [
    ({}, references.wu_penalty(1.0)),
    ({"alpha": 2.0}, references.wu_penalty(2.0)),
    ({"length_penalty": "average"}, float),
]


@pytest.mark.parametrize("options, penalty", LENGTH_PENALTIES)
def test_the_search_continues_only_while_another_hypothesis_can_still_win(options, penalty):
    """One that is better by a thousandth at its maximum length wins; a token shorter, it loses."""
    longest = 6
    short = find_short(penalty, longest, advantage=0.001)
    model = Crossroads([short], [longest])
    result = model.search(BeamSearch(beam_size=2, **options), [longest])
    assert hypothesis_ids(result, 0) == (4,) * (longest - 1) + (END,)
    model = Crossroads([short], [longest - 1])
    result = model.search(BeamSearch(beam_size=2, **options), [longest - 1])
    assert hypothesis_ids(result, 0) == (END,)
    assert model.steps == 1


def test_the_maximum_length_of_a_source_decides_how_long_its_search_continues():
    """A short maximum of one source neither stops nor continues the search of another."""
    short = find_short(references.wu_penalty(1.0), 6, advantage=0.001)
    model = Crossroads([short, 1.0], [5, 9])
    result = model.search(BeamSearch(beam_size=2), [5, 9])
    assert [hypothesis_ids(result, source) for source in (0, 1)] == [(END,), (END,)]
    assert model.steps == 1
    model = Crossroads([1.0, short], [3, 6])
    result = model.search(BeamSearch(beam_size=2), [3, 6])
    assert hypothesis_ids(result, 1) == (4,) * 5 + (END,)


def test_the_search_continues_while_better_coverage_can_still_win():
    """Length alone could not win, but the finished hypothesis has not covered the source."""
    short = find_short(references.wu_penalty(1.0), 6, advantage=0.001)
    for beta, ids in ((0.0, (END,)), (0.1, (4, 4, 4, 4, END))):
        result = Crossroads([short], [5]).search(BeamSearch(beam_size=2, beta=beta), [5])
        assert hypothesis_ids(result, 0) == ids


@pytest.mark.parametrize("strategy", [beam(2, no_repeat_ngram=1), Sampling(no_repeat_ngram=1)])
def test_the_search_ends_when_the_rules_allow_no_id(strategy):
    steps = []

    def step(ids, state, _):
        steps.append(ids)
        return tf.zeros([tf.size(ids), 6]), state, {}

    search(step, (), (), {}, strategy, make_requirements([50], minimum_lengths=tf.constant([50])))
    assert len(steps) == 4  # three tokens, and then none is left


def greedy(model, source):
    ids = ()
    while END not in ids:
        log_probabilities = model.log_probabilities(source, ids)
        log_probabilities[[PAD, START]] = -np.inf
        ids += (END if len(ids) + 1 == model.steps else int(log_probabilities.argmax()),)
    return ids


@pytest.mark.parametrize("seed", range(10))
def test_a_beam_of_one_is_greedy(seed):
    model = RandomModel(seed)
    result = model.search()
    for source in range(2):
        assert hypothesis_ids(result, source) == greedy(model, source)


def test_a_wider_beam_finds_what_greedy_search_misses():
    model = RandomModel(3)
    best = [model.problem(source).exhaustive()[0][2] for source in range(2)]
    assert any(best[source] != greedy(model, source) for source in range(2))
    result = model.search(beam(1000))
    assert [hypothesis_ids(result, source) for source in range(2)] == best


def require_sums(model, result, outputs):
    """Checks the log-probabilities of ids, one by one and in total."""
    for source in range(2):
        for rank in range(outputs):
            ids = hypothesis_ids(result, source, rank)
            expected = [model.log_probabilities(source, ids[:n])[t] for n, t in enumerate(ids)]
            actual = result.token_log_probabilities[source, rank].numpy()
            np.testing.assert_allclose(actual[: len(ids)], expected, atol=1e-4)
            assert not actual[len(ids) :].any()
            total = result.log_probabilities[source, rank]
            np.testing.assert_allclose(total, sum(expected), atol=1e-4)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_scores_agree_with_the_ids(beam_size):
    model = RandomModel(11)
    result = model.search(beam(beam_size, repetition_penalty=1.5))
    require_sums(model, result, beam_size)
    assert np.all(np.diff(result.scores) <= 0)


@pytest.mark.parametrize("strategy", [beam(1), beam(3), beam(5), Sampling(samples=4)])
def test_attention_moves_with_the_hypotheses(strategy):
    """Row t is the attention of the step that wrote token t: here, the prefix before it."""
    model = RandomModel(5)
    result = model.search(strategy)
    for source in range(2):
        for rank in range(strategy.returned):
            ids = hypothesis_ids(result, source, rank)
            attention = result.attention["prefix"][source, rank].numpy()
            for time in range(len(ids)):
                assert attention[time].argmax() == model.prefix_of(ids[:time])
                assert attention[time].sum() == 1.0
            assert np.all(attention[len(ids) :] == 0.0)


@pytest.mark.parametrize("strategy", [beam(3), Sampling(samples=3)])
def test_outputs_end_once_and_hold_no_other_special_token(strategy):
    for seed in range(10):
        result = RandomModel(seed).search(strategy)
        for row, length in zip(
            result.ids.numpy().reshape(6, -1), result.lengths.numpy().reshape(-1)
        ):
            assert not {PAD, START} & set(row[:length])
            assert END not in row[: length - 1] and row[length - 1] == END
            assert np.all(row[length:] == PAD)


@pytest.mark.parametrize("strategy", [beam(3, beta=0.2, no_repeat_ngram=2), Sampling(samples=3)])
def test_a_compiled_search_gives_the_same_result(strategy):
    model = RandomModel(6)
    compiled = tf.function(lambda: model.search(strategy), autograph=False)
    tensors, expected = (tf.nest.flatten(result) for result in (compiled(), model.search(strategy)))
    for tensor, expected_tensor in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(tensor, expected_tensor, atol=1e-5)


def test_half_precision_logits_are_summed_in_single_precision():
    """The result is the same as for the rounded logits in single precision."""
    model = RandomModel(6)
    model.table = model.table.astype("float16")
    half = model.search(beam(3))
    model.table = model.table.astype("float32")
    for tensor, expected in zip(half[:5], model.search(beam(3))[:5]):
        np.testing.assert_array_equal(tensor, expected)


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(BeamSearch(), marks=pytest.mark.slow, id="greedy"),
        pytest.param(
            BeamSearch(beam_size=3, n_best=3, beta=0.5, repetition_penalty=1.5), id="beam"
        ),
        pytest.param(Sampling(samples=3), marks=pytest.mark.slow, id="sampling"),
    ],
)
@pytest.mark.slow  # traces many graphs
def test_sources_whose_search_has_ended_are_dropped(strategy):
    """Each source gets the outputs that it gets alone, while the number of rows falls."""
    model, lengths = RandomModel(3, sources=16, steps=6), [2, 2, 3, 4, 5, 6, 6, 6] * 2
    # Prefixes of up to 5 ids, which are still read after other sources have been dropped.
    prefixes = [[4 + (source + n) % 2 for n in range(5)] for source in range(16)]
    for source, prefix in enumerate(prefixes):
        length = min(source % 6, lengths[source] - 1)
        prefix[length:] = [PAD] * (5 - length)
    rows = []

    def step(ids, state, fixed):
        hypotheses = strategy.width if (ids.numpy() != START).any() else 1
        assert state["source"].numpy().tolist() == np.repeat(fixed, hypotheses).tolist()
        rows.append(len(ids))
        return model.step(ids, state, ())

    def search_together(sources):
        state = {"source": tf.constant(sources), "prefix": tf.zeros([len(sources)], tf.int32)}
        required = make_requirements(
            [lengths[source] for source in sources],
            minimum_lengths=tf.constant([lengths[source] * (source % 3 > 0) for source in sources]),
            prefix=tf.constant([prefixes[source] for source in sources]),
            seeds=tf.constant(sources),
            mask=tf.constant([[True, source % 2 == 0, True] for source in sources]),
        )
        spec = {"prefix": tf.TensorSpec([None]), "attention": tf.TensorSpec([3])}
        return search(step, state, state["source"], spec, strategy, required)

    together = search_together(range(16))
    first, *later = rows
    assert first == 16 and len(set(later)) > 2 and min(later) >= strategy.width
    assert later == sorted(later, reverse=True)
    for source in range(16):
        alone, in_batch = map(tf.nest.flatten, (search_together([source]), together))
        for tensor, batched in zip(alone, in_batch, strict=True):
            # Alone, the search of a source takes only the steps that it needs.
            steps = tuple(slice(size) for size in tensor.shape[1:])
            expected = batched[source].numpy()[steps]
            np.testing.assert_allclose(tensor[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [600, 1664, 1697, 2003])
def test_candidates_include_the_best_ids_and_the_required_one(size):
    """The logits are integers, so that there are ties: the smaller id comes first."""
    logits = np.random.default_rng(size).integers(-400, 0, (30, size)).astype("float32")
    logits[0, 5:] = -1e5
    required = np.arange(30, dtype="int32") * 17 % size
    added = padding_of(size)
    padded = np.pad(logits, [[0, 0], [0, added]], constant_values=-np.inf)
    ids, log_probabilities = (
        tensor.numpy() for tensor in find_candidates(tf.constant(padded), 5, tf.constant(required))
    )
    assert ids.shape[1] == size if size == 600 else ids.shape[1] < size
    expected = references.log_softmax(logits.astype("float64"))
    for row in range(30):
        real = ids[row] < size
        assert (np.diff(ids[row]) > 0).all() and required[row] in ids[row]
        np.testing.assert_allclose(
            log_probabilities[row, real], expected[row, ids[row, real]], rtol=1e-5, atol=1e-5
        )
        assert (log_probabilities[row, ~real] == -np.inf).all()
        order = np.argsort(-log_probabilities[row], kind="stable")[:5]
        np.testing.assert_array_equal(ids[row, order], np.argsort(-logits[row], kind="stable")[:5])


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("prefix", [(), (1700, 40)], ids=str)
def test_the_best_allowed_ids_of_a_large_vocabulary_are_found(beam_size, prefix):
    """Forbidden ids are the most probable, and are in different groups."""
    vocabulary, forbidden = 1800, [UNK, 90, 555, 1799]
    table = np.random.default_rng(beam_size).normal(size=(vocabulary, vocabulary))
    table = table.astype("float32")
    table[:, [PAD, START, *forbidden]] += 8.0
    table[:, END] += 3.0

    def step(ids, state, _):
        return tf.gather(table, ids), state, {}

    required = make_requirements(
        [5, 3],
        minimum_lengths=tf.constant([4, 0]),
        forbidden=tf.constant(forbidden),
        prefix=tf.constant([prefix, prefix], tf.int32, [2, len(prefix)]),
    )
    result = search(step, (), (), {}, beam(beam_size), required)
    for source, (longest, shortest) in enumerate([(5, 4), (3, 0)]):
        problem = references.SearchProblem(
            lambda ids: references.log_softmax(table[(START, *ids)[-1]].astype("float64")),
            allowed=[token for token in range(2, vocabulary) if token not in [START, *forbidden]],
            end=END,
            longest=longest,
            shortest=shortest,
            prefix=prefix,
        )
        require_same(result, source, problem.beam(beam_size))


def test_each_source_has_its_own_bounds_and_prefix():
    model = RandomModel(2)
    bounds = {"minimum_lengths": tf.constant([0, 3]), "prefix": tf.constant([[4, 5], [1, PAD]])}
    result = model.search(beam(3), lengths=[3, 4], **bounds)
    for source, (longest, shortest, prefix) in enumerate([(3, 0, (4, 5)), (4, 3, (1,))]):
        expected = model.problem(source, longest=longest, shortest=shortest, prefix=prefix).beam(3)
        require_same(result, source, expected)


def test_a_limit_of_zero_gives_an_empty_hypothesis():
    for strategy in (beam(2), Sampling(samples=2)):
        result = RandomModel(2).search(strategy, lengths=[0, 0])
        assert not result.ids.numpy().any() and not result.attention["prefix"].numpy().any()
        assert result.lengths[:, 0].numpy().tolist() == [0, 0]
        assert result.log_probabilities[:, 0].numpy().tolist() == [0.0, 0.0]


def test_no_hypothesis_is_returned_if_the_rules_allow_none():
    """Three different tokens cannot fill four positions; another source is not affected."""
    model = RandomModel(1)
    bounds = {"minimum_lengths": tf.constant([6, 2])}
    for strategy in (beam(2, no_repeat_ngram=1), Sampling(samples=2, no_repeat_ngram=1)):
        result = model.search(strategy, lengths=[6, 4], **bounds)
        assert np.all(np.isneginf(result.scores[0])) and not result.ids[0].numpy().any()
        assert np.all(np.isfinite(result.scores[1]))


def test_ties_go_to_the_smaller_id():
    def step(ids, state, _):
        return tf.zeros([tf.size(ids), 7]), state, tf.ones([tf.size(ids), 1])

    for _ in range(3):
        result = search(
            step, (), (), tf.TensorSpec([None]), beam(3, alpha=0.0), make_requirements([2])
        )
        assert result.ids[0].numpy().tolist() == [[END, PAD], [UNK, END], [4, END]]


def test_a_beam_may_be_wider_than_the_vocabulary():
    """Places that are empty at first can be filled later."""
    result = RandomModel(4, vocabulary=5).search(beam(10))
    assert np.all(np.isfinite(result.scores))
    for seed in range(4, 8):
        model = RandomModel(seed, spread=3.0)
        result = model.search(beam(12))
        for source in range(2):
            require_same(result, source, model.problem(source).beam(12))


def test_the_state_may_grow_and_the_attention_may_be_nested():
    """A model whose state holds all ids that it has read, and whose attention has two tensors."""
    model = RandomModel(seed=5)

    def step(ids, state, _):
        ids_read = tf.concat([state["read"], ids[:, None]], axis=1)
        logits, inner, attention = model.step(ids, state["inner"], ())
        padded = tf.pad(ids_read, [[0, 0], [0, model.steps - tf.shape(ids_read)[1]]])
        attention = {"one": attention["prefix"], "two": tf.cast(padded, tf.float32)[:, None]}
        return logits, {"read": ids_read, "inner": inner}, attention

    @tf.function(autograph=False)
    def search_in_graph():
        ids_read = tf.zeros([model.sources, 0], tf.int32)
        state = {"read": ids_read, "inner": model.state()}
        spec = {"one": tf.TensorSpec([None]), "two": tf.TensorSpec([1, None])}
        return search(
            step, state, (), spec, beam(3), make_requirements([model.steps] * model.sources)
        )

    result, plain = search_in_graph(), model.search(beam(3))
    np.testing.assert_array_equal(result.ids, plain.ids)
    np.testing.assert_array_equal(result.attention["one"], plain.attention["prefix"])
    ids = result.ids.numpy()
    for source in range(model.sources):
        for rank in range(3):
            expected = [START, *ids[source, rank]]
            for time in range(result.lengths[source, rank]):
                attention = result.attention["two"][source, rank, time, 0].numpy()
                assert attention[: time + 1].tolist() == expected[: time + 1]


# === Sampling ===


def first_token_shares(model, strategy, **requirements):
    """Returns the share of each first token among the samples, by source."""
    result = model.search(strategy, **requirements)
    return [
        np.bincount(result.ids[source, :, 0], minlength=model.vocabulary) / strategy.samples
        for source in range(2)
    ]


def expected_shares(model, source, temperature=1.0, top_k=0, top_p=1.0):
    """Returns the distribution of the first token: temperature, then top_k, then top_p."""
    logits = model.table[source, 0].astype("float64")
    logits[[PAD, START]] = -np.inf
    shares = np.exp(logits / temperature)
    order = np.argsort(-shares)
    shares[order[top_k or len(order) :]] = 0.0
    shares /= shares.sum()
    is_excluded = np.cumsum(shares[order]) - shares[order] >= top_p
    shares[order[is_excluded]] = 0.0
    return shares / shares.sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0},
        {"top_k": 2},
        {"top_p": 0.6},
        {"top_p": 0.7, "temperature": 2.0, "top_k": 3},
        {"top_k": 100},
    ],
)
def test_tokens_are_drawn_with_their_probabilities(options):
    """Shares of 1,000 samples are within four standard deviations, and 0 for excluded tokens."""
    model = RandomModel(8, spread=1.0)
    for source, shares in enumerate(
        first_token_shares(model, Sampling(samples=1000, seed=5, **options))
    ):
        expected = expected_shares(model, source, **options)
        deviation = np.sqrt(expected * (1.0 - expected) / 1000)
        assert np.all(np.abs(shares - expected) <= 4.0 * deviation)


def test_sampling_from_the_most_probable_token_alone_is_greedy():
    model = RandomModel(3)
    for options in ({"top_k": 1}, {"top_p": 0.001}, {"temperature": 0.01}):
        result = model.search(Sampling(samples=2, **options))
        for source in range(2):
            assert hypothesis_ids(result, source, 1) == greedy(model, source)


def test_samples_depend_on_the_seeds_and_not_on_the_batch():
    model = RandomModel(8)
    seeds = {"seeds": tf.constant([3, 4])}
    first = model.search(Sampling(samples=5, seed=1), **seeds)
    again = model.search(Sampling(samples=5, seed=1), **seeds)
    np.testing.assert_array_equal(first.ids, again.ids)
    reseeded = model.search(Sampling(samples=5, seed=2), **seeds)
    assert np.any(first.ids.numpy() != reseeded.ids.numpy())
    # A longer maximum of another source does not change the random numbers.
    longer = model.search(Sampling(samples=5, seed=1), lengths=[4, 9], **seeds)
    for rank in range(5):
        assert hypothesis_ids(first, 0, rank) == hypothesis_ids(longer, 0, rank)
    other_seed = model.search(Sampling(samples=5, seed=1), seeds=tf.constant([4, 4]))
    assert any(
        hypothesis_ids(first, 0, rank) != hypothesis_ids(other_seed, 0, rank) for rank in range(5)
    )


def test_the_seeds_of_sources_and_of_strategies_are_not_interchangeable():
    """Seed 3 of a source with seed 1 of the strategy differs from 1 with 3."""
    model = RandomModel(8)
    first = model.search(Sampling(samples=9, seed=1), seeds=tf.constant([3, 3]))
    second = model.search(Sampling(samples=9, seed=3), seeds=tf.constant([1, 1]))
    assert np.any(first.ids[:, :, 0] != second.ids[:, :, 0])


def equal_logits(ids, state, _):
    return tf.zeros([tf.size(ids), 6]), state, {}


def test_the_second_token_is_drawn_independently_of_the_first():
    """Pairs of two equally probable tokens are equally frequent."""
    required = make_requirements(
        [3], minimum_lengths=tf.constant([3]), forbidden=tf.constant([UNK])
    )
    ids = search(equal_logits, (), (), {}, Sampling(samples=1000, seed=2), required).ids[0].numpy()
    pairs = np.bincount((ids[:, 0] - 4) * 2 + ids[:, 1] - 4, minlength=4)
    assert np.all(np.abs(pairs - 250) <= 4.0 * np.sqrt(1000 * 0.25 * 0.75))


@pytest.mark.parametrize(
    "top_p, count", [(0.249, 1), (0.251, 2), (0.499, 2), (0.501, 3), (0.749, 3), (0.751, 4)]
)
def test_sampling_draws_from_the_fewest_tokens_that_reach_top_p(top_p, count):
    """Four tokens have a quarter each, give or take the rounding of the processor."""
    strategy = Sampling(samples=200, top_p=top_p)
    ids = search(equal_logits, (), (), {}, strategy, make_requirements([2])).ids[0, :, 0].numpy()
    assert sorted(set(ids)) == [UNK, END, 4, 5][:count]


def test_samples_obey_the_rules_and_have_their_log_probabilities():
    model = RandomModel(8, steps=5)
    required = {"minimum_lengths": tf.constant([4, 4]), "prefix": tf.constant([[4], [5]])}
    strategy = Sampling(samples=20, no_repeat_ngram=1, temperature=2.0)
    result = model.search(strategy, **required)
    require_sums(model, result, 20)
    # The temperature affects drawing only, and samples are not ranked.
    np.testing.assert_allclose(result.scores, result.log_probabilities, atol=1e-4)
    assert np.any(np.diff(result.scores) > 0)
    for source in range(2):
        for rank in range(20):
            ids = hypothesis_ids(result, source, rank)
            assert ids[0] == 4 + source and len(ids) >= 4 and len(set(ids)) == len(ids)


# === Real values ===


def test_a_free_run_feeds_each_value_to_the_next_step():
    """x' = 2x + the number of steps so far; the attention is the value that was read."""

    def step(values, state, _):
        steps = tf.cast(tf.shape(state)[1], tf.float32)
        return 2 * values + steps, tf.concat([state, values], axis=1), {"read": values}

    @tf.function(autograph=False)
    def run(steps):
        first = tf.constant([[1.0], [3.0]])
        return free_run(step, tf.zeros([2, 0]), (), first, steps, {"read": tf.TensorSpec([1])})

    values, attention = run(tf.constant(4))
    assert values[:, :, 0].numpy().tolist() == [[2, 5, 12, 27], [6, 13, 28, 59]]
    assert attention["read"][:, :, 0].numpy().tolist() == [[1, 2, 5, 12], [3, 6, 13, 28]]
    assert run(tf.constant(1))[0].shape == (2, 1, 1)
