"""Rules against the same rules said for one id at a time."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq.search.rules import (
    apply_rules,
    make_requirements,
    needs_written_ids,
    never_written,
    select_requirements,
)
from kseq.search.strategies import Rules
from kseq.special_tokens import END, PAD, START, UNK

VOCABULARY = 7
WORDS = [UNK, 4, 5, 6]


def allowed(token, written, rules, *, longest, shortest, prefix, forbidden):
    """Whether a token may follow the ids that were written."""
    time, n = len(written), rules.no_repeat_ngram
    if time < len(prefix):
        return token == prefix[time]
    if token == END:
        return time + 1 >= shortest and (time + 1 >= longest or END not in forbidden)
    longer = [*written, token]
    grams = [longer[place : place + n] for place in range(len(longer) - n)]
    is_repeated = n and time >= n and longer[-n:] in grams
    is_word = token not in (PAD, START) and token not in forbidden
    return is_word and time + 1 < longest and not is_repeated


@st.composite
def situations(draw):
    """Two sources with two hypotheses each: what was written, and what is asked for."""
    time = draw(st.integers(0, 6))
    words = st.lists(st.sampled_from(WORDS[-2:]), min_size=time, max_size=time)
    each = [
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
    return time, each, rules, draw(st.sampled_from([[], [END], [4], [UNK, END], [PAD, 5]]))


@settings(max_examples=150, deadline=None)
@given(situations())
def test_each_id_is_allowed_or_not(situation):
    time, each, rules, forbidden = situation
    longest_prefix = max(len(one["prefix"]) for one in each)
    padded = [one["prefix"] + [PAD] * (longest_prefix - len(one["prefix"])) for one in each]
    requirements = select_requirements(
        make_requirements(
            [one["longest"] for one in each],
            minimum_lengths=tf.constant([one["shortest"] for one in each]),
            prefix=tf.constant(padded, tf.int32, [2, longest_prefix]),
            forbidden=tf.constant(forbidden, tf.int32),
        ),
        [0, 0, 1, 1],
    )
    given_ = np.random.default_rng(time).uniform(-5.0, -1.0, (2, 2, VOCABULARY)).astype("float32")
    written = tf.constant([one["written"] for one in each], tf.int32, [4, time])
    rows = given_.reshape(4, VOCABULARY)
    ids = tf.zeros_like(rows, tf.int32) + tf.range(VOCABULARY)
    if not needs_written_ids(rules):
        ids = tf.reverse(ids, [1])  # Then any ids may be asked about.
        rows = rows[:, ::-1]
    never = never_written(requirements)
    found = apply_rules(
        tf.constant(rows),
        ids,
        rules,
        requirements,
        time=tf.constant(time),
        written=written,
        never=never,
    )
    found = tf.reshape(found if needs_written_ids(rules) else found[:, ::-1], given_.shape)
    for source, one in enumerate(each):
        asked = {name: one[name] for name in ("longest", "shortest", "prefix")}
        for place, ids in enumerate(one["written"]):
            for token in range(VOCABULARY):
                value = given_[source, place, token]
                value *= rules.repetition_penalty if token in ids else 1.0
                is_allowed = allowed(token, ids, rules, **asked, forbidden=forbidden)
                expected = value if is_allowed else -np.inf
                np.testing.assert_allclose(found[source, place, token], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "options, needs",
    [
        ({}, False),
        ({"no_repeat_ngram": 1}, True),
        ({"repetition_penalty": 1.1}, True),
        ({"minimum_length": 3, "forbid": "a"}, False),
    ],
)
def test_what_was_written_is_kept_for_the_rules_that_ask_for_it(options, needs):
    assert needs_written_ids(Rules(**options)) is needs
