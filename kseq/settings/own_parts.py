"""Layers of users as parts of a model, described by plain data that settings can hold.

Nothing is imported, or run, because a description names it: a class is found only if the process
has imported its module already.
"""

import contextlib
import dataclasses
import importlib
import inspect
import json
import re

from kseq.errors import SettingError, SettingTypeError, is_message_of_kseq

# The public base class of each setting, as the user knows it, and its home.
_BASES = {
    "attention": ("kseq.Attention", "kseq.attention.contract"),
    "cell": ("kseq.Cell", "kseq.models.cells"),
    "decoder_cell": ("kseq.Cell", "kseq.models.cells"),
}
_CHOSEN_BY_MODEL = {
    "attention": ("name", "dtype", "trainable"),
    "cell": ("name", "dtype", "trainable", "units"),
    "decoder_cell": ("name", "dtype", "trainable", "units"),
}


@dataclasses.dataclass(frozen=True)
class OwnPart:
    """A layer that is not in kseq: the name that Keras registered its class by, and its config.

    Args:
        registered_name: The name, such as `"my_package>MyAttention"`.
        config: The arguments of `from_config`, plain data.
    """

    registered_name: str
    config: dict = dataclasses.field(default_factory=dict)

    def __hash__(self):
        return hash((self.registered_name, json.dumps(self.config, sort_keys=True)))

    def __str__(self):
        return self.registered_name

    def find(self, setting):
        """Returns the class.

        Args:
            setting: The setting that holds the description, such as `"attention"`.

        Raises:
            SettingError: No imported module has registered the name, or the class is another kind
                of layer.
        """
        import keras

        found = keras.saving.get_registered_object(self.registered_name)
        if found is None:
            raise SettingError(
                "{field}={0} is a class that no imported module has registered with Keras; import "
                "the module that defines it first (of the command: --import MODULE)",
                self.registered_name,
                field=setting,
            )
        _check_base(setting, found)
        return found

    def make(self, setting, **arguments):
        """Makes a layer, which shares nothing with any other.

        Args:
            setting: As in `find`.
            **arguments: Arguments that replace those of the config.
        """
        return _rebuild(setting, self.find(setting), {**self.config, **arguments})


def describe_part(setting, value):
    """Describes a layer of a user that is the value of a setting.

    Args:
        setting: The setting, such as `"attention"`.
        value: A layer; the registered name of a class that needs no arguments; or a description as
            JSON has it.

    Returns:
        An `OwnPart`; None if the value is none of these.

    Raises:
        SettingError: The layer could not be made again from its description.
        SettingTypeError: It is a class.
    """
    if isinstance(value, OwnPart):
        return value
    if isinstance(value, dict) and "registered_name" in value:
        return _read(setting, value)
    if isinstance(value, str) and ">" in value:
        kind = OwnPart(value).find(setting)
        return _describe_layer(setting, _rebuild(setting, kind, {}))
    if not hasattr(value, "get_config"):
        return None
    if inspect.isclass(value):
        raise SettingTypeError(
            "{field} must be a layer; received a class: write {0}()", value.__name__, field=setting
        )
    return _describe_layer(setting, value)


def _read(setting, values):
    """Returns the `OwnPart` of a dict."""
    name, config = values["registered_name"], values.get("config", {})
    is_known = values.keys() <= {"registered_name", "config"}
    if not (is_known and isinstance(name, str) and isinstance(config, dict)):
        raise SettingError(
            "{field} must have a registered_name, which is a string, and perhaps a config, which "
            "is a mapping, and nothing else; received {0}",
            json.dumps(values, default=repr),
            field=setting,
        )
    return OwnPart(name, config)


def _describe_layer(setting, layer):
    """Returns the `OwnPart` of a layer, from which an equal one can be made."""
    import keras

    kind = type(layer)
    _check_base(setting, kind)
    name = keras.saving.get_registered_name(kind)
    if keras.saving.get_registered_object(name) is not kind:
        raise SettingError(
            "{field}: {0} is not registered, so a run with it could not be read again; write "
            '@keras.saving.register_keras_serializable("my_package") above the class',
            kind.__name__,
            field=setting,
        )
    config = layer.get_config()
    chosen = _CHOSEN_BY_MODEL[setting]
    if "units" in chosen and config.get("units") is not None:
        raise SettingError(
            "{field}: leave out the units of {0}; the model chooses them",
            kind.__name__,
            field=setting,
        )
    config = {key: value for key, value in config.items() if key not in chosen}
    return OwnPart(name, _check_config(setting, kind, config))


def _check_config(setting, kind, config):
    """Returns the config of a layer as plain data, after making a second layer from it."""
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [each.name for each in parameters if each.kind not in variadic]
    missing = [name for name in named if name not in (*config, *_CHOSEN_BY_MODEL[setting])]
    if missing:
        raise SettingError(
            "{field}: get_config of {0} leaves out {1}, so no equal layer could be made; it must "
            "return all arguments of the constructor",
            *(kind.__name__, ", ".join(missing)),
            field=setting,
        )
    try:
        config = json.loads(json.dumps(config))
    except TypeError as error:
        raise SettingError(
            "{field}: get_config of {0} must return numbers, strings, lists and dicts, which JSON "
            "can hold ({1}); a layer inside goes through keras.saving.serialize_keras_object",
            *(kind.__name__, error),
            field=setting,
        ) from error
    _rebuild(setting, kind, config)
    return config


def _rebuild(setting, kind, config):
    """Makes a layer from its config."""
    try:
        return kind.from_config(dict(config))
    except TypeError as error:
        raise SettingError(
            "{field}: {0}.from_config cannot make the layer ({1}); its constructor must accept "
            "what get_config returns, and **kwargs for the constructor of its base class",
            *(kind.__name__, error),
            field=setting,
        ) from error


def _check_base(setting, kind):
    """Checks that a class is the kind of layer that a setting needs."""
    public_name, home = _BASES[setting]
    base = getattr(importlib.import_module(home), public_name.rpartition(".")[-1])
    if not issubclass(kind, base):
        raise SettingError(
            "{field} must be a layer whose class is derived from {0}; received {1}",
            *(public_name, kind.__name__),
            field=setting,
        )


@contextlib.contextmanager
def tried_out(name, method, remark=""):
    """A context that tries out a layer of the user, and explains its failures in one line.

    Args:
        name: What is tried, such as `"the cell MyCell"`.
        method: Name of the method that it has to define.
        remark: What to add to the explanation.

    Raises:
        ValueError: The layer failed.
    """
    try:
        yield
    except NotImplementedError as error:
        raise ValueError(f"expected {name} to define {method}") from error
    except Exception as error:  # Anything can go wrong in code of others.
        if isinstance(error, (ValueError, TypeError)) and is_message_of_kseq(error):
            raise
        raise ValueError(
            f"{name} failed when it was tried: {_failure_of(error)}{remark}"
        ) from error


def _failure_of(error):
    """Returns the type and the message of an error in a layer, without what Keras adds."""
    added = re.search("\x1b\\[1m(.*?)\x1b\\[0m", str(error), re.DOTALL)
    return f"{type(error).__name__}: {added[1] if added else error}"
