"""Rows of tables: TSV and CSV files, and files with a JSON object on each line."""

import contextlib
import csv
import itertools
import json
import pathlib
import re

from kseq.corpora.columns import fill_names
from kseq.corpora.lines import FaultyLineError, excerpt, raise_faults, scan_lines
from kseq.errors import SettingError

HEAD = 1000  # rows that decide how a file is read
_JSON_LINES = (".jsonl", ".ndjson")
_FIELDS = ("source", "target")  # of JSON objects, unless columns are given


def is_table(path):
    """Returns whether the name of a file says that it is a CSV, or has JSON on its lines."""
    return _suffix(path) == ".csv" or holds_objects(path)


def holds_objects(path):
    """Returns whether a file holds a JSON object on each line, judging by its name."""
    return _suffix(path) in _JSON_LINES


def scan_pairs(path, columns=None, expected=None):
    """Yields the number of each line, and two or three of its columns.

    Args:
        path: A CSV (`.csv`, separated by commas, semicolons or tabs), a file with a JSON object on
            each line (`.jsonl`), or else a TSV; plain, `.gz` or `.zip`. Fields in quotes are read
            as spreadsheets write them: in a CSV, and in a TSV whose first rows are written so.
        columns: Result of `kseq.corpora.columns.check_columns`; by default the first two columns,
            or the fields `source` and `target`. By name, the first line holds the names. The name
            of a field inside another object has a dot: `translation.en`.
        expected: Description of the columns for error messages, if they are no sentences.

    Yields:
        The number of a line, or of the first line of a row; and a tuple of two strings, or three
        with features, which are empty for a blank line, or a `FaultyLineError`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged, or has no columns of these names.
    """
    if holds_objects(path):
        yield from _scan_objects(path, _json_fields(path, columns))
        return
    with contextlib.closing(scan_rows(path)) as rows:
        if columns and isinstance(columns[-1], str):
            columns = _find_names(path, rows, columns)
        indices = [number - 1 for number in columns or (1, 2)]
        fewest = max(indices) + 1
        for number, row in rows:
            if isinstance(row, FaultyLineError):
                yield number, row
            elif len(row) >= fewest:
                yield number, tuple(row[index] for index in indices)
            elif any(map(str.strip, row)):
                yield number, _short_row(path, number, row, fewest, expected)
            else:
                yield number, ("",) * len(indices)


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

    Evidence is a field in quotes that holds doubled quotes, a tab, or a line end; not a tab and a
    line end together, because a quotation over two lines looks the same. Quotes anywhere else show
    that the quotes of the file are text.

    Args:
        head: The first lines.
    """
    text = "\n".join(head)
    quoted = list(_QUOTED.finditer(text))
    rest = _QUOTED.sub("", text)
    if len(head) == HEAD:
        rest = _UNFINISHED.sub("", rest)
    return '"' not in rest and any(map(_is_evidence, quoted))


# A field in quotes; and one that goes on after the last line.
_QUOTED = re.compile(r'(?<![^\t\n])"([^"]*(?:""[^"]*)*)"(?![^\t\n])')
_UNFINISHED = re.compile(r'(?<![^\t\n])"[^"]*(?:""[^"]*)*\Z')


def _is_evidence(match):
    field, text = match[1], match.string
    is_column = text[match.end() : match.end() + 1] == "\t" or text[: match.start()][-1:] == "\t"
    has_tab, has_line_end = "\t" in field, "\n" in field
    return (
        '""' in field
        or (has_line_end and not has_tab)
        or (has_tab and not has_line_end and is_column)
    )


def _scan_plain(path):
    for number, line in scan_lines(path):
        yield number, line if isinstance(line, FaultyLineError) else line.split("\t")


def _scan_quoted(path, delimiter):
    """Yields the rows of a file whose fields may be in quotes, and may have line ends inside.

    After a faulty row, reading goes on at the line after the first one of that row.
    """
    lines = _Lines(path)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.row.clear()
        try:
            row = next(rows)
        except StopIteration:
            return
        except (csv.Error, FaultyLineError) as error:
            number = lines.row[0][0]
            yield number, _faulty_row(path, number, error)
            lines.give_back()
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
        else:
            yield lines.row[0][0], [" ".join(field.split("\n")) for field in row]


def _faulty_row(path, number, error):
    if isinstance(error, FaultyLineError) and error.line == number:
        return error
    fault = f"expected fields in quotes as spreadsheets write them; {error}"
    if "unexpected end" in str(error) or "field limit" in str(error):
        fault = "a field begins with a quote that is never closed"
    return FaultyLineError(f"{path}, line {number}: {fault}", str(path), number)


class _Lines:
    """The lines of a file with their ends, for `csv.reader`; faulty ones are raised.

    Attributes:
        row: The number and the text of each line that was read for the current row.
    """

    def __init__(self, path):
        self.row = []
        self._lines = scan_lines(path)
        self._again = []

    def __iter__(self):
        return self

    def __next__(self):
        number, line = self._again.pop() if self._again else next(self._lines)
        self.row.append((number, line))
        if isinstance(line, FaultyLineError):
            raise line
        return f"{line}\n"

    def give_back(self):
        """Makes all lines of the current row but the first come again."""
        self._again.extend(reversed(self.row[1:]))


def _find_delimiter(head):
    """Returns what separates the fields of a CSV: the one of `,` `;` and tab in most rows.

    Among equals it is the one that is followed by a space least often, as a comma in a text is.
    """

    def rank(delimiter):
        spaced = sum(line.count(f"{delimiter} ") for line in head)
        with contextlib.suppress(csv.Error):
            rows = list(csv.reader((f"{line}\n" for line in head), delimiter=delimiter))
            widths = [len(row) for row in rows if row]
            if widths and widths[0] > 1:
                return sum(width == widths[0] for width in widths), -spaced
        return 0, -spaced

    return max(",;\t", key=rank)


def _find_names(path, rows, names):
    """Returns the numbers of the columns that the first row names."""
    _, header = next(rows, (0, []))
    if isinstance(header, FaultyLineError):
        raise header
    header = [name.strip() for name in header]
    names = fill_names(names, header)
    for place, name in enumerate(names):
        if header.count(name) != 1:
            listing = ", ".join(filter(None, header)) or "nothing"
            option = "{columns}" if place < 2 else "{features} or {covariates}"
            raise SettingError(
                option + " must name what the first line of {0} has: {1}; received {2!r}",
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
    if columns and isinstance(columns[-1], int):
        raise SettingError(
            "{columns} must be names of fields of {0}, such as source target; received {1} and {2}",
            *(path, *columns[:2]),
        )
    return fill_names(columns, _FIELDS) if columns else _FIELDS


def _scan_objects(path, fields):
    """Yields the strings in two fields of the JSON object on each line."""
    for number, line in scan_lines(path):
        if isinstance(line, FaultyLineError):
            yield number, line
        elif not line.strip():
            yield number, ("",) * len(fields)
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
    names = [field] if isinstance(values, dict) and field in values else field.split(".")
    for name in names:
        if not isinstance(value, dict) or name not in value:
            received = excerpt(json.dumps(values, ensure_ascii=False))
            raise ValueError(f"expected an object with the field {field!r}; received {received}")
        value = value[name]
    if not isinstance(value, str):
        raise ValueError(f"expected a string in the field {field!r}; received {value!r}")
    if not is_unicode(value):
        raise ValueError(
            f"expected text in the field {field!r}; received half a character {value!r}"
        )
    return value


def is_unicode(text):
    """Returns whether a string can be written as UTF-8: it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _suffix(path):
    name = pathlib.PurePath(str(path).lower())
    return pathlib.PurePath(name.stem).suffix if name.suffix in (".gz", ".zip") else name.suffix
