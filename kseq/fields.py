"""Dataclasses whose fields are checked when an instance is made."""

import contextlib
import dataclasses
import difflib
import numbers
import reprlib
import types
import typing
from typing import Literal

from kseq.errors import SettingError, SettingTypeError

_DESCRIPTIONS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple: "a sequence",
    list: "a list",
    dict: "a mapping",
}


def number(default, minimum, maximum, excludes_minimum=False):
    """A field for a number within bounds, which are included, perhaps except for the minimum."""
    bounds = {"minimum": minimum, "maximum": maximum, "excludes_minimum": excludes_minimum}
    return dataclasses.field(default=default, metadata=bounds)


def choice(default, describe):
    """A field for one of several choices, or for something else, of which it holds a description.

    Args:
        default: The default choice.
        describe: Function from the name of the field and a value to a description, or to None for
            what must be one of the choices.
    """
    return dataclasses.field(default=default, metadata={"describe": describe})


class Fields:
    """Base class of dataclasses that answer an unknown argument with the nearest field.

    Raises:
        TypeError: There is no field of this name.
    """

    def __new__(cls, *_, **values):
        """Checks the names of the values before `__init__` takes them."""
        names = field_names(cls)
        for name in values:
            if name not in names:
                raise TypeError(_describe_unknown(f"field of {cls.__name__}", name, names))
        return super().__new__(cls)


class Section(Fields):
    """Base class of dataclasses that check every field when an instance is made.

    Raises:
        SettingError: A value is out of range or not among the choices.
        SettingTypeError: A value has the wrong type.
    """

    def __post_init__(self):
        types_by_name = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _check(field, types_by_name[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)


def check_field(section, name, value):
    """Returns the value of a field, converted to its type.

    Args:
        section: Subclass of `Section`.
        name: Name of one of its fields.
        value: The value.

    Raises:
        SettingError: The value is out of range or not among the choices.
        SettingTypeError: It has the wrong type.
    """
    (field,) = (field for field in dataclasses.fields(section) if field.name == name)
    return _check(field, typing.get_type_hints(section)[name], value)


def _check(field, kind, value):
    if "describe" in field.metadata:
        description = field.metadata["describe"](field.name, value)
        if description is not None:
            return description
    value = _convert(field.name, value, kind)
    _check_range(field, value)
    return value


def field_names(dataclass):
    """Returns the names of the fields of a dataclass, a list."""
    return [field.name for field in dataclasses.fields(dataclass)]


def check_names(values, names, noun):
    """Checks that `values` is a mapping whose keys are among the names.

    Args:
        values: The mapping.
        names: The names, a list.
        noun: What a name stands for in messages, such as "option".

    Raises:
        ValueError: It is not a mapping, or a key is not one of the names.
    """
    if not isinstance(values, dict):
        raise ValueError(
            f"expected a mapping of each {noun} to its value; received {reprlib.repr(values)}"
        )
    for key in values:
        if key not in names:
            raise ValueError(_describe_unknown(noun, key, names))


def _describe_unknown(noun, name, names):
    return f"unknown {noun}: {name!r}{suggestion(name, names)} (known: {', '.join(names)})"


def suggestion(word, choices):
    """Returns `"; did you mean 'units'?"` with the choice that is closest to `word`."""
    if isinstance(word, bool):
        return "; YAML reads words such as no and off as true or false: put them in quotes"
    by_lower_case = {choice.lower(): choice for choice in choices}
    word = str(word).lower()
    completions = [choice for choice in by_lower_case if word and choice.startswith(word)]
    (closest,) = completions[:1] or difflib.get_close_matches(word, by_lower_case, 1, cutoff=0.0)
    return f"; did you mean {by_lower_case[closest]!r}?"


def _convert(name, value, kind):
    """Converts `value` to the type of its field: a whole number may become a float."""
    if isinstance(kind, types.UnionType):
        kind, _ = typing.get_args(kind)
        if value is None:
            return value
    if typing.get_origin(kind) is Literal:
        return check_choice(name, value, typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return _convert_choices(name, value, typing.get_args(kind)[0])
    if isinstance(value, numbers.Number) and type(value) is not bool:
        if isinstance(value, numbers.Integral) and kind is int:
            return int(value)  # NumPy has number types of its own
        if isinstance(value, numbers.Real) and kind is float:
            with contextlib.suppress(OverflowError):  # A whole number may be as large as it likes.
                return float(value)
    if kind is float and type(value) is str:
        # YAML reads 1e-3, which has no decimal point, as a string.
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)
    if type(value) is not kind:
        raise SettingTypeError(
            "{field} must be {0}; received {1}",
            *(_DESCRIPTIONS[kind], reprlib.repr(value)),
            field=name,
        )
    return value


def _convert_choices(name, value, kind):
    """Converts a list of choices, or a string with commas between them, to a tuple.

    The tuple has the order of the choices, and each only once, so that equal sets are equal.
    """
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",")] if value.strip() else []
    if not isinstance(value, (list, tuple)):
        raise SettingTypeError(
            "{field} must be a list such as {0}; received {1}",
            *(",".join(typing.get_args(kind)[:2]), reprlib.repr(value)),
            field=name,
        )
    chosen = [_convert(name, word, kind) for word in value]
    return tuple(choice for choice in typing.get_args(kind) if choice in chosen)


def check_choice(name, value, choices):
    """Returns a value that is one of the choices, which are strings.

    Raises:
        SettingError: It is not; the message names the nearest choice.
    """
    if not isinstance(value, str) or value not in choices:
        *first, last = map(repr, choices)
        raise SettingError(
            "{field} must be {0} or {1}; received {2}{3}",
            *(", ".join(first), last, reprlib.repr(value), suggestion(value, choices)),
            field=name,
        )
    return value


def _check_range(field, value):
    if "minimum" not in field.metadata or value is None:
        return
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    excludes_minimum = field.metadata["excludes_minimum"]
    if not minimum <= value <= maximum or (excludes_minimum and value == minimum):
        raise SettingError(
            "{field} must be {0} {1:,} and at most {2:,}; received {3}",
            *("greater than" if excludes_minimum else "at least", minimum, maximum, value),
            field=field.name,
        )
