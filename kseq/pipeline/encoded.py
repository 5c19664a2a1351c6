"""Encoded corpora: tokenised once for all epochs; large ones are cached for later runs."""

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
from kseq import files, locks
from kseq.corpora.pairs import Pairs
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.ids import BLOCK, EncodedPairs, PairsInRam, open_all, with_end
from kseq.pipeline.known_codecs import Coverage
from kseq.pipeline.survey import Survey, build_codecs, survey_pairs

SMALLEST = 32 * 2**20  # bytes of a corpus that is encoded into files; smaller corpora stay in RAM
_VERSION = 2  # of the format of these files
_RECORD = "encoded.json"
_SPLITS = ("train", "valid")
_READING = ("swap", "columns", "features", "apart", "skip_faulty")  # of the origin of a corpus
# The name of the folder is a hash, so that everything in it is kseq's.
_ENCODED = files.FolderKind("an encoded corpus", pathlib.Path.is_dir, lambda path: True)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A corpus that is ready for training.

    Args:
        codecs: `CodecPair`.
        surveys: `Survey` of the training and the validation split.
        splits: Both splits, as `training_pipeline` reads them.
        coverage: `Coverage` of source and target if the codecs are another run's; None for sides
            without.
    """

    codecs: CodecPair
    surveys: tuple
    splits: tuple
    coverage: tuple = (None, None)

    def fingerprint(self):
        """Returns a CRC-32 of all ids; None if the corpus is not encoded."""
        checksum = 0
        for split in self.splits:
            if not isinstance(split, (EncodedPairs, PairsInRam)):
                return None
            for chunk in split.chunks():
                for part in chunk:
                    checksum = zlib.crc32(part, checksum)
        return checksum


def prepare(corpus, config, cache=None, report=lambda _: None, known=None):
    """Builds the codecs of a corpus and surveys it, or reads both from the cache.

    A corpus of less than 32 MB is encoded in RAM, a larger one into files under `cache`, in a
    folder whose name depends on the content of the corpus, the relevant settings and the versions
    of the tokenizers. Damaged or outdated files are detected and written again. The folder may be
    deleted whenever no training run reads it.

    Args:
        corpus: `Corpus`.
        config: `Config`.
        cache: Folder; by default `default_cache()`. With `"off"` a large corpus is tokenised in
            every epoch. Real values are always read in every epoch.
        report: Function that reports a message.
        known: `KnownCodecs` to use, or to extend, instead of learning new ones; or None.

    Returns:
        `Prepared`.

    Raises:
        ValueError: The corpus cannot be used.
        OSError: The files cannot be written.
    """
    splits = train_pairs(corpus, config), corpus.valid
    paths = [path for split in splits for path in getattr(split, "files", ())]
    is_small = sum(map(os.path.getsize, set(paths))) < SMALLEST
    is_text = isinstance(splits[0], Pairs)
    if is_text and is_small:
        train, valid = (
            PairsInRam(has_links, _has_features(config)) for has_links in _have_links(config)
        )
        return _prepare(corpus, config, known, train, valid)
    if cache == "off" or corpus.origin is None or not is_text:
        return _prepare(corpus, config, known)
    cache = default_cache() if cache is None else cache
    folder = _require_folder(cache) / _key(corpus, config, known)
    files.finish_replacement(folder, _ENCODED)
    prepared = _reopen(folder, config)
    if prepared is not None:
        report(f"using the corpus encoded in {folder}")
    while prepared is None:
        report(f"encoding the corpus into {folder}")
        try:
            _write(folder, corpus, config, known)
        except locks.Occupied:
            report("another training run is encoding it; waiting")
            time.sleep(5)
        prepared = _reopen(folder, config)
    if config.training.subword_sampling:
        return dataclasses.replace(prepared, splits=(corpus.train, prepared.splits[1]))
    return prepared


def train_pairs(corpus, config):
    """Returns the pairs to train on: `AlignedPairs` if the attention is guided."""
    return corpus.aligned_train if config.training.guided_alignment else corpus.train


def _prepare(corpus, config, known, train=None, valid=None):
    """Builds codecs and surveys; a store, if there is one, replaces its split."""
    if config.training.subword_sampling:
        train = None  # Subwords are sampled again in every epoch.
    pairs = train_pairs(corpus, config)
    codecs, survey = build_codecs(pairs, config, train, known)
    surveys = survey, survey_pairs(corpus.valid, codecs, config.training, valid)
    coverage = Prepared.coverage if known is None else tuple(known.coverage)
    return Prepared(codecs, surveys, (train or pairs, valid or corpus.valid), coverage)


def default_cache():
    """Returns the folder that `KSEQ_CACHE` names, or else `kseq` in the user's cache folder.

    Raises:
        ValueError: The user has no home directory, as in some containers.
    """
    if os.environ.get("KSEQ_CACHE"):
        return os.environ["KSEQ_CACHE"]
    try:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    except RuntimeError as error:
        raise ValueError(
            "there is no home directory for the encoded corpus: name a folder (--cache DIR, or "
            "KSEQ_CACHE), or disable the cache (--cache off)"
        ) from error
    return str(pathlib.Path(home) / "kseq")


def _require_folder(cache):
    """Returns the resolved path of the cache, which need not exist.

    Raises:
        NotADirectoryError: It is a file.
    """
    path = pathlib.Path(cache).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"expected a folder for encoded corpora; received a file: {path}; choose a folder "
            "(--cache DIR, or KSEQ_CACHE), or disable the cache (--cache off)"
        )
    return path


def _key(corpus, config, known):
    """A name that changes with everything that the files depend on."""
    versions = map(importlib.metadata.version, ("tensorflow-text", "sentencepiece"))
    settings = [
        *(_VERSION, kseq.__version__, *versions),
        *(dataclasses.asdict(config.text), config.shares_vocabulary),
        *(config.training.maximum_length, config.training.subword_sampling > 0),
        *(corpus.origin.get(name) for name in _READING),
    ]
    if config.model.copy:
        settings.append("open ids")
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    if known is not None:
        known.identify(digest)
    for name in ("train", "valid", "test"):
        digest.update(f"{name}:{_shape(corpus.origin[name])}".encode())
    tests = [corpus.test] if corpus.has_test else []
    for split in (train_pairs(corpus, config), corpus.valid, *tests):
        for path in split.files:
            digest.update("".join(path.suffixes).encode())
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _shape(files):
    """How files are grouped, whatever their names: `[2, 2]` for two sides of two files each."""
    if files is None or isinstance(files, str):
        return int(files is not None)
    return [_shape(group) for group in files]


def _write(folder, corpus, config, known):
    try:
        with files.replaced_folder(folder, _ENCODED) as unfinished:
            train, valid = map(_Writer, _encoded_splits(unfinished, config))
            with train, valid:
                prepared = _prepare(corpus, config, known, train, valid)
            prepared.codecs.save(unfinished)
            checksums = {path.name: _checksum(path) for path in unfinished.iterdir()}
            surveys = list(map(dataclasses.asdict, prepared.surveys))
            coverage = [each and dataclasses.asdict(each) for each in prepared.coverage]
            record = {"surveys": surveys, "files": checksums, "coverage": coverage}
            files.write_text(unfinished / _RECORD, json.dumps(record))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                errno.ENOSPC,
                f"no space for the encoded corpus in {folder.parent}; free some space, choose "
                "another folder (--cache DIR, or KSEQ_CACHE), or disable the cache (--cache off)",
            ) from error
        raise


class _Writer:
    """Writes ids to the files of `EncodedPairs`: a store for `build_codecs` and `survey_pairs`."""

    def __init__(self, encoded):
        self._paths = encoded.paths()
        self._context = open_all(self._paths, "wb")

    def __enter__(self):
        self._files = self._context.__enter__()
        return self

    def __exit__(self, *error):
        return self._context.__exit__(*error)

    def add(self, columns, *links):
        """Appends ids and lengths of each column, with END after every sequence; and links."""
        parts = *(part for column in columns for part in with_end(*column)), *links
        for file, part in zip(self._files, parts):
            file.write(part.tobytes())

    def renumber(self, column, ids):
        """Replaces every id n of a column (source 0, target 1, features 2) by `ids[n]`."""
        self._files[2 * column].flush()
        path = self._paths[2 * column]
        file_ids = np.memmap(path, np.int32, "r+")
        for start in range(0, file_ids.size, BLOCK):
            block = file_ids[start : start + BLOCK]
            block[:] = ids[block]
        file_ids.flush()


def _reopen(folder, config):
    """The `Prepared` corpus in a folder; None if it is missing or damaged."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        checksums = record["files"]
        if any(_checksum(folder / name) != checksum for name, checksum in checksums.items()):
            return None
        train, valid = (Survey(**survey) for survey in record["surveys"])
        coverage = tuple(
            each and Coverage(**each) for each in record.get("coverage", Prepared.coverage)
        )
        codecs = CodecPair.load(folder, config)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    splits = _encoded_splits(folder, config)
    if not all(path.name in checksums for split in splits for path in split.paths()):
        return None
    return Prepared(codecs, (train, valid), splits, coverage)


def _encoded_splits(folder, config):
    return tuple(
        EncodedPairs(folder, *split, _has_features(config))
        for split in zip(_SPLITS, _have_links(config))
    )


def _have_links(config):
    """Whether the training and the validation split have links."""
    return config.training.guided_alignment > 0, False


def _has_features(config):
    return config.model.features != "none"


def _checksum(path):
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
    return [path.stat().st_size, checksum]
