"""The space of a study: what it accepts, what it refuses, and the settings that it makes."""

import math

import pytest

from kseq import Config
from kseq.tuning.space import Choices, Range, Space, apply_settings, spell_settings


def test_choices_and_ranges_are_read_from_yaml_and_json(tmp_path):
    yaml, json = tmp_path / "space.yaml", tmp_path / "space.json"
    yaml.write_text("units: [16, 32]\nlearning_rate: {low: 1e-4, high: 1e-2, log: true}\n")
    json.write_text(
        '{"units": [16, 32], "learning_rate": {"low": 1e-4, "high": 0.01, "log": true}}'
    )
    expected = {"units": Choices((16, 32)), "learning_rate": Range(1e-4, 1e-2, log=True)}
    assert Space.load(yaml).settings == expected
    assert Space.load(json).settings == expected


def test_a_described_space_is_the_same_space():
    space = Space(
        {
            "model.cell": ["gru", "lstm"],
            "bidirectional": [True, False],
            "units": {"low": 8, "high": 64, "log": True},
            "epochs": {"low": 1, "high": 9, "step": 2},
            "dropout": {"low": 0, "high": 0.3, "step": 0.1},
        }
    )
    assert Space(space.describe()).settings == space.settings
    assert list(space.settings) == ["cell", "bidirectional", "units", "epochs", "dropout"]
    assert space.size == 2 * 2 * 57 * 5 * 4


def test_the_size_is_infinite_if_a_range_has_no_steps():
    assert Space({"cell": ["gru"], "dropout": {"low": 0.0, "high": 0.1}}).size == math.inf


@pytest.mark.parametrize(
    "setting, inside, outside",
    [
        (Choices((True, False)), [True], [1, 0, "true"]),
        (Choices((1, 2)), [1], [1.0, True]),
        (Range(2, 8, step=3), [2, 5, 8], [3, 11, 5.0]),
        (Range(0.0, 0.3, step=0.1), [0.0, 0.1, 0.3], [0.15, 0.4, 0]),
        (Range(0.1, 1.0, log=True), [0.1, 0.5, 1.0], [0.05, 2.0]),
    ],
    ids=str,
)
def test_a_setting_contains_its_values(setting, inside, outside):
    assert all(value in setting for value in inside)
    assert not any(value in setting for value in outside)


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, r"expected a mapping of settings, each with a list of choices.*received \{\}"),
        ([1], r"expected a mapping of settings.*received \[1\]"),
        ({"unitz": [1]}, "unknown setting 'unitz'; did you mean 'units'"),
        ({3: [1]}, "unknown setting '3'"),
        ({"model": {"units": [2]}}, "model is a section.*name its settings without it"),
        ({"units": [2], "model.units": [4]}, "units occurs twice in the space, once as model.un"),
        ({"units": []}, "units has no choices; list at least one"),
        ({"units": [16, 32, 16]}, "units has the choice 16 2 times"),
        ({"units": 16}, r"units: expected a list of choices.*received 16.*--set"),
        ({"units": ["a"]}, "units must be a whole number; received 'a'"),
        ({"units": [1, 32]}, "units must be at least 2 and at most 100,000; received 1"),
        ({"bidirectional": [1]}, "bidirectional must be true or false; received 1"),
        ({"cell": ["gur"]}, "cell must be.*received 'gur'; did you mean 'gru'"),
        ({"cell": {"low": 1, "high": 2}}, "cell is not a number and has no range; list its"),
        ({"bidirectional": {"low": 0, "high": 1}}, "bidirectional is not a number"),
        ({"units": {"lo": 2, "high": 4}}, "unknown key of units: 'lo'; did you mean 'low'"),
        ({"units": {"low": 2}}, "units: a range needs low and high; high is missing"),
        (
            {"units": {"low": 5, "high": 2}},
            "low must be less than high; received low: 5 and high: 2",
        ),
        ({"units": {"low": 4, "high": 4}}, "units: low must be less than high"),
        ({"dropout": {"low": 0.1, "high": 2}}, "dropout must be at least 0.0.*received 2.0"),
        ({"dropout": {"low": 0, "high": 0.5, "log": True}}, "low must be greater than 0 with log"),
        (
            {"units": {"low": 2, "high": 4, "log": "yes"}},
            "log must be true or false; received 'yes'",
        ),
        ({"units": {"low": 2, "high": 4, "log": True, "step": 1}}, "exclude each other"),
        (
            {"units": {"low": 2, "high": 8, "step": 0.5}},
            "step must be a whole number greater than 0",
        ),
        ({"units": {"low": 2, "high": 8, "step": 0}}, r"at most high - low \(6\); received 0"),
        ({"units": {"low": 2, "high": 8, "step": 7}}, r"at most high - low \(6\); received 7"),
        ({"units": {"low": 2, "high": 8, "step": True}}, "step must be a whole number"),
        (
            {"dropout": {"low": 0.0, "high": 0.5, "step": 0.2}},
            "steps of 0.2 from 0 do not reach high: 0.5; use high: 0.4",
        ),
    ],
    ids=str,
)
def test_a_wrong_space_is_refused_with_the_setting(values, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Space(values)


def test_the_message_about_a_wrong_file_names_the_file(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("units: []\n")
    with pytest.raises(ValueError, match=r"space\.yaml: units has no choices"):
        Space.load(path)
    path.write_text("units: [1\n")
    with pytest.raises(ValueError, match=r"space\.yaml: not valid YAML.*line 2"):
        Space.load(path)
    with pytest.raises(FileNotFoundError, match=r"file of a space not found: .*none\.yaml"):
        Space.load(tmp_path / "none.yaml")


def test_values_get_few_digits_and_stay_in_their_range():
    space = Space(
        {
            "dropout": {"low": 0.0, "high": 0.3, "step": 0.1},
            "learning_rate": {"low": 0.00123444, "high": 0.1, "log": True},
        }
    )
    assert space.tidy({"dropout": 0.1 + 0.2}) == {"dropout": 0.3}
    assert space.tidy({"learning_rate": 0.0123456}) == {"learning_rate": 0.01235}
    assert space.tidy({"learning_rate": 0.001234441}) == {"learning_rate": 0.00123444}


def test_the_spelling_of_settings_makes_the_same_config():
    values = {"units": 48, "cell": "lstm", "bidirectional": False, "learning_rate": 0.00123}
    settings = spell_settings(values)
    assert settings == "units=48 cell=lstm bidirectional=false learning_rate=0.00123"
    assert Config().with_settings(settings.split()) == apply_settings(Config(), values)
    assert spell_settings({"source_vectors": "my file"}) == "'source_vectors=my file'"


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="heads=4 needs architecture=transformer"):
        apply_settings(Config(), {"heads": 4})
