"""The installed fonts that can show a text, and the warning if there are none."""

import warnings

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from results import make_translation, random_attention

from kseq import plot_attention
from kseq.analysis.fonts import MissingFontWarning, families_for, text_width


def draw_labels(tokens, source_tokens):
    attention = random_attention(len(tokens), len(source_tokens))
    axes = plot_attention(make_translation(attention, tokens, source_tokens))
    FigureCanvasAgg(axes.figure).draw()


def test_a_font_that_has_the_characters_is_found():
    from matplotlib import font_manager

    names = {entry.name for entry in font_manager.fontManager.ttflist}
    if not any("CJK" in name for name in names):
        pytest.skip("needs a font with Chinese, such as the Debian package fonts-noto-cjk")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        families = families_for("北京 東京 서울 café")
        draw_labels(["北", "東"], ["서울", "café"])
    assert families[0] == matplotlib.rcParams["font.family"][0] and len(families) > 1


def test_text_in_the_default_font_needs_no_other_font():
    assert families_for("café Ωμέγα Привет 123") == list(matplotlib.rcParams["font.family"])


def test_the_warning_names_missing_characters_and_fonts_to_install(monkeypatch):
    monkeypatch.setattr("kseq.analysis.fonts._list_installed", list)
    with pytest.warns(MissingFontWarning, match="no installed font has 京 北: .*fonts-noto-cjk"):
        families_for("北京")


def test_the_installed_matplotlib_shapes_arabic():
    """Joined letters are narrower than separate letters."""
    families = families_for("سلام")
    joined, separate = (
        text_width(text, families, 9) for text in ("سسسس", "س\u200cس\u200cس\u200cس")
    )
    assert joined < 0.9 * separate


def test_one_warning_covers_all_missing_characters(monkeypatch):
    monkeypatch.setattr("kseq.analysis.fonts._list_installed", list)
    with pytest.warns(MissingFontWarning, match="has 京 北 👍: .*fonts-symbola") as caught:
        draw_labels(["北", "京", "👍"], ["👍", "北"])
    assert len(caught) == 1 and caught[0].filename == __file__


def test_the_font_of_last_resort_is_never_chosen():
    """It has a box for every character, so it would end every search."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingFontWarning)
        families = families_for("\U000105c0 👩")  # a letter of Todhri, of Unicode 16
    assert not any("Last Resort" in family for family in families)


def test_a_font_with_a_letter_and_its_marks_is_preferred_to_two_fonts(monkeypatch):
    fonts = {"default": "ab", "marks": "\u0301\u0302", "both": "x\u0301", "base": "xyz"}
    monkeypatch.setattr(
        "kseq.analysis.fonts._list_installed", lambda: [(name, name) for name in fonts]
    )
    monkeypatch.setattr(
        "kseq.analysis.fonts._glyphs", lambda path: frozenset(fonts.get(path, fonts["default"]))
    )
    configured = list(matplotlib.rcParams["font.family"])
    assert families_for("ax\u0301") == [*configured, "both"]
    assert families_for("ax\u0302\u200d") == [*configured, "marks", "both"]


@pytest.mark.parametrize(
    "text, advice",
    [
        ("ሰላም", "Ethiopic (on Debian and Ubuntu, fonts-noto-core)"),
        ("สวัสดี", "Thai (on Debian and Ubuntu, fonts-noto-core)"),
        ("नमस्ते", "Devanagari (on Debian and Ubuntu, fonts-noto-core)"),
        ("안녕", "Hangul (on Debian and Ubuntu, fonts-noto-cjk)"),
        ("東カひ", "Hiragana and Katakana and Han (on Debian and Ubuntu, fonts-noto-cjk)"),
        ("👍", "symbols (on Debian and Ubuntu, fonts-symbola)"),
        ("ก京", "Thai and Han (on Debian and Ubuntu, fonts-noto-core and fonts-noto-cjk)"),
    ],
)
def test_the_warning_names_only_the_packages_of_the_missing_scripts(monkeypatch, text, advice):
    monkeypatch.setattr("kseq.analysis.fonts._list_installed", list)
    with pytest.warns(MissingFontWarning) as caught:
        families_for(text)
    assert f"Install a font for {advice} and try again" in str(caught[0].message)
