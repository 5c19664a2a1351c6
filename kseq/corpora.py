"""Pairs of strings, streamed from the files people have: TSV or line-aligned, plain or packed."""

import contextlib
import gzip
import io
import lzma
import pathlib
import zipfile
import zlib

from kseq.config import Config

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
            if path.exists() and not path.is_dir() and not path.is_file():
                raise FileNotFoundError(
                    f"expected a file that can be read again and again: {path} is none"
                )
        if next(iter(pairs), None) is None:
            raise ValueError(f"{pairs}: no pair of two non-empty sides")
        return pairs

    def __iter__(self):
        blank = 0
        for source, target in _read_pairs(self.files):
            if self._keeps is not None and not self._keeps(source):
                continue
            if source.strip() and target.strip():
                yield source, target
            else:
                blank += 1
        self.blank = blank

    def __str__(self):
        return _names(self.files)


class Corpus:
    """A corpus in three splits.

    Args:
        name: What to call it.
        train: `Pairs` to learn from.
        valid: `Pairs` that choose the best weights.
        test: `Pairs` to measure with, or None.
        alignments: Mapping from a split's name to its file of gold word alignments (Pharaoh
            format, a line per pair).
        config: `Config` that fits the corpus.
        origin: Arguments with which `load_corpus` opens the same corpus again: a dict with
            `train`, `valid` and `test`.
    """

    def __init__(self, name, train, valid, test=None, alignments=None, config=None, origin=None):
        for split in (train, valid, test):
            if not isinstance(split, Pairs) and not (split is None and test is None):
                raise TypeError(
                    f"a split must be Pairs, such as Pairs.open(files); received {split!r}"
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
        for _, line in read_lines(self._alignments[split]):
            yield {tuple(map(int, link.split("-"))) for link in line.split()}

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
            whose lines belong together.
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
    try:
        everything = Pairs.open(train)
    except FileNotFoundError as error:
        known = ", ".join(embedded_corpora())
        raise FileNotFoundError(f"{error} (embedded corpora: {known})") from None
    test_pairs = None if test is None else Pairs.open(test)
    if valid is not None:
        splits = everything, Pairs.open(valid), test_pairs
    else:
        splits = _hold_out(everything, test_pairs)
    origin = {
        name: None if paths is None else [str(path.resolve()) for path in _files(paths)]
        for name, paths in (("train", train), ("valid", valid), ("test", test))
    }
    return Corpus(str(everything), *splits, origin=origin)


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
    for source, _ in pairs:
        if _share(source) not in shares:
            shares.append(_share(source))
        if {0, 1} < set(shares):
            break
    held_out = sorted(shares, key=lambda share: min(share, 2))[: 2 if test is None else 1]
    if len(shares) <= len(held_out):
        raise ValueError(
            f"{pairs}: too few different pairs to hold some out for validation and testing; add "
            "pairs, or name files for both (valid= and test=, --valid and --test)"
        )
    files = pairs.files
    return (
        Pairs(files, lambda source: _share(source) not in held_out),
        Pairs(files, lambda source: _share(source) == held_out[0]),
        test or Pairs(files, lambda source: _share(source) == held_out[1]),
    )


def _share(source):
    return zlib.crc32(source.strip().encode()) % HELD_OUT_SHARE


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


def _require_file(path):
    if path.is_dir():
        raise FileNotFoundError(f"expected a file, received a directory: {path}")
    if not path.exists():
        raise FileNotFoundError(f"file not found: {path}")


def _read_pairs(files):
    if len(files) == 1:
        return _read_columns(files[0])
    return _read_aligned(*files)


def _read_columns(path):
    for number, line in read_lines(path):
        columns = line.split("\t")
        if len(columns) > 1:
            yield columns[0], columns[1]
        elif line.strip():
            raise ValueError(
                f"{path}, line {number}: expected source, tab, target; received one column: "
                f"{_excerpt(line)}"
            )
        else:
            yield "", ""


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


def read_lines(path):
    """Yields the lines of a text file, each with its number from 1, without its line end.

    Line ends may be `\\n`, `\\r\\n` or `\\r`, mixed; a byte-order mark is dropped.

    Args:
        path: A plain, `.gz` or `.zip` file in UTF-8.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not UTF-8, or an archive is damaged or holds several files.
    """
    path = pathlib.Path(path)
    _require_file(path)
    number = 0
    try:
        with _open_bytes(path) as file:
            for number, line in decode_lines(file, path):
                yield number, line
    except (*_DAMAGES, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the file could not be opened; bzip2 reports damage as an OSError too
        raise ValueError(f"{path}: damaged after line {number}: {error}") from error


# RuntimeError: an encrypted archive; NotImplementedError, one of it: an unknown compression.
_DAMAGES = (
    *(EOFError, RuntimeError, zlib.error, lzma.LZMAError),
    zipfile.BadZipFile,
)


def decode_lines(file, name):
    """Yields the lines of an open binary file, like `read_lines`; errors call it `name`."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape")
    try:
        for number, line in enumerate(text, start=1):
            if not line.isascii() and _holds_surrogates(line):
                raise ValueError(
                    f"{name}, line {number}: not valid UTF-8; convert the file, such as with "
                    "iconv -f latin1 -t utf-8"
                )
            yield number, line.removesuffix("\n")
    finally:
        text.detach()  # the file belongs to the caller, who closes it


def _holds_surrogates(line):
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


@contextlib.contextmanager
def _open_bytes(path):
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            yield file
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(path, archive)) as file:
            yield file
    else:
        with open(path, "rb") as file:
            yield file


def _only_member(path, archive):
    members = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not pathlib.PurePath(name).name.startswith(("_", "."))
    ]
    if len(members) != 1:
        listing = ", ".join(members) or "none"
        raise ValueError(f"{path}: expected one file of pairs in the archive; it holds {listing}")
    return members[0]


def _excerpt(line, length=60):
    return repr(line if len(line) <= length else line[: length - 1] + "…")
