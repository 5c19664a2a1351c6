"""A corpus in three splits: from files, held out from the training files, or embedded."""

import os
import pathlib
from typing import Any

from kseq.config import Config
from kseq.corpora.corpus_settings import fitting_config
from kseq.corpora.gold_alignments import read_alignments
from kseq.corpora.held_out import hold_out, separate_sides
from kseq.corpora.in_memory import splits_of
from kseq.corpora.opening import (
    describe_features,
    open_pairs,
    open_source,
    refuse_for,
    require_same_covariates,
    require_same_features,
)
from kseq.corpora.pair_files import is_pattern
from kseq.corpora.pairs import AlignedPairs, Pairs
from kseq.corpora.values import ValuePairs
from kseq.counts import counted
from kseq.errors import SettingError
from kseq.fields import check_choice

_KIND = ("columns", "features", "covariates", "language_model", "context")  # of data
_ALIGNED_SPLITS = {"alignments": "test", "train_alignments": "train"}


class Corpus:
    """A corpus in three splits.

    Args:
        name: Name of the corpus.
        train: `Pairs` or `ValuePairs` for training.
        valid: Pairs for validation, which decide on the best weights.
        test: Pairs for testing, or None.
        alignments: Dict from the name of a split to its file of gold word alignments (Pharaoh
            format, one line per pair).
        config: `Config` that suits the corpus.
        origin: Arguments of `load_corpus` that open the same corpus again, a dict that
            `reopen_corpus` accepts.

    Raises:
        TypeError: A split has the wrong type.
        ValueError: The splits differ in the features of a side, or only some have features.
    """

    def __init__(self, name, train, valid, test=None, *, alignments=None, config=None, origin=None):
        for split in (train, valid, *([] if test is None else [test])):
            if not isinstance(split, (Pairs, ValuePairs)):
                raise TypeError(
                    f"a split must be Pairs, such as Pairs.open(files); received {split!r}"
                )
            if split.features != train.features:
                expected, received = map(describe_features, (train.features, split.features))
                raise ValueError(
                    f"{split}: expected {expected}, as in {train}; received {received}"
                )
            require_same_features(split, train.has_features, train)
            require_same_covariates(split, train.covariates, train)
        self.name = name
        self.origin = origin
        self.train = train
        self.valid = valid
        self._test = test
        self._alignments = alignments or {}
        self.config = config or Config()

    @property
    def has_test(self):
        """Whether the corpus has a test split."""
        return self._test is not None

    @property
    def test(self):
        """`Pairs` or `ValuePairs` for testing.

        Raises:
            ValueError: The corpus has no test split.
        """
        if self._test is None:
            raise ValueError(
                f"the corpus {self.name} has no test split; name its files, such as "
                'load_corpus(..., test="test.tsv") or --test test.tsv'
            )
        return self._test

    def alignments(self, split):
        """Yields the gold alignment of each line, a set of (source, target) token positions.

        Args:
            split: `"train"`, `"valid"` or `"test"`.

        Raises:
            ValueError: The corpus has no gold alignments for this split.
        """
        if split not in self._alignments:
            raise ValueError(f"the corpus {self.name} has no gold alignments for {split!r}")
        yield from read_alignments(self._alignments[split])

    def require_alignments(self, split):
        """Checks that the gold alignments of a split can be read, and fit its lines.

        Raises:
            FileNotFoundError: Their file is missing.
            ValueError: A line holds something other than links, or there are more or fewer lines.
        """
        expected = sum(1 for _ in getattr(self, split).with_blank())
        received = sum(1 for _ in self.alignments(split))
        if received != expected:
            raise ValueError(
                f"{self._alignments[split]}: expected a line of links for each of the "
                f"{counted(expected, 'line')} of {getattr(self, split)}; received {received:,}"
            )

    @property
    def aligned_train(self):
        """`AlignedPairs` for training.

        Raises:
            ValueError: The corpus has no alignments of its training pairs.
        """
        if "train" not in self._alignments:
            raise SettingError(
                "{guided_alignment} needs word alignments of the training pairs: name their file "
                "with {train_alignments} (kseq align writes one, given the training files as "
                "{test})"
            )
        return AlignedPairs(self.train, self._alignments["train"])

    def has_alignments(self, split):
        """Returns whether a split has gold alignments."""
        return split in self._alignments


def load_corpus(
    *train: Any,
    valid: Any = None,
    test: Any = None,
    apart: str = "source",
    alignments: Any = None,
    **options: Any,
) -> Corpus:
    """Opens a corpus, from files or from objects.

    Without `valid`, pairs are held out from the training pairs: one source sentence in twenty for
    validation and, if there is no `test` either, one in twenty for testing. The choice depends on
    the source sentence only, so that equal sources are always in the same split; equal targets may
    be in different ones, unless `apart` is `"both"`.

    Args:
        *train: The name of an embedded corpus (`"en-fr"`, `"dates"`); files of pairs, or two
            line-aligned files (three with features), by name or pattern
            (`kseq.corpora.pair_files.PairFiles`); a file of real values
            (`kseq.corpora.values.ValuePairs`); or pairs in RAM, such as a list of pairs, two lists
            (three with features), a `DataFrame`, a generator, a dataset, or arrays. A dict of
            splits, such as a Hugging Face `DatasetDict`, may hold validation and test pairs, too.
        valid, test: The same for validation and for testing: one argument, or a list of files.
        apart: Which sentences may appear in only one split. `"source"`: sources, when pairs are
            held out. `"both"`: sentences of both sides, however the splits are made: pairs that
            share a side with the test split are left out of validation, and pairs that share a
            side with either split are left out of training.
        alignments: File of gold alignments of the test pairs, with a line for each line of `test`,
            in Pharaoh format: `0-0 1-2`, source before target; positions count tokens from 0.
        **options: `train_alignments`, such a file for the training pairs, for `guided_alignment`;
            and how all splits are read: `features`, `covariates`, columns by number or by name (or
            covariates of arrays in `train`); `swap`, `columns`, `skip_faulty` and `allow_outside`
            of `open_pairs`. `language_model=True` reads texts instead of pairs, one on each line,
            or a list of strings. `context=2` reads conversations, a turn on each line and an empty
            line between two of them, or a list of lists of strings: up to two turns and the next.

    Returns:
        A `Corpus`.

    Raises:
        FileNotFoundError: A file is missing, or no embedded corpus has this name.
        ValueError: A split holds no pairs, or arguments contradict each other.
        TypeError: An object is not pairs of strings.

    Warns:
        DoubtfulColumnsWarning: The columns of a table look wrong.
        LineEndWarning: A file has a carriage return inside a line.
    """
    check_choice("apart", apart, ("source", "both"))
    links = {"alignments": alignments, "train_alignments": options.pop("train_alignments", None)}
    if len(train) == 1 and isinstance(train[0], (str, os.PathLike)):
        if str(train[0]) in embedded_corpora():
            options |= {"valid": valid, "test": test, **links}
            _refuse_options(train[0], apart=apart != "source", **options)
            return _load_embedded(str(train[0]))
        _require_file_or_corpus(train[0])
    _refuse_options_of_pairs(options, links, apart)
    splits = _name_splits(train, valid, test, options)
    links = {name: pathlib.Path(path) for name, path in links.items() if path is not None}
    return _open_splits(splits, apart, links, options)


def _name_splits(train, valid, test, options):
    """Returns the data of each split by name, None for those that are held out.

    Covariates that are arrays, not a column, are removed from the options: they are training data.
    """
    if not isinstance(options.get("covariates"), (str, int, type(None))):
        train = (*train, options.pop("covariates"))
    splits = {"valid": None, "test": None, **(splits_of(*train) if len(train) == 1 else {})}
    # As a single argument, a tuple of tuples would be pairs.
    several = tuple(list(data) if isinstance(data, tuple) else data for data in train)
    splits = {"train": train[0] if len(train) == 1 else several} | splits
    return splits | {n: data for n, data in (("valid", valid), ("test", test)) if data is not None}


def _open_splits(splits, apart, links, options):
    """Opens a corpus from the data of its splits by name, None for those that are held out.

    Args:
        splits: Result of `_name_splits`.
        apart: As in `load_corpus`.
        links: Paths of alignments by the name of the argument.
        options: As in `load_corpus`.
    """
    if "alignments" in links and splits["test"] is None:
        raise SettingError("{alignments} requires {test}: its links belong to the test pairs")
    kind = {name: value for name, value in options.items() if name in _KIND}
    sources = {
        name: None if data is None and name != "train" else open_source(data, **kind)
        for name, data in splits.items()
    }
    train, valid, test = (
        sources[name] and open_pairs(sources[name], **options)
        for name in ("train", "valid", "test")
    )
    opened = (train, valid, test) if valid else hold_out(train, test)
    if apart == "both":
        opened = separate_sides(*opened)
    origin = None
    if all(source is None or source.arguments is not None for source in sources.values()):
        origin = {name: source and source.arguments for name, source in sources.items()}
        given = {name: value for name, value in options.items() if value}
        origin |= {"swap": False, "apart": apart, **given}
        origin |= {name: str(path.resolve()) for name, path in links.items()}
    return Corpus(
        str(train),
        *opened,
        alignments={_ALIGNED_SPLITS[name]: path for name, path in links.items()},
        config=fitting_config(train),
        origin=origin,
    )


def _refuse_options_of_pairs(options, links, apart):
    """Checks that texts and conversations have no arguments that are for pairs only.

    Args:
        options: As in `load_corpus`.
        links: The arguments of alignments by name.
        apart: As in `load_corpus`.
    """
    kind = next((name for name in ("language_model", "context") if options.get(name)), None)
    if kind:
        refuse_for(kind, links)
    if kind and apart != "source":
        raise SettingError(
            "{apart}={0} is for pairs: {kind} keeps each text or conversation in one split anyway",
            apart,
            kind=kind,
        )


def _refuse_options(name, **options):
    for option, value in options.items():
        if value is not None and value is not False:
            raise ValueError(f"{option} does not apply to the embedded corpus {name}")


def reopen_corpus(origin):
    """Opens a corpus again, from its `origin`.

    Args:
        origin: Arguments of `load_corpus` by name, as a `Corpus` has them.

    Returns:
        A `Corpus`.
    """
    options = {name: value for name, value in origin.items() if name != "train"}
    if options.get("language_model"):
        for name in ("valid", "test"):  # In a list, strings would be texts.
            options[name] = options[name] and list(map(pathlib.Path, options[name]))
    return load_corpus(*origin["train"], **options)


def embedded_corpora():
    """Returns the names of the corpora that are part of the package."""
    return sorted(path.parent.name for path in _embedded_root().glob("*/train.tsv"))


def _embedded_root():
    """Returns the folder of the embedded corpora, installed or in the repository."""
    package = pathlib.Path(__file__).parent.parent
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "data"


def _load_embedded(name):
    """Returns an embedded corpus, a `Corpus`."""
    folder = _embedded_root() / name
    return Corpus(
        name,
        *(Pairs([folder / f"{split}.tsv"]) for split in ("train", "valid", "test")),
        alignments={path.stem: path for path in folder.glob("*.align")},
        config=Config.load(folder / "config.yaml"),
        origin={"train": [name], "valid": None, "test": None},
    )


def _require_file_or_corpus(name):
    """Checks that a name is that of a file; it may be a misspelled embedded corpus.

    Raises:
        FileNotFoundError: The file is missing.
    """
    if not is_pattern(name) and not pathlib.Path(name).exists():
        names = ", ".join(embedded_corpora())
        raise FileNotFoundError(f"file not found: {name} (embedded corpora: {names})")
