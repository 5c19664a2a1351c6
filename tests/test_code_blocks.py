"""The code of the documents runs: every block of a page, in order, in one folder.

Python blocks share a namespace. Shell blocks are run by `bash`, with `kseq` in this process.
Trainings are tiny. `documents.py` says how a page names what it needs, and why a block is not run.
"""

import contextlib
import dataclasses
import functools
import io
import re
import sys
import warnings

import pytest
from conftest import run_eagerly
from document_fixtures import SETTINGS, DocumentFixtures, write_embedded_corpora
from documents import PYTHON, SHELL, blocks_of, name_of, needs_of, tracked
from shell import Shell

import kseq
from kseq.cli.main import main
from kseq.corpora import corpus as corpora
from kseq.errors import KseqWarning
from kseq.training import train as training

# Pages that take a few seconds; the rest runs in `make test-all`.
QUICK = """
CONTRIBUTING.md
docs/cleaning.md docs/command_line.md docs/evaluation.md docs/fleet.md docs/gpu.md
docs/hard_attention.md docs/keras.md docs/litert.md docs/numpy.md docs/own_parts.md
docs/savedmodel.md docs/serving.md docs/sharing.md
"""

# A Chinese page has the code of its English twin, which `test_documents.py` checks.
PAGES = [
    path
    for path in tracked("*.md")
    if not path.name.endswith(".zh.md")
    and any(block.language in (*PYTHON, *SHELL) for block in blocks_of(path))
]

# Commands that are not run, and why. `test_documents.py` parses those of kseq.
NOT_RUN = {
    "make": "runs the tests, or the demo, which trains for minutes",
    "pip": "needs a package index",
    "curl": "needs a server",
    "hf": "needs a hub",
    "tensorboard": "runs until it is stopped",
    "tensorflow_model_server": "is another program",
    "python": "is a script with figures of its own, which runs for minutes",
    "kseq fetch": "needs a network",
    "kseq push": "needs a hub",
    "kseq serve": "runs until it is stopped",
    "kseq launch": "starts processes of its own",
}
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?%?")
# Blocks in these languages are data.
DATA = ("text", "json", "yaml", "math")


def page_parameters():
    marks = {name: [] for name in QUICK.split()}
    return [
        pytest.param(path, id=name, marks=marks.get(name, [pytest.mark.slow]))
        for path, name in zip(PAGES, map(name_of, PAGES))
    ]


def runs_as_graph(path):
    """Whether the Python code of a page is traced, which takes longer than a few steps.

    The pages about articles train for hundreds of steps, and replicas need graphs.
    """
    return path.parent.name == "articles" or path.name == "devices.md"


@pytest.fixture
def tiny(tmp_path_factory, monkeypatch):
    """Makes trainings tiny, and replaces embedded corpora by their first pairs."""
    complete = training.complete_config

    def complete_tiny(corpus, config, start=None):
        config = complete(corpus, config, start)
        return shrunk(config, keeps_model=start is not None)

    root = write_embedded_corpora(tmp_path_factory.mktemp("data"))
    monkeypatch.setattr(corpora, "_embedded_root", lambda: root)
    monkeypatch.setattr(training, "complete_config", complete_tiny)
    # Pages show several trainings of the same name.
    monkeypatch.setattr(kseq, "train", functools.partial(kseq.train, overwrite=True))


def shrunk(config, keeps_model):
    """A config of a small model and of one epoch; other settings stay as they are."""
    fixed = {"embedding_dim"} if config.training.source_vectors else set()
    fixed |= {field.name for field in dataclasses.fields(config.model) if keeps_model}
    settings = [text for text in SETTINGS if text.partition("=")[0] not in fixed]
    if "subword" in config.text.tokenizers:
        settings.append("subword_vocabulary_size=350")
    return config.with_settings(settings)


def run_command(words):
    """Runs `kseq`, unless it needs what tests do not have."""
    if f"kseq {words[0]}" in NOT_RUN or any(word.startswith("hf://") for word in words):
        return 0
    if words[0] in ("train", "ensemble") and "--overwrite" not in words:
        words = [*words, "--overwrite"]
    with run_eagerly():  # Tracing takes longer than a few steps.
        return main(words)


@pytest.mark.parametrize("path", page_parameters())
def test_the_code_of_a_page_runs(path, tmp_path, monkeypatch, request, tiny):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)
    namespace = DocumentFixtures(tmp_path, request).make(needs_of(path))
    ignored = [name for name in NOT_RUN if " " not in name]
    with Shell(run_command, ignored) as shell, warnings.catch_warnings():
        warnings.simplefilter("ignore", KseqWarning)  # Tiny models write poor outputs.
        printed = ""
        for block in blocks_of(path):
            if block.language == "text" and printed:
                require_similar(printed, block.text)
            printed = "" if block.reason else run_block(path, block, namespace, shell)
    for name in set(sys.modules) - modules:  # modules that the page has written
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


def run_block(path, block, namespace, shell):
    """Runs one block, or saves it as the file that the page says it is.

    Returns:
        What Python code has printed.
    """
    if name := block.comments.get("file"):
        with open(name, "w", encoding="utf-8") as file:
            file.write(block.text)
    elif block.language in PYTHON:
        # Tracebacks then show the lines of the page.
        code = "\n" * (block.line - 1) + block.text
        mode = contextlib.nullcontext() if runs_as_graph(path) else run_eagerly()
        with mode, contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, path, "exec"), namespace)
        return output.getvalue()
    elif block.language in SHELL:
        code, output = shell.run(block.text)
        assert code == 0, f"{name_of(path)}, line {block.line}: exit code {code}\n{output}"
    return ""


def require_similar(printed, shown):
    """Checks that a page shows what its code prints: the same words, and about the same numbers.

    Numbers of a training differ a little from machine to machine: by a tenth at most, or by five
    points of a percentage.
    """
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    for new, old in zip(NUMBER.findall(printed), NUMBER.findall(shown)):
        values = [float(text.strip("%").replace(",", "")) for text in (new, old)]
        allowed = 5 if old.endswith("%") else 0.1 * abs(values[1])
        assert abs(values[0] - values[1]) <= allowed, (printed, shown)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_block_is_code_or_data(path):
    """A block without a language is shell code."""
    others = [b for b in blocks_of(path) if b.language not in (*PYTHON, *SHELL, *DATA)]
    assert others == []


def test_the_pages_of_the_usual_tier_exist():
    assert set(QUICK.split()) <= set(map(name_of, PAGES))


def test_a_page_must_show_what_its_code_prints():
    require_similar("loss 1.25, 1,000 pairs, 97%", "loss  1.20, 1,001 pairs,\n99%")
    for printed, shown in (("a 1", "b 1"), ("a 1.0", "a 1.2"), ("90%", "99%"), ("1", "1 2")):
        with pytest.raises(AssertionError):
            require_similar(printed, shown)


def test_the_shell_runs_pipes_patterns_and_redirections(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []

    def run(words):
        calls.append(words)
        print(sys.stdin.read().upper(), end="")
        return 3 if "fail" in words else 0

    with Shell(run, ["make"]) as shell:
        code = """touch b a; make; A="x y"
            echo one | kseq say [ab] $A "p q" | kseq again > out; cat out"""
        assert shell.run(code) == (0, "ONE\n")
        assert calls == [["say", "a", "b", "x", "y", "p q"], ["again"]]
        code, output = shell.run("kseq fail; echo never")
        assert (code, output) == (3, "")
        code, output = shell.run("no-such-command")
        assert code == 127 and "no-such-command" in output
