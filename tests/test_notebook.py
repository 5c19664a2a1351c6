"""The notebooks run, and are stored in two languages with the outputs of a run."""

import ast
import importlib.util
import re

import nbformat
import pytest
from conftest import ROOT

import kseq

CELLS = sorted((ROOT / "notebooks" / "cells").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

each_source = pytest.mark.parametrize("path", CELLS, ids=lambda path: path.stem)
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def make():
    """The script that makes the notebooks, as a module."""
    spec = importlib.util.spec_from_file_location("make", ROOT / "notebooks" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Pictures that the cells of each notebook draw.
PICTURES = {"01": 3, "02": 3, "03": 1, "04": 4, "05": 6, "06": 2, "07": 1, "08": 5}


def count_pictures(cells):
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    return sum("image/png" in output.get("data", {}) for output in outputs)


@each_source
def test_every_name_of_kseq_in_a_notebook_exists(path):
    names = [
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "kseq"
    ]
    assert names
    assert [name for name in names if not hasattr(kseq, name)] == []


@each_source
def test_each_text_has_its_chinese_twin(path, make):
    """After each English cell, a Chinese one with the same headings, code and figures."""
    cells = [cell for cell in make.read_cells(path).cells if cell.cell_type == "markdown"]
    english, chinese = cells[::2], cells[1::2]
    assert [cell.metadata.get("lang", "en") for cell in cells] == ["en", "zh"] * len(chinese)
    for one, other in zip(english, chinese):
        assert re.search("[\u4e00-\u9fff]", other.source)
        for pattern in ("(?m)^#+", "`[^`]+`", r"\d[\d,.]*\d|\d"):
            found = [sorted(re.findall(pattern, cell.source)) for cell in (one, other)]
            assert found[0] == found[1]


@each_source
def test_a_notebook_starts_by_installing_the_wheel(path, make):
    first = next(cell for cell in make.read_cells(path).cells if cell.cell_type == "code")
    assert '"pip", "install"' in first.source and 'wheel = "kseq' in first.source


@each_source
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_notebook_has_the_cells_of_its_source(path, make, language):
    expected = make.select(make.read_cells(path), language).cells
    stored = nbformat.read(make.path_of(path.stem, language), as_version=4).cells
    hint = f"run: python notebooks/make.py {path.stem}"
    assert [cell.source for cell in stored] == [cell.source for cell in expected], hint


def test_every_notebook_has_a_source(make):
    expected = [make.path_of(path.stem, language) for path in CELLS for language in make.LANGUAGES]
    assert sorted(expected) == NOTEBOOKS


@each_notebook
def test_a_notebook_is_stored_with_its_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert count_pictures(code) == PICTURES[path.name[:2]]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert not re.search("/(home|root|tmp)/", path.read_text(encoding="utf-8"))


@pytest.mark.slow
@each_source
def test_a_notebook_runs(path, make, tmp_path):
    notebook = make.read_cells(path)
    (parameters,) = (
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    )
    assert "epochs = " in parameters.source
    parameters.source = "epochs = 1"
    executed = make.run(notebook, tmp_path)
    assert count_pictures(executed.cells) == PICTURES[path.name[:2]]
