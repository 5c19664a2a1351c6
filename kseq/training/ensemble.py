"""`train_ensemble`: several models that differ in nothing but their seeds."""

import dataclasses
import pathlib
from typing import Any

from kseq.config import Config, ModelConfig
from kseq.console import show
from kseq.corpora.corpus import Corpus, load_corpus
from kseq.errors import SettingError
from kseq.path_names import PathName
from kseq.runs.directory import is_ensemble
from kseq.runs.ensembles import member_folder, write_ensemble
from kseq.runs.fine_tuning import fine_tuning_config
from kseq.training.train import train
from kseq.translation.translator import Translator


def train_ensemble(
    corpus: Any,
    config: Config | ModelConfig | None = None,
    *,
    out: PathName,
    seeds: int = 5,
    start: PathName | None = None,
    overwrite: bool = False,
    verbose: bool = True,
    **options: Any,
) -> Translator:
    """Trains one model for each of several seeds, and returns them as one translator.

    Models of different seeds make different errors, and the average of their predictions is nearly
    always better than the best of them. They are trained one after the other. If the ensemble was
    stopped, the same call goes on with it: models that are finished are not trained again.

    Args:
        corpus: As in `kseq.train`; its targets are text.
        config: As in `kseq.train`. Its seed is the first one.
        out: Folder to create, with a run directory `seed-N` for each seed N. It can be given
            wherever a run can be used.
        seeds: Number of models.
        start, verbose: As in `kseq.train`.
        overwrite: Whether runs that are there may be replaced.
        **options: Further arguments of `kseq.train`: `callbacks`, `optimizer`, `strategy`, `cache`.

    Returns:
        A `Translator`.

    Raises:
        FileExistsError: `out` is something else, or holds runs with other settings or data.
        TypeError, ValueError: As in `kseq.train`.
    """
    if type(seeds) is not int or seeds < 2:
        raise SettingError(
            "{seeds} must be a whole number of models, at least 2; received {0!r}", seeds
        )
    corpus = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    if corpus.train.features[1]:
        raise ValueError("an ensemble is for text; the targets of this corpus are real-valued")
    if config is None or isinstance(config, ModelConfig):
        default = corpus.config if start is None else fine_tuning_config(start)
        config = dataclasses.replace(default, model=config or default.model)
    if not isinstance(config, Config):
        raise TypeError(f"expected a Config or a ModelConfig; received {config!r}")
    first = config.training.seed
    numbers = range(first, first + seeds)
    folder = pathlib.Path(out)
    if not is_ensemble(folder):
        write_ensemble(folder, numbers)
    for count, seed in enumerate(numbers, start=1):
        run = member_folder(folder, seed)
        if verbose:
            show(f"model {count} of {seeds}: {run}")
        settings = config.with_settings([f"seed={seed}"])
        arguments = {"start": start, "overwrite": overwrite, "resume": True, "verbose": verbose}
        train(corpus, settings, out=run, **arguments, **options)
    write_ensemble(folder, numbers)
    return Translator.load(folder)
