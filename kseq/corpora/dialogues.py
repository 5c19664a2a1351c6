"""Conversations, read as pairs: the last turns, and the turn that follows them."""

import hashlib
import itertools
import os
import reprlib

from kseq.corpora.lines import FaultyLineError, scan_lines
from kseq.corpora.pair_files import find_files, refuse_pairs, shorten
from kseq.corpora.tables import is_unicode
from kseq.corpora.turns import join_turns, without_separator

_NAME = "conversations in memory"


class _Turns(str):
    """The source of a pair, which knows its conversation.

    Attributes:
        conversation: A hash of all its turns, bytes.
    """


class Dialogues:
    """Conversations as pairs, read again by every iteration.

    Args:
        data: For files, one or several names or patterns: a turn on each line, and an empty line
            between two conversations. In RAM, an iterable of conversations, each a list of strings.
        previous_turns: The largest number of turns in a source.

    Attributes:
        has_sources: Whether pairs have a source.
        previous_turns: The argument.
        paths: The files.
        arguments: Absolute names, ready for JSON; None for conversations in RAM.

    Raises:
        FileNotFoundError: A file is missing, or a pattern matches no file.
        ValueError: A file holds pairs.
        TypeError: It is something else.
    """

    has_sources = True
    has_features = are_aligned = False
    columns = None

    def __init__(self, data, previous_turns):
        self.previous_turns = previous_turns
        names = _names_in(data)
        self.paths = tuple(find_files(names)) if names else ()
        for path in self.paths:
            refuse_pairs(path, "turn")
        self.arguments = [str(path.resolve()) for path in self.paths] or None
        if names:
            self._read = self._read_files
        elif hasattr(data, "__iter__"):
            conversations = list(data) if iter(data) is data else data
            self._read = lambda: _read_memory(conversations)
        else:
            raise TypeError(
                "expected conversations, each a list of strings; received " + reprlib.repr(data)
            )

    def scan(self):
        """Yields the file, the number and the pair of every turn except the first ones.

        A pair is a tuple of two strings, or a `FaultyLineError`. A turn after a faulty one is not a
        reply to the turns before it.
        """
        for conversation in self._read():
            turns = [turn for *_, turn in conversation if not isinstance(turn, FaultyLineError)]
            key = hashlib.blake2b("\n".join(turns).encode(), digest_size=16).digest()
            last = []
            for place, number, turn in conversation:
                if isinstance(turn, FaultyLineError):
                    last = []
                    yield place, number, turn
                    continue
                if last:
                    source = _Turns(join_turns(last, self.previous_turns))
                    source.conversation = key
                    yield place, number, (source, turn)
                last = [*last, turn][-self.previous_turns :]

    def split_key(self, pair):
        """Returns what decides on the split of a pair: its whole conversation, as a hash."""
        return pair[0].conversation

    def warn_about_columns(self):
        """Does nothing: there are no columns."""

    def _read_files(self):
        """Yields each conversation in the files, a list of a file, a number and a turn."""
        for path in self.paths:
            lines = ((path, number, _without_separator(line)) for number, line in scan_lines(path))
            for is_turn, items in itertools.groupby(lines, key=_is_turn):
                if is_turn:
                    yield list(items)

    def __str__(self):
        return shorten(self.paths) if self.paths else _NAME


def _without_separator(line):
    return line if isinstance(line, FaultyLineError) else without_separator(line)


def _is_turn(item):
    return isinstance(item[2], FaultyLineError) or bool(item[2].strip())


def _names_in(data):
    """Returns the names of files in an argument, a list; empty if it holds conversations."""
    arguments = data if isinstance(data, tuple) else (data,)
    lists = [[item] if isinstance(item, (str, os.PathLike)) else item for item in arguments]
    if all(isinstance(names, (list, tuple)) for names in lists):
        names = list(itertools.chain(*lists))
        if all(isinstance(name, (str, os.PathLike)) for name in names):
            return names
    return []


def _read_memory(conversations):
    """Yields each conversation in RAM, a list of a name, a number and a turn."""
    number = 0
    for conversation in conversations:
        is_list = isinstance(conversation, (list, tuple))
        items = []
        for turn in conversation if is_list else [conversation]:
            number += 1
            if is_list and isinstance(turn, str) and is_unicode(turn):
                items.append((_NAME, number, without_separator(turn)))
            else:
                message = f"{_NAME}, turn {number}: expected a conversation, a list of strings; "
                received = f"received {reprlib.repr(conversation)}"
                items.append((_NAME, number, FaultyLineError(message + received, _NAME, number)))
        yield [item for item in items if _is_turn(item)]
