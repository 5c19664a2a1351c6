"""What reaches a terminal: no control characters of texts, tokens or file names."""

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import make_translation

from kseq.cli.main import main
from kseq.cli.translating import _score_line, _translation_line
from kseq.console import printable, show

EVIL = "a\x1b]0;owned\x07b\x9b31mc\x7f"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@given(st.text())
def test_printable_texts_have_no_control_characters_and_lose_nothing(text):
    """Checked on JSON, which already writes some of these escapes."""
    line = printable(json.dumps(text, ensure_ascii=False))
    assert not [character for character in line if unicodedata.category(character) == "Cc"]
    assert json.loads(line) == text


@given(st.text(st.characters(exclude_categories=["Cc"]) | st.sampled_from("\n\t")))
def test_texts_without_control_characters_are_shown_as_they_are(text):
    assert printable(text) == text


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_texts_are_escaped_on_a_terminal_and_unchanged_elsewhere(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream())
    show(EVIL, 3)
    is_terminal = stream is Terminal
    expected = "a\\u001b]0;owned\\u0007b\\u009b31mc\\u007f" if is_terminal else EVIL
    assert sys.stdout.getvalue() == f"{expected} 3\n"


@pytest.mark.parametrize(
    "words",
    [
        ["translate", EVIL],
        ["translate", "run", EVIL],
        ["clean", EVIL, "--out", "a.tsv"],
        ["heatmap", "run", "a", "--out", EVIL],
    ],
)
def test_messages_escape_the_names_of_files(words, capsys):
    try:
        code = main(words)
    except SystemExit as error:  # of argparse
        code = error.code
    assert code == 2
    message = capsys.readouterr().err
    assert "owned" in message
    controls = {letter for letter in message if unicodedata.category(letter) == "Cc"}
    assert controls == {"\n"}


def test_each_output_line_belongs_to_one_input_line_and_each_column_to_one_hypothesis():
    """A model of subwords may write any byte."""
    fields = {"text": "a\nb\rc\td", "token_log_probabilities": [-0.5, -0.5]}
    result = make_translation(None, ["a", "<end>"], ["b", "<end>"], **fields)
    assert _translation_line([result], True, False) == "a b c\td"
    assert _translation_line([result, result], False, False) == "a b c d\ta b c d"
    assert _score_line(result, False).endswith("\ta b c d")
    assert json.loads(_translation_line([result], True, True))["text"] == "a\nb\rc\td"
