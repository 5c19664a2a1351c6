"""The documentation as a site: its navigation, its reference, its tutorials, and `make docs`."""

import importlib
import math
import re
import subprocess
import sys
import time

import pytest
import tensorflow as tf
from browser import open_chromium, use_phone
from conftest import ROOT
from untrained import untrained_translator, write_run

import kseq
from kseq.search.loop import search
from kseq.search.rules import make_requirements
from kseq.search.strategies import BeamSearch
from kseq.special_tokens import END, SPECIAL_TOKENS, START

EXTENSIONS = ROOT / "docs" / "extensions"
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
INDEXES = [ROOT / "docs/README.md", ROOT / "docs/README.zh.md"]


@pytest.fixture
def extension(monkeypatch):
    """Function that imports an extension of the site; those of this file need no Sphinx."""
    monkeypatch.syspath_prepend(EXTENSIONS)
    return importlib.import_module


def blocks_of(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


def test_the_reference_has_every_public_name_once(extension):
    names_of = extension("reference").names_of
    names = [name for path in REFERENCE for name in names_of(path.read_text("utf-8"))]
    assert sorted(names) == sorted([*(f"kseq.{name}" for name in kseq.__all__), *OF_FOLDERS])


OF_FOLDERS = ["kseq.lite.Translator"]  # public names that `kseq` itself does not have


def test_the_navigation_has_the_four_parts(extension):
    parts = extension("navigation").parts_of(INDEXES[0])
    kinds = list(dict.fromkeys(caption.partition(":")[0] for caption in parts))
    assert kinds == ["Tutorials", "How to", "Explanation", "Reference", "Project"]
    assert parts["How to: Use"][0] == ("Controlling the search", "search")


def test_both_indexes_have_the_same_pages(extension):
    english, chinese = map(extension("navigation").parts_of, INDEXES)
    pages = [
        [[page.removesuffix(".zh") for _, page in entries] for entries in parts.values()]
        for parts in (english, chinese)
    ]
    assert pages[0] == pages[1]


def test_links_of_the_chinese_site_lead_to_chinese_pages(extension):
    to_twins = extension("languages").to_twins
    text = "[a](own_pairs.md), [b](../explanation/what_attention_tells.md#what-kseq-measures)"
    expected = "[a](own_pairs.zh.md), [b](../explanation/what_attention_tells.zh.md#kseq-度量什么)"
    assert to_twins(text, ROOT / "docs/tutorials") == expected
    text = "[a](../tuning.md), [b](own_pairs.zh.md), [c](https://example.org/own_pairs.md)"
    assert to_twins(text, ROOT / "docs/tutorials") == text


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("`Translator`s of `b·K`.", ":py:obj:`Translator <kseq.Translator>`\\ s of `b·K`."),
        ("The divisor |Y|: `|Y|`.", r"The divisor \|Y\|: `|Y|`."),
        (
            "As `kseq.train` does:\n\n    a = 1",
            "As :py:obj:`kseq.train <kseq.train>` does::\n\n    a = 1",
        ),
        ("Args:\n    train: See `train`.", "Args:\n    train: See `train`."),
    ],
)
def test_docstrings_become_what_sphinx_reads(extension, docstring, expected):
    assert extension("docstrings").to_restructured_text(docstring) == expected


def test_the_tutorial_on_an_attention_layer_runs(tmp_path, monkeypatch):
    module, program = blocks_of("docs/tutorials/own_attention_layer.md")
    (tmp_path / "cosine.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    names = {}
    exec(program, names)
    assert names["logits"].shape == (2, 3, 20)


def test_the_program_of_the_first_hour_runs(tmp_path, monkeypatch, capsys):
    (program,) = blocks_of("docs/tutorials/first_hour.md")
    (tmp_path / "runs").mkdir()
    words = ["He", "does", "see", "them", "."]
    write_run(untrained_translator([], words, words), tmp_path / "runs" / "en-fr")
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert (tmp_path / "heatmap.png").stat().st_size
    assert capsys.readouterr().out.count("\n") == 3


def table_of_the_example():
    """Token names, and for each last token the probabilities of the next one."""
    page = (ROOT / "docs/explanation/search.md").read_text("utf-8")
    header, _, *rows = re.search(r"\| after \|.*?(?=\n\n)", page, re.DOTALL)[0].split("\n")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (header, *rows)]
    names = cells[0][1:]
    return names, {row[0]: [float(cell or 0) for cell in row[1:]] for row in cells[1:]}


@pytest.mark.parametrize(
    ("beam_size", "words", "probability"), [(1, "le chat", 0.176), (2, "un chat", 0.288)]
)
def test_the_example_of_a_search_has_the_numbers_of_kseq(beam_size, words, probability):
    names, rows = table_of_the_example()
    assert all(math.isclose(sum(row), 1.0) for row in rows.values())
    tokens = [*SPECIAL_TOKENS, *(name for name in names if name != "END")]
    ids = {**{token: i for i, token in enumerate(tokens)}, "START": START, "END": END}
    logits = [[float("-inf")] * len(tokens) for _ in tokens]
    for last, row in rows.items():
        for name, number in zip(names, row, strict=True):
            logits[ids[last]][ids[name]] = math.log(number) if number else float("-inf")

    def step(last, state, _):
        return tf.gather(tf.constant(logits), last), state, {}

    requirements = make_requirements([5], mask=tf.constant([[True]]))
    result = search(step, {}, (), {}, BeamSearch(beam_size=beam_size), requirements)
    written = result.ids[0, 0].numpy().tolist()
    assert [tokens[i] for i in written[: written.index(END)]] == words.split()
    assert math.isclose(float(result.log_probabilities[0, 0]), math.log(probability), rel_tol=1e-4)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, as `make docs` builds it, in English and in Chinese."""
    pytest.importorskip("sphinx", reason="needs the packages of the extra docs")
    folder = tmp_path_factory.mktemp("site")
    (command,) = re.findall(
        r"^SPHINX := \$\(BIN\)/python (.+)", (ROOT / "Makefile").read_text(), re.M
    )
    for options, out in (((), folder / "site"), (("-t", "chinese"), folder / "site" / "zh")):
        words = [sys.executable, *command.split(), "-d", folder / out.name, *options, ".", out]
        built = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True)
        assert built.returncode == 0, built.stderr  # A warning is an error.
    return folder / "site"


@pytest.mark.slow
def test_the_site_is_complete_and_needs_no_network(site):
    reference = "".join(path.read_text("utf-8") for path in site.glob("docs/reference/*.html"))
    assert all(f'id="kseq.{name}"' in reference for name in kseq.__all__)
    assert "--n-best" in (site / "docs/command_line.html").read_text("utf-8")
    assert "<math" in (site / "docs/explanation/attention.html").read_text("utf-8")
    chinese = (site / "zh/README.zh.html").read_text("utf-8")
    assert "注意力" in chinese and 'lang="en">English' in chinese
    name = "docs/tutorials/first_hour"
    switch = '<a href="../../{}.html" lang="{}">'
    english = (site / f"{name}.html").read_text("utf-8")
    assert switch.format(f"zh/{name}.zh", "zh") in english
    chinese = (site / f"zh/{name}.zh.html").read_text("utf-8")
    assert switch.format(f"../{name}", "en") in chinese
    for page in site.rglob("*.html"):
        loaded = r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link[^>]* href="(?:https?:)?//'
        assert not re.search(loaded, page.read_text("utf-8")), page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "query", "expected"),
    [
        ("search.html", "beam", "kseq.BeamSearch"),
        ("search.html", "length penalty", "How the search works"),
        ("zh/search.html", "热图", "kseq"),
        ("zh/search.html", "长度惩罚", "搜索如何工作"),
    ],
)
def test_the_search_of_the_site_finds_pages(site, tmp_path, page, query, expected):
    with open_chromium(tmp_path) as browser:
        use_phone(browser)
        browser.get(f"{(site / page).as_uri()}?q={query}")
        end = time.monotonic() + 30
        found = []
        while time.monotonic() < end and expected not in found:
            time.sleep(0.1)  # Results appear one after the other.
            found = browser.execute_script(
                "return [...document.querySelectorAll('#search-results li a')]"
                ".map(a => a.textContent)"
            )
        width = browser.execute_script("return document.documentElement.scrollWidth")
    assert expected in found and width <= 360
