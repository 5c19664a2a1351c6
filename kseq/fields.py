"""Dataclasses whose fields are checked when one is made; errors name the nearest right one."""

import contextlib
import dataclasses
import difflib
import numbers
import reprlib
import types
import typing
from typing import Literal

_DESCRIPTIONS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple: "a sequence",
}


def number(default, minimum, maximum):
    """A field for a number within bounds, both included."""
    return dataclasses.field(default=default, metadata={"minimum": minimum, "maximum": maximum})


class Section:
    """What groups of settings share: every field is checked when one is made."""

    def __post_init__(self):
        kinds = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _converted(field.name, getattr(self, field.name), kinds[field.name])
            _check_range(field, value)
            object.__setattr__(self, field.name, value)


def check_names(values, kind, what):
    """Checks that `values` is a mapping from names of the fields of `kind`.

    Raises:
        ValueError: It is none, or has a name of another kind.
    """
    if not isinstance(values, dict):
        raise ValueError(
            f"expected a mapping of each {what} to its value; received {reprlib.repr(values)}"
        )
    known = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"unknown {what}: {name!r}{_nearest(name, known)}")


def _nearest(name, known):
    return f"{suggestion(name, known)} (known: {', '.join(known)})"


def suggestion(name, known):
    """Asks whether the nearest of the known names was meant."""
    if isinstance(name, bool):
        return "; YAML reads words such as no and off as true or false: put them in quotes"
    by_lower_case = {each.lower(): each for each in known}
    given = str(name).lower()
    begun = [each for each in by_lower_case if given and each.startswith(given)]
    (closest,) = begun[:1] or difflib.get_close_matches(given, by_lower_case, n=1, cutoff=0.0)
    return f"; did you mean {by_lower_case[closest]!r}?"


def _converted(name, value, kind):
    """`value` as its field wants it; an int stands for a float, nothing else is changed."""
    if isinstance(kind, types.UnionType):
        kind, _ = typing.get_args(kind)
        if value is None:
            return value
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            *others, last = map(repr, choices)
            expected = f"{', '.join(others)} or {last}"
            raise ValueError(
                f"{name} must be {expected}; received {reprlib.repr(value)}"
                f"{suggestion(value, choices)}"
            )
        return value
    if isinstance(value, numbers.Number) and type(value) is not bool:
        if isinstance(value, numbers.Integral) and kind is int:
            return int(value)  # NumPy has numbers of its own
        if isinstance(value, numbers.Real) and kind is float:
            return float(value)
    if kind is float and type(value) is str:
        # YAML takes 1e-3, without a point, for a string.
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)
    if type(value) is not kind:
        raise TypeError(f"{name} must be {_DESCRIPTIONS[kind]}; received {reprlib.repr(value)}")
    return value


def _check_range(field, value):
    if "minimum" not in field.metadata or value is None:
        return
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    if not minimum <= value <= maximum:
        raise ValueError(
            f"{field.name} must be at least {minimum:,} and at most {maximum:,}; received {value}"
        )
