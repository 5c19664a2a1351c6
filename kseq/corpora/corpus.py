"""A corpus in three splits: from files, held out from the training files, or embedded."""

import pathlib
import zlib

from kseq.config import Config, ModelConfig
from kseq.corpora.lines import read_lines
from kseq.corpora.pair_files import PairFiles, is_pattern
from kseq.corpora.pairs import Pairs
from kseq.corpora.values import ValuePairs, is_value_file

HELD_OUT_SHARE = 20  # one source in twenty for validation, one in twenty for testing


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
        ValueError: The splits differ in the features of a side.
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
        """Yields the gold alignment of each pair, a set of (source, target) token positions.

        Args:
            split: `"train"`, `"valid"` or `"test"`.

        Raises:
            ValueError: The corpus has no gold alignments for this split.
        """
        if split not in self._alignments:
            raise ValueError(f"the corpus {self.name} has no gold alignments for {split!r}")
        path = self._alignments[split]
        for number, line in read_lines(path):
            yield read_links(line, f"{path}, line {number}")

    def has_alignments(self, split):
        """Returns whether a split has gold alignments."""
        return split in self._alignments


def load_corpus(*train, valid=None, test=None, swap=False, apart="source"):
    """Opens a corpus.

    Without `valid`, pairs are held out from the training files: one source sentence in twenty for
    validation and, if there is no `test` either, one in twenty for testing. The choice depends on
    the source sentence only, so that equal sources are always in the same split; equal targets may
    be in different ones, unless `apart` is `"both"`.

    Args:
        *train: The name of an embedded corpus (`"en-fr"`, `"dates"`), files of pairs such as
            TSVs, or two line-aligned files. A name may be a pattern such as `"parts/*.tsv"`; see
            `kseq.corpora.pair_files.PairFiles` for all kinds of files. A TSV may name `.npy`
            files of real values instead of text, and a `.tfrecord` may hold them; such a split is
            one file: see `kseq.corpora.values.ValuePairs`.
        valid: File for validation, or a list of files, as for `train`.
        test: File for testing, or a list of files, as for `train`.
        swap: Whether the second column, or the second of two files, is the source; in all splits.
        apart: Which sentences occur in only one split. `"source"`: sources, if pairs are held out
            from the training files. `"both"`: sources and targets, also in named files. Pairs
            that share a side with the test split are left out of validation, and pairs that share
            a side with either split are left out of training. Each held-out pair takes 24 to 96
            bytes of RAM.

    Returns:
        A `Corpus`.

    Raises:
        FileNotFoundError: A file is missing, or no embedded corpus has this name.
        ValueError: A split holds no pairs, or arguments contradict each other.
    """
    if apart not in ("source", "both"):
        raise ValueError(f"apart must be 'source' or 'both'; received {apart!r}")
    if len(train) == 1 and str(train[0]) in embedded_corpora():
        if valid or test:
            raise ValueError(f"the embedded corpus {train[0]} has its own valid and test splits")
        if swap or apart != "source":
            raise ValueError(f"swap and apart are for files; {train[0]} is an embedded corpus")
        return _load_embedded(str(train[0]))
    if len(train) == 1 and isinstance(train[0], (str, pathlib.PurePath)):
        _require_file_or_corpus(train[0])
    files = {"train": train, "valid": valid, "test": test}
    files = {name: None if names is None else PairFiles(names) for name, names in files.items()}
    train_pairs, valid_pairs, test_pairs = (
        split and open_pairs(split, swap) for split in files.values()
    )
    splits = train_pairs, valid_pairs, test_pairs
    if valid_pairs is None:
        splits = _hold_out(train_pairs, test_pairs)
    if apart == "both":
        splits = _separate_sides(*splits)
    source_features, target_features = train_pairs.features
    model = ModelConfig(source_features=source_features, target_features=target_features)
    origin = {name: split and split.arguments for name, split in files.items()}
    origin |= {"swap": swap, "apart": apart}
    return Corpus(str(train_pairs), *splits, config=Config(model), origin=origin)


def reopen_corpus(origin):
    """Opens a corpus again, from its `origin`.

    Args:
        origin: Arguments of `load_corpus` by name, from a `Corpus` or the record of a run.

    Returns:
        A `Corpus`.
    """
    options = {name: value for name, value in origin.items() if name != "train"}
    return load_corpus(*origin["train"], **options)


def read_links(line, name):
    """Reads an alignment in Pharaoh format, `"0-0 1-2"`, source before target.

    Args:
        line: Links separated by spaces.
        name: Name of the line in error messages.

    Returns:
        A set of (source, target) positions.

    Raises:
        ValueError: The line holds something other than links.
    """
    links = [link.partition("-") for link in line.split()]
    for source, dash, target in links:
        if not (source.isdecimal() and target.isdecimal()):
            raise ValueError(
                f"{name}: expected links such as 0-0 1-2, source before target; received "
                f"{source}{dash}{target}"
            )
    return {(int(source), int(target)) for source, _, target in links}


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


def _hold_out(pairs, test):
    """Splits training pairs by a hash of the source: 0 for validation, 1 for testing.

    If a small corpus has no pair with one of these hashes, a hash of its first pairs replaces it.

    Args:
        pairs: `Pairs` or `ValuePairs` for training.
        test: Pairs for testing; None to hold them out too.

    Returns:
        The three splits.
    """
    shares = []
    for key in pairs.keys():  # noqa: SIM118 (no dict)
        if _share(key) not in shares:
            shares.append(_share(key))
        if {0, 1} < set(shares):
            break
    held_out = sorted(shares, key=lambda share: min(share, 2))[: 2 if test is None else 1]
    if len(shares) <= len(held_out):
        raise ValueError(
            f"{pairs}: too few different pairs to hold some out for validation and testing; add "
            "pairs, or name files for both (valid= and test=, --valid and --test)"
        )
    return (
        pairs.select(lambda key: _share(key) not in held_out),
        pairs.select(lambda key: _share(key) == held_out[0]),
        test or pairs.select(lambda key: _share(key) == held_out[1]),
    )


def _separate_sides(train, valid, test):
    """Leaves out pairs that share a side with another split.

    Validation is kept apart from testing; training is kept apart from both.
    """
    if any(train.features):
        raise ValueError(f"{train}: apart='both' compares sentences; these pairs hold real values")
    if test is not None:
        valid = valid.apart_from(test)
    return train.apart_from(*filter(None, (valid, test))), valid, test


def _share(key):
    """Returns the number of the share that a source, a string or bytes, belongs to."""
    return zlib.crc32(key.strip().encode() if isinstance(key, str) else key) % HELD_OUT_SHARE


def open_pairs(files, swap=False):
    """Opens files of pairs, or one file of real values.

    Args:
        files: Names that `kseq.corpora.pair_files.PairFiles` accepts.
        swap: Whether the second column, or the second of two files, is the source.

    Returns:
        `Pairs` or `ValuePairs`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: No pair can be read.
    """
    files = files if isinstance(files, PairFiles) else PairFiles(files)
    value_file = None if files.are_aligned else next(filter(is_value_file, files.paths), None)
    if value_file is None:
        return Pairs.open(files, swap)
    if len(files.paths) > 1:
        raise ValueError(
            f"{value_file}: expected a single file of real values; received {files}; join them"
        )
    if swap:
        raise ValueError(f"{value_file}: swap is for text; put the column of the source first")
    return ValuePairs.open(value_file)


def describe_features(features):
    """Describes source and target in words.

    Args:
        features: Values per step of source and target; 0 for text.
    """
    return " and ".join(f"{width} values per step" if width else "text" for width in features)


def _require_file_or_corpus(name):
    """Checks that a name is that of a file; it may be a misspelled embedded corpus.

    Raises:
        FileNotFoundError: The file is missing.
    """
    if not is_pattern(name) and not pathlib.Path(name).exists():
        names = ", ".join(embedded_corpora())
        raise FileNotFoundError(f"file not found: {name} (embedded corpora: {names})")
