"""Recipes: settings that produced a measured result on a public corpus."""

import dataclasses
import pathlib

from kseq.config import Config
from kseq.corpora.corpus import load_corpus
from kseq.errors import SettingError
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
        corpus: Arguments of `load_corpus`; paths are relative to the folder of the corpus, and
            `{language}` in them is a key of `languages`.
        config: `Config`.
        languages: The languages of the corpus, by the name that its files have; a run learns one of
            them. Empty if the corpus holds a single task.
        exceptions: A dict from a key of `languages` to a list of settings, as for `--set`, that
            this language has instead of those of `config`.
    """

    name: str
    about: str
    fetch: str
    corpus: dict
    config: Config
    languages: dict = dataclasses.field(default_factory=dict)
    exceptions: dict = dataclasses.field(default_factory=dict)

    def open_corpus(self, folder, language=None):
        """Opens the corpus in the folder that `kseq.fetch` wrote to; returns a `Corpus`.

        Without the test files, the corpus has no test split.

        Args:
            folder: The folder.
            language: A key of `languages`, or None if there are none.

        Raises:
            ValueError: The recipe needs a language, or has no such language.
            FileNotFoundError: A file is missing; the message says how to fetch it.
        """
        self._require(language)
        folder = pathlib.Path(folder)
        options = {
            name: [str(folder / file.format(language=language)) for file in value]
            if name in _SPLITS
            else value
            for name, value in self.corpus.items()
        }
        if not any(pathlib.Path(path).is_file() for path in options.get("test", ())):
            options.pop("test", None)
        for path in (path for name in _SPLITS for path in options.get(name, ())):
            if not pathlib.Path(path).is_file():
                raise FileNotFoundError(
                    f"file not found: {path}; fetch it with: kseq fetch {self.fetch} {folder}"
                )
        corpus = load_corpus(*options.pop("train"), **options)
        corpus.config = self.config.with_settings(self.exceptions.get(language, ()))
        return corpus

    def _require(self, language):
        """Checks that a language is one of those of the recipe, or that there are none."""
        if language in self.languages or language is None and not self.languages:
            return
        if not self.languages:
            raise SettingError(
                "{language} does not apply to the recipe {0}, which has one task", self.name
            )
        names = ", ".join(f"{key} ({name})" for key, name in self.languages.items())
        received = "none" if language is None else f"{language!r}"
        raise SettingError(
            "the recipe {0} learns one language: expected {language} to be one of {1}; received "
            "{2}",
            *(self.name, names, received),
        )


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
    languages, exceptions = (values.pop(key, {}) for key in ("languages", "exceptions"))
    config = Config.from_dict(values)
    return Recipe(name, about, fetch, corpus, config, languages=languages, exceptions=exceptions)
