"""The reference: docstrings on the pages of `docs/reference`, and the help of each command.

On a code host, these pages are tables of names. The site adds the docstring of each name below the
tables, and the help of each command to the page of commands. Neither is stored.
"""

import argparse
import contextlib
import importlib
import io
import os
import re
import unittest.mock

_NAME = re.compile(r"^\| `(kseq\.[\w.]+)` \|", re.MULTILINE)
_COMMANDS_PAGE = "docs/command_line"
_WIDTH = 80  # columns


def setup(app):
    """Registers the extension."""
    app.connect("source-read", _add_reference)
    return {"parallel_read_safe": True}


def names_of(text):
    """Returns the public names in the tables of a page, such as `kseq.Translator`."""
    return _NAME.findall(text)


def _add_reference(app, page, source):
    if page.startswith("docs/reference/"):
        names = names_of(source[0])
        source[0] = _NAME.sub(r"| {py:obj}`\1` |", source[0])
        source[0] += "".join(map(_docstring, names))
    elif page == _COMMANDS_PAGE:
        source[0] += "".join(_help(name, parser) for name, parser in _parsers().items())


def _docstring(name):
    """A section with the docstring of a public name."""
    module, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    if not isinstance(value, type):
        kind = "autofunction"
    elif issubclass(value, Exception):
        kind = "autoexception"
    else:
        kind = "autoclass"
    return f"\n## {attribute}\n\n```{{eval-rst}}\n.. {kind}:: {name}\n```\n"


def _parsers():
    """The parsers of all commands, by their names."""
    from kseq.cli.main import _make_parser

    parser = _make_parser()
    (subparsers,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    return {f"kseq {name}": subparser for name, subparser in subparsers.choices.items()}


def _help(name, parser):
    """A section with the help of a command, as it is printed on a terminal."""
    output = io.StringIO()
    width = unittest.mock.patch.dict(os.environ, COLUMNS=str(_WIDTH))
    with width, contextlib.redirect_stdout(output):
        parser.print_help()
    return f"\n## {name}\n\n````text\n{output.getvalue().rstrip()}\n````\n"
