"""Public corpora that can be fetched: where they stand, whose they are, what proves them whole."""

import dataclasses
import functools
import gzip
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable

from kseq.console import transferred
from kseq.corpora.archives import DAMAGES
from kseq.corpora.downloads import DownloadFailed, download, require_address
from kseq.errors import SettingError
from kseq.files import locked, replaced_file

_MOST_UNPACKED = 100  # bytes for each one of an archive; text is packed to a third or so
_PAIRS_LIST = "https://www.manythings.org/anki/"


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file of a public corpus.

    Args:
        home: Address that `path` is below; a mirror has another one.
        path: Where the file stands below it.
        name: Where it goes in the folder; `.gz` is added to what comes plain by packing it.
        check: Function of the open file that raises ValueError unless it is whole, saying what
            was expected and what was received.
    """

    home: str
    path: str
    name: str
    check: Callable

    @property
    def is_packed_here(self):
        """Whether it comes plain and is kept as `.gz`."""
        return self.name.endswith(".gz") and not self.path.endswith(".gz")


@dataclasses.dataclass(frozen=True)
class PublicCorpus:
    """A corpus that can be fetched.

    Args:
        name: What `fetch` calls it.
        what: What it is, in a few words.
        size: How much there is to fetch, in words.
        source: Whose it is: an address to look at.
        licence: What one may do with it.
        terms: Where to read that.
        files: Its `RemoteFile`s.
        training: What `kseq train` takes, `{}` standing for the folder.
    """

    name: str
    what: str
    size: str
    source: str
    licence: str
    terms: str
    files: tuple
    training: str

    def next_command(self, folder):
        """Returns the command that trains on the corpus in a folder."""
        words = [word.format(folder) for word in self.training.split()]
        return shlex.join(["kseq", "train", *words, "--out", f"runs/{self.name}"])


def fetch(name, folder, base=None, timeout=60.0):
    """Fetches a public corpus into a folder; what is already there and whole is left as it is.

    An interrupted download is continued by the next call. Archives are not unpacked:
    `load_corpus` reads them as they are. Read the licence first: `kseq fetch` lists it.

    Args:
        name: `"multi30k"`, `"cmudict"`, or a language pair of manythings.org/anki by the name of
            its archive, such as `"spa-eng"`.
        folder: Folder to write to; it is made where it is missing.
        base: Address of a mirror, which has the same paths below it as the original: `spa-eng.zip`,
            `cmudict.dict`, `raw/train.de.gz`.
        timeout: Seconds without a byte after which a connection counts as broken.

    Returns:
        The paths of the files, as a list.

    Raises:
        ValueError: There is no such corpus, or an option is wrong.
        DownloadFailed: A file cannot be had, or what came is not whole; then it is removed.
        OSError: A file cannot be written, or another one stands in its place.
    """
    corpus = find_corpus(name)
    folder = pathlib.Path(folder)
    if base is not None:
        require_address(base)
    if not 0 < timeout < 1e6:
        raise SettingError("{timeout} must be a number of seconds above 0; received {0}", timeout)
    _require_writable(folder)
    with locked(folder / corpus.name), transferred() as report:
        return [_fetch_file(corpus, file, folder, base, timeout, report) for file in corpus.files]


def find_corpus(name):
    """Returns the `PublicCorpus` of a name.

    Raises:
        ValueError: There is none.
    """
    if str(name) in _CORPORA:
        return _CORPORA[name]
    if re.fullmatch("[a-z]{3}-eng", str(name)):
        return _language_pair(name)
    raise ValueError(
        f"unknown corpus: {name!r}; expected {', '.join(_CORPORA)} or a language pair of "
        f"{_PAIRS_LIST} by the name of its archive, such as spa-eng"
    )


def table():
    """Returns what can be fetched, with sizes and licences, as plain text."""
    pairs = dataclasses.replace(_language_pair("xxx-eng"), source=f"{_PAIRS_LIST} lists the pairs")
    return "\n\n".join(map(_described, (*_CORPORA.values(), pairs)))


def _described(corpus):
    lines = f"{corpus.what}; {corpus.size}", corpus.source, corpus.licence, corpus.terms
    return f"{corpus.name:10}" + f"\n{'':10}".join(lines)


def _require_writable(folder):
    """Checks that the folder, or what it will be made in, can be written to."""
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            if not place.is_dir():
                raise NotADirectoryError(f"expected a folder; received a file: {place}")
            if not os.access(place, os.W_OK | os.X_OK):
                raise PermissionError(f"cannot write to the folder {place}; choose another one")
            return


def _fetch_file(corpus, file, folder, base, timeout, report):
    """Fetches one file, unless it is there; returns its path."""
    path = folder / file.name
    address = f"{(base or file.home).rstrip('/')}/{file.path}"
    if path.exists():
        _require_whole(path, file, address)
        return path
    try:
        part = download(address, path, timeout, functools.partial(report, file.name))
    except DownloadFailed as error:
        if error.status == 404 and corpus.name not in _CORPORA:
            raise ValueError(
                f"{error}; is there no language pair {corpus.name}? {_PAIRS_LIST} lists all"
            ) from error
        raise
    try:
        with open(part.path, "rb") as opened:
            _check(file, opened)
    except ValueError as error:
        part.remove()
        raise DownloadFailed(f"{address}: {error}; removed it, fetch again") from error
    if file.is_packed_here:
        _pack(part.path, path)
        part.remove()
    else:
        part.move_to(path)
    return path


def _require_whole(path, file, address):
    """Checks a file that is already there; it is not ours to remove."""
    try:
        with gzip.open(path) if file.is_packed_here else open(path, "rb") as opened:
            _check(file, opened)
    except ValueError as error:
        raise FileExistsError(
            f"{path} is there already and not what stands at {address}: {error}; "
            "move it away, or choose another folder"
        ) from error


def _check(file, opened):
    try:
        file.check(opened)
    except (*DAMAGES, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # it cannot be read, which says nothing about it
        raise ValueError(f"expected a whole file; received a damaged one: {error}") from error


def _pack(plain, path):
    """Writes a `.gz` that hangs on nothing but what is in it."""
    with (
        replaced_file(path) as unfinished,
        open(plain, "rb") as source,
        open(unfinished, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed)


def _has_digest(digest, opened):
    received = hashlib.file_digest(opened, "sha256").hexdigest()
    if received != digest:
        raise ValueError(f"expected a file of SHA-256 {digest}; received one of {received}")


def _is_whole_zip(opened):
    """A zip of one text with a tab in its first line, which is read to its end."""
    size = opened.seek(0, os.SEEK_END)
    with zipfile.ZipFile(opened) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MOST_UNPACKED * size:
            raise ValueError(
                f"expected an archive of text; received one of {size:,} bytes that says it "
                f"holds {unpacked:,}"
            )
        texts = [
            name for name in archive.namelist() if re.fullmatch(r"(.*/)?[^_/.][^/]*\.txt", name)
        ]
        if len(texts) != 1:
            listing = ", ".join(archive.namelist()[:5]) or "nothing"
            raise ValueError(f"expected a zip of one .txt; received one that holds {listing}")
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        with archive.open(texts[0]) as text:
            if b"\t" not in text.readline(1 << 16):
                raise ValueError(f"expected columns with tabs between them in {texts[0]}")


def _is_dictionary(opened):
    """A line for each pronunciation, to the last: `word PH ON EMES`, perhaps `# a comment`."""
    number = 0
    for number, line in enumerate(iter(lambda: opened.readline(1 << 16), b""), start=1):
        if not re.fullmatch(rb"\S+( +[A-Z]{1,3}[0-2]?)+( +#.*)?\s*\n", line):
            raise ValueError(
                f"expected a word and its phonemes; received in line {number}: {line[:40]!r}"
            )
    if number == 0:
        raise ValueError("expected a dictionary; received an empty file")


def _multi30k():
    # Two commits of the same repository at which the files are known to be these.
    repository = "https://raw.githubusercontent.com/multi30k/dataset"
    raw = f"{repository}/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1"
    tokenised = f"{repository}/7bee46bc74186b4b6254603143610f730d40bf66/data/task1"
    for name, digest in _MULTI30K_RAW.items():
        check = functools.partial(_has_digest, digest)
        yield RemoteFile(raw, f"raw/{name}.gz", f"{name}.gz", check)
    for name, digest in _MULTI30K_TOKENISED.items():
        path = "tok/{}.lc.norm.tok.{}".format(*name.split("."))
        yield RemoteFile(tokenised, path, f"{path}.gz", functools.partial(_has_digest, digest))


def _language_pair(name):
    return PublicCorpus(
        name=name,
        what="sentences in English and another language, as spa-eng, cmn-eng",
        size="up to some 25 MB",
        source=_PAIRS_LIST,
        licence="CC BY 2.0 FR: name tatoeba.org and manythings.org/anki",
        terms="https://tatoeba.org/en/terms_of_use",
        files=(RemoteFile(_PAIRS_LIST, f"{name}.zip", f"{name}.zip", _is_whole_zip),),
        training=f"--train {{}}/{name}.zip",
    )


_MULTI30K_RAW = {
    "train.de": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.fr": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "val.de": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.fr": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "test_2016_flickr.de": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.fr": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
}
_MULTI30K_TOKENISED = {
    "train.de": "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
    "train.en": "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
    "val.de": "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
    "val.en": "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
    "test_2016_flickr.de": "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
    "test_2016_flickr.en": "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
}
_CORPORA = {
    "multi30k": PublicCorpus(
        name="multi30k",
        what="31,014 image captions in German, English and French",
        size="6.2 MB",
        source="https://github.com/multi30k/dataset",
        licence="for research and education, not commerce, like Flickr30k",
        terms="https://github.com/multi30k/dataset",
        files=tuple(_multi30k()),
        training="--train {0}/train.de.gz {0}/train.en.gz --valid {0}/val.de.gz {0}/val.en.gz "
        "--test {0}/test_2016_flickr.de.gz {0}/test_2016_flickr.en.gz",
    ),
    "cmudict": PublicCorpus(
        name="cmudict",
        what="the CMU pronouncing dictionary: 135,000 English words and phonemes",
        size="3.6 MB",
        source="https://github.com/cmusphinx/cmudict",
        licence="BSD, two clauses: keep the copyright notice",
        terms="https://github.com/cmusphinx/cmudict/blob/master/LICENSE",
        files=(
            RemoteFile(
                "https://raw.githubusercontent.com/cmusphinx/cmudict/master",
                "cmudict.dict",
                "cmudict.dict.gz",
                _is_dictionary,
            ),
        ),
        training="--train {}/cmudict.dict.gz --set source_tokenizer=character",
    ),
}
