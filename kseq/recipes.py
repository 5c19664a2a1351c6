"""Recipes: settings that produced a measured result on a public corpus."""

import dataclasses
import pathlib

from kseq.config import Config
from kseq.corpora.corpus import load_corpus
from kseq.fields import suggestion

_FOLDER = pathlib.Path(__file__).parent / "recipes"
_SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A public corpus, and the settings to train on it.

    Args:
        name: Name of the recipe.
        about: Description in one line.
        fetch: Name of the corpus for `kseq.fetch`.
        corpus: Arguments of `load_corpus`; paths are relative to the folder of the corpus.
        config: `Config`.
    """

    name: str
    about: str
    fetch: str
    corpus: dict
    config: Config

    def open_corpus(self, folder):
        """Opens the corpus in the folder that `kseq.fetch` wrote to; returns a `Corpus`.

        Raises:
            FileNotFoundError: A file is missing; the message says how to fetch it.
        """
        folder = pathlib.Path(folder)
        options = {
            name: [str(folder / file) for file in value] if name in _SPLITS else value
            for name, value in self.corpus.items()
        }
        for path in (path for name in _SPLITS for path in options.get(name, ())):
            if not pathlib.Path(path).is_file():
                raise FileNotFoundError(
                    f"file not found: {path}; fetch it with: kseq fetch {self.fetch} {folder}"
                )
        corpus = load_corpus(*options.pop("train"), **options)
        corpus.config = self.config
        return corpus


def recipe_names():
    """Returns the names of the recipes in the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_recipe(name):
    """Loads a `Recipe` by its name.

    Raises:
        ValueError: There is no such recipe; the message names the nearest one.
    """
    names = recipe_names()
    if name not in names:
        raise ValueError(f"unknown recipe: {name!r}{suggestion(name, names)} ({', '.join(names)})")
    import yaml

    values = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    about, fetch, corpus = (values.pop(key) for key in ("about", "fetch", "corpus"))
    return Recipe(name, about, fetch, corpus, Config.from_dict(values))
