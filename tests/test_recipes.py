"""Recipes: each names files that exist, and opens its corpus."""

import pathlib

import pytest

from kseq.cli.main import main
from kseq.corpora.public_corpora import find_corpus
from kseq.recipes import load_recipe, recipe_names

FOLDERS = {"multi30k": "multi30k", "cmudict": "cmudict"}  # others are in tatoeba


@pytest.mark.parametrize("name", recipe_names())
def test_the_files_of_a_recipe_are_fetched(name):
    recipe = load_recipe(name)
    fetched = {file.name for file in find_corpus(recipe.fetch).files}
    files = {file for split in ("train", "valid", "test") for file in recipe.corpus.get(split, ())}
    assert files and files <= fetched


@pytest.mark.slow  # reads whole public corpora
@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_opens_its_corpus(name, shared_data):
    recipe = load_recipe(name)
    corpus = recipe.open_corpus(shared_data / FOLDERS.get(recipe.fetch, "tatoeba"))
    source, target = next(iter(corpus.train))
    assert source and target
    assert corpus.config == recipe.config
    assert next(iter(corpus.test)) not in set(corpus.train)


def test_a_missing_file_is_an_error_that_says_how_to_fetch_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="fetch it with: kseq fetch cmudict"):
        load_recipe("cmudict-g2p").open_corpus(tmp_path)


def test_an_unknown_recipe_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match="unknown recipe: 'cmudict'; did you mean 'cmudict-g2p'"):
        load_recipe("cmudict")


def test_the_command_lists_all_recipes(capsys):
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == recipe_names()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--recipe", "cmudict-g2p", "--swap"], "--swap requires --train; cmudict-g2p"),
        (["--recipe", "cmudict-g2p"], "kseq fetch cmudict data"),
        (["--corpus", "dates", "--data", "x"], "--data requires --recipe"),
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
