"""Pages in one file: HTML with style, script and data inside, which a policy protects."""

import base64
import hashlib
import importlib.resources
import json
import string


def render_page(template, *, styles, scripts, **values):
    """Renders a page that needs no other file.

    Its content security policy, which the template holds, allows only these styles and scripts.

    Args:
        template: Name of the file of the HTML, as in `read_resource`. In it, `$style`, `$script`,
            `$style_hash`, `$script_hash` and the names of `values` are replaced.
        styles: Names of the files of its style, which are joined.
        scripts: Likewise, of its script.
        **values: HTML by name.

    Returns:
        HTML.
    """
    style, script = ("\n".join(map(read_resource, names)) for names in (styles, scripts))
    return string.Template(read_resource(template)).substitute(
        style=style,
        script=script,
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        **values,
    )


def read_resource(name):
    """Returns the text of a file of this package, such as `"web/heatmap.js"`."""
    return importlib.resources.files("kseq").joinpath(name).read_text("utf-8")


def to_json(value):
    """Returns JSON that cannot close the HTML element that contains it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy_hash(text):
    """The source expression for this text in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
