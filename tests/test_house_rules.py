"""House rules that the sources must follow: sizes, docstrings, wording."""

import ast
import re

import pytest
from conftest import ROOT

MODULES = sorted((ROOT / "kseq").rglob("*.py"))
TEXTS = [
    *MODULES,
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    *(
        path
        for folder in ("benchmarks", "examples")
        for path in sorted((ROOT / folder).glob("*.py"))
    ),
    *sorted(ROOT.glob("*.md")),
    ROOT / "Makefile",
]
LONGEST_MODULE = 350  # lines
LONGEST_FUNCTION = 60
MOST_POSITIONAL = 6

# Literal translations that an engineer who speaks English would not use.
FOREIGN_PHRASES = re.compile(
    r"\b(hangs? on|anew|mend(s|ed|ing)?|knows? not|way (forth|back)|on the way back"
    r"|(is|are|was|were) told|stands? in (?!for\b))\b"
)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def functions_of(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_fit_on_a_screen(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    for function in functions_of(path):
        length = function.end_lineno - function.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{name_of(path)}:{function.lineno}: {function.name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_take_few_positional_parameters(path):
    for function in functions_of(path):
        parameters = [*function.args.posonlyargs, *function.args.args]
        names = [parameter.arg for parameter in parameters if parameter.arg not in ("self", "cls")]
        assert len(names) <= MOST_POSITIONAL, f"{name_of(path)}:{function.lineno}: {names}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_calls_have_few_positional_arguments(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            # A starred tuple is the arguments in it.
            count = sum(
                len(argument.value.elts)
                if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple)
                else 1
                for argument in node.args
            )
            where = f"{name_of(path)}:{node.lineno}: {ast.unparse(node.func)}"
            assert count <= MOST_POSITIONAL, where


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_methods_have_docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    if "overload" in map(ast.unparse, method.decorator_list):
                        continue  # The method itself follows.
                    where = f"{name_of(path)}:{method.lineno}: {node.name}.{method.name}"
                    assert ast.get_docstring(method), where


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_texts_are_free_of_foreign_phrases(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        phrase = FOREIGN_PHRASES.search(line)
        assert phrase is None, f"{name_of(path)}:{number}: {phrase[0]!r}"
