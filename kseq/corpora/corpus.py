"""A corpus in three splits: opened from files, held out from each other, or embedded."""

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
        name: What to call it.
        train: `Pairs` or `ValuePairs` to learn from.
        valid: Those that choose the best weights.
        test: Those to measure with, or None.
        alignments: Mapping from a split's name to its file of gold word alignments (Pharaoh
            format, a line per pair).
        config: `Config` that fits the corpus.
        origin: Arguments with which `load_corpus` opens the same corpus again, as a dict that
            `reopen_corpus` takes.
    """

    def __init__(self, name, train, valid, test=None, alignments=None, config=None, origin=None):
        for split in (train, valid, test):
            if not isinstance(split, (Pairs, ValuePairs)) and not (split is None and test is None):
                raise TypeError(
                    f"a split must be Pairs, such as Pairs.open(files); received {split!r}"
                )
            if split is not None and split.features != train.features:
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
        """Whether there is a split to measure with."""
        return self._test is not None

    @property
    def test(self):
        """`Pairs` to measure with.

        Raises:
            ValueError: The corpus has none.
        """
        if self._test is None:
            raise ValueError(
                f"the corpus {self.name} has no test split; name its files, such as "
                'load_corpus(..., test="test.tsv") or --test test.tsv'
            )
        return self._test

    def alignments(self, split):
        """Yields the gold alignment of each pair, a set of (source, target) token positions.

        Raises:
            ValueError: The corpus has no gold alignments for this split.
        """
        if split not in self._alignments:
            raise ValueError(f"the corpus {self.name} has no gold alignments for {split!r}")
        path = self._alignments[split]
        for number, line in read_lines(path):
            yield read_links(line, f"{path}, line {number}")

    def has_alignments(self, split):
        """Whether `alignments(split)` gives any."""
        return split in self._alignments


def load_corpus(*train, valid=None, test=None, swap=False, apart="source"):
    """Opens a corpus.

    Without `valid`, held-out pairs are taken from the training files: one source sentence in
    twenty for validation and, without `test` too, one in twenty for testing. The choice hangs
    on the source sentence alone, so that equal sources never stand in two splits; equal targets
    may, unless `apart` is `"both"`.

    Args:
        *train: The name of an embedded corpus (`"en-fr"`, `"dates"`), files of pairs such as
            TSVs, or two files whose lines belong together. A name may be a pattern such as
            `"parts/*.tsv"`; see `kseq.corpora.pair_files.PairFiles` for all that it may be. A TSV
            may name `.npy` files of real values in place of text, and a `.tfrecord` may hold them,
            one file for all: see `kseq.corpora.values.ValuePairs`.
        valid: File for validation, or a list of files, like `train`.
        test: File for testing, or a list of files, like `train`.
        swap: Whether the second column, or the second of two files, is the source; in all splits.
        apart: Which sentences stand in one split only. `"source"`: sources, where pairs are held
            out from the training files. `"both"`: sources and targets, in named files too: what
            shares a side with testing is left out of validation, and what shares one with either
            is left out of training. 24 to 96 bytes are kept of every held-out pair.

    Returns:
        A `Corpus`.

    Raises:
        FileNotFoundError: A file is missing, or the name is not that of an embedded corpus.
        ValueError: A split holds no pairs.
    """
    if apart not in ("source", "both"):
        raise ValueError(f"apart must be 'source' or 'both'; received {apart!r}")
    if len(train) == 1 and str(train[0]) in embedded_corpora():
        if valid or test:
            raise ValueError(f"the embedded corpus {train[0]} brings its own valid and test splits")
        if swap or apart != "source":
            raise ValueError(f"swap and apart are for files; {train[0]} is an embedded corpus")
        return _load_embedded(str(train[0]))
    if len(train) == 1 and isinstance(train[0], (str, pathlib.PurePath)):
        _require_known(train[0])
    files = {"train": train, "valid": valid, "test": test}
    files = {name: None if each is None else PairFiles(each) for name, each in files.items()}
    everything, valid_pairs, test_pairs = (
        each and open_pairs(each, swap) for each in files.values()
    )
    splits = everything, valid_pairs, test_pairs
    if valid_pairs is None:
        splits = _hold_out(everything, test_pairs)
    if apart == "both":
        splits = _set_apart(*splits)
    source_features, target_features = everything.features
    model = ModelConfig(source_features=source_features, target_features=target_features)
    origin = {name: each and each.arguments for name, each in files.items()}
    origin |= {"swap": swap, "apart": apart}
    return Corpus(str(everything), *splits, config=Config(model), origin=origin)


def reopen_corpus(origin):
    """Opens the corpus again that a `Corpus` or the record of a run is of.

    Args:
        origin: Its `origin`: the arguments of `load_corpus` by name.
    """
    named = {name: value for name, value in origin.items() if name != "train"}
    return load_corpus(*origin["train"], **named)


def read_links(line, name):
    """Reads an alignment in Pharaoh format, `"0-0 1-2"`, source before target.

    Args:
        line: Links with spaces between them.
        name: Where they come from, for the message.

    Returns:
        A set of (source, target) positions.

    Raises:
        ValueError: A link is none.
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
    """Returns the names of the corpora that travel with the package."""
    return sorted(path.parent.name for path in _embedded_root().glob("*/train.tsv"))


def _embedded_root():
    here = pathlib.Path(__file__).parent.parent
    installed = here / "data"
    return installed if installed.is_dir() else here.parent / "data"


def _load_embedded(name):
    folder = _embedded_root() / name
    return Corpus(
        name,
        *(Pairs([folder / f"{split}.tsv"]) for split in ("train", "valid", "test")),
        alignments={path.stem: path for path in folder.glob("*.align")},
        config=Config.load(folder / "config.yaml"),
        origin={"train": [name], "valid": None, "test": None},
    )


def _hold_out(pairs, test):
    """Splits by a hash of the source: hash 0 for validation, hash 1 for testing.

    In a corpus of a few pairs, where none has these, those of its first pairs take their place.
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


def _set_apart(train, valid, test):
    """Leaves out of validation what shares a side with testing, of training what does with both."""
    if any(train.features):
        raise ValueError(f"{train}: apart='both' compares sentences; these pairs hold real values")
    if test is not None:
        valid = valid.apart_from(test)
    return train.apart_from(*filter(None, (valid, test))), valid, test


def _share(key):
    """A twentieth that a source sentence, or what stands for other sources, falls into."""
    return zlib.crc32(key.strip().encode() if isinstance(key, str) else key) % HELD_OUT_SHARE


def open_pairs(files, swap=False):
    """Opens files of pairs, or one file of real values.

    Args:
        files: Names as `kseq.corpora.pair_files.PairFiles` takes them.
        swap: Whether the second column, or the second of two files, is the source.

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
            f"{value_file}: expected one file where values are real; received {files}; join them"
        )
    if swap:
        raise ValueError(f"{value_file}: swap is for text; put the column of the source first")
    return ValuePairs.open(value_file)


def describe_features(features):
    """Says what source and target are: text, or so many values per step."""
    return " and ".join(f"{width} values per step" if width else "text" for width in features)


def _require_known(name):
    """Checks that a name is a file's, where it could be meant for that of an embedded corpus."""
    if not is_pattern(name) and not pathlib.Path(name).exists():
        known = ", ".join(embedded_corpora())
        raise FileNotFoundError(f"file not found: {name} (embedded corpora: {known})")
