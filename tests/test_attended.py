"""The results that a heatmap draws: translated, read with teacher forcing, or predicted."""

from types import SimpleNamespace

import numpy as np
import pytest

from kseq.analysis.attended import attend
from kseq.errors import SettingError


class Recorder:
    """A translator that returns the name of the method that was called, with its arguments."""

    def __init__(self, predicts_values=False):
        self.predicts_values = predicts_values
        self.codecs = SimpleNamespace(target=SimpleNamespace(covariates=0))

    def translate(self, texts, **options):
        return ["translate", texts, options]

    def score(self, pairs, features):
        return ["score", pairs, features]

    def predict(self, sources, steps, covariates):
        return ["predict", sources, steps, covariates]


def test_sentences_are_translated_with_the_options_of_the_search():
    options = {"prefix": "x", "features": "V", "beam_size": 3}
    assert attend(Recorder(), ["a", "b"], **options) == ["translate", ["a", "b"], options]


def test_a_given_target_is_read_with_teacher_forcing():
    expected = ["score", [("a", "x")], "V"]
    assert attend(Recorder(), ["a"], target="x", features="V") == expected


def test_real_values_are_predicted_for_the_given_number_of_steps():
    sources = [np.zeros((4, 2))]
    assert attend(Recorder(predicts_values=True), sources, steps=5) == ["predict", sources, 5, None]


@pytest.mark.parametrize(
    "predicts_values, sources, options, settings, message",
    [
        (False, ["a"], {"steps": 3}, ("steps",), "steps is for real-valued targets; this model"),
        (False, ["a", "b"], {"target": "x"}, ("target",), "is for one sentence; received 2"),
        (False, ["a"], {"target": "x", "beam_size": 2}, ("beam_size", "target"),
         "beam_size is for a search; target is read without one"),
        (False, ["a"], {"target": "x", "prefix": "y"}, ("prefix", "target"), "prefix is for a sea"),
        (True, ["a"], {"target": "x", "steps": 3}, ("target",), "target is for text; this model"),
        (True, ["a"], {"alpha": 0.5, "steps": 3}, ("alpha",), "alpha is for text; real values"),
        (True, ["a"], {}, ("steps",), "expected steps, the number of steps to predict"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_the_model_or_each_other_are_rejected(
    predicts_values, sources, options, settings, message
):
    with pytest.raises(SettingError, match=message) as caught:
        attend(Recorder(predicts_values), sources, **options)
    assert caught.value.settings == settings


def test_an_empty_sentence_is_rejected():
    with pytest.raises(ValueError, match="expected a sentence to draw; received an empty one"):
        attend(Recorder(), ["a", "  "])
