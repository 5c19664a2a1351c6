"""How tests read the Markdown documents: sections, code blocks, and the commands in them.

A comment on the line before a code block, or at the top of a page, tells the tests what a reader
does not need to know:

    <!-- tests: needs runs/en-fr pairs.tsv -->      fixtures of the page (`document_fixtures.py`)
    <!-- tests: file my_layers.py -->               the reader saves the next block as this file
    <!-- tests: not run, needs two machines -->     why the next block is not run
"""

import itertools
import re
import shlex
import subprocess
import typing

from conftest import ROOT

_COMMENT = re.compile(r"<!-- tests: (needs|file|not run,) (.+) -->")
SHELL, PYTHON = ("", "bash", "sh"), ("python",)


class Block(typing.NamedTuple):
    """A code block: fenced, or of lines that begin with four spaces.

    Attributes:
        language: What stands after the fence; empty for a block without one.
        text: Its lines, without the indentation.
        line: Number of its first line in the document, from 1.
        comments: What comments before it tell the tests, by their first word.
    """

    language: str
    text: str
    line: int = 1
    comments: dict = {}

    @property
    def reason(self):
        """Why the tests do not run it, or None."""
        return self.comments.get("not run,")


class Section:
    """A heading with what follows it: prose and code blocks."""

    def __init__(self, level, title):
        self.level, self.title = level, title
        self.lines, self.blocks = [], []

    @property
    def prose(self):
        """Everything but the code and the comments for the tests."""
        return "\n".join(self.lines)

    @property
    def code(self):
        """The code blocks as (language, text)."""
        return [block[:2] for block in self.blocks]


class _Reader:
    """Reads a document line by line."""

    def __init__(self):
        self.sections = [Section(0, "")]
        self.language, self.block, self.start = None, None, 0
        self.comments = {}

    def read(self, number, line):
        if self.block is not None and self.language is None and line and line[:4] != "    ":
            self.end()
        if self.block is not None:
            if self.language is not None and line.strip() == "```":
                self.end()
            else:
                self.block.append(line if self.language is not None else line[4:])
        elif line.startswith("    "):
            self.block, self.start = [line[4:]], number
        elif fence := re.fullmatch(r"```(\w*)", line):
            self.language, self.block, self.start = fence[1], [], number + 1
        elif heading := re.fullmatch(r"(#+) (.+)", line):
            self.sections.append(Section(len(heading[1]), heading[2]))
        elif comment := _COMMENT.fullmatch(line):
            self.comments[comment[1]] = comment[2]
        else:
            self.comments = {} if line else self.comments
            self.sections[-1].lines.append(line)

    def end(self):
        """Ends the open code block."""
        text = "\n".join(self.block)
        if self.language is None:
            self.language, text = "", text.rstrip()
        self.sections[-1].blocks.append(Block(self.language, text, self.start, self.comments))
        self.language, self.block, self.comments = None, None, {}


def sections_of(path):
    """The sections of a document; the first one has no heading."""
    reader = _Reader()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        reader.read(number, line)
    assert not reader.language, f"{name_of(path)}: a code block has no end"
    if reader.block:
        reader.end()
    return reader.sections


def blocks_of(path):
    """The code blocks of a document, a list of `Block`."""
    return [block for section in sections_of(path) for block in section.blocks]


def needs_of(path):
    """The names of the fixtures that a document needs."""
    found = _COMMENT.findall(path.read_text(encoding="utf-8"))
    return [name for kind, text in found if kind == "needs" for name in text.split()]


def code_of(path, *languages):
    """The code blocks of a document in some languages; "" for those without one."""
    return [block.text for block in blocks_of(path) if block.language in languages]


def commands_of(path):
    """The arguments of the `kseq` commands of a document: in code blocks, and first in a row."""
    rows = re.findall(r"^\| `(kseq [^`]+)` \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    for line in [*"\n".join(code_of(path, *SHELL)).splitlines(), *rows]:
        words = shlex.shlex(line.replace("\\n", " "), posix=True, punctuation_chars="|<>&;")
        words.whitespace_split, words.commenters = True, "#"
        try:
            words = list(words)
        except ValueError:
            continue  # not a command, or one of several lines
        for is_operator, part in itertools.groupby(words, lambda word: word in ("|", ";", "&&")):
            part = list(part)
            if not is_operator and part[0] == "kseq" and len(part) > 1:
                yield list(itertools.takewhile(lambda word: word not in "<>", part[1:]))


def tracked(*patterns):
    """The files of the repository that match; without git, all such files outside .venv."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.splitlines()]
    else:
        paths = itertools.chain.from_iterable(map(ROOT.rglob, patterns))
    return sorted(path for path in paths if path.is_file() and ".venv" not in path.parts)


def name_of(path):
    """The name of a file in the repository."""
    return path.relative_to(ROOT).as_posix()
