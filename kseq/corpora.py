"""Pairs of strings, streamed from the files people have: TSV or line-aligned, plain or packed."""

import contextlib
import itertools
import pathlib
import zlib

from kseq.config import Config, ModelConfig
from kseq.lines import read_columns, read_lines, require_lasting_file
from kseq.values import ValuePairs, is_value_file

_LOOKED_AT = 10  # pairs that must be text when a file of text is opened
HELD_OUT_SHARE = 20  # one source in twenty for validation, one in twenty for testing


class Pairs:
    """The pairs of one split, read anew from disk by every iteration.

    A pair with an empty side is left out; `blank` counts them once the split has been read
    to its end. Every other fault of the data is an error that names the file and the line.

    Args:
        files: One TSV (source, tab, target; further columns are ignored), or two files whose
            lines belong together. `.gz` is read as it is, so is a `.zip` that holds one file
            of pairs (a TSV) beside, perhaps, notices whose names begin with `_`.
        keeps: Tells of a source sentence whether it belongs to the split; all do by default.
    """

    features = (0, 0)  # what `ValuePairs` has: text on both sides

    def __init__(self, files, keeps=None):
        self.files = tuple(pathlib.Path(file) for file in files)
        self.blank = None
        self._keeps = keeps

    @classmethod
    def open(cls, files):
        """Opens one TSV or two line-aligned files, and checks that they hold a pair.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: No pair can be read.
        """
        pairs = cls(_files(files))
        for path in pairs.files:
            require_lasting_file(path)
        first = list(itertools.islice(pairs, _LOOKED_AT))
        if not first:
            raise ValueError(f"{pairs}: no pair of two non-empty sides")
        for side in itertools.chain(*first):
            if side.lower().endswith(".npy") and " " not in side:
                raise ValueError(
                    f"{pairs}: expected text, or an index of real values, which is one TSV whose "
                    f"first line is a pair; received the file {side} behind text or in another "
                    "file; remove the header, or join both columns in one TSV"
                )
        return pairs

    def __iter__(self):
        blank = 0
        for source, target in self.with_blank():
            if source.strip() and target.strip():
                yield source, target
            else:
                blank += 1
        self.blank = blank

    def with_blank(self):
        """Yields all pairs, those with an empty side among them."""
        for source, target in _read_pairs(self.files):
            if self._keeps is None or self._keeps(source):
                yield source, target

    def keys(self):
        """Yields what `keeps` is asked of every pair: its source sentence."""
        for source, _ in self:
            yield source

    def select(self, keeps):
        """Returns the pairs of which `keeps` is true, as a split of their own."""
        return Pairs(self.files, keeps)

    def __str__(self):
        return _names(self.files)


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
        origin: Arguments with which `load_corpus` opens the same corpus again: a dict with
            `train`, `valid` and `test`.
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


def load_corpus(*train, valid=None, test=None):
    """Opens a corpus.

    Without `valid`, held-out pairs are taken from the training files: one source sentence in
    twenty for validation and, without `test` too, one in twenty for testing. The choice hangs
    on the source sentence alone, so that equal sentences never stand in two splits.

    Args:
        *train: The name of an embedded corpus (`"en-fr"`, `"dates"`), one TSV, or two files
            whose lines belong together. A TSV may name `.npy` files of real values in place of
            text, and a `.tfrecord` may hold them: see `kseq.values.ValuePairs`.
        valid: File or pair of files for validation.
        test: File or pair of files for testing.

    Returns:
        A `Corpus`.

    Raises:
        FileNotFoundError: A file is missing, or the name is not that of an embedded corpus.
        ValueError: A split holds no pairs.
    """
    if len(train) == 1 and str(train[0]) in embedded_corpora():
        if valid or test:
            raise ValueError(f"the embedded corpus {train[0]} brings its own valid and test splits")
        return _load_embedded(str(train[0]))
    if len(train) == 1 and not pathlib.Path(train[0]).exists():
        known = ", ".join(embedded_corpora())
        raise FileNotFoundError(f"file not found: {train[0]} (embedded corpora: {known})")
    everything = open_pairs(train)
    test_pairs = None if test is None else open_pairs(test)
    if valid is not None:
        splits = everything, open_pairs(valid), test_pairs
    else:
        splits = _hold_out(everything, test_pairs)
    origin = {
        name: None if paths is None else [str(path.resolve()) for path in _files(paths)]
        for name, paths in (("train", train), ("valid", valid), ("test", test))
    }
    source_features, target_features = everything.features
    model = ModelConfig(source_features=source_features, target_features=target_features)
    return Corpus(str(everything), *splits, config=Config(model), origin=origin)


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
    here = pathlib.Path(__file__).parent
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


def _share(key):
    """A twentieth that a source sentence, or what stands for other sources, falls into."""
    return zlib.crc32(key.strip().encode() if isinstance(key, str) else key) % HELD_OUT_SHARE


def open_pairs(files):
    """Opens one TSV, two line-aligned files, or a file of real values.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: No pair can be read.
    """
    files = _files(files)
    return ValuePairs.open(*files) if _are_values(files) else Pairs.open(files)


def _are_values(files):
    return len(files) == 1 and is_value_file(files[0])


def describe_features(features):
    """Says what source and target are: text, or so many values per step."""
    return " and ".join(f"{width} values per step" if width else "text" for width in features)


def _files(files):
    files = (files,) if isinstance(files, (str, pathlib.PurePath)) else tuple(files)
    if len(files) not in (1, 2):
        raise ValueError(
            f"expected one TSV or two line-aligned files; received {len(files)} files: "
            f"{_names(files)}"
        )
    return tuple(map(pathlib.Path, files))


def _names(files):
    return " and ".join(map(str, files))


def _read_pairs(files):
    if len(files) == 1:
        return ((source, target) for _, source, target in read_columns(files[0]))
    return _read_aligned(*files)


def _read_aligned(source_path, target_path):
    with (
        contextlib.closing(read_lines(source_path)) as sources,
        contextlib.closing(read_lines(target_path)) as targets,
    ):
        number = 0
        for number, source in sources:
            target = next(targets, None)
            if target is None:
                more = number + sum(1 for _ in sources)
                raise _unequal(source_path, more, target_path, number - 1)
            yield source, target[1]
        more = sum(1 for _ in targets)
        if more:
            raise _unequal(source_path, number, target_path, number + more)


def _unequal(source_path, source_count, target_path, target_count):
    return ValueError(
        "two files of pairs must have as many lines; "
        f"{source_path} has {source_count}, {target_path} has {target_count}"
    )
