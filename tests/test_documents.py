"""The Markdown documents: both READMEs, links, and the commands and programs that they show."""

import ast
import collections
import configparser
import contextlib
import io
import itertools
import re

import pytest
import yaml
from conftest import ROOT
from documents import code_of, commands_of, name_of, sections_of, tracked

from kseq.cli import main as cli
from kseq.config import Config

ENGLISH = ROOT / "README.md"
MOST_WORDS = 1200  # of the README: what `str.split` finds outside its code blocks

LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
FIGURE = re.compile(r"\d+(?:[.,]\d+)*%?")
PAGE = re.compile(r"(?<![\w./-])docs/[\w/]+\.md\b")  # as docstrings and messages name it

DOCUMENTS = tracked("*.md")
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


def anchors_of(path):
    """The anchors of the headings of a document, as GitHub makes them."""
    counts = collections.Counter()
    for section in sections_of(path):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", section.title)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        yield f"{anchor}-{counts[anchor]}" if counts[anchor] else anchor
        counts[anchor] += 1


def links_of(section):
    return LINK.findall(re.sub(r"`[^`\n]*`", "", section.prose))


# Pages in Chinese: page.zh.md is the twin of page.md.
every_twin = pytest.mark.parametrize("chinese", tracked("*.zh.md"), ids=name_of)


def english_of(chinese):
    return chinese.with_name(chinese.name.replace(".zh.md", ".md"))


def translated(target, page):
    """A link of an English page as its Chinese twin has it."""
    file, _, anchor = target.partition("#")
    linked = page.parent / file
    twin = linked.with_name(f"{linked.stem}.zh{linked.suffix}")
    if file == f"{page.stem}.zh.md" or file.endswith(".zh.ipynb"):
        return file.replace(".zh.", ".")
    if linked.suffix not in (".md", ".ipynb") or not twin.is_file():
        return target
    anchors = dict(zip(anchors_of(linked), anchors_of(twin), strict=True)) if anchor else {}
    file = file.removesuffix(linked.suffix) + f".zh{linked.suffix}"
    return file + (f"#{anchors[anchor]}" if anchor else "")


def lines_of(section):
    """The lines that readers see."""
    return re.sub(r"<!--.*?-->\n?", "", section.prose, flags=re.DOTALL).splitlines()


def code_without_comments(section):
    """The code of a section without its comments and docstrings, which may be translated."""
    return [(language, re.sub(r'#.*|""".*?"""', "", code)) for language, code in section.code]


def found_in(section, pattern):
    """What matches in prose, apart from links, and in the comments of code; with its counts."""
    comments = re.findall(r"#.*", "\n".join(code for _, code in section.code))
    text = "\n".join([LINK.sub("", "\n".join(lines_of(section))), *comments])
    return collections.Counter(re.findall(pattern, text))


def test_readme_is_short():
    words = " ".join(section.title + "\n" + section.prose for section in sections_of(ENGLISH))
    assert len(words.split()) <= MOST_WORDS


@every_twin
def test_both_languages_have_the_same_headings(chinese):
    levels = [[part.level for part in sections_of(path)] for path in (english_of(chinese), chinese)]
    assert levels[0] == levels[1]


@every_twin
def test_both_languages_have_the_same_code_links_and_figures(chinese):
    page = english_of(chinese)
    for english, other in zip(sections_of(page), sections_of(chinese), strict=True):
        assert code_without_comments(english) == code_without_comments(other), english.title
        links = [translated(target, page) for target in links_of(english)]
        assert sorted(links) == sorted(links_of(other)), english.title
        for pattern in (r"`[^`\n]+`", FIGURE):
            assert found_in(english, pattern) == found_in(other, pattern), english.title
        paragraphs = [
            [line[:1] in "|-" for line in lines_of(section) if line] for section in (english, other)
        ]
        assert paragraphs[0] == paragraphs[1], english.title


def test_links_of_twins_lead_to_twins():
    page = ROOT / "docs/tutorials/own_attention_layer.md"
    assert translated("../own_parts.md", page) == "../own_parts.md"
    assert translated("own_pairs.md", page) == "own_pairs.zh.md"
    assert (
        translated("../explanation/what_attention_tells.md#what-kseq-measures", page)
        == "../explanation/what_attention_tells.zh.md#kseq-度量什么"
    )
    assert translated("README.zh.md", ENGLISH) == "README.md"
    notebook = "notebooks/01_translate_and_look"
    assert translated(f"{notebook}.ipynb", ENGLISH) == f"{notebook}.zh.ipynb"
    assert translated(f"{notebook}.zh.ipynb", ENGLISH) == f"{notebook}.ipynb"


@every_document
def test_links_lead_somewhere(path):
    broken = []
    for target in itertools.chain.from_iterable(map(links_of, sections_of(path))):
        if re.match(r"[a-z]+:", target):
            continue  # an address
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        if not linked.exists() or (anchor and anchor not in anchors_of(linked)):
            broken.append(target)
    assert not broken


def test_pages_that_sources_name_exist():
    named = [
        (name_of(path), page)
        for path in tracked("*.py", "*.ipynb", "*.yaml", "*.yml", "Makefile")
        for page in PAGE.findall(path.read_text(encoding="utf-8"))
    ]
    assert named
    assert [(name, page) for name, page in named if not (ROOT / page).is_file()] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_index_lists_every_page(name):
    index = ROOT / "docs" / name
    listed = set(itertools.chain.from_iterable(map(links_of, sections_of(index))))
    pages = {
        path.relative_to(index.parent).as_posix()
        for path in index.parent.rglob("*.md")
        if path.name.endswith(".zh.md") == name.endswith(".zh.md")
    }
    assert pages - {name} <= listed


def complaint(arguments):
    """What `kseq` says about arguments that it cannot parse, or None."""
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
        try:
            options = cli._parse(arguments)
        except SystemExit as error:
            return output.getvalue() if error.code else None
    return settings_complaint([word for word in getattr(options, "set", []) if "$" not in word])


def settings_complaint(settings):
    try:
        Config().with_settings([text for text in settings if ">" not in text])
    except ValueError as error:
        # Settings that depend on those of another file or run are not checked.
        return None if "needs" in str(error) or "no effect" in str(error) else str(error)
    return None


@every_document
def test_commands_can_be_parsed(path):
    complaints = {" ".join(words): complaint(words) for words in commands_of(path)}
    assert {command: words for command, words in complaints.items() if words} == {}


def test_the_page_of_commands_lists_all_of_them():
    assert {words[0] for words in commands_of(ROOT / "docs/command_line.md")} == set(cli._COMMANDS)


def test_commands_of_the_readme_are_found():
    commands = [words[0] for words in commands_of(ENGLISH)]
    assert {"train", "evaluate", "translate", "heatmap", "export", "serve"} <= set(commands)
    assert complaint(["train", "--no-such-option"])
    assert complaint(["train", "--corpus", "en-fr", "--out", "a", "--set", "no_such_field=1"])


@every_document
def test_targets_of_make_exist(path):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    code = "\n".join(code_of(path, "", "bash"))
    assert set(re.findall(r"^make ([\w-]+)", code, re.MULTILINE)) <= set(targets)


def test_the_test_command_of_the_readme_is_the_one_of_continuous_integration():
    lines = "\n".join(code_of(ENGLISH, "")).splitlines()
    assert "make test" in lines
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


@every_document
def test_python_and_yaml_can_be_parsed(path):
    for code in code_of(path, "python"):
        ast.parse(code)
    for code in code_of(path, "yaml"):
        list(yaml.safe_load_all(code))


def test_the_settings_that_are_shown_are_the_defaults():
    (settings,) = code_of(ROOT / "docs/settings.md", "yaml")
    assert Config.loads(settings, ".yaml") == Config()


def test_programs_of_the_readme_name_what_exists():
    import kseq

    for code in code_of(ENGLISH, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "kseq":
                assert hasattr(kseq, node.attr)


def test_the_citation_is_complete_and_of_this_version():
    import kseq

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"] and citation["title"] and citation["authors"]
    assert citation["version"] == kseq.__version__
    assert citation["license"] == metadata["metadata"]["license"]


@pytest.mark.parametrize("name", ["bug", "question", "feature"])
def test_forms_of_issues_can_be_read(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text("utf-8"))
    assert form["name"] and form["description"]
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    assert all(field["attributes"]["label"] for field in form["body"])


def test_a_bug_is_reported_with_versions():
    assert "kseq --version" in (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text("utf-8")


def test_ten_lines_of_python_are_ten():
    (program,) = (code for code in code_of(ENGLISH, "python") if "import kseq\n" in code)
    assert len([line for line in program.splitlines() if line]) == 10
