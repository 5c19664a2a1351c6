"""Which installed fonts can show a text, asked anew for every picture."""

import functools
import warnings

# Asked first, so that nobody waits while hundreds of font files are opened.
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
)


class MissingFontWarning(UserWarning):
    """No installed font has a character that shall be shown."""


def families_for(text):
    """Returns font families that together have the characters of a text.

    They begin with matplotlib's configured ones; Chinese, Japanese and Korean characters,
    which its default font lacks, add a font that has them.

    Args:
        text: What shall be shown.

    Returns:
        A list of family names, for matplotlib's `fontfamily`.

    Warns:
        MissingFontWarning: Characters are in no installed font; matplotlib draws boxes.
    """
    from matplotlib import font_manager, rcParams

    families = list(rcParams["font.family"])
    default = font_manager.findfont(font_manager.FontProperties(family=families))
    missing = {char for char in text if char.isprintable() and not char.isspace()}
    missing = _not_in(default, missing)
    for name, path in _installed() if missing else ():
        left = _not_in(path, missing)
        if left != missing:
            families.append(name)
            missing = left
        if not missing:
            return families
    if missing:
        warnings.warn(
            f"no installed font has {' '.join(sorted(missing)[:8])}: boxes are shown instead. "
            "Install one (Debian and Ubuntu: fonts-noto-cjk for Chinese, Japanese and Korean, "
            "fonts-noto-core for other scripts) and try again",
            MissingFontWarning,
            stacklevel=4,
        )
    return families


def _installed():
    """Names and files of fonts, likely ones first, those installed a moment ago among them."""
    from matplotlib import font_manager

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known and "Emoji" not in path:
            _add(path)
    fonts = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    likely = [name for name in _WIDE_FONTS if name in fonts]
    others = [name for name in sorted(fonts) if name not in likely and "Emoji" not in name]
    return [(name, fonts[name]) for name in likely + others]


def _add(path):
    from matplotlib import font_manager

    try:
        font_manager.fontManager.addfont(path)
    except (OSError, RuntimeError):
        # A file that matplotlib cannot use is none of the fonts we look for.
        return


def _not_in(path, characters):
    return {char for char in characters if ord(char) not in _glyphs(path)}


@functools.lru_cache(maxsize=256)
def _glyphs(path):
    from matplotlib import font_manager

    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
