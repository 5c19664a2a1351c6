"""The package as a whole: its imports, its docstrings and what is installed."""

import ast
import configparser
import re
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT
from tools import draw_packages

SOURCES = sorted((ROOT / "kseq").rglob("*.py"))
PACKAGES = [path.parent.name for path in (ROOT / "kseq").glob("*/__init__.py")]

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ORDER = [
    name.removesuffix(".py").replace("/", ".")
    for row in re.findall(r"^\| (`.+?`.*?) \|", ARCHITECTURE, re.MULTILINE)
    for name in re.findall(r"`([\w/]+\.py)`", row)
]


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def test_an_import_has_no_side_effects():
    """Nor does it import a large package."""
    program = """
import logging, random, sys, warnings
before = random.getstate(), len(logging.root.handlers), list(warnings.filters)
import kseq
assert (random.getstate(), len(logging.root.handlers), list(warnings.filters)) == before
heavy = {"tensorflow", "keras", "matplotlib", "tensorflow_text", "numpy"} & set(sys.modules)
assert not heavy, heavy
assert not logging.root.handlers
"""
    assert run(program) == ""


@pytest.mark.slow  # imports everything; tests/test_pyplot.py has the plotting functions
def test_the_use_of_a_name_has_no_side_effects():
    program = """
import logging, random
import keras, matplotlib
import kseq
before = dict(matplotlib.rcParams), matplotlib.get_backend(), random.getstate()
for name in kseq.__all__:
    getattr(kseq, name)
assert (dict(matplotlib.rcParams), matplotlib.get_backend(), random.getstate()) == before
assert not logging.root.handlers
"""
    assert run(program) == ""


def test_an_unknown_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'kseq' has no attribute 'trian'"):
        import kseq

        kseq.trian  # noqa: B018


def test_requirements_agree_with_the_metadata():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    requirements = set(metadata["options"]["install_requires"].split("\n")) - {""}
    for extra in ("tune", "serve", "docs"):
        requirements |= set(metadata["options.extras_require"][extra].split("\n")) - {""}
    assert requirements <= set((ROOT / "requirements.txt").read_text().split("\n"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_modules_import_only_modules_above_them(path):
    """In the order of the table in docs/architecture.md; imports inside functions are exempt."""
    if path.stem == "__init__":
        return
    own_name = ".".join(path.relative_to(ROOT / "kseq").with_suffix("").parts)
    allowed = set(ORDER[: ORDER.index(own_name)])
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kseq"):
            module = node.module.removeprefix("kseq").removeprefix(".")
            modules = [module]
            if module in ("", *PACKAGES):
                modules = [f"{module}.{alias.name}".removeprefix(".") for alias in node.names]
            for module in modules:
                assert module in allowed, f"{own_name}:{node.lineno}: imports {module}"


def test_the_picture_of_the_folders_shows_their_imports():
    picture = draw_packages.PICTURE.read_text(encoding="utf-8")
    drawn = draw_packages.draw(draw_packages.read_imports())
    assert picture == drawn, "run: python tests/tools/draw_packages.py"


def test_an_import_that_no_arrow_leads_to_changes_the_picture():
    imports = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"e"}, "e": {"d", "c"}}
    graph = draw_packages.make_graph(imports)
    assert graph == {("a",): [("b",)], ("b",): [("c",)], ("c",): [], ("d", "e"): [("c",)]}
    drawn = draw_packages.draw(imports)
    assert draw_packages.draw(imports | {"b": {"c", "e"}}) != drawn
    assert draw_packages.draw(imports | {"a": {"b"}}) == drawn  # It may import c all the same.


def test_imports_between_folders_are_read(tmp_path):
    for folder, program in (("a", "from kseq.b.x import y\nfrom kseq import b, files"), ("b", "")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
        (tmp_path / folder / "m.py").write_text(f"{program}\ndef f():\n    from kseq.a import m\n")
    assert draw_packages.read_imports(tmp_path) == {"a": {"b"}, "b": set()}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path}: module without a docstring"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}:{node.lineno}: {node.name}"


def test_the_wheel_holds_the_corpora_and_the_command(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT],
        check=True,
    )
    (wheel,) = tmp_path.glob("kseq-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    for corpus in ("en-fr", "dates"):
        for name in ("train.tsv", "valid.tsv", "test.tsv", "config.yaml"):
            assert f"kseq/data/{corpus}/{name}" in names
    assert "kseq/data/en-fr/test.align" in names
    assert {"kseq/py.typed", "kseq/__init__.pyi"} <= names
    pages = [path for kind in ("html", "css", "js") for path in (ROOT / "kseq").rglob(f"*.{kind}")]
    assert pages and {path.relative_to(ROOT).as_posix() for path in pages} <= names
    assert not [name for name in names if re.search(r"test_|\.venv|^runs/|generate", name)]
    assert {name.split("/")[0] for name in names} == {"kseq", "kseq-0.1.0.dist-info"}
    # The contents of the wheel are used from another folder, without this repository.
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "installed")!r})
import kseq
assert kseq.__file__.startswith({str(tmp_path)!r}), kseq.__file__
corpus = kseq.load_corpus("en-fr")
print(next(iter(corpus.test)), next(corpus.alignments("test")))
"""
    assert run(program)
