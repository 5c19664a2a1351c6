"""Encoded corpora on disk: tokenised once, read by every epoch and by later trainings."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import zlib

import numpy as np
import tensorflow as tf

from kseq import files
from kseq.codecs import CodecPair
from kseq.lines import chunks
from kseq.pairs import Pairs
from kseq.survey import CHUNK, Survey, as_bytes, build_codecs, length_limits, survey_pairs

SMALLEST = 32 * 2**20  # bytes of a corpus; a smaller one is tokenised in seconds
_VERSION = 1  # of what stands in these files
_RECORD = "encoded.json"
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
            while (sources := _read(source_lengths, CHUNK["text"])).size:
                targets = _read(target_lengths, sources.size)
                yield (
                    *(_read(source_ids, sources.sum()), sources),
                    *(_read(target_ids, targets.sum()), targets),
                )


@contextlib.contextmanager
def _opened(paths, mode):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(open(path, mode)) for path in paths]


def _read(file, count):
    return np.fromfile(file, np.int32, count)


def prepare(corpus, config, cache=None, say=lambda _: None):
    """Builds the codecs of a corpus and surveys it, or reads what an earlier training left.

    A corpus of at least 32 MB is encoded into files under `cache`, in a folder that is named
    after the content of its files and the settings that matter; whatever is changed or torn is
    noticed and made anew.

    Args:
        corpus: `Corpus`.
        config: `Config`.
        cache: Folder; that of `default_cache` by default. `"off"` for none.
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
    if cache == "off" or is_small or corpus.origin is None or not isinstance(splits[0], Pairs):
        codecs, survey = build_codecs(corpus.train, config)
        return Prepared(
            codecs, (survey, survey_pairs(corpus.valid, codecs, config.training)), splits
        )
    folder = pathlib.Path(cache).expanduser().resolve() / _key(corpus, config)
    prepared = _reopened(folder, config)
    if prepared is None:
        say(f"encoding the corpus into {folder}")
        _write(folder, corpus, config)
        prepared = _reopened(folder, config)
    else:
        say(f"the corpus is encoded already in {folder}")
    if config.training.subword_sampling:
        return dataclasses.replace(prepared, splits=(corpus.train, prepared.splits[1]))
    return prepared


def default_cache():
    """Returns the folder that `KSEQ_CACHE` names, or else the user's own one for such things."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return os.environ.get("KSEQ_CACHE") or str(pathlib.Path(home) / "kseq")


def _key(corpus, config):
    """A name that is another one when anything is that the files hang on."""
    shares = config.shares_vocabulary
    training = config.training.maximum_length
    settings = [_VERSION, corpus.origin, dataclasses.asdict(config.text), shares, training]
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    tests = [corpus.test] if corpus.has_test else []
    for split in (corpus.train, corpus.valid, *tests):
        for path in split.files:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _write(folder, corpus, config):
    try:
        with files.replaced_folder(folder) as unfinished:
            codecs, survey = build_codecs(corpus.train, config)
            surveys = survey, survey_pairs(corpus.valid, codecs, config.training)
            codecs.save(unfinished)
            for name, pairs in (("train", corpus.train), ("valid", corpus.valid)):
                _encode(pairs, codecs, config.training, EncodedPairs(unfinished, name))
            checksums = {path.name: _checksum(path) for path in unfinished.iterdir()}
            record = {"surveys": list(map(dataclasses.asdict, surveys)), "files": checksums}
            files.write_text(unfinished / _RECORD, json.dumps(record))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                f"no room for the encoded corpus in {folder.parent}; make some, name another "
                "folder (--cache DIR, or KSEQ_CACHE), or go without (--cache off)"
            ) from error
        raise


def _encode(pairs, codecs, training, encoded):
    """Writes the ids of the usable pairs."""
    limits = length_limits(codecs, training)
    encode = tf.function(
        lambda *texts: [codec.encode(side) for codec, side in zip(codecs.sides, texts)]
    ).get_concrete_function(*2 * [tf.TensorSpec([None], tf.string)])
    with _opened(encoded.paths(), "wb") as opened:
        for chunk in chunks(pairs, CHUNK["text"]):
            sides = encode(*(tf.constant(as_bytes(side)) for side in zip(*chunk)))
            lengths = np.array([side.row_lengths() for side in sides], np.int32)
            fits = ((lengths > 1) & (lengths - 1 <= limits[:, None])).all(axis=0)
            outputs = zip(opened[::2], opened[1::2], sides, lengths)
            for ids_file, lengths_file, side, rows in outputs:
                ids_file.write(side.flat_values.numpy()[np.repeat(fits, rows)].tobytes())
                lengths_file.write(rows[fits].tobytes())


def _reopened(folder, config):
    """What a folder holds, or None where it is not whole."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if any(_checksum(folder / name) != sum_ for name, sum_ in record["files"].items()):
            return None
        surveys = tuple(Survey(**survey) for survey in record["surveys"])
        codecs = CodecPair.load(folder, config)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Prepared(codecs, surveys, (EncodedPairs(folder, "train"), EncodedPairs(folder, "valid")))


def _checksum(path):
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return [path.stat().st_size, checksum]
