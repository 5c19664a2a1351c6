"""Tables whose first two columns are probably not a source and a target."""

import contextlib
import itertools
import re
import statistics
import warnings

from kseq.corpora.lines import FaultyLineError
from kseq.corpora.tables import HEAD, is_quoted, is_table, read_head, scan_rows
from kseq.errors import KseqWarning
from kseq.text.scripts import script_of

_FEWEST = 3  # rows that make a column of numbers suspicious
_ENOUGH = 20  # rows that show the script of a column
_NUMBER = re.compile(r"\s*\d+\s*")
_IDENTIFIER = re.compile(r"[A-Za-z]+([_.]\w+)+")
_TAGS = re.compile(r"[A-Z0-9][^\sa-z;]*(;[^\sa-z;]+)+")  # of UniMorph
_NAMES = """
source target src tgt trg input output text texts sentence sentences translation translations
original question answer query response prompt document summary article title word words lemma form
features pronunciation phonemes ipa grapheme graphemes transcription label labels id index key value
arabic amharic bulgarian catalan chinese croatian czech danish dutch english estonian finnish french
german greek hebrew hindi hungarian icelandic indonesian italian japanese korean latin latvian
lithuanian mandarin norwegian persian polish portuguese romanian russian serbian slovak slovenian
spanish swahili swedish tamil thai turkish ukrainian urdu vietnamese
deutsch englisch französisch français anglais espagnol español inglés italiano
ar bg ca cmn cs da de deu el en eng es et fa fi fr fra ger he hi hr hu id is it ita ja jpn ko kor lt
lv nl no pl por pt ro ru rus sk sl spa sr sv sw th tr uk ur vi zh zho
"""
_HEADERS = frozenset(_NAMES.split())


class DoubtfulColumnsWarning(KseqWarning):
    """The columns that are read as source and target are probably something else."""


def warn_about_columns(path, columns=None):
    """Warns if the columns of a table look wrong, and names the columns that look right.

    A column is doubtful if it holds only numbers that are all different: an index, or ids; or if it
    holds tags between semicolons, as `V;PST;3;SG`, which are features of a source. The first row is
    doubtful if it looks like the names of the columns.

    Args:
        path: A TSV or CSV.
        columns: Result of `kseq.corpora.columns.check_columns`.

    Warns:
        DoubtfulColumnsWarning: The columns look wrong, or fields of a TSV are in quotes.
    """
    if not is_table(path) and is_quoted(read_head(path)):
        _warn(
            f"{path}: its fields are in quotes, as spreadsheets write them; the quotes are removed"
        )
    if columns and isinstance(columns[-1], str):
        return
    rows = _read_rows(path)
    width = statistics.mode(map(len, rows)) if rows else 0
    rows = [row for row in rows if len(row) >= width]
    if len(rows) <= _FEWEST or width < 2:
        return
    chosen = [number - 1 for number in (columns or (1, 2))[:2]]
    header = rows[0] if _is_header(rows, width) else None
    if header is None and width > 2 and _warn_about_tags(path, rows, chosen):
        return
    text_columns = [number for number in range(width) if _holds_text(rows, number, header)]
    if header is None and set(chosen) <= set(text_columns):
        return
    reason = (
        f"its first line looks like a header ({', '.join(filter(None, header))})"
        if header
        else "a column that would be read as text contains only distinct numbers, like ids"
    )
    varied = [number for number in text_columns if len({row[number] for row in rows[1:]}) > 1]
    better = _choose(chosen, varied, header)
    if better and header and len(columns or ()) == 3:
        name = header[columns[2] - 1].strip()
        better += f" --features {_quote(name)} (features={name!r})"
    _warn(f"{path}: {reason}{better and f'; to read the right columns, use {better}'}")


def _warn_about_tags(path, rows, chosen):
    """Warns if a column that is read as text looks like features; returns whether."""
    for number in chosen:
        cells = [row[number] for row in rows]
        if all(map(_TAGS.fullmatch, cells)) and len(set(cells)) < len(cells):
            _warn(
                f"{path}: column {number + 1} looks like features, such as {cells[0]!r}; to read "
                f"them as such, use --features {number + 1} (features={number + 1})"
            )
            return True
    return False


def _warn(message):
    warnings.warn(message, DoubtfulColumnsWarning, stacklevel=1)


def _read_rows(path):
    """Returns the first rows that are not blank."""
    with contextlib.closing(scan_rows(path)) as rows:
        head = itertools.islice(rows, HEAD)
        return [row for _, row in head if not isinstance(row, FaultyLineError) and any(row)]


def _holds_text(rows, column, header):
    """Returns whether a column can be a side: not ids, which are different numbers."""
    cells = [row[column] for row in (rows[1:] if header else rows)]
    return not all(map(_NUMBER.fullmatch, cells)) or len(set(cells)) < len(cells)


def _is_header(rows, width):
    first, *others = rows
    columns = [(first[number], [row[number] for row in others]) for number in range(width)]
    above_numbers = any(
        not _NUMBER.fullmatch(name) and all(map(_NUMBER.fullmatch, cells))
        for name, cells in columns
    )
    names = [name for name, _ in columns if name.strip()]
    are_names = len(names) > 1 and all(map(_is_name, names[:2]))
    is_foreign = len(others) >= _ENOUGH and any(map(_is_foreign, *zip(*columns)))
    return above_numbers or are_names or is_foreign


def _is_name(cell):
    cell = cell.strip().casefold()
    return cell in _HEADERS or _IDENTIFIER.fullmatch(cell) is not None


def _is_foreign(name, cells):
    """Returns whether a name has letters, but none in a script that another cell has."""
    letters = set(filter(str.isalpha, name))
    usual = set(filter(str.isalpha, "".join(cells)))
    return bool(letters and usual) and set(map(script_of, letters)).isdisjoint(
        map(script_of, usual)
    )


def _choose(chosen, text_columns, header):
    """Returns the options that read the first two columns of text, or an empty string."""
    if not set(chosen) <= set(text_columns):
        chosen = text_columns[:2]
    names = [header[number].strip() for number in chosen] if header else []
    if len(chosen) < 2 or (header and not (all(names) and len(set(names)) == 2)):
        return ""
    if header:
        return f"--columns {_quote(names[0])} {_quote(names[1])} (columns={tuple(names)})"
    numbers = tuple(number + 1 for number in chosen)
    return f"--columns {numbers[0]} {numbers[1]} (columns={numbers})"


def _quote(name):
    return f"'{name}'" if " " in name else name
