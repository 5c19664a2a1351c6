"""Docstrings, which are written like Markdown, as reStructuredText, which Sphinx reads.

They differ in little: code spans that a letter follows, vertical bars, and blocks of code. Code
spans that are public names become links.
"""

import re

import kseq

_SPAN = re.compile(r"`([^`]+)`(?=(\w?))")
_BLOCK = re.compile(r"(?m)^( *)(\S.*):\n\n(?=\1 +\S)")


def setup(app):
    """Registers the extension."""
    # Before napoleon, which reads the sections of a docstring.
    app.connect("autodoc-process-docstring", _convert, priority=400)
    app.connect("autodoc-skip-member", _skip_members_of_others)
    return {"parallel_read_safe": True}


def to_restructured_text(text):
    """Converts a docstring."""
    text = _BLOCK.sub(r"\1\2::\n\n", text)
    parts = re.split(r"(`[^`]+`)", text)  # Every second one is a code span.
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    return _SPAN.sub(_span, "".join(parts))


def _span(match):
    code, letter = match[1], match[2]
    name = code.removeprefix("kseq.")
    is_public = name.partition(".")[0] in kseq.__all__
    if is_public and (name != code or name[0].isupper()) and re.fullmatch(r"[\w.]+", name):
        span = f":py:obj:`{code} <kseq.{name}>`"
    else:
        span = match[0]
    return span + ("\\ " if letter else "")


def _convert(app, what, name, value, options, lines):
    lines[:] = to_restructured_text("\n".join(lines)).split("\n")


def _skip_members_of_others(app, what, name, value, skip, options):
    """Skips members that a class inherits from those of Keras, TensorFlow or Python."""
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    module = getattr(function, "__module__", None)
    return True if module and module.partition(".")[0] != "kseq" else None
