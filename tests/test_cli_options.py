"""Options made from the fields of settings, and the messages of the command about errors."""

import argparse
import dataclasses
import json
from typing import Literal

import numpy as np
import pytest

import kseq
from kseq import BeamSearch, Cleaning, Config, Sampling
from kseq.cli import options as cli_options
from kseq.cli.errors import explain
from kseq.cli.main import main
from kseq.errors import SettingError
from kseq.fields import Section, number


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of a test.

    Args:
        size: Size of it, e.g. of `a_flag` in 100% of cases (Author et al. 2016); 1 is small. This
            is left out.
        a_flag: Whether to do something. It is off by default.
        is_on: Whether to keep `"all"` of it.
        kind: Kind of it.
        words: Words that are used.
    """

    size: int = number(1000, minimum=1, maximum=2000)
    a_flag: bool = False
    is_on: bool = True
    kind: Literal["one", "two"] = "one"
    words: tuple = ()
    ratio: float | None = None


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="test", formatter_class=WideHelp)
    cli_options.add_fields(parser, "settings", Settings)
    return parser


class WideHelp(argparse.HelpFormatter):
    """Help whose lines are not wrapped."""

    def __init__(self, prog):
        super().__init__(prog, width=1000, max_help_position=40)


def test_every_field_is_an_option_with_its_type(parser):
    words = ["--size", "3", "--a-flag", "--no-is-on", "--kind", "two", "--words", "a", "b"]
    options = parser.parse_args([*words, "--words", "c", "--ratio", "0.5"])
    assert cli_options.given_fields(options, Settings) == {
        "size": 3,
        "a_flag": True,
        "is_on": False,
        "kind": "two",
        "words": ["a", "b", "c"],
        "ratio": 0.5,
    }


def test_an_option_that_is_not_used_sets_no_field(parser):
    assert cli_options.given_fields(parser.parse_args([]), Settings) == {}


def test_the_help_of_an_option_is_the_first_sentence_about_its_field(parser):
    lines = [" ".join(line.split()) for line in parser.format_help().splitlines()]
    assert (
        "--size N size of it, e.g. of --a-flag in 100% of cases (Author et al. 2016); 1 is small "
        "(default: 1,000)" in lines
    )
    assert "--a-flag do something" in lines
    assert "--is-on, --no-is-on keep all of it (default: on)" in lines
    assert "--kind {one,two} kind of it (default: one)" in lines


@pytest.mark.parametrize(
    "command, kind", [("translate", BeamSearch), ("translate", Sampling), ("clean", Cleaning)]
)
def test_every_field_of_a_strategy_and_of_cleaning_is_explained_in_the_help(command, kind, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    summaries = {}
    for base in kind.__mro__:
        summaries |= cli_options.summarize_fields(base) if dataclasses.is_dataclass(base) else {}
    for field in dataclasses.fields(kind):
        assert cli_options.flag(field.name) in text
        assert summaries[field.name] in text


def test_errors_about_settings_show_the_flags_of_the_command():
    error = SettingError("{n_best} must be at most {beam_size} ({0})", 3)
    options = argparse.Namespace(n_best=None, beam_size=None)
    assert explain(error, options) == ("--n-best must be at most --beam (3)", 2)


def test_errors_about_settings_of_a_model_show_the_names_of_the_settings():
    error = SettingError("{units} must be at least {0}", 2)
    assert explain(error, argparse.Namespace(set=[])) == ("units must be at least 2", 2)


def test_a_setting_with_a_value_is_not_spelled_as_the_option_of_the_same_name():
    options = argparse.Namespace(features="2", set=[])
    error = SettingError("{features}=tokens needs attention; use {field}={0}", 1, field="features")
    assert explain(error, options)[0] == "features=tokens needs attention; use features=1"
    error = SettingError("{features} must be a column")
    assert explain(error, options)[0] == "--features must be a column"


@pytest.mark.parametrize(
    "error, explanation",
    [
        (TypeError("a is not a number"), ("a is not a number", 2)),
        (
            FileNotFoundError(2, "No such file or directory", "x"),
            ("x: No such file or directory", 2),
        ),
        (OSError(28, "No space left on device"), ("No space left on device", 1)),
        (OSError(5, "Input/output error", "x"), ("x: Input/output error", 1)),
        (PermissionError(13, "Permission denied", "x"), ("x: Permission denied", 2)),
        (IsADirectoryError(21, "Is a directory", "x"), ("x: Is a directory", 2)),
        (FileNotFoundError("file not found: x"), ("file not found: x", 2)),
        (MemoryError("8 GiB"), ("out of memory: 8 GiB", 1)),
        (RuntimeError("it failed"), ("it failed", 1)),
        (KeyboardInterrupt(), ("stopped", 1)),
        (KeyError("a bug in kseq"), None),
    ],
)
def test_an_error_has_a_message_and_an_exit_code(error, explanation):
    assert explain(error, argparse.Namespace()) == explanation


@pytest.mark.parametrize(
    "fault, message",
    [
        (lambda: np.zeros(2) + np.zeros(3), "ValueError: operands could not be broadcast together"),
        (lambda: int("x"), "ValueError: invalid literal for int"),
        (lambda: len(3), "TypeError: object of type 'int' has no len"),
        (lambda: json.loads("{"), "JSONDecodeError: Expecting property name"),
    ],
)
def test_an_error_that_kseq_does_not_raise_itself_is_a_failure(fault, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        fault()
    text, code = explain(caught.value, argparse.Namespace())
    assert text.startswith(message) and text.endswith("(KSEQ_DEBUG=1 shows where)") and code == 1


def test_an_error_that_kseq_raises_is_a_mistake_whatever_caused_it(tmp_path):
    path = tmp_path / "settings.json"
    for text in ("{", '{"model": {"units": "many"}}', '{"model": {"unitz": 1}}'):
        path.write_text(text)
        with pytest.raises(ValueError) as caught:
            Config.load(path)
        assert explain(caught.value, argparse.Namespace()) == (str(caught.value), 2)


def test_the_traceback_is_shown_on_request(monkeypatch, capsys):
    monkeypatch.setenv("KSEQ_DEBUG", "1")
    assert main(["translate", "no-run"]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback") and last == "kseq: run directory not found: no-run"


def test_the_version_is_shown(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"kseq {kseq.__version__}\n"


def test_a_graph_without_enough_memory_is_explained():
    import tensorflow as tf

    @tf.function
    def fill(size):
        return tf.zeros([size, 10_000_000])

    with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
        fill(tf.constant(2_000_000_000))
    message, code = explain(caught.value, argparse.Namespace())
    assert message.startswith("out of memory") and code == 1


def test_a_graph_that_fails_is_reported_in_one_line_without_its_location():
    import tensorflow as tf

    @tf.function
    def gather(position):
        return tf.gather(tf.range(3), position)

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        gather(tf.constant(9))
    explanation = explain(caught.value, argparse.Namespace())
    assert explanation == ("InvalidArgumentError: indices = 9 is not in [0, 3)", 1)
