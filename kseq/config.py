"""Settings as frozen dataclasses that check themselves and travel as JSON or YAML."""

import contextlib
import dataclasses
import difflib
import json
import pathlib
import reprlib
import typing
from typing import Literal

_MANY = 1_000_000

_DESCRIPTIONS = {int: "a whole number", float: "a number", bool: "true or false"}


def _number(default, minimum, maximum):
    return dataclasses.field(default=default, metadata={"minimum": minimum, "maximum": maximum})


class _Section:
    """What the three groups of settings share: every field is checked when one is made."""

    def __post_init__(self):
        kinds = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _converted(field.name, getattr(self, field.name), kinds[field.name])
            _check_range(field, value)
            object.__setattr__(self, field.name, value)


@dataclasses.dataclass(frozen=True)
class ModelConfig(_Section):
    """The architecture: an encoder, an attention mechanism and a decoder.

    Args:
        cell: Recurrent cell of encoder and decoder, `"gru"` or `"lstm"`.
        units: Width H of the decoder state and A of the attention; each direction of the
            encoder has half of it, so that the encoder output is `units` wide too. Even.
        embedding_dim: Width E of the source and target embeddings.
        attention: `"bahdanau"`, the additive attention of Bahdanau et al. 2015
            (arXiv 1409.0473).
        encoder_layers: Number of bidirectional encoder layers.
        dropout: Share of embedding, encoder and readout values dropped while training.

    Raises:
        ValueError: A value is out of range or not among the choices.
        TypeError: A value has another type than its field.
    """

    cell: Literal["gru", "lstm"] = "gru"
    units: int = _number(512, minimum=2, maximum=100_000)
    embedding_dim: int = _number(256, minimum=1, maximum=100_000)
    attention: Literal["bahdanau"] = "bahdanau"
    encoder_layers: int = _number(1, minimum=1, maximum=100)
    dropout: float = _number(0.2, minimum=0.0, maximum=0.95)

    def __post_init__(self):
        super().__post_init__()
        if self.units % 2:
            raise ValueError(
                f"units must be even, because each direction of the encoder takes half of them; "
                f"received {self.units}. Use {self.units + 1}."
            )


@dataclasses.dataclass(frozen=True)
class TextConfig(_Section):
    """How strings become ids.

    Args:
        source_tokenizer: `"word"` or `"character"`.
        target_tokenizer: `"word"` or `"character"`.
        lowercase: Whether both sides are lowered; translations then come out in lower case.
        minimum_frequency: Tokens rarer than this in the training split become UNK.
        maximum_vocabulary_size: Most frequent tokens kept per side, special tokens included.

    Raises:
        ValueError: A value is out of range or not among the choices.
        TypeError: A value has another type than its field.
    """

    source_tokenizer: Literal["word", "character"] = "word"
    target_tokenizer: Literal["word", "character"] = "word"
    lowercase: bool = False
    minimum_frequency: int = _number(2, minimum=1, maximum=_MANY)
    maximum_vocabulary_size: int = _number(50_000, minimum=5, maximum=10_000_000)


@dataclasses.dataclass(frozen=True)
class TrainingConfig(_Section):
    """How a model is trained.

    Args:
        epochs: Passes over the training split, at most.
        batch_size: Sentences per batch.
        learning_rate: Highest learning rate of Adam, reached after the warm-up; it then falls
            along a cosine to a twentieth at the end of the last epoch.
        warmup_steps: Steps over which the learning rate rises from 0 (a tenth of all steps
            where training is shorter than ten times this).
        gradient_clip: Global norm that gradients are clipped to.
        label_smoothing: Share of the probability spread over the whole vocabulary.
        maximum_length: Pairs with more tokens than this on either side are left out.
        patience: Epochs without a better validation loss after which training stops.
        seed: Seed of weights, dropout and the order of the batches.

    Raises:
        ValueError: A value is out of range.
        TypeError: A value has another type than its field.
    """

    epochs: int = _number(10, minimum=1, maximum=_MANY)
    batch_size: int = _number(128, minimum=1, maximum=_MANY)
    learning_rate: float = _number(1e-3, minimum=1e-8, maximum=10.0)
    warmup_steps: int = _number(400, minimum=0, maximum=_MANY)
    gradient_clip: float = _number(1.0, minimum=1e-6, maximum=1e6)
    label_smoothing: float = _number(0.0, minimum=0.0, maximum=0.9)
    maximum_length: int = _number(100, minimum=1, maximum=_MANY)
    patience: int = _number(3, minimum=1, maximum=_MANY)
    seed: int = _number(1, minimum=0, maximum=2**32 - 1)


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, as they stand in its `config.json`.

    Args:
        model: The architecture.
        text: How strings become ids.
        training: How the model is trained.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)

    def __post_init__(self):
        for name, kind in typing.get_type_hints(type(self)).items():
            if not isinstance(getattr(self, name), kind):
                received = reprlib.repr(getattr(self, name))
                raise TypeError(f"{name} must be a {kind.__name__}; received {received}")

    @classmethod
    def from_dict(cls, values):
        """Returns the config that `values`, a dict of dicts by section, describes.

        Raises:
            ValueError: A section or a field is unknown, or a value out of range.
            TypeError: A value has another type than its field.
        """
        _check_names(values, cls, "section")
        sections = {}
        for name, kind in typing.get_type_hints(cls).items():
            fields = values.get(name, {})
            _check_names(fields, kind, f"field of {name}")
            sections[name] = kind(**fields)
        return cls(**sections)

    def to_dict(self):
        """Returns the settings as a dict of dicts, ready for JSON or YAML."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, path):
        """Reads a `.json`, `.yaml` or `.yml` file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file does not hold a config; the message names the file.
        """
        path = pathlib.Path(path)
        try:
            values = _parse(path.read_text(encoding="utf-8"), path.suffix)
            return cls.from_dict({} if values is None else values)
        except FileNotFoundError:
            raise FileNotFoundError(f"config file not found: {path}") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error
        except RecursionError as error:
            raise ValueError(f"{path}: nested too deeply to be a config") from error

    def dumps(self, suffix=".json"):
        """Returns the settings as text, in JSON or (for `".yaml"`) in YAML."""
        if suffix == ".json":
            return json.dumps(self.to_dict(), indent=2) + "\n"
        import yaml

        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    def with_settings(self, settings):
        """Returns a copy in which `settings`, strings such as `"units=256"`, are changed.

        A field may be named with its section (`"model.units=256"`) or without.

        Raises:
            ValueError: A setting is not `field=value`, its field is unknown, or its value bad.
        """
        values = self.to_dict()
        for setting in settings:
            name, separator, text = setting.partition("=")
            if not separator:
                raise ValueError(f"expected field=value, such as units=256; received {setting!r}")
            section, field = _locate(name.strip())
            values[section][field] = _scalar(text)
        return Config.from_dict(values)


def _locate(name):
    """The section and the field that `units` or `model.units` mean."""
    fields = {
        field.name: section
        for section, kind in typing.get_type_hints(Config).items()
        for field in dataclasses.fields(kind)
    }
    full_names = {f"{section}.{field}": (section, field) for field, section in fields.items()}
    if name in full_names:
        return full_names[name]
    if name in fields:
        return fields[name], name
    raise ValueError(f"unknown setting {name!r}{_nearest(name, [*fields, *full_names])}")


def _check_names(values, kind, what):
    if not isinstance(values, dict):
        raise ValueError(
            f"expected a mapping of each {what} to its value; received {reprlib.repr(values)}"
        )
    known = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"unknown {what}: {name!r}{_nearest(name, known)}")


def _nearest(name, known):
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
    return f"; did you mean {close[0]!r}? (known: {', '.join(known)})" if close else ""


def _converted(name, value, kind):
    """`value` as its field wants it; an int stands for a float, nothing else is changed."""
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            expected = " or ".join(repr(choice) for choice in choices)
            raise ValueError(f"{name} must be {expected}; received {reprlib.repr(value)}")
        return value
    if kind is float and type(value) in (int, str):
        # YAML takes 1e-3, without a point, for a string.
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)
    if type(value) is not kind:
        raise TypeError(f"{name} must be {_DESCRIPTIONS[kind]}; received {reprlib.repr(value)}")
    return value


def _check_range(field, value):
    if "minimum" not in field.metadata:
        return
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    if not minimum <= value <= maximum:
        raise ValueError(
            f"{field.name} must be at least {minimum:,} and at most {maximum:,}; received {value}"
        )


def _parse(text, suffix):
    if suffix in (".yaml", ".yml"):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from error
    if suffix != ".json":
        raise ValueError(f"expected a .json, .yaml or .yml file; received suffix {suffix!r}")
    return json.loads(text)


def _scalar(text):
    """The value that `256`, `0.5`, `true` or `gru` on a command line means."""
    try:
        return json.loads(text.strip())
    except json.JSONDecodeError:
        return text.strip()
