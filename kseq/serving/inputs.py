"""The inputs of requests, checked: sources, options of a search, and what goes with each source."""

import dataclasses
import functools
import json
import math
import reprlib

from kseq.errors import SettingError
from kseq.fields import field_names
from kseq.search.strategies import BeamSearch, Rules, Sampling, make_strategy
from kseq.serving.batches import Batch, Job
from kseq.serving.refusals import Refusal, mistake

_ALIASES = {"beam": "beam_size"}
_ON_THIS_HOST = "dictionary"  # the name of a file, which only the owner of the server may choose
_ESCAPED_SURROGATE = r"\ud"
_LONGEST_OPTIONS = 4_000  # characters, as the latest ones are kept
_LENGTHS = ("minimum_length", "maximum_length", "no_repeat_ngram")
OPTIONS = tuple(
    sorted({*_ALIASES, *field_names(BeamSearch), *field_names(Sampling)} - {_ON_THIS_HOST})
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """What a request asks, in the terms that all protocols share.

    Args:
        sources: Sentences, or real values `[S][F]`.
        options: Options of the search by name; with `samples`, of sampling.
        attention: Whether to return tokens and attention.
        prefix: A text for all sources, a list with one for each, or None.
        features: Likewise.
        steps: Likewise, whole numbers.
    """

    sources: list
    options: dict = dataclasses.field(default_factory=dict)
    attention: bool = False
    prefix: object = None
    features: object = None
    steps: object = None


def make_job(question, description, limits, defaults):
    """Makes the job of a request.

    Args:
        question: `Question`.
        description: `Description` of the model.
        limits: `Limits`.
        defaults: Options of a search that the request does not set, by name.

    Raises:
        Refusal: The request is wrong, or too large.
    """
    _check_sources(question.sources, description, limits)
    count = len(question.sources)
    columns = {
        name: _spread(name, getattr(question, name), count, kind)
        for name, kind in (("prefix", str), ("features", str), ("steps", int))
        if getattr(question, name) is not None
    }
    _check_columns(columns, description, limits)
    if question.attention and not description.has_attention:
        raise mistake("attention: this model has none; leave it out")
    if description.target_width is not None or not description.has_options:
        _refuse_options(question, description)
        method = "translate" if description.target_width is None else "predict"
        options, width = {}, max(1, description.fixed_n_best or 1)
    else:
        method, options, width = _search(question, limits, defaults)
    batch = Batch(
        method=method,
        sources=question.sources,
        options=options,
        attention=question.attention,
        columns=columns,
    )
    return Job(batch, width)


def _check_sources(sources, description, limits):
    if not sources:
        raise mistake("expected at least one source; received none")
    if len(sources) > limits.max_sources:
        raise mistake(
            f"expected at most {limits.max_sources} sources in a request; received {len(sources)}"
        )
    for number, source in enumerate(sources, start=1):
        if description.source_width is None:
            unit = "characters"
            if not isinstance(source, str):
                raise mistake(
                    f"source {number}: expected a string, as this model reads text; received "
                    f"{reprlib.repr(source)}"
                )
        else:
            unit = "steps"
            _check_values(number, source, description.source_width)
        if len(source) > limits.max_length:
            raise mistake(
                f"source {number}: expected at most {limits.max_length} {unit}; received "
                f"{len(source)}"
            )


def _check_values(number, values, width):
    """Checks real values: a list of steps, each a list of finite numbers."""
    is_list = isinstance(values, list) and values
    for step in values if is_list else [None]:
        numbers = step if isinstance(step, list) else [None]
        if len(numbers) != width or not all(map(_is_number, numbers)):
            raise mistake(
                f"source {number}: expected a list of steps, each a list of {width} finite "
                f"numbers, as this model reads real values; received {reprlib.repr(values)}"
            )


def _is_number(value):
    # A whole number may be too large for a float.
    return type(value) in (int, float) and abs(value) < 3e38 and math.isfinite(value)


def _spread(name, value, count, kind):
    """Returns the values of all sources: one for all of them, or a list with one for each."""
    values = value if isinstance(value, list) else [value] * count
    if len(values) != count:
        raise mistake(
            f"{name}: expected one for all sources, or one for each of {count}; received "
            f"{len(values)}"
        )
    for each in values:
        if type(each) is not kind:
            expected = "a string" if kind is str else "a whole number"
            raise mistake(f"{name}: expected {expected}; received {reprlib.repr(each)}")
    return values


def _check_columns(columns, description, limits):
    is_text = description.target_width is None
    if "prefix" in columns and not (is_text and description.has_options):
        reason = "is fixed to none in an exported model" if is_text else "is for text"
        raise mistake(f"prefix: it {reason}; leave it out")
    if description.reads_features != ("features" in columns):
        if description.reads_features:
            raise mistake("features: this model reads some with each source; received none")
        raise mistake("features: this model reads none; leave them out")
    if is_text == ("steps" in columns):
        if is_text:
            raise mistake("steps: they are for models that predict real values; leave them out")
        raise mistake("steps: expected the number of steps to predict; received none")
    for steps in columns.get("steps", ()):
        if not 1 <= steps <= limits.max_length:
            raise mistake(f"steps must be from 1 to {limits.max_length}; received {steps}")


def _refuse_options(question, description):
    if question.options:
        name = next(iter(question.options))
        _check_name(name)
        reason = (
            "real values are predicted without a search"
            if description.target_width is not None
            else "the search of this model was fixed when it was exported; serve the run instead"
        )
        raise mistake(f"{name}: {reason}")


def _search(question, limits, defaults):
    """Returns the method, the options by name, and the number of hypotheses of each source."""
    try:
        given = json.dumps(question.options, sort_keys=True)
        known = json.dumps(defaults, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise mistake(f"options: {error}") from error
    if len(given) > _LONGEST_OPTIONS:
        raise mistake(f"expected options of at most {_LONGEST_OPTIONS} characters as JSON")
    method, options, width, ratio = _read_options(given, known, limits)
    longest = max(map(len, question.sources), default=0)
    if ratio * longest > limits.max_length:
        raise mistake(
            f"minimum_ratio: expected at most {limits.max_length} tokens in all; received "
            f"{ratio:g} for a source of length {longest}"
        )
    return method, dict(options), width


@functools.lru_cache(1024)
def _read_options(given, defaults, limits):
    """Checks the options of a search: see `_search`. The same ones come again and again."""
    given, defaults = json.loads(given), json.loads(defaults)
    for name in given:
        _check_name(name)
    given = {name: value for name, value in given.items() if value is not None}
    for alias, name in _ALIASES.items():
        if alias in given:
            if name in given:
                raise mistake(f"expected either {alias} or {name}, which are the same option")
            given[name] = given.pop(alias)
    method, kind = ("sample", Sampling) if "samples" in given else ("translate", BeamSearch)
    allowed = field_names(Rules if kind is Sampling else BeamSearch)
    options = {name: value for name, value in defaults.items() if name in allowed} | given
    try:
        strategy = make_strategy(kind, **options)
    except SettingError as error:
        names = {value: name for name, value in _ALIASES.items()}
        raise mistake(error.spell(lambda name: names.get(name, name))) from error
    except (ValueError, TypeError) as error:
        raise mistake(str(error)) from error
    if strategy.width > limits.max_beam:
        name = "samples" if kind is Sampling else "beam"
        raise mistake(f"{name} must be at most {limits.max_beam}; received {strategy.width}")
    for name in _LENGTHS:
        if (getattr(strategy, name) or 0) > limits.max_length:
            raise mistake(f"{name} must be at most {limits.max_length}; received {options[name]}")
    return method, options, strategy.width, strategy.minimum_ratio


def check_defaults(options, limits):
    """Checks the options that requests have which set none.

    Args:
        options: Options of a search, by name.
        limits: `Limits`.

    Raises:
        ValueError: An option is beyond a limit.
    """
    try:
        _read_options("{}", json.dumps(options), limits)
    except Refusal as error:
        raise ValueError(
            f"{error}; without an option of their own, all requests would be refused: raise the "
            "limit (--max-beam, --max-length), or leave the option out"
        ) from error


def _check_name(name):
    if name not in OPTIONS:
        raise mistake(f"unknown option: {name!r} (known: {', '.join(OPTIONS)})")


def read_body(body):
    """Reads the body of a request, a JSON object.

    Raises:
        Refusal: It is not JSON, or no object.
    """
    try:
        text = body.decode("utf-8-sig")
        values = json.loads(text, parse_constant=_refuse_constant)
        if _ESCAPED_SURROGATE in text.lower():
            values = _without_lone_surrogates(values)
    except (ValueError, RecursionError) as error:
        raise mistake(f"the body must be JSON: {error}") from error
    if not isinstance(values, dict):
        raise mistake(f"the body must be a JSON object; received {reprlib.repr(values)}")
    return values


def _without_lone_surrogates(values):
    """Replaces halves of surrogate pairs, which JSON can hold but UTF-8 cannot."""
    text = json.dumps(values, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _refuse_constant(name):
    raise ValueError(f"{name} is not a number")


def take(values, name, kinds, default=None):
    """Returns an entry of a JSON object, after checking its type.

    Args:
        values: The object, a dict.
        name: Name of the entry.
        kinds: Its type, or a tuple of types.
        default: What to return if there is no entry.

    Raises:
        Refusal: It has another type.
    """
    value = values.get(name, default)
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if value is not default and type(value) not in kinds:
        expected = " or ".join(_KINDS[kind] for kind in kinds)
        raise mistake(f"{name}: expected {expected}; received {reprlib.repr(value)}")
    return value


_KINDS = {
    str: "a string",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    int: "a whole number",
}


def too_large(limits):
    """Makes the `Refusal` of a body that is too large."""
    return Refusal(413, f"the body must have at most {limits.max_body:,} bytes")
