"""Makes the notebooks from their cells: runs them, and stores them in English and in Chinese.

Usage: python notebooks/make.py [NAME...]

`cells/NAME.py` holds the cells in Jupytext's percent format. Markdown cells with `lang="zh"` are
those of the Chinese twin, and the other Markdown cells those of the English one. Both have the same
code, with the outputs of the same run.
"""

import argparse
import copy
import os
import pathlib
import tempfile

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parent
CELLS = sorted((FOLDER / "cells").glob("*.py"))
LANGUAGES = {"en": "", "zh": ".zh"}
SECONDS = 600


def main():
    """Makes the notebooks with the given names, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_translate_and_look")
    names = parser.parse_args().names
    known = {path.stem: path for path in CELLS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"expected names of {', '.join(known)}; received {', '.join(unknown)}")
    for name in names or known:
        print(f"running {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(read_cells(known[name]), folder)
        for language in LANGUAGES:
            nbformat.write(select(notebook, language), path_of(name, language))


def read_cells(path):
    """Returns the notebook, in both languages and without outputs."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    return notebook


def run(notebook, folder):
    """Runs the code in a folder; returns the notebook with its outputs.

    What TensorFlow's C++ code logs while it starts goes to the terminal, not to the notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell has raised an error.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["PYTHONPATH"] = str(FOLDER.parent)  # the kseq beside the notebooks
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=SECONDS, resources=resources, record_timing=False)
    client.extra_arguments = ["--IPKernelApp.capture_fd_output=False"]
    return client.execute()


def select(notebook, language):
    """Returns a copy of the notebook, with the Markdown of one language."""
    selected = copy.deepcopy(notebook)
    selected.cells = [
        cell
        for cell in selected.cells
        if cell.cell_type == "code" or cell.metadata.pop("lang", "en") == language
    ]
    for number, cell in enumerate(selected.cells):
        cell.id = f"cell-{number}"
    return selected


def path_of(name, language):
    """Returns the path of a notebook."""
    return FOLDER / f"{name}{LANGUAGES[language]}.ipynb"


if __name__ == "__main__":
    main()
