"""Sets of fingerprints compared with Python's own sets."""

import random

import pytest

from kseq.corpora.fingerprints import PairSet


def pairs(count, words=60, seed=0):
    generator = random.Random(seed)
    return [tuple(str(generator.randrange(words)) for _ in range(2)) for _ in range(count)]


KEYS = {
    "pair": lambda source, target: {(source, target)},
    "source": lambda source, target: {source},
    "target": lambda source, target: {target},
    "either": lambda source, target: {("source", source), ("target", target)},
}


@pytest.mark.parametrize("match", KEYS)
def test_a_pair_set_agrees_with_sets_of_python(match):
    pair_set, reference = PairSet(match), set()
    for pair in pairs(5000, words=3000):
        keys = KEYS[match](*pair)
        assert (pair in pair_set) == bool(keys & reference)
        assert pair_set.add(pair) == (not keys & reference)
        reference |= keys
    for pair in pairs(2000, words=4000, seed=1):
        assert (pair in pair_set) == bool(KEYS[match](*pair) & reference)
    assert ("0", "0") not in PairSet(match)
    assert ("0", "1") in PairSet(match, [("0", "1")])


def test_the_boundary_between_source_and_target_matters():
    pair_set = PairSet("pair", [("a b", "c")])
    assert ("a", "b c") not in pair_set and ("a b", "c") in pair_set
    either = PairSet("either", [("a", "b")])
    assert ("b", "a") not in either and ("x", "b") in either


def test_an_unknown_match_is_an_error():
    with pytest.raises(ValueError, match="one of pair, source, target, either; received 'both'"):
        PairSet("both")
