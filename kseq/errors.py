"""Errors about settings, whose names are separate from the message; and the class of warnings."""

import dis
import pathlib
import re
import string

_ASSIGNED = re.compile(r"\{(\w+)\}=")
_PACKAGE = pathlib.Path(__file__).parent


class KseqWarning(UserWarning):
    """Base class of the warnings that the command shows, each on one line."""


class SettingError(ValueError):
    """A setting has a value that it cannot have.

    The message is a template: names in braces are settings, numbers in braces are values.

        SettingError("{n_best} must be at most {beam_size} ({0}); received {1}", 1, 5)

    Code that shows the message can spell the settings as the user did, for instance as flags.

    Attributes:
        settings: Names of the settings in the message, the one at fault first.
        assigned: Those that are written with a value, `{name}=value`, as `--set` takes them.

    Args:
        template: The message.
        *values: Values of `{0}`, `{1}`, ...
        **names: The setting for each name in braces that is not a setting itself.
    """

    def __init__(self, template, *values, **names):
        super().__init__(template, *values)
        self._names = names
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field]
        settings = (names.get(field, field) for field in fields if not field.isdecimal())
        self.settings = tuple(dict.fromkeys(settings))
        assigned = _ASSIGNED.findall(template)
        self.assigned = frozenset(names.get(field, field) for field in assigned)

    def spell(self, spelling):
        """Returns the message with `spelling(name)` in place of the name of every setting."""
        template, *values = self.args
        names = {name: spelling(name) for name in self.settings}
        names |= {field: names[name] for field, name in self._names.items()}
        return template.format(*values, **names)

    def __str__(self):
        return self.spell(lambda name: name)


class SettingTypeError(SettingError, TypeError):
    """The value of a setting has a type that it cannot have."""


def is_message_of_kseq(error):
    """Returns whether a `raise` statement of kseq raised an error, not a library or Python."""
    traceback = error.__traceback__
    if traceback is None:
        return True
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    is_raise = dis.opname[code.co_code[traceback.tb_lasti]] == "RAISE_VARARGS"
    return is_raise and pathlib.Path(code.co_filename).is_relative_to(_PACKAGE)
