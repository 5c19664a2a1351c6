"""Which installed fonts can show a text, asked anew for every picture."""

import functools
import warnings

from kseq.text.scripts import graphemes, is_visible

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
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Symbol",
)


# Comes with matplotlib and has a box for every character there is.
_FONT_OF_BOXES = "Last Resort High-Efficiency"


class MissingFontWarning(UserWarning):
    """No installed font has a character that shall be shown."""


def families_for(text):
    """Returns font families that together have the characters of a text.

    They begin with matplotlib's configured ones; a font is added where these lack something,
    one that has a letter and its marks together before one that has them apart. Emoji need a
    font that draws them in one colour: matplotlib cannot draw colour fonts.

    Args:
        text: What shall be shown.

    Returns:
        A list of family names, for matplotlib's `fontfamily`.

    Warns:
        MissingFontWarning: Characters are in no installed font; matplotlib draws boxes.
    """
    from matplotlib import font_manager, rcParams

    configured = list(rcParams["font.family"])
    default = font_manager.findfont(font_manager.FontProperties(family=configured))
    fonts = {None: _glyphs(default)}
    clusters = {frozenset(filter(is_visible, cluster)) for cluster in graphemes(text)}
    apart = _add_fonts(fonts, clusters)
    missing = _add_fonts(fonts, {frozenset(character) for character in frozenset().union(*apart)})
    if missing:
        warnings.warn(
            f"no installed font has {' '.join(sorted(map(min, missing))[:8])}: boxes are shown "
            "instead. Install one (Debian and Ubuntu: fonts-noto-cjk for Chinese, Japanese and "
            "Korean, fonts-symbola for emoji, fonts-noto-core for other scripts) and try again",
            MissingFontWarning,
            stacklevel=3,
        )
    return configured + [name for name in fonts if name is not None]


def text_width(text, families, size):
    """Returns how wide a text is drawn in fonts of a size in points, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    from kseq.analysis.figures import silent_about_glyphs

    properties = FontProperties(family=families, size=size)
    with silent_about_glyphs():
        return text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0]


def _add_fonts(fonts, wanted):
    """Adds fonts to `fonts` until each set of characters is in one; returns sets in none."""
    missing = {each for each in wanted if not any(each <= glyphs for glyphs in fonts.values())}
    for name, path in _installed() if missing else ():
        left = {each for each in missing if not each <= _glyphs(path)}
        if left != missing:
            fonts[name] = _glyphs(path)
            missing = left
        if not missing:
            break
    return missing


def _installed():
    """Names and files of fonts, likely ones first, those installed a moment ago among them."""
    from matplotlib import font_manager

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            _add(path)
    fonts = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    fonts.pop(_FONT_OF_BOXES, None)
    likely = [name for name in _WIDE_FONTS if name in fonts]
    others = sorted(set(fonts) - set(likely), key=lambda name: ("Sans" not in name, name))
    return [(name, fonts[name]) for name in likely + others]


def _add(path):
    from matplotlib import font_manager

    try:
        font_manager.fontManager.addfont(path)
    except (OSError, RuntimeError):
        # A file that matplotlib cannot use is none of the fonts we look for.
        return


@functools.lru_cache(maxsize=1024)
def _glyphs(path):
    """The characters that a font can draw in one colour."""
    from matplotlib import font_manager, ft2font

    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):
        return frozenset()
    flags = ft2font.FaceFlags
    if not font.face_flags & flags.SCALABLE or font.face_flags & flags.COLOR:
        return frozenset()
    return frozenset(map(chr, font.get_charmap()))
