"""Tables of plain text, and strings that are safe in their cells."""

import io


def make_table(title, *columns):
    """Makes a table of `rich` without frames.

    Args:
        title: Header of the first column.
        *columns: Header and alignment (`"left"` or `"right"`) of each further column.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(title)
    for name, justify in columns:
        table.add_column(name, justify=justify)
    return table


def render(parts, width):
    """Returns tables and strings below each other as plain text, with blank lines between them.

    Args:
        parts: Tables of `make_table`, and strings, which keep their lines.
        width: Maximum width of a table, in characters.
    """
    from rich.console import Console

    file = io.StringIO()
    plain = {"highlight": False, "markup": False, "emoji": False}
    # In a notebook, rich would display each part itself and write nothing to the file.
    console = Console(file=file, width=width, force_terminal=False, force_jupyter=False, **plain)
    for number, part in enumerate(parts):
        if number:
            console.print()
        console.print(part, soft_wrap=isinstance(part, str))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def escape_invisible(text):
    """Writes invisible characters as code points, such as `<U+200F>`."""
    return "".join(letter if letter.isprintable() else f"<U+{ord(letter):04X}>" for letter in text)
