"""Hard alignments and the alignment error rate."""

import types

import numpy as np
import pytest

from kseq import alignment_error_rate, hard_alignment, to_pharaoh


def result(attention, tokens, source_tokens):
    return types.SimpleNamespace(
        attention=np.array(attention), tokens=tokens, source_tokens=source_tokens
    )


def test_every_output_token_links_to_what_it_attended_to_most():
    crossing = result(
        [[0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.0, 0.1, 0.9]],
        ["x", "y", "<end>"],
        ["a", "b", "<end>"],
    )
    assert hard_alignment(crossing) == {(1, 0), (0, 1)}
    assert to_pharaoh(hard_alignment(crossing)) == "0-1 1-0"


def test_the_end_links_to_nothing():
    attention = [[0.1, 0.9], [0.2, 0.8]]
    assert hard_alignment(result(attention, ["x", "<end>"], ["a", "<end>"])) == {(0, 0)}
    assert hard_alignment(result(attention, ["x", "y"], ["a", "<end>"])) == {(0, 0), (0, 1)}


def test_an_empty_translation_has_no_links():
    assert hard_alignment(result(np.zeros((0, 1)), [], ["<end>"])) == set()
    assert to_pharaoh(set()) == ""


def test_error_rate():
    gold = [{(0, 0), (1, 1)}, {(0, 0)}]
    assert alignment_error_rate(gold, gold) == 0.0
    assert alignment_error_rate([{(0, 1)}, set()], gold) == 1.0
    # Two links shared of three predicted and three gold ones.
    assert alignment_error_rate([{(0, 0), (1, 0)}, {(0, 0)}], gold) == pytest.approx(1 - 4 / 6)


def test_bad_alignments():
    with pytest.raises(ValueError, match="a gold alignment for each of 1 sentences; received 2"):
        alignment_error_rate([{(0, 0)}], [{(0, 0)}, {(0, 0)}])
    with pytest.raises(ValueError, match="expected alignments with links"):
        alignment_error_rate([set()], [set()])
