"""Encoded corpora: tokenised once and read by every epoch; large ones by later trainings, too."""

import contextlib
import dataclasses
import errno
import hashlib
import importlib.metadata
import json
import os
import pathlib
import time
import zlib

import numpy as np

import kseq
from kseq import files
from kseq.corpora.pairs import Pairs
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.survey import Survey, build_codecs, survey_pairs
from kseq.sides.text_side import TextSide
from kseq.special_tokens import END

SMALLEST = 32 * 2**20  # bytes of a corpus in files; a smaller one is kept in memory
_VERSION = 1  # of what stands in these files
_RECORD = "encoded.json"
_SPLITS = ("train", "valid")
_PARTS = ("source_ids", "source_lengths", "target_ids", "target_lengths")
_BLOCK = 2**22


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A corpus that can be trained on.

    Args:
        codecs: `CodecPair`.
        surveys: `Survey` of the training and the validation split.
        splits: Both splits: what `training_pipeline` reads.
    """

    codecs: CodecPair
    surveys: tuple
    splits: tuple


@dataclasses.dataclass(frozen=True)
class EncodedPairs:
    """The ids of the usable pairs of a split, END included, in files.

    Args:
        folder: Where they are.
        split: `"train"` or `"valid"`.
    """

    folder: pathlib.Path
    split: str

    def paths(self):
        """Returns the files: source ids, source lengths, target ids, target lengths."""
        return [self.folder / f"{self.split}_{part}.int32" for part in _PARTS]

    def chunks(self):
        """Yields source ids, source lengths, target ids and target lengths of some pairs."""
        with _opened(self.paths(), "rb") as opened:
            source_ids, source_lengths, target_ids, target_lengths = opened
            while (sources := _read(source_lengths, TextSide.pairs_per_chunk)).size:
                targets = _read_all(target_lengths, sources.size)
                yield (
                    *(_read_all(source_ids, sources.sum()), sources),
                    *(_read_all(target_ids, targets.sum()), targets),
                )


class KeptPairs:
    """The same in memory, for one training."""

    def __init__(self):
        self._chunks = []

    def chunks(self):
        """As in `EncodedPairs`."""
        return iter(self._chunks)

    def add(self, sides):
        """Appends ids and lengths of both sides, END behind every sequence."""
        self._chunks.append(tuple(part for side in sides for part in _with_end(*side)))

    def renumber(self, side, ids):
        """Puts `ids[n]` wherever the ids of a side, 0 or 1, hold n."""
        for number, chunk in enumerate(self._chunks):
            parts = list(chunk)
            parts[2 * side] = ids[parts[2 * side]]
            self._chunks[number] = tuple(parts)


def _with_end(ids, lengths):
    lengths = lengths.astype(np.int32) + 1
    ends = np.zeros(lengths.sum(), bool)
    ends[np.cumsum(lengths) - 1] = True
    everything = np.full(ends.size, END, np.int32)
    everything[~ends] = ids
    return everything, lengths


@contextlib.contextmanager
def _opened(paths, mode):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(open(path, mode)) for path in paths]


def _read(file, count):
    return np.fromfile(file, np.int32, count)


def _read_all(file, count):
    numbers = _read(file, count)
    if numbers.size < count:
        raise ValueError(f"{file.name}: cut short since training began; train again")
    return numbers


def prepare(corpus, config, cache=None, say=lambda _: None):
    """Builds the codecs of a corpus and surveys it, or reads what an earlier training left.

    A corpus of less than 32 MB is encoded in memory, a larger one into files under `cache`, in a
    folder that is named after the content of its files, the settings that matter and the versions
    of what tokenises; whatever is changed or torn is noticed and made anew. Nothing there is
    needed for long: it may be deleted whenever no training reads it.

    Args:
        corpus: `Corpus`.
        config: `Config`.
        cache: Folder; that of `default_cache` by default. `"off"` for none: a large corpus is then
            tokenised in every epoch, as real values are read in every one.
        say: Function of a message.

    Returns:
        `Prepared`.

    Raises:
        ValueError: The corpus cannot be used.
        OSError: The files cannot be written.
    """
    splits = corpus.train, corpus.valid
    cache = default_cache() if cache is None else cache
    paths = [path for split in splits for path in getattr(split, "files", ())]
    is_small = sum(map(os.path.getsize, set(paths))) < SMALLEST
    is_text = isinstance(splits[0], Pairs)
    if is_text and is_small:
        return _prepare(corpus, config, KeptPairs(), KeptPairs())
    if cache == "off" or corpus.origin is None or not is_text:
        return _prepare(corpus, config)
    folder = pathlib.Path(cache).expanduser().resolve() / _key(corpus, config)
    prepared = _reopened(folder, config)
    if prepared is not None:
        say(f"the corpus is encoded already in {folder}")
    while prepared is None:
        say(f"encoding the corpus into {folder}")
        try:
            _write(folder, corpus, config)
        except FileExistsError:
            say("another training is encoding it; waiting for that")
            time.sleep(5)
        prepared = _reopened(folder, config)
    if config.training.subword_sampling:
        return dataclasses.replace(prepared, splits=(corpus.train, prepared.splits[1]))
    return prepared


def _prepare(corpus, config, train=None, valid=None):
    """Builds codecs and surveys; keepers, where there are some, take the place of their splits."""
    if config.training.subword_sampling:
        train = None  # Subwords that are drawn anew in every epoch are not kept.
    codecs, survey = build_codecs(corpus.train, config, train)
    surveys = survey, survey_pairs(corpus.valid, codecs, config.training, valid)
    return Prepared(codecs, surveys, (train or corpus.train, valid or corpus.valid))


def default_cache():
    """Returns the folder that `KSEQ_CACHE` names, or else the user's own one for such things."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return os.environ.get("KSEQ_CACHE") or str(pathlib.Path(home) / "kseq")


def _key(corpus, config):
    """A name that is another one when anything is that the files hang on."""
    versions = map(importlib.metadata.version, ("tensorflow-text", "sentencepiece"))
    settings = [
        *(_VERSION, kseq.__version__, *versions),
        *(dataclasses.asdict(config.text), config.shares_vocabulary),
        *(config.training.maximum_length, config.training.subword_sampling > 0),
        *(corpus.origin.get(name) for name in ("swap", "apart")),
    ]
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    for name in ("train", "valid", "test"):
        digest.update(f"{name}:{_shape(corpus.origin[name])}".encode())
    tests = [corpus.test] if corpus.has_test else []
    for split in (corpus.train, corpus.valid, *tests):
        for path in split.files:
            digest.update("".join(path.suffixes).encode())
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _shape(files):
    """How files stand together, whatever they are called: `[2, 2]` for two sides of two each."""
    if files is None or isinstance(files, str):
        return int(files is not None)
    return [_shape(each) for each in files]


def _write(folder, corpus, config):
    try:
        with files.replaced_folder(folder) as unfinished:
            train, valid = (_Writer(EncodedPairs(unfinished, split)) for split in _SPLITS)
            with train, valid:
                prepared = _prepare(corpus, config, train, valid)
            prepared.codecs.save(unfinished)
            checksums = {path.name: _checksum(path) for path in unfinished.iterdir()}
            surveys = list(map(dataclasses.asdict, prepared.surveys))
            record = {"surveys": surveys, "files": checksums}
            files.write_text(unfinished / _RECORD, json.dumps(record))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                f"no room for the encoded corpus in {folder.parent}; make some, name another "
                "folder (--cache DIR, or KSEQ_CACHE), or go without (--cache off)"
            ) from error
        raise


class _Writer:
    """Keeps ids as `build_codecs` and `survey_pairs` find them, as `EncodedPairs`."""

    def __init__(self, encoded):
        self._paths = encoded.paths()
        self._opened = _opened(self._paths, "wb")

    def __enter__(self):
        self._files = self._opened.__enter__()
        return self

    def __exit__(self, *error):
        return self._opened.__exit__(*error)

    def add(self, sides):
        """Appends ids and lengths of both sides, END behind every sequence."""
        for side, ids_file, lengths_file in zip(sides, self._files[::2], self._files[1::2]):
            ids, lengths = _with_end(*side)
            ids_file.write(ids.tobytes())
            lengths_file.write(lengths.tobytes())

    def renumber(self, side, ids):
        """Puts `ids[n]` wherever the ids of a side, 0 or 1, hold n."""
        self._files[2 * side].flush()
        path = self._paths[2 * side]
        written = np.memmap(path, np.int32, "r+")
        for start in range(0, written.size, _BLOCK):
            block = written[start : start + _BLOCK]
            block[:] = ids[block]
        written.flush()


def _reopened(folder, config):
    """What a folder holds, or None where it is not whole."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if any(_checksum(folder / name) != sum_ for name, sum_ in record["files"].items()):
            return None
        train, valid = (Survey(**survey) for survey in record["surveys"])
        codecs = CodecPair.load(folder, config)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    splits = tuple(EncodedPairs(folder, split) for split in _SPLITS)
    if not all(path.name in record["files"] for split in splits for path in split.paths()):
        return None
    return Prepared(codecs, (train, valid), splits)


def _checksum(path):
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return [path.stat().st_size, checksum]
