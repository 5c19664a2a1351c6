"""Installed fonts that can show a text; each picture searches for them again."""

import functools
import warnings

from kseq.errors import KseqWarning
from kseq.text.scripts import graphemes, is_visible, script_of

# Tried first, which avoids opening hundreds of font files.
_WIDE_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Symbol",
)

# Packages of Debian and Ubuntu, by script; fonts-noto-core has almost all other scripts.
_CJK_SCRIPTS = ("Bopomofo", "Han", "Hangul", "Hiragana", "Katakana")
_PACKAGES = dict.fromkeys(_CJK_SCRIPTS, "fonts-noto-cjk") | {"symbols": "fonts-symbola"}
_OTHER_PACKAGE = "fonts-noto-core"
_SHOWN_CHARACTERS = 8  # in a warning

# Part of matplotlib, with a box for every character.
_FONT_OF_BOXES = "Last Resort High-Efficiency"


class MissingFontWarning(KseqWarning):
    """No installed font has a character of the text."""


def families_for(text):
    """Finds font families that together have all characters of a text.

    The families that matplotlib is configured to use come first. Fonts are added for characters
    that these lack, preferably one font for a letter and its marks. Emoji need a font with
    monochrome glyphs, because matplotlib cannot draw colour fonts.

    Args:
        text: The text to show.

    Returns:
        A list of family names, for matplotlib's `fontfamily`.

    Warns:
        MissingFontWarning: No installed font has some characters; matplotlib draws boxes.
    """
    from matplotlib import font_manager, rcParams

    configured = list(rcParams["font.family"])
    default = font_manager.findfont(font_manager.FontProperties(family=configured))
    fonts = {None: _glyphs(default)}
    clusters = {frozenset(filter(is_visible, cluster)) for cluster in graphemes(text)}
    incomplete = _add_fonts(fonts, clusters)
    characters = {frozenset(character) for character in frozenset().union(*incomplete)}
    missing = _add_fonts(fonts, characters)
    if missing:
        warnings.warn(_explain(sorted(map(min, missing))), MissingFontWarning, stacklevel=4)
    return configured + [name for name in fonts if name is not None]


def _explain(missing):
    """The text of the warning about characters that no installed font has."""
    scripts = dict.fromkeys(map(_script_of, missing))
    packages = dict.fromkeys(_PACKAGES.get(script, _OTHER_PACKAGE) for script in scripts)
    return (
        f"no installed font has {' '.join(missing[:_SHOWN_CHARACTERS])}: boxes are shown instead. "
        f"Install a font for {' and '.join(scripts)} (on Debian and Ubuntu, "
        f"{' and '.join(packages)}) and try again"
    )


def _script_of(character):
    """The English name of a character's script; `"symbols"` if it belongs to no single script."""
    name = script_of(character)
    return "symbols" if name in ("Common", "Inherited") else name


def text_width(text, families, size):
    """Computes the width of a text in points.

    Args:
        text: The text.
        families: Names of font families.
        size: Font size in points.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    from kseq.analysis.figures import ignore_missing_glyphs

    properties = FontProperties(family=families, size=size)
    with ignore_missing_glyphs():
        return text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0]


def _add_fonts(fonts, clusters):
    """Adds fonts until one font has each set of characters; returns the sets that no font has."""
    missing = {
        cluster for cluster in clusters if not any(cluster <= glyphs for glyphs in fonts.values())
    }
    for name, path in _list_installed() if missing else ():
        still_missing = {cluster for cluster in missing if not cluster <= _glyphs(path)}
        if still_missing != missing:
            fonts[name] = _glyphs(path)
            missing = still_missing
        if not missing:
            break
    return missing


def _list_installed():
    """Names and files of fonts, likely ones first, including newly installed ones."""
    from matplotlib import font_manager

    listed = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in listed:
            _register(path)
    fonts = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    fonts.pop(_FONT_OF_BOXES, None)
    likely = [name for name in _WIDE_FONTS if name in fonts]
    others = sorted(set(fonts) - set(likely), key=lambda name: ("Sans" not in name, name))
    return [(name, fonts[name]) for name in likely + others]


def _register(path):
    from matplotlib import font_manager

    try:
        font_manager.fontManager.addfont(path)
    except (OSError, RuntimeError):
        # matplotlib cannot use the file.
        return


@functools.lru_cache(maxsize=1024)
def _glyphs(path):
    """The characters that a font can draw in one colour; empty for a font that cannot be used."""
    from matplotlib import font_manager, ft2font

    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):
        return frozenset()
    flags = ft2font.FaceFlags
    if not font.face_flags & flags.SCALABLE or font.face_flags & flags.COLOR:
        return frozenset()
    return frozenset(map(chr, font.get_charmap()))
