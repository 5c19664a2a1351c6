"""Search against exhaustive search and a plain beam search with lists; sampling against counts."""

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
    """A language model whose logits hang on the whole prefix, by source.

    Its state is a number that names the prefix; attention says which prefix was read, and
    to which of three source positions the model attended then.
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

    def problem(self, source, **asked):
        allowed = [token for token in range(self.vocabulary) if token not in (PAD, START)]
        asked = {"allowed": allowed, "longest": self.steps, **asked}
        return references.SearchProblem(
            lambda ids: self.log_probabilities(source, ids), end=END, **asked
        )

    def coverage(self, source, beta):
        """The coverage penalty of Wu et al. 2016, of ids."""

        def penalty(ids):
            attended = sum(self.weights[self.prefix_of(ids[:place])] for place in range(len(ids)))
            return beta * sum(np.log(min(weight, 1.0)) for weight in attended[: 3 - source])

        return penalty


def beam(beam_size, **options):
    return BeamSearch(beam_size=beam_size, n_best=beam_size, **options)


def hypothesis_ids(result, source, rank=0):
    return tuple(result.ids[source, rank, : result.lengths[source, rank]].numpy())


def require_same(result, source, expected, count=None):
    """The result's hypotheses of a source are those of the reference, in its order."""
    count = len(expected) if count is None else count
    for rank, (score, log_probability, ids) in enumerate(expected[:count]):
        assert hypothesis_ids(result, source, rank) == ids
        np.testing.assert_allclose(result.scores[source, rank], score, atol=1e-4)
        np.testing.assert_allclose(
            result.log_probabilities[source, rank], log_probability, atol=1e-4
        )


@st.composite
def asked(draw):
    """Options that change scores or what is allowed: for the search, and for the reference."""
    vocabulary = draw(st.sampled_from([5, 6]))
    others = [token for token in range(vocabulary) if token not in (PAD, START, END)]
    normal = draw(st.sampled_from(["wu", "average"]))
    alpha = draw(st.sampled_from([0.0, 0.6, 1.0, 2.0])) if normal == "wu" else 1.0
    beta = draw(st.sampled_from([0.0, 0.3, 2.0]))
    ngram = draw(st.sampled_from([0, 0, 1, 2]))
    repetition = draw(st.sampled_from([1.0, 1.0, 1.7]))
    shortest = draw(st.sampled_from([0, 0, 2, 3]))
    forbidden = draw(st.sampled_from([[], [], [UNK], [others[-1]]]))
    prefix = draw(st.sampled_from([[], [], others[:1], others[1:3], others[:1] * 2]))
    strategy = {
        "length_penalty": normal,
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
        "allowed": [*[token for token in others if token not in forbidden], END],
        "penalty": float if normal == "average" else references.wu_penalty(alpha),
        "shortest": shortest,
        "prefix": prefix,
        "ngram": ngram,
        "repetition": repetition,
    }
    return vocabulary, beta, strategy, required, reference


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), options=asked())
def test_a_wide_beam_is_exhaustive(seed, options):
    """Whatever is asked for: the best of all sequences, in order, with their scores."""
    vocabulary, beta, strategy, required, reference = options
    model = RandomModel(seed, vocabulary, steps=4 if vocabulary == 5 else 3)
    result = model.search(beam(min(vocabulary**model.steps, 1000), **strategy), **required)
    for source in range(2):
        coverage = model.coverage(source, beta)
        expected = model.problem(source, coverage=coverage, **reference).exhaustive()
        assert int(np.isfinite(result.scores[source]).sum()) == len(expected)
        require_same(result, source, expected)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    options=asked(),
    beam_size=st.integers(1, 9),
    spread=st.sampled_from([0.3, 1.0, 3.0]),
)
def test_every_beam_is_that_of_the_reference(seed, options, beam_size, spread):
    """Where it prunes, it prunes as it should; a beam wider than what there is stays sound."""
    vocabulary, beta, strategy, required, reference = options
    model = RandomModel(seed, vocabulary, spread=spread)
    result = model.search(beam(beam_size, **strategy), **required)
    for source in range(2):
        coverage = model.coverage(source, beta)
        expected = model.problem(source, coverage=coverage, **reference).beam(beam_size)
        require_same(result, source, expected)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    options=asked(),
    beam_size=st.integers(2, 9),
    n_best=st.integers(1, 3),
)
def test_stopping_early_changes_nothing(seed, options, beam_size, n_best):
    """The reference runs every hypothesis to its end; the search stops when N are certain."""
    vocabulary, beta, strategy, required, reference = options
    n_best = min(n_best, beam_size)
    model = RandomModel(seed, vocabulary, steps=5)
    found = model.search(BeamSearch(beam_size=beam_size, n_best=n_best, **strategy), **required)
    for source in range(2):
        coverage = model.coverage(source, beta)
        expected = model.problem(source, coverage=coverage, **reference).beam(beam_size)
        require_same(found, source, expected, n_best)


@pytest.mark.parametrize("options", [{}, {"alpha": 2.0}, {"length_penalty": "average"}])
def test_the_search_stops_when_nothing_better_can_come(options):
    """A short output that no longer one can beat ends the search, though others go on."""
    steps = tf.Variable(0)

    def step(ids, state, _):
        steps.assign_add(1)
        # END or something else at first, which then goes on for ever at a cost.
        ends = tf.where(ids == START, 0.9, 0.01)
        others = (1.0 - ends) / 2
        probabilities = tf.stack([ends * 0, others, ends * 0, ends, others], axis=1)
        return tf.math.log(probabilities), state, {}

    lengths = make_requirements([40])
    result = search(step, (), (), {}, BeamSearch(beam_size=3, **options), lengths)
    assert hypothesis_ids(result, 0) == (END,)
    assert steps.numpy() < 40
    steps.assign(0)
    search(step, (), (), {}, beam(3, **options), lengths)
    assert steps.numpy() == 40


class Crossroads:
    """END at once, with probability `short`, or 4 and from then on what costs nothing.

    Only the source positions 1 and 2 are attended to by those who go on.

    Args:
        short: Probability of END at the first step, of each source.
        ends: Step at which END follows without fail, of each source.
    """

    def __init__(self, short, ends):
        self.short, self.ends, self.steps = short, ends, 0
        self._mask = tf.ones([len(short), 3], tf.bool)

    def step(self, ids, state, _):
        self.steps += 1
        one = tf.ones_like(state["short"])
        end = tf.where(ids == START, state["short"], tf.where(state["left"] > 0, 0.0 * one, one))
        probabilities = tf.stack([0.0 * one, 0.0 * one, 0.0 * one, end, 1.0 - end], axis=1)
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


def balanced(penalty, length, advantage):
    """A probability of END so that the other output of this length scores so much better."""
    short = np.linspace(0.5, 0.99, 1_000_001)
    difference = np.log(1.0 - short) / penalty(length) * (1.0 + advantage) - np.log(short)
    return float(short[np.abs(difference / penalty(1)).argmin()])


LENGTH_PENALTIES = [
    ({}, references.wu_penalty(1.0)),
    ({"alpha": 2.0}, references.wu_penalty(2.0)),
    ({"length_penalty": "average"}, float),
]


@pytest.mark.parametrize("options, penalty", LENGTH_PENALTIES)
def test_what_can_still_become_better_is_waited_for_and_nothing_else(options, penalty):
    """Better by a thousandth at the longest length, it is found; a token shorter, it is not."""
    longest = 6
    short = balanced(penalty, longest, advantage=0.001)
    model = Crossroads([short], [longest])
    result = model.search(BeamSearch(beam_size=2, **options), [longest])
    assert hypothesis_ids(result, 0) == (4,) * (longest - 1) + (END,)
    model = Crossroads([short], [longest - 1])
    result = model.search(BeamSearch(beam_size=2, **options), [longest - 1])
    assert hypothesis_ids(result, 0) == (END,)
    assert model.steps == 1


def test_every_source_is_waited_for_as_long_as_its_own_length_asks():
    """One that can have no more must not go on because of its neighbour, nor stop it."""
    short = balanced(references.wu_penalty(1.0), 6, advantage=0.001)
    model = Crossroads([short, 1.0], [5, 9])
    result = model.search(BeamSearch(beam_size=2), [5, 9])
    assert [hypothesis_ids(result, source) for source in (0, 1)] == [(END,), (END,)]
    assert model.steps == 1
    model = Crossroads([1.0, short], [3, 6])
    result = model.search(BeamSearch(beam_size=2), [3, 6])
    assert hypothesis_ids(result, 1) == (4,) * 5 + (END,)


def test_what_will_have_covered_the_source_is_waited_for():
    """It could not become better by its length, but the other one has seen nothing."""
    short = balanced(references.wu_penalty(1.0), 6, advantage=0.001)
    for beta, ids in ((0.0, (END,)), (0.1, (4, 4, 4, 4, END))):
        result = Crossroads([short], [5]).search(BeamSearch(beam_size=2, beta=beta), [5])
        assert hypothesis_ids(result, 0) == ids


@pytest.mark.parametrize("strategy", [beam(2, no_repeat_ngram=1), Sampling(no_repeat_ngram=1)])
def test_where_nothing_can_be_found_the_search_ends(strategy):
    steps = []

    def step(ids, state, _):
        steps.append(ids)
        return tf.zeros([tf.size(ids), 6]), state, {}

    search(step, (), (), {}, strategy, make_requirements([50], minimum_lengths=tf.constant([50])))
    assert len(steps) == 4  # three tokens there are, and then none is left


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
    """Every log-probability is that of the ids, one by one and in all."""
    for source in range(2):
        for rank in range(outputs):
            ids = hypothesis_ids(result, source, rank)
            each = [model.log_probabilities(source, ids[:n])[t] for n, t in enumerate(ids)]
            shown = result.token_log_probabilities[source, rank].numpy()
            np.testing.assert_allclose(shown[: len(ids)], each, atol=1e-4)
            assert not shown[len(ids) :].any()
            np.testing.assert_allclose(result.log_probabilities[source, rank], sum(each), atol=1e-4)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_scores_are_those_of_the_ids(beam_size):
    model = RandomModel(11)
    result = model.search(beam(beam_size, repetition_penalty=1.5))
    require_sums(model, result, beam_size)
    assert np.all(np.diff(result.scores) <= 0)


@pytest.mark.parametrize("strategy", [beam(1), beam(3), beam(5), Sampling(samples=4)])
def test_attention_moves_with_the_hypotheses(strategy):
    """Row t is what was attended to when token t was made: here, the prefix before it."""
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
def test_outputs_end_once_and_hold_nothing_else_that_is_special(strategy):
    for seed in range(10):
        result = RandomModel(seed).search(strategy)
        for row, length in zip(
            result.ids.numpy().reshape(6, -1), result.lengths.numpy().reshape(-1)
        ):
            assert not {PAD, START} & set(row[:length])
            assert END not in row[: length - 1] and row[length - 1] == END
            assert np.all(row[length:] == PAD)


@pytest.mark.parametrize("strategy", [beam(3, beta=0.2, no_repeat_ngram=2), Sampling(samples=3)])
def test_a_graph_finds_the_same(strategy):
    model = RandomModel(6)
    compiled = tf.function(lambda: model.search(strategy), autograph=False)
    for one, other in zip(
        tf.nest.flatten(compiled()), tf.nest.flatten(model.search(strategy)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_logits_of_half_precision_are_summed_in_single():
    """As if they had been of single precision, rounded as they are."""
    model = RandomModel(6)
    model.table = model.table.astype("float16")
    half = model.search(beam(3))
    model.table = model.table.astype("float32")
    for one, other in zip(half[:5], model.search(beam(3))[:5]):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "strategy",
    [
        BeamSearch(),
        BeamSearch(beam_size=3, n_best=3, beta=0.5, repetition_penalty=1.5),
        Sampling(samples=3),
    ],
    ids=["greedy", "beam", "sampling"],
)
def test_sources_that_have_ended_are_left_behind(strategy):
    """In ever fewer rows every source is found what it would be found alone."""
    model, lengths = RandomModel(3, sources=16, steps=6), [2, 2, 3, 4, 5, 6, 6, 6] * 2
    # Of up to 5 ids, read when others are left behind already, and up to the full length.
    prefixes = [[4 + (source + n) % 2 for n in range(5)] for source in range(16)]
    for source, prefix in enumerate(prefixes):
        known = min(source % 6, lengths[source] - 1)
        prefix[known:] = [PAD] * (5 - known)
    rows = []

    def step(ids, state, fixed):
        hypotheses = strategy.width if (ids.numpy() != START).any() else 1
        assert state["source"].numpy().tolist() == np.repeat(fixed, hypotheses).tolist()
        rows.append(len(ids))
        return model.step(ids, state, ())

    def found(sources):
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

    together = found(range(16))
    first, *others = rows
    assert first == 16 and len(set(others)) > 2 and min(others) >= strategy.width
    assert others == sorted(others, reverse=True)
    for source in range(16):
        alone, beside = (tf.nest.flatten(result) for result in (found([source]), together))
        for one, several in zip(alone, beside, strict=True):
            # Alone it takes no more steps than it needs.
            steps = tuple(slice(size) for size in one.shape[1:])
            expected = several[source].numpy()[steps]
            np.testing.assert_allclose(one[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [600, 1664, 1697, 2003])
def test_what_is_considered_holds_the_best_and_what_is_required(size):
    """Whole numbers, so that many are equal: the smaller id then comes first."""
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
def test_of_many_ids_those_are_found_that_the_rules_leave(beam_size, prefix):
    """What must not be written is the most probable, and in groups of its own."""
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


def test_every_source_has_bounds_and_a_prefix_of_its_own():
    model = RandomModel(2)
    several = {"minimum_lengths": tf.constant([0, 3]), "prefix": tf.constant([[4, 5], [1, PAD]])}
    both = model.search(beam(3), lengths=[3, 4], **several)
    for source, (longest, shortest, prefix) in enumerate([(3, 0, (4, 5)), (4, 3, (1,))]):
        expected = model.problem(source, longest=longest, shortest=shortest, prefix=prefix).beam(3)
        require_same(both, source, expected)


def test_a_limit_of_zero_gives_an_empty_hypothesis():
    for strategy in (beam(2), Sampling(samples=2)):
        result = RandomModel(2).search(strategy, lengths=[0, 0])
        assert not result.ids.numpy().any() and not result.attention["prefix"].numpy().any()
        assert result.lengths[:, 0].numpy().tolist() == [0, 0]
        assert result.log_probabilities[:, 0].numpy().tolist() == [0.0, 0.0]


def test_where_the_rules_leave_nothing_no_hypothesis_is_found():
    """Three tokens, none of them twice, cannot be four; a neighbour is not harmed."""
    model = RandomModel(1)
    least = {"minimum_lengths": tf.constant([6, 2])}
    for strategy in (beam(2, no_repeat_ngram=1), Sampling(samples=2, no_repeat_ngram=1)):
        result = model.search(strategy, lengths=[6, 4], **least)
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


def test_a_beam_wider_than_the_vocabulary():
    """Places that nothing fills yet take none away from what comes later."""
    result = RandomModel(4, vocabulary=5).search(beam(10))
    assert np.all(np.isfinite(result.scores))
    for seed in range(4, 8):
        model = RandomModel(seed, spread=3.0)
        result = model.search(beam(12))
        for source in range(2):
            require_same(result, source, model.problem(source).beam(12))


def test_a_state_may_grow_and_attention_be_a_nest():
    """A model that remembers all ids it has read, and shows them as attention of two kinds."""
    model = RandomModel(seed=5)

    def step(ids, state, _):
        read = tf.concat([state["read"], ids[:, None]], axis=1)
        logits, inner, attention = model.step(ids, state["inner"], ())
        padded = tf.pad(read, [[0, 0], [0, model.steps - tf.shape(read)[1]]])
        shown = {"one": attention["prefix"], "two": tf.cast(padded, tf.float32)[:, None]}
        return logits, {"read": read, "inner": inner}, shown

    @tf.function(autograph=False)
    def found():
        read = tf.zeros([model.sources, 0], tf.int32)
        state = {"read": read, "inner": model.state()}
        spec = {"one": tf.TensorSpec([None]), "two": tf.TensorSpec([1, None])}
        return search(
            step, state, (), spec, beam(3), make_requirements([model.steps] * model.sources)
        )

    result, plain = found(), model.search(beam(3))
    np.testing.assert_array_equal(result.ids, plain.ids)
    np.testing.assert_array_equal(result.attention["one"], plain.attention["prefix"])
    ids = result.ids.numpy()
    for source in range(model.sources):
        for rank in range(3):
            read = [START, *ids[source, rank]]
            for time in range(result.lengths[source, rank]):
                shown = result.attention["two"][source, rank, time, 0].numpy()
                assert shown[: time + 1].tolist() == read[: time + 1]


# === Sampling ===


def drawn(model, strategy, **requirements):
    """How often each first token was drawn, by source, as shares of all."""
    result = model.search(strategy, **requirements)
    return [
        np.bincount(result.ids[source, :, 0], minlength=model.vocabulary) / strategy.samples
        for source in range(2)
    ]


def expected_shares(model, source, temperature=1.0, top_k=0, top_p=1.0):
    """The distribution of the first token: temperature, then the k best, then the p of them."""
    logits = model.table[source, 0].astype("float64")
    logits[[PAD, START]] = -np.inf
    shares = np.exp(logits / temperature)
    order = np.argsort(-shares)
    shares[order[top_k or len(order) :]] = 0.0
    shares /= shares.sum()
    enough = np.cumsum(shares[order]) - shares[order] >= top_p
    shares[order[enough]] = 0.0
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
def test_tokens_are_drawn_as_often_as_they_should(options):
    """Over 1,000 draws: within four standard deviations, and never what is cut off."""
    model = RandomModel(8, spread=1.0)
    for source, shares in enumerate(drawn(model, Sampling(samples=1000, seed=5, **options))):
        expected = expected_shares(model, source, **options)
        deviation = np.sqrt(expected * (1.0 - expected) / 1000)
        assert np.all(np.abs(shares - expected) <= 4.0 * deviation)


def test_a_thousandth_of_the_probability_is_greedy():
    model = RandomModel(3)
    for options in ({"top_k": 1}, {"top_p": 0.001}, {"temperature": 0.01}):
        result = model.search(Sampling(samples=2, **options))
        for source in range(2):
            assert hypothesis_ids(result, source, 1) == greedy(model, source)


def test_the_same_seed_draws_the_same_whatever_stands_beside():
    model = RandomModel(8)
    numbers = {"seeds": tf.constant([3, 4])}
    first = model.search(Sampling(samples=5, seed=1), **numbers)
    again = model.search(Sampling(samples=5, seed=1), **numbers)
    np.testing.assert_array_equal(first.ids, again.ids)
    other = model.search(Sampling(samples=5, seed=2), **numbers)
    assert np.any(first.ids.numpy() != other.ids.numpy())
    # A longer neighbour makes the batch longer, not the numbers other ones.
    longer = model.search(Sampling(samples=5, seed=1), lengths=[4, 9], **numbers)
    for rank in range(5):
        assert hypothesis_ids(first, 0, rank) == hypothesis_ids(longer, 0, rank)
    swapped = model.search(Sampling(samples=5, seed=1), seeds=tf.constant([4, 4]))
    assert any(
        hypothesis_ids(first, 0, rank) != hypothesis_ids(swapped, 0, rank) for rank in range(5)
    )


def test_sources_and_seeds_are_told_apart():
    """The third source of the first seed draws other numbers than the first of the third."""
    model = RandomModel(8)
    one = model.search(Sampling(samples=9, seed=1), seeds=tf.constant([3, 3]))
    other = model.search(Sampling(samples=9, seed=3), seeds=tf.constant([1, 1]))
    assert np.any(one.ids[:, :, 0] != other.ids[:, :, 0])


def equal_logits(ids, state, _):
    return tf.zeros([tf.size(ids), 6]), state, {}


def test_what_comes_next_is_drawn_anew():
    """Of two tokens as probable as each other every pair comes as often."""
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


def test_samples_keep_to_the_rules_and_carry_their_log_probabilities():
    model = RandomModel(8, steps=5)
    least = {"minimum_lengths": tf.constant([4, 4]), "prefix": tf.constant([[4], [5]])}
    strategy = Sampling(samples=20, no_repeat_ngram=1, temperature=2.0)
    result = model.search(strategy, **least)
    require_sums(model, result, 20)
    # The temperature is for drawing alone; and samples are not ranked.
    np.testing.assert_allclose(result.scores, result.log_probabilities, atol=1e-4)
    assert np.any(np.diff(result.scores) > 0)
    for source in range(2):
        for rank in range(20):
            ids = hypothesis_ids(result, source, rank)
            assert ids[0] == 4 + source and len(ids) >= 4 and len(set(ids)) == len(ids)


# === Real values ===


def test_a_free_run_feeds_each_value_to_the_next_step():
    """x' = 2x + the number of steps so far, and the attention shows what was read."""

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
