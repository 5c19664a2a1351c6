"""Rows of tables: TSV and CSV files, and files with a JSON object on each line."""

import contextlib
import csv
import itertools
import json
import pathlib

from kseq.corpora.lines import FaultyLineError, excerpt, raise_faults, scan_lines
from kseq.errors import SettingError

HEAD = 1000  # rows that decide how a file is read
_JSON_LINES = (".jsonl", ".ndjson")
_FIELDS = ("source", "target")  # of JSON objects, unless columns are given


def check_columns(columns):
    """Checks a choice of columns.

    Args:
        columns: The columns of source and target, by number, from 1, or by name; or None.

    Returns:
        A tuple of two whole numbers or of two strings; or None.

    Raises:
        ValueError: The columns are not two different ones, both numbers or both names.
    """
    if columns is None:
        return None
    chosen = [] if isinstance(columns, (str, bytes)) else list(columns)
    chosen = [int(name) if isinstance(name, str) and name.isdecimal() else name for name in chosen]
    kinds = {type(name) for name in chosen}
    is_numbers = kinds == {int} and min(chosen) >= 1
    if len(set(chosen)) != 2 or len(chosen) != 2 or not (is_numbers or kinds == {str}):
        raise SettingError(
            "{columns} must be two different columns, source and target, both by number from 1 or "
            "both by name in the first line; received {0!r}",
            columns,
        )
    return tuple(chosen)


def is_table(path):
    """Returns whether the name of a file says that it is a CSV, or has JSON on its lines."""
    return _suffix(path) == ".csv" or holds_objects(path)


def holds_objects(path):
    """Returns whether a file holds a JSON object on each line, judging by its name."""
    return _suffix(path) in _JSON_LINES


def scan_pairs(path, columns=None, expected=None):
    """Yields the number of each line, and two of its columns.

    Args:
        path: A CSV (`.csv`, separated by commas, semicolons or tabs), a file with a JSON object on
            each line (`.jsonl`), or else a TSV; plain, `.gz` or `.zip`. Fields in quotes are read
            as spreadsheets write them: in a CSV, and in a TSV whose first rows are written so.
        columns: Result of `check_columns`; by default the first two columns, or the fields
            `source` and `target`. By name, the first line holds the names. The name of a field
            inside another object has a dot: `translation.en`.
        expected: Description of the columns for error messages, if they are no sentences.

    Yields:
        The number of a line, or of the first line of a row; and a tuple of two strings, which are
        empty for a blank line, or a `FaultyLineError`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged, or has no columns of these names.
    """
    if holds_objects(path):
        yield from _scan_objects(path, _json_fields(path, columns))
        return
    with contextlib.closing(scan_rows(path)) as rows:
        if columns and isinstance(columns[0], str):
            columns = _find_names(path, rows, columns)
        first, second = (number - 1 for number in columns or (1, 2))
        fewest = max(first, second) + 1
        for number, row in rows:
            if isinstance(row, FaultyLineError):
                yield number, row
            elif len(row) >= fewest:
                yield number, (row[first], row[second])
            elif any(map(str.strip, row)):
                yield number, _short_row(path, number, row, fewest, expected)
            else:
                yield number, ("", "")


def read_pairs(path, columns=None, expected=None):
    """Yields the same as `scan_pairs`; a faulty line is an error.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line is faulty, or the file cannot be read.
    """
    return raise_faults(scan_pairs(path, columns, expected))


def scan_rows(path):
    """Yields the number of each row and its columns, a list of strings, or a `FaultyLineError`.

    Args:
        path: A TSV or CSV, as `scan_pairs` takes it.
    """
    head = read_head(path)
    if _suffix(path) == ".csv":
        return _scan_quoted(path, _find_delimiter(head))
    return _scan_quoted(path, "\t") if is_quoted(head) else _scan_plain(path)


def read_head(path):
    """Returns the first lines of a file, without those that are not UTF-8."""
    with contextlib.closing(scan_lines(path)) as lines:
        return [line for _, line in itertools.islice(lines, HEAD) if isinstance(line, str)]


def is_quoted(head):
    """Returns whether the fields of a TSV are quoted as spreadsheets do.

    Args:
        head: The first lines. A field in quotes that has quotes, tabs or line ends inside is
            evidence, unless another field has quotes that could not be written so.
    """
    if not any('""' in line or line.count('"') % 2 for line in head):
        return False
    try:
        rows = list(csv.reader((f"{line}\n" for line in head), delimiter="\t", strict=True))
    except csv.Error as error:
        # A field may go on after the last line of the head.
        if "unexpected end" not in str(error):
            return False
        rows = csv.reader((f"{line}\n" for line in head), delimiter="\t")
    return any('"' in field or "\n" in field for row in rows for field in row)


def _scan_plain(path):
    for number, line in scan_lines(path):
        yield number, line if isinstance(line, FaultyLineError) else line.split("\t")


def _scan_quoted(path, delimiter):
    """Yields the rows of a file whose fields may be in quotes, and may have line ends inside."""
    lines = _Lines(path)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = lines.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except FaultyLineError as error:
            yield error.line, error
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise ValueError(
                    f"{path}, line {number}: a field begins with a quote that is never closed"
                ) from error
            fault = f"expected fields in quotes as spreadsheets write them; {error}"
            yield number, FaultyLineError(f"{path}, line {number}: {fault}", str(path), number)
        else:
            yield number, [" ".join(field.split("\n")) for field in row]


class _Lines:
    """The lines of a file with their ends, and the number of the last one; faults are raised."""

    def __init__(self, path):
        self.number = 0
        self._lines = scan_lines(path)

    def __iter__(self):
        return self

    def __next__(self):
        self.number, line = next(self._lines)
        if isinstance(line, FaultyLineError):
            raise line
        return f"{line}\n"


def _find_delimiter(head):
    """Returns what separates the fields of a CSV: the one of `,` `;` and tab in most rows."""

    def count_rows(delimiter):
        with contextlib.suppress(csv.Error):
            rows = list(csv.reader((f"{line}\n" for line in head), delimiter=delimiter))
            widths = [len(row) for row in rows if row]
            return sum(width == widths[0] for width in widths) if widths and widths[0] > 1 else 0
        return 0

    return max(",;\t", key=count_rows)


def _find_names(path, rows, names):
    """Returns the numbers of the columns that the first row names."""
    _, header = next(rows, (0, []))
    if isinstance(header, FaultyLineError):
        raise header
    header = [name.strip() for name in header]
    for name in names:
        if header.count(name) != 1:
            listing = ", ".join(filter(None, header)) or "nothing"
            raise SettingError(
                "{columns} must be names in the first line of {0}, which has {1}; received {2!r}",
                *(path, excerpt(listing, 200), name),
            )
    return tuple(header.index(name) + 1 for name in names)


def _short_row(path, number, row, fewest, expected):
    received = "one column" if len(row) == 1 else f"{len(row)} columns"
    if fewest > 2:
        expected = f"at least {fewest} columns"
    elif expected is None:
        is_csv = _suffix(path) == ".csv"
        expected = "two columns, source and target" if is_csv else "source, tab, target"
    line = "\t".join(row)
    fault = f"expected {expected}; received {received}: {excerpt(line)}"
    return FaultyLineError(f"{path}, line {number}: {fault}", str(path), number)


def _json_fields(path, columns):
    if columns and isinstance(columns[0], int):
        raise SettingError(
            "{columns} must be names of fields of {0}, such as source target; received {1} and {2}",
            *(path, *columns),
        )
    return columns or _FIELDS


def _scan_objects(path, fields):
    """Yields the strings in two fields of the JSON object on each line."""
    for number, line in scan_lines(path):
        if isinstance(line, FaultyLineError):
            yield number, line
        elif not line.strip():
            yield number, ("", "")
        else:
            try:
                values = json.loads(line)
                yield number, tuple(find_field(values, field) for field in fields)
            except (ValueError, RecursionError) as error:
                fault = "nested too deeply" if isinstance(error, RecursionError) else error
                yield number, FaultyLineError(f"{path}, line {number}: {fault}", str(path), number)


def find_field(values, field):
    """Returns the string in a field of an object; the name has a dot if it is inside another one.

    Args:
        values: A dict.
        field: Name of the field, such as `source` or `translation.en`.

    Raises:
        ValueError: There is no such string.
    """
    value = values
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            received = excerpt(json.dumps(values, ensure_ascii=False))
            raise ValueError(f"expected an object with the field {field!r}; received {received}")
        value = value[name]
    if not isinstance(value, str):
        raise ValueError(f"expected a string in the field {field!r}; received {value!r}")
    return value


def _suffix(path):
    name = pathlib.PurePath(str(path).lower())
    return pathlib.PurePath(name.stem).suffix if name.suffix in (".gz", ".zip") else name.suffix
