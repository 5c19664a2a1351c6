"""Errors about settings: the message, the names in it, and another spelling of the names."""

import copy
import dataclasses
import pickle

import pytest

from kseq import (
    BeamSearch,
    Cleaning,
    Config,
    ModelConfig,
    Sampling,
    TextConfig,
    TrainingConfig,
)
from kseq.analysis.heatmap_options import HeatmapOptions
from kseq.errors import SettingError, SettingTypeError


def flag(name):
    return "--" + name.replace("_", "-")


def test_the_message_names_the_settings_as_fields():
    with pytest.raises(SettingError) as caught:
        BeamSearch(beam_size=3, n_best=4)
    assert str(caught.value) == "n_best must be at most beam_size (3); received 4"
    assert caught.value.settings[0] == "n_best"
    assert caught.value.settings == ("n_best", "beam_size")


def test_settings_can_be_spelled_as_flags():
    error = SettingError("{n_best} must be at most {beam_size} ({0}); received {1}", 3, 4)
    assert error.spell(flag) == "--n-best must be at most --beam-size (3); received 4"
    error = SettingError("{least} is over {most}", least="minimum_length", most="maximum_length")
    assert error.spell(flag) == "--minimum-length is over --maximum-length"


def test_a_value_is_never_mistaken_for_the_name_of_a_setting():
    error = SettingError("{forbid} must hold tokens; received {0}", "{n_best} of forbid.txt")
    assert error.spell(flag) == "--forbid must hold tokens; received {n_best} of forbid.txt"
    assert error.settings == ("forbid",)


def test_a_wrong_type_is_a_type_error_too():
    with pytest.raises(TypeError, match="units must be a whole number; received 'many'") as caught:
        ModelConfig(units="many")
    assert isinstance(caught.value, SettingTypeError)
    assert caught.value.settings[0] == "units"


@pytest.mark.parametrize(
    "kind, name, nearest",
    [
        (ModelConfig, "unit", "units"),
        (TextConfig, "source_tokeniser", "source_tokenizer"),
        (TrainingConfig, "epoch", "epochs"),
        (Config, "modle", "model"),
        (BeamSearch, "beam", "beam_size"),
        (Sampling, "temprature", "temperature"),
        (Cleaning, "max_words", "maximum_words"),
        (HeatmapOptions, "colourmap", "colormap"),
    ],
)
def test_an_unknown_field_is_a_type_error_that_names_the_nearest(kind, name, nearest):
    message = rf"unknown field of {kind.__name__}: '{name}'; did you mean '{nearest}'\? \(known: "
    with pytest.raises(TypeError, match=message):
        kind(**{name: 1})
    with pytest.raises(TypeError, match=message):
        dataclasses.replace(kind(), **{name: 1})


@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_keep_message_and_settings(duplicate):
    error = SettingError("{name}={0} has no effect", "{x}", name="window")
    assert str(duplicate(error)) == "window={x} has no effect"
    assert duplicate(error).settings == ("window",)
