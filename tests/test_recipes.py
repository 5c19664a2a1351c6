"""Recipes: each one whole, and each one fit for the corpus that it is for."""

import pathlib

import pytest

from kseq.cli.main import main
from kseq.corpora.public_corpora import find_corpus
from kseq.recipes import load_recipe, recipe_names

FOLDERS = {"multi30k": "multi30k", "cmudict": "cmudict"}  # others are in tatoeba


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_names_files_that_are_fetched(name):
    recipe = load_recipe(name)
    fetched = {file.name for file in find_corpus(recipe.fetch).files}
    named = {file for split in ("train", "valid", "test") for file in recipe.corpus.get(split, ())}
    assert named and named <= fetched


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_opens_its_corpus(name, shared_data):
    recipe = load_recipe(name)
    corpus = recipe.open_corpus(shared_data / FOLDERS.get(recipe.fetch, "tatoeba"))
    source, target = next(iter(corpus.train))
    assert source and target
    assert corpus.config == recipe.config
    assert next(iter(corpus.test)) not in set(corpus.train)


def test_a_corpus_that_was_not_fetched_says_how(tmp_path):
    with pytest.raises(FileNotFoundError, match="fetch it with: kseq fetch cmudict"):
        load_recipe("cmudict-g2p").open_corpus(tmp_path)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="unknown recipe: 'cmudict'; did you mean 'cmudict-g2p'"):
        load_recipe("cmudict")


def test_the_command_lists_them(capsys):
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == recipe_names()


@pytest.mark.parametrize(
    "more, message",
    [
        (["--recipe", "cmudict-g2p", "--swap"], "--swap and --apart go with --train; cmudict-g2p"),
        (["--recipe", "cmudict-g2p"], "kseq fetch cmudict data"),
        (["--corpus", "dates", "--data", "x"], "--data goes with --recipe"),
        (["--recipe", "nonsense"], "unknown recipe: 'nonsense'"),
    ],
)
def test_what_the_command_refuses(more, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *more, "--out", "run"]) == 2
    assert message in capsys.readouterr().err
    assert not list(pathlib.Path().iterdir())
