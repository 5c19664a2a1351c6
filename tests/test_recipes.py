"""Recipes: each names files that exist, and opens its corpus."""

import pathlib

import pytest

from kseq.cli.main import main
from kseq.corpora.public_corpora import find_corpus
from kseq.recipes import load_recipe, recipe_names

FOLDERS = {  # others are in tatoeba
    "multi30k": "multi30k",
    "cmudict": "cmudict",
    "sigmorphon2020-g2p": "sigmorphon2020",
    "inflection2023": "inflection2023",
}
PRONUNCIATIONS = "sigmorphon2020-g2p"


@pytest.mark.parametrize("name", recipe_names())
def test_the_files_of_a_recipe_are_fetched(name):
    recipe = load_recipe(name)
    fetched = {file.name for file in find_corpus(recipe.fetch).files}
    for language in recipe.languages or [None]:
        files = {
            file.format(language=language)
            for split in ("train", "valid", "test")
            for file in recipe.corpus.get(split, ())
        }
        assert files and files <= fetched


@pytest.mark.slow  # reads whole public corpora
@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_opens_its_corpus(name, shared_data):
    recipe = load_recipe(name)
    language = next(iter(recipe.languages), None)
    corpus = recipe.open_corpus(shared_data / FOLDERS.get(recipe.fetch, "tatoeba"), language)
    source, target = next(iter(corpus.train))
    assert source and target
    assert corpus.config == recipe.config
    assert next(iter(corpus.test if corpus.has_test else corpus.valid)) not in set(corpus.train)


@pytest.fixture
def icelandic(tmp_path):
    """A folder with a few of the files that `kseq fetch` writes, but no test files."""
    for split in ("train", "dev"):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"ice_{split}.tsv").write_text(f"{split}\ta b\n")
    return tmp_path


def test_a_recipe_with_several_languages_opens_one_of_them(icelandic):
    corpus = load_recipe(PRONUNCIATIONS).open_corpus(icelandic, "ice")
    assert list(corpus.train) == [("train", "a b")]
    assert list(corpus.valid) == [("dev", "a b")]


def test_a_language_can_have_settings_of_its_own(icelandic):
    recipe = load_recipe(PRONUNCIATIONS)
    assert recipe.open_corpus(icelandic, "ice").config == recipe.config
    for split in ("train", "dev"):
        (icelandic / split / f"kor_{split}.tsv").write_text("가\ta b\n")
    korean = recipe.open_corpus(icelandic, "kor").config
    assert korean == recipe.config.with_settings(["normalization=nfd"]) != recipe.config
    assert set(recipe.exceptions) <= set(recipe.languages)


def test_a_recipe_trains_without_its_test_files(icelandic):
    recipe = load_recipe(PRONUNCIATIONS)
    assert not recipe.open_corpus(icelandic, "ice").has_test
    (icelandic / "test").mkdir()
    (icelandic / "test" / "ice_test.tsv").write_text("test\ta b\n")
    assert list(recipe.open_corpus(icelandic, "ice").test) == [("test", "a b")]


@pytest.mark.parametrize(
    "name, language, message",
    [
        (PRONUNCIATIONS, None, r"one of ady \(Adyghe\), arm .*\(Vietnamese\); received none"),
        (PRONUNCIATIONS, "isl", "one of ady .*; received 'isl'"),
        ("cmudict-g2p", "eng", "language does not apply to the recipe cmudict-g2p"),
    ],
)
def test_a_language_that_a_recipe_does_not_have_is_an_error(name, language, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_recipe(name).open_corpus(tmp_path, language)


def test_a_missing_file_is_an_error_that_says_how_to_fetch_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="fetch it with: kseq fetch cmudict"):
        load_recipe("cmudict-g2p").open_corpus(tmp_path)


def test_an_unknown_recipe_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match="unknown recipe: 'cmudict'; did you mean 'cmudict-g2p'"):
        load_recipe("cmudict")


def test_the_command_lists_all_recipes(capsys):
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == recipe_names()
    assert any("--language ady, arm" in line for line in lines)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--recipe", "cmudict-g2p", "--swap"], "--swap requires --train; cmudict-g2p"),
        (["--recipe", "cmudict-g2p"], "kseq fetch cmudict data"),
        (["--corpus", "dates", "--data", "x"], "--data requires --recipe"),
        (["--corpus", "dates", "--language", "x"], "--language requires --recipe"),
        (["--recipe", PRONUNCIATIONS], "expected --language to be one of ady (Adyghe)"),
        (["--recipe", "nonsense"], "unknown recipe: 'nonsense'"),
    ],
)
def test_options_that_do_not_fit_a_recipe_are_an_error(
    options, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *options, "--out", "run"]) == 2
    assert message in capsys.readouterr().err
    assert not list(pathlib.Path().iterdir())
