"""The options of beam search and sampling: their values, and which contradict each other."""

import pytest

from kseq import BeamSearch, Sampling
from kseq.search.strategies import make_strategy


@pytest.mark.parametrize(
    "kind, options, message",
    [
        (BeamSearch, {"beam_size": 0}, "beam_size must be at least 1 and at most 1,000"),
        (BeamSearch, {"beam": 3}, "unknown option: 'beam'; did you mean 'beam_size'"),
        (BeamSearch, {"beam_size": 3, "n_best": 4}, r"n_best must be at most beam_size \(3\)"),
        (BeamSearch, {"alpha": -1.0}, "alpha must be at least 0"),
        (BeamSearch, {"alpha": float("nan")}, "alpha must be at least 0"),
        (BeamSearch, {"length_penalty": "mean"}, "'wu' or 'average'; received 'mean'"),
        (BeamSearch, {"length_penalty": "average", "alpha": 0.5}, "alpha is for length_penalty=wu"),
        (BeamSearch, {"samples": 3}, "unknown option: 'samples'"),
        (
            BeamSearch,
            {"minimum_length": 5, "maximum_length": 4},
            r"minimum_length \(5\) must be at most maximum_length \(4\)",
        ),
        (
            Sampling,
            {"minimum_ratio": 2, "maximum_ratio": 1.5},
            r"minimum_ratio \(2\) must be at most maximum_ratio \(1.5\)",
        ),
        (Sampling, {"top_p": 0}, "top_p must be greater than 0 and at most 1; received 0"),
        (Sampling, {"top_p": 1.1}, "top_p must be greater than 0 and at most 1; received 1.1"),
        (Sampling, {"temperature": 0}, "temperature must be at least 0.01"),
        (Sampling, {"samples": 0}, "samples must be at least 1"),
        (Sampling, {"repetition_penalty": 0.5}, "repetition_penalty must be at least 1"),
    ],
)
def test_an_invalid_value_is_an_error(kind, options, message):
    with pytest.raises(ValueError, match=message):
        make_strategy(kind, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"maximum_length": 3.0}, "maximum_length must be a whole number; received 3.0"),
        ({"maximum_length": True}, "maximum_length must be a whole number; received True"),
        ({"replace_unknown": 1}, "replace_unknown must be true or false; received 1"),
        ({"forbid": [3]}, "forbid must hold tokens as strings; received 3"),
        ({"forbid": 3}, "forbid must hold tokens as strings; received 3"),
        ({"dictionary": 3}, "dictionary must be a string; received 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(options, message):
    with pytest.raises(TypeError, match=message):
        make_strategy(BeamSearch, **options)


def test_a_single_forbidden_token_is_not_mistaken_for_a_list_of_letters():
    assert BeamSearch(forbid="<unk>").forbid == ("<unk>",)


def test_a_dictionary_turns_on_the_replacement_of_unknown_words(tmp_path):
    strategy = BeamSearch(dictionary=tmp_path / "words.tsv")
    assert strategy.replace_unknown and strategy.dictionary == str(tmp_path / "words.tsv")
