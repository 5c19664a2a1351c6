"""The space of a study: for each setting that varies, its choices or its range."""

import collections
import dataclasses
import functools
import json
import math
import pathlib
import reprlib
import shlex
import typing

from kseq.config import Config, locate_field, parse_settings
from kseq.errors import SettingError
from kseq.fields import check_field, check_names

_EXAMPLES = "a list of choices, such as [128, 256], or a range, such as {low: 0.0, high: 0.5}"
_DIGITS = 4  # significant digits of a value from a range without steps


@dataclasses.dataclass(frozen=True)
class Choices:
    """A setting that has one of several values.

    Args:
        values: The values, a tuple.
    """

    values: tuple

    @property
    def size(self):
        """Number of values."""
        return len(self.values)

    def __contains__(self, value):
        return any(_are_same(value, choice) for choice in self.values)

    def tidy(self, value):
        """Returns a value as a setting has it: unchanged."""
        return value

    def describe(self):
        """Returns the choices as they are written in a file."""
        return list(self.values)


@dataclasses.dataclass(frozen=True)
class Range:
    """A number between two bounds, which are included.

    Args:
        low: The smallest value.
        high: The largest value.
        log: Whether the logarithm of the value is distributed evenly.
        step: The distance between values; None for all floats between the bounds.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def is_whole(self):
        """Whether all values are whole numbers."""
        return isinstance(self.low, int)

    @property
    def size(self):
        """Number of values: infinity without steps."""
        return round((self.high - self.low) / self.step) + 1 if self.step else math.inf

    def __contains__(self, value):
        if type(value) is not type(self.low) or not self.low <= value <= self.high:
            return False
        return self.step is None or _is_multiple(value - self.low, self.step)

    def tidy(self, value):
        """Returns a value with few digits, as a setting has it."""
        if self.is_whole:
            return value
        digits = 10 if self.step else _DIGITS  # 0.1 + 0.2 is 0.30000000000000004
        return min(max(float(f"{value:.{digits}g}"), self.low), self.high)

    def describe(self):
        """Returns the range as it is written in a file."""
        bounds = {"low": self.low, "high": self.high}
        if self.log:
            return bounds | {"log": True}
        return bounds if self.step is None else bounds | {"step": self.step}


class Space:
    """The settings that vary in a study.

    Args:
        values: A dict of settings, named as in `Config.with_settings`. Each has a list of choices,
            or a dict with `low` and `high` and perhaps `log` or `step`.

    Attributes:
        settings: `Choices` or `Range` of each setting, by name.

    Raises:
        ValueError: A setting is unknown, or cannot vary in this way.
        TypeError: A value has the wrong type.
    """

    def __init__(self, values):
        if not isinstance(values, dict) or not values:
            raise ValueError(
                f"expected a mapping of settings, each with {_EXAMPLES}; received "
                f"{reprlib.repr(values)}"
            )
        self.settings = {}
        for key, value in values.items():
            if key in typing.get_type_hints(Config):
                raise ValueError(
                    f"{key} is a section, not a setting; name its settings without it, such as "
                    "units: [128, 256]"
                )
            _, name = locate_field(str(key))
            if name in self.settings:
                raise ValueError(f"{name} occurs twice in the space, once as {key}")
            self.settings[name] = _read_setting(name, value)

    @classmethod
    def load(cls, path):
        """Reads a `.yaml`, `.yml` or `.json` file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file does not hold a space; the message names the file.
        """
        path = pathlib.Path(path)
        try:
            return cls(parse_settings(path.read_text(encoding="utf-8"), path.suffix))
        except FileNotFoundError:
            raise FileNotFoundError(f"file of a space not found: {path}") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error

    @property
    def size(self):
        """Number of combinations; infinity if a range has no steps."""
        return math.prod(setting.size for setting in self.settings.values())

    def tidy(self, values):
        """Returns the values of settings, by name, with few digits."""
        return {name: self.settings[name].tidy(value) for name, value in values.items()}

    def describe(self):
        """Returns the space as its file has it: a dict."""
        return {name: setting.describe() for name, setting in self.settings.items()}


def apply_settings(config, values):
    """Returns a copy of a `Config` in which some settings are changed.

    Args:
        config: `Config`.
        values: Values of settings, by name.

    Raises:
        SettingError: The settings contradict each other.
    """
    sections = config.to_dict()
    for name, value in values.items():
        sections[locate_field(name)[0]][name] = value
    return Config.from_dict(sections)


def spell_settings(values):
    """Returns settings as the arguments of `--set`: `"units=256 dropout=0.1"`.

    Args:
        values: Values of settings, by name.
    """
    return " ".join(shlex.quote(f"{name}={spell_value(value)}") for name, value in values.items())


def spell_value(value):
    """Returns the value of a setting as text: `"true"`, `"0.1"`, `"gru"`."""
    return value if isinstance(value, str) else json.dumps(value)


def _read_setting(name, value):
    """Returns the `Choices` or the `Range` of a setting."""
    section = typing.get_type_hints(Config)[locate_field(name)[0]]
    check = functools.partial(check_field, section, name)
    if isinstance(value, (list, tuple)):
        return _read_choices(name, value, check)
    if not isinstance(value, dict):
        raise SettingError(
            "{field}: expected {0}; received {1}. A setting that does not vary belongs to the "
            "config (--set, --config).",
            *(_EXAMPLES, reprlib.repr(value)),
            field=name,
        )
    if typing.get_type_hints(section)[name] not in (int, float):
        raise SettingError("{field} is not a number and has no range; list its choices", field=name)
    return _read_range(name, value, check)


def _read_choices(name, values, check):
    if not values:
        raise SettingError("{field} has no choices; list at least one", field=name)
    choices = tuple(map(check, values))
    if not all(isinstance(choice, (bool, int, float, str)) for choice in choices):
        raise SettingError(
            "{field} takes a list, and cannot vary in a study; set it in the config (--set)",
            field=name,
        )
    most_common, count = collections.Counter(choices).most_common(1)[0]
    if count > 1:
        raise SettingError("{field} has the choice {0} {1} times", most_common, count, field=name)
    return Choices(choices)


def _read_range(name, values, check):
    check_names(values, [field.name for field in dataclasses.fields(Range)], f"key of {name}")
    for key in ("low", "high"):
        if key not in values:
            raise SettingError(
                "{field}: a range needs low and high; {0} is missing", key, field=name
            )
    low, high = check(values["low"]), check(values["high"])
    log, step = values.get("log", False), values.get("step")
    if low >= high:
        raise SettingError(
            "{field}: low must be less than high; received low: {0} and high: {1}",
            *(low, high),
            field=name,
        )
    if not isinstance(log, bool):
        raise SettingError(
            "{field}: log must be true or false; received {0}", reprlib.repr(log), field=name
        )
    if log and low <= 0:
        raise SettingError(
            "{field}: low must be greater than 0 with log: true; received {0}", low, field=name
        )
    if log and step is not None:
        raise SettingError("{field}: log: true and step exclude each other", field=name)
    return Range(low, high, log, _read_step(name, low, high, step))


def _read_step(name, low, high, step):
    """Returns the step of a range: by default 1 for whole numbers, None for others."""
    kind = type(low)
    if step is None:
        return 1 if kind is int else None
    is_number = isinstance(step, (int, float)) and not isinstance(step, bool)
    if not is_number or step != kind(step) or not 0 < step <= high - low:
        expected = "a whole number" if kind is int else "a number"
        raise SettingError(
            "{field}: step must be {0} greater than 0, and at most high - low ({1:g}); received "
            "{2}",
            *(expected, high - low, reprlib.repr(step)),
            field=name,
        )
    step = kind(step)
    if not _is_multiple(high - low, step):
        count = math.floor((high - low) / step)
        raise SettingError(
            "{field}: steps of {0:g} from {1:g} do not reach high: {2:g}; use high: {3:g}",
            *(step, low, high, low + count * step),
            field=name,
        )
    return step


def _is_multiple(value, step):
    return math.isclose(value / step, round(value / step), abs_tol=1e-9)


def _are_same(first, second):
    """Returns whether two values are the same setting: `True` is not 1."""
    return type(first) is type(second) and first == second
