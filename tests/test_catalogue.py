"""The catalogue of mechanisms: complete, with papers, and narrow enough for a terminal."""

import dataclasses
import re
import subprocess
import sys
import typing

import pytest

from kseq import config
from kseq.catalogue import ENTRIES, SECTIONS, Entry, table

HEADINGS = [
    *("Architecture", "Cells", "Encoder", "Fixed-length context", "Attention", "Values"),
    *("Features", "Embeddings", "Training"),
]
SETTINGS = [entry.setting for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=SETTINGS)
def test_an_entry_has_a_setting_a_description_and_dated_papers(entry):
    assert re.fullmatch(r"[a-z_]+=[A-Za-z0-9_]+", entry.setting)
    assert entry.what
    papers, numbers = entry.paper.split("; "), entry.number.split("; ")
    assert all(re.search(r"(?<!\d)(19|20)\d\d(?!\d)", paper) for paper in papers)
    assert entry.number == "" or all(re.fullmatch(r"\d{4}\.\d{4,5}", n) for n in numbers)
    assert len(numbers) <= len(papers)


def test_a_paper_has_the_same_number_everywhere():
    """The number is from the year of the paper, or from the year before."""
    numbers_by_paper = {}
    for entry in ENTRIES:
        for paper, number in zip(entry.paper.split("; "), entry.number.split("; ")):
            name = paper.partition(",")[0]
            assert numbers_by_paper.setdefault(name, number) == number
            if number:
                assert int(name[-4:]) - int("20" + number[:2]) in (0, 1)


def test_no_setting_is_listed_twice():
    assert len(set(SETTINGS)) == len(SETTINGS)


FIELDS = {
    field.name: (section, kind)
    for section, cls in typing.get_type_hints(config.Config).items()
    for field, kind in zip(dataclasses.fields(cls), typing.get_type_hints(cls).values())
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_listed_setting_exists(setting):
    name, value = setting.split("=")
    _, kind = FIELDS[name]
    if typing.get_origin(kind) is typing.Literal:
        assert value in typing.get_args(kind) or value.isupper()
    elif kind is bool:
        assert value == "true"


def test_every_choice_is_listed():
    for name, kind in typing.get_type_hints(config.ModelConfig).items():
        is_choice = typing.get_origin(kind) is typing.Literal
        if is_choice and name not in ("decoder_cell", "decoder_architecture", "features"):
            assert {f"{name}={choice}" for choice in typing.get_args(kind)} <= set(SETTINGS)


def test_every_switch_is_listed():
    switches = {n for n, kind in typing.get_type_hints(config.ModelConfig).items() if kind is bool}
    assert {f"{name}=true" for name in switches} <= set(SETTINGS)


def test_the_table_has_every_entry_and_at_most_100_columns():
    lines = table().split("\n")
    assert max(map(len, lines)) <= 100
    assert [line for line in lines if line in HEADINGS] == HEADINGS == list(SECTIONS)
    assert [line.split()[0] for line in lines if "=" in line[:26]] == SETTINGS
    assert lines[0].split("  ")[0] == "setting"
    assert not [line for line in lines if line != line.rstrip()]


def test_wrapped_cells_stay_in_their_columns_and_numbers_next_to_their_papers(monkeypatch):
    description = "one two three four five six seven eight nine"
    paper = "Someone with a rather long name 1990; Short 1991"
    entry = Entry("cell=gru", description, paper, "1111.1111; 2222.22222")
    monkeypatch.setattr("kseq.catalogue.SECTIONS", {"Cells": (entry,)})
    assert table().split("\n")[3:] == [
        "cell=gru                    one two three four five six       "
        "Someone with a rather long  1111.1111",
        "                            seven eight nine                  name 1990",
        "                                                              "
        "Short 1991                  2222.22222",
    ]


def test_the_import_does_not_load_tensorflow():
    program = "import sys, kseq.catalogue; print({'tensorflow', 'keras'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stderr
