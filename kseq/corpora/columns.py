"""Which columns of a table hold source, target, and features or covariates."""

from kseq.errors import SettingError


def check_columns(columns, third=None, name="features"):
    """Checks a choice of columns.

    Args:
        columns: The columns of source and target, by number, from 1, or by name; or None.
        third: The column of features or covariates, likewise; or None.
        name: The setting that chooses the third column.

    Returns:
        A tuple of two whole numbers or of two strings, for source and target, and a third one if
        there is a third column. Without `columns`, source and target are the first two other
        columns; names that are not known yet are None. None if there is no choice.

    Raises:
        ValueError: The columns are not different ones, all numbers or all names.
    """
    if third is not None:
        return _with_third(check_columns(columns), third, name)
    if columns is None:
        return None
    is_list = hasattr(columns, "__iter__") and not isinstance(columns, (str, bytes))
    chosen = [int(name) if _is_number(name) else name for name in (columns if is_list else ())]
    kinds = {type(name) for name in chosen}
    is_numbers = kinds == {int} and min(chosen) >= 1
    if not (is_numbers or kinds == {str}) or len(chosen) != 2 or len(set(chosen)) != 2:
        raise SettingError(
            "{columns} must be two different columns, source and target, both by number from 1 or "
            "both by name in the first line; received {0!r}",
            columns,
        )
    return tuple(chosen)


def _with_third(columns, third, name):
    """Returns the columns of source, target, and features or covariates."""
    chosen = int(third) if _is_number(third) else third
    if type(chosen) not in (int, str) or (type(chosen) is int and chosen < 1) or chosen == "":
        raise SettingError(
            "{name} must be a column, by number from 1 or by name in the first line; received "
            "{0!r}",
            third,
            name=name,
        )
    if columns is None:
        others = [number for number in (1, 2, 3) if number != chosen]
        return (*others[:2], chosen) if type(chosen) is int else (None, None, chosen)
    if type(columns[0]) is not type(chosen) or chosen in columns:
        raise SettingError(
            "{name} must be another column than source and target, by number if {columns} are "
            "numbers and by name if they are names; received {0!r} and {1!r}",
            *(third, columns),
            name=name,
        )
    return (*columns, chosen)


def fill_names(columns, names):
    """Returns the names of columns, with the first of `names` in place of those that are None.

    Args:
        columns: Result of `check_columns`.
        names: The names of all columns.
    """
    others = (name for name in names if name not in columns)
    return tuple(next(others, None) if name is None else name for name in columns)


def _is_number(name):
    return isinstance(name, str) and name.isdecimal() and len(name) < 10
