"""All settings of a run, read from and written to JSON, YAML and `field=value`."""

import collections.abc
import dataclasses
import json
import pathlib
import reprlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from kseq.errors import SettingError
from kseq.fields import Fields, check_names, field_names, suggestion
from kseq.path_names import PathName
from kseq.settings.model import ModelConfig
from kseq.settings.text import TextConfig, require_same_tokenizers
from kseq.settings.training import TrainingConfig

__all__ = ["Config", "ModelConfig", "TextConfig", "TrainingConfig"]


@dataclasses.dataclass(frozen=True)
class Config(Fields):
    """All settings of a run: the contents of its `config.json`.

    Args:
        model: The architecture.
        text: How strings become ids.
        training: How the model is trained.

    Raises:
        ValueError: Settings of two sections contradict each other.
        TypeError: A section has the wrong type.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)

    def __post_init__(self):
        for name, section_type in typing.get_type_hints(type(self)).items():
            section = getattr(self, name)
            if not isinstance(section, section_type):
                raise TypeError(
                    f"{name} must be a {section_type.__name__}; received {reprlib.repr(section)}"
                )
        if self.model.share_embeddings:
            require_same_tokenizers("share_embeddings", self.text)
            if self.training.source_vectors and self.training.target_vectors:
                raise SettingError(
                    "{share_embeddings}=true has one matrix for both sides; name one file of "
                    "vectors, not both {source_vectors} and {target_vectors}"
                )
        if self.model.copy:
            self._check_copying()
        self._check_source()
        if self.training.subword_sampling and "subword" not in self.text.tokenizers:
            raise SettingError(
                "{subword_sampling}={0} needs {source_tokenizer}=subword or "
                "{target_tokenizer}=subword",
                self.training.subword_sampling,
            )
        if self.training.coverage_loss_start and not self.model.coverage_loss:
            raise SettingError(
                "{coverage_loss_start}={0} needs {coverage_loss}, such as {coverage_loss}=1",
                self.training.coverage_loss_start,
            )
        if self.training.guided_alignment:
            self._check_guided_alignment()

    def _check_source(self):
        """Checks that all settings agree on whether there is a source."""
        has_none = self.text.source_tokenizer == "none"
        if has_none != self.model.is_language_model:
            raise SettingError(
                "a language model has no source, so both {encoder_layers}=0 and "
                "{source_tokenizer}=none; received {encoder_layers}={0} and {source_tokenizer}={1} "
                "({language_model} sets both)",
                *(self.model.encoder_layers, self.text.source_tokenizer),
            )
        if has_none and self.training.source_vectors:
            raise SettingError("{source_vectors} needs a source; a language model has none")
        if has_none and self.training.decoded_pairs:
            raise SettingError(
                "{decoded_pairs} compares outputs with references; a language model has none: use "
                "{monitor}=val_perplexity"
            )
        if has_none and self.text.previous_turns:
            raise SettingError(
                "{previous_turns}={0} needs a source; a language model has none",
                self.text.previous_turns,
            )

    def _check_guided_alignment(self):
        if self.model.attention == "none":
            raise SettingError(
                "{guided_alignment} needs attention; use {attention}=bahdanau, for instance"
            )
        if self.model.source_features or self.model.target_features or not self.text.reads_words:
            raise SettingError(
                "{guided_alignment} needs tokens that are words, which alignments link: text with "
                "word or space as {source_tokenizer} and {target_tokenizer}, and a {case} other "
                "than mark"
            )

    def _check_copying(self):
        require_same_tokenizers("copy", self.text)
        if self.training.word_dropout:
            raise SettingError(
                "{word_dropout}={0} does not fit {copy}=true, which copies the words that it would "
                "drop; leave one of them out",
                self.training.word_dropout,
            )

    @property
    def shares_vocabulary(self) -> bool:
        """Whether both sides have the same vocabulary."""
        return self.text.share_vocabulary or self.model.share_embeddings or self.model.copy

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """Builds a config from a dict of sections, each a dict of fields.

        Raises:
            ValueError: A section or a field is unknown, or a value is out of range.
            TypeError: A value has the wrong type.
        """
        check_names(values, field_names(cls), "section")
        sections = {}
        for name, section_type in typing.get_type_hints(cls).items():
            fields = values.get(name, {})
            check_names(fields, field_names(section_type), f"field of {name}")
            sections[name] = section_type(**fields)
        return cls(**sections)

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as a dict of dicts, ready for JSON or YAML."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, path: PathName, absent: Mapping[str, Any] | None = None) -> "Config":
        """Reads a `.json`, `.yaml` or `.yml` file.

        Args:
            path: The file.
            absent: As in `loads`.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file does not hold a config; the message names the file.
        """
        path = pathlib.Path(path)
        try:
            return cls.loads(path.read_text(encoding="utf-8"), path.suffix, absent)
        except FileNotFoundError:
            raise FileNotFoundError(f"config file not found: {path}") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def loads(
        cls, text: str, suffix: str = ".json", absent: Mapping[str, Any] | None = None
    ) -> "Config":
        """Reads settings from text, in JSON or (for `".yaml"`) in YAML.

        Args:
            text: The text.
            suffix: `".json"`, `".yaml"` or `".yml"`.
            absent: Values of fields that the text does not have, if they are not the defaults: a
                dict of sections, each a dict of fields.

        Raises:
            ValueError: The text is not a config, or a value is out of range.
            TypeError: A value has the wrong type.
        """
        values = parse_settings(text, suffix)
        values = {} if values is None else values
        check_names(values, field_names(cls), "section")
        for section, fields in (absent or {}).items():
            if isinstance(given := values.get(section, {}), dict):
                values[section] = fields | given
        return cls.from_dict(values)

    def dumps(self, suffix: str = ".json") -> str:
        """Returns the settings as text, in JSON or (for `".yaml"`) in YAML.

        Raises:
            ValueError: There is another suffix.
        """
        if isinstance(suffix, str) and suffix == ".json":
            return json.dumps(self.to_dict(), indent=2) + "\n"
        _require_yaml(suffix)
        import yaml

        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    def __str__(self) -> str:
        """The settings in YAML, a line each, for `print`."""
        return self.dumps(".yaml").rstrip()

    def with_settings(self, settings: Iterable[str]) -> "Config":
        """Returns a copy in which some settings are changed.

        Args:
            settings: Strings such as `"units=256"`, or, with the section, `"model.units=256"`.

        Raises:
            ValueError: A string is not `field=value`, the field is unknown, or the field cannot
                have that value.
            TypeError: `settings` is not a list of strings, or a value has the wrong type.
        """
        is_list = isinstance(settings, collections.abc.Iterable) and not isinstance(settings, str)
        settings = list(settings) if is_list else settings
        if not is_list or not all(isinstance(setting, str) for setting in settings):
            raise TypeError(
                'expected a list of strings, such as ["units=256", "epochs=20"]; received '
                f"{reprlib.repr(settings)}"
            )
        values = self.to_dict()
        for setting in settings:
            name, separator, text = setting.partition("=")
            if not separator or not name.strip():
                raise ValueError(
                    "expected field=value, such as units=256, without spaces around =; received "
                    f"{setting!r}"
                )
            section, field = locate_field(name.strip())
            values[section][field] = _parse_value(text.strip())
        return Config.from_dict(values)


def locate_field(name):
    """Returns the section and the field of `units` or `model.units`.

    Raises:
        ValueError: There is no such setting; the message names the nearest one.
    """
    sections = {
        field.name: section
        for section, section_type in typing.get_type_hints(Config).items()
        for field in dataclasses.fields(section_type)
    }
    full_names = {f"{section}.{field}": (section, field) for field, section in sections.items()}
    if name in full_names:
        return full_names[name]
    if name in sections:
        return sections[name], name
    closest = suggestion(name, [*sections, *full_names])
    raise ValueError(f"unknown setting {name!r}{closest} (known: {', '.join(sections)})")


def parse_settings(text, suffix):
    """Returns the content of a file of settings, in JSON or (for `".yaml"`) in YAML.

    Raises:
        ValueError: The text is something else, or the suffix is.
    """
    try:
        return _parse(text, suffix)
    except RecursionError as error:
        raise ValueError("nested too deeply to be settings") from error


def _parse(text, suffix):
    if suffix == ".json":
        return json.loads(text)
    _require_yaml(suffix)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from error


def _require_yaml(suffix):
    if not isinstance(suffix, str) or suffix not in (".yaml", ".yml"):
        raise ValueError(
            f"expected a .json, .yaml or .yml file; received suffix {reprlib.repr(suffix)}"
        )


def _parse_value(text):
    """Returns the value of `256`, `0.5`, `true` or `gru` on a command line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
