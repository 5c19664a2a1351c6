"""Rules compared with a check of one id at a time."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from kseq.search.rules import (
    apply_rules,
    make_ban_table,
    make_requirements,
    needs_written_ids,
    select_requirements,
)
from kseq.search.strategies import Rules
from kseq.special_tokens import END, PAD, START, UNK

VOCABULARY = 7
WORDS = [UNK, 4, 5, 6]


def may_follow(token, written, rules, *, longest, shortest, prefix, forbidden):
    """Returns whether a token may follow the ids that were written."""
    time, n = len(written), rules.no_repeat_ngram
    if time < len(prefix):
        return token == prefix[time]
    if token == END:
        return time + 1 >= shortest and (time + 1 >= longest or END not in forbidden)
    extended = [*written, token]
    ngrams = [extended[place : place + n] for place in range(len(extended) - n)]
    is_repeated = n and time >= n and extended[-n:] in ngrams
    is_word = token not in (PAD, START) and token not in forbidden
    return is_word and time + 1 < longest and not is_repeated


@st.composite
def situations(draw):
    """Two sources with two hypotheses each: the ids so far, and the requirements."""
    time = draw(st.integers(0, 6))
    words = st.lists(st.sampled_from(WORDS[-2:]), min_size=time, max_size=time)
    sources = [
        {
            "longest": draw(st.integers(time + 1, time + 3)),
            "shortest": draw(st.integers(0, time + 2)),
            "prefix": draw(st.just([]) | st.lists(st.sampled_from(WORDS), max_size=time + 2)),
            "written": [draw(words), draw(words)],
        }
        for _ in range(2)
    ]
    rules = Rules(
        no_repeat_ngram=draw(st.integers(0, 4)),
        repetition_penalty=draw(st.sampled_from([1.0, 1.5])),
    )
    return time, sources, rules, draw(st.sampled_from([[], [END], [4], [UNK, END], [PAD, 5]]))


@given(situations())
def test_the_rules_agree_with_a_check_of_one_id_at_a_time(situation):
    time, sources, rules, forbidden = situation
    longest_prefix = max(len(source["prefix"]) for source in sources)
    padded = [
        source["prefix"] + [PAD] * (longest_prefix - len(source["prefix"])) for source in sources
    ]
    requirements = select_requirements(
        make_requirements(
            [source["longest"] for source in sources],
            minimum_lengths=tf.constant([source["shortest"] for source in sources]),
            prefix=tf.constant(padded, tf.int32, [2, longest_prefix]),
            forbidden=tf.constant(forbidden, tf.int32),
        ),
        [0, 0, 1, 1],
    )
    generator = np.random.default_rng(time)
    log_probabilities = generator.uniform(-5.0, -1.0, (2, 2, VOCABULARY)).astype("float32")
    written = tf.constant([source["written"] for source in sources], tf.int32, [4, time])
    rows = log_probabilities.reshape(4, VOCABULARY)
    ids = tf.zeros_like(rows, tf.int32) + tf.range(VOCABULARY)
    if not needs_written_ids(rules):
        ids = tf.reverse(ids, [1])  # In this case, candidates may come in any order.
        rows = rows[:, ::-1]
    banned = make_ban_table(requirements)
    adjusted = apply_rules(
        tf.constant(rows),
        ids,
        rules,
        requirements,
        time=tf.constant(time),
        written=written,
        banned=banned,
    )
    adjusted = adjusted if needs_written_ids(rules) else adjusted[:, ::-1]
    adjusted = tf.reshape(adjusted, log_probabilities.shape)
    for row, source in enumerate(sources):
        bounds = {name: source[name] for name in ("longest", "shortest", "prefix")}
        for place, ids in enumerate(source["written"]):
            for token in range(VOCABULARY):
                value = log_probabilities[row, place, token]
                value *= rules.repetition_penalty if token in ids else 1.0
                is_allowed = may_follow(token, ids, rules, **bounds, forbidden=forbidden)
                expected = value if is_allowed else -np.inf
                np.testing.assert_allclose(adjusted[row, place, token], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "options, needs",
    [
        ({}, False),
        ({"no_repeat_ngram": 1}, True),
        ({"repetition_penalty": 1.1}, True),
        ({"minimum_length": 3, "forbid": "a"}, False),
    ],
)
def test_written_ids_are_needed_for_rules_about_repetitions_only(options, needs):
    assert needs_written_ids(Rules(**options)) is needs
