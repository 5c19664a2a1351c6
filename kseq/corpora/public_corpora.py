"""Public corpora that can be fetched: their files, sources and licences."""

import dataclasses
import functools
import gzip
import os
import pathlib
import re
import shlex
import shutil
from collections.abc import Callable

from kseq.console import show_transfers
from kseq.corpora.downloads import DownloadFailed, Part, download, require_address
from kseq.corpora.integrity import check_dictionary, check_file, check_zip, sha256_check
from kseq.errors import SettingError
from kseq.files import replaced_file
from kseq.locks import lock

_PAIRS_LIST = "https://www.manythings.org/anki/"


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file of a public corpus.

    Args:
        home: Address of the folder that `path` starts from; a mirror replaces it.
        path: Path of the file under this address.
        name: Name of the file in the local folder; if it ends in `.gz`, a plain file is compressed.
        check: Function of the open file that raises ValueError unless it is complete.
    """

    home: str
    path: str
    name: str
    check: Callable

    @property
    def is_stored_compressed(self):
        """Whether the file is downloaded as plain text and stored as `.gz`."""
        return self.name.endswith(".gz") and not self.path.endswith(".gz")


@dataclasses.dataclass(frozen=True)
class PublicCorpus:
    """A corpus that can be fetched.

    Args:
        name: Name of the corpus for `fetch`.
        description: Description in a few words.
        size: Size of the download, as text.
        source: Address of its page.
        licence: Licence, in a few words.
        terms: Address of the licence.
        files: Its `RemoteFile`s.
        training: Options of `kseq train`, with `{}` for the folder.
    """

    name: str
    description: str
    size: str
    source: str
    licence: str
    terms: str
    files: tuple
    training: str

    def next_command(self, folder):
        """Returns the command that trains on the corpus in a folder, as a string."""
        words = [word.format(folder) for word in self.training.split()]
        return shlex.join(["kseq", "train", *words, "--out", f"runs/{self.name}"])


def fetch(name, folder, base=None, timeout=60.0):
    """Fetches a public corpus into a folder; complete files in it are not fetched again.

    The next call continues an interrupted download. Archives are not unpacked: `load_corpus` reads
    them as they are. Read the licence first: `kseq fetch` lists it.

    Args:
        name: `"multi30k"`, `"cmudict"`, or the archive name of a language pair of
            manythings.org/anki, such as `"spa-eng"`.
        folder: Folder to write to; it is created if it is missing.
        base: Address of a mirror with the same paths as the original: `spa-eng.zip`,
            `cmudict.dict`, `raw/train.de.gz`.
        timeout: Seconds without data after which a connection is considered broken.

    Returns:
        The paths of the files, as a list.

    Raises:
        ValueError: The corpus is unknown, or an option is wrong.
        DownloadFailed: A file cannot be downloaded; or it is damaged, and has been removed.
        OSError: A file cannot be written, or another file has its name.
    """
    corpus = find_corpus(name)
    folder = pathlib.Path(folder)
    if base is not None:
        require_address(base)
    if not 0 < timeout < 1e6:
        raise SettingError(
            "{timeout} must be a number of seconds greater than 0; received {0}", timeout
        )
    _require_writable(folder)
    with lock(folder / corpus.name), show_transfers() as report:
        return [_fetch_file(corpus, file, folder, base, timeout, report) for file in corpus.files]


def find_corpus(name):
    """Returns the `PublicCorpus` with a name.

    Raises:
        ValueError: The corpus is unknown.
    """
    if str(name) in _CORPORA:
        return _CORPORA[name]
    if re.fullmatch("[a-z]{3}-eng", str(name)):
        return _make_language_pair(name)
    raise ValueError(
        f"unknown corpus: {name!r}; expected {', '.join(_CORPORA)} or a language pair of "
        f"{_PAIRS_LIST} by the name of its archive, such as spa-eng"
    )


def table():
    """Returns a table of the corpora with their sizes and licences, as plain text."""
    pairs = dataclasses.replace(
        _make_language_pair("xxx-eng"), source=f"{_PAIRS_LIST} lists the pairs"
    )
    return "\n\n".join(map(_describe, (*_CORPORA.values(), pairs)))


def _describe(corpus):
    """Returns the lines of the table about a corpus."""
    lines = f"{corpus.description}; {corpus.size}", corpus.source, corpus.licence, corpus.terms
    return f"{corpus.name:10}" + f"\n{'':10}".join(lines)


def _require_writable(folder):
    """Checks that the folder, or its nearest existing parent, can be written to."""
    for path in (folder, *folder.absolute().parents):
        if path.exists():
            if not path.is_dir():
                raise NotADirectoryError(f"expected a folder; received a file: {path}")
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(f"cannot write to the folder {path}; choose another one")
            return


def _fetch_file(corpus, file, folder, base, timeout, report):
    """Fetches a file unless it exists; returns its path."""
    path = folder / file.name
    address = f"{(base or file.home).rstrip('/')}/{file.path}"
    if path.exists():
        _require_complete(path, file, address)
        Part(path).remove()  # A process may have been killed before it did so.
        return path
    try:
        part = download(address, path, timeout, functools.partial(report, file.name))
    except DownloadFailed as error:
        if error.status == 404 and corpus.name not in _CORPORA:
            raise ValueError(
                f"{error}; perhaps there is no language pair {corpus.name}: {_PAIRS_LIST} lists all"
            ) from error
        raise
    try:
        with open(part.path, "rb") as opened:
            check_file(file.check, opened)
    except ValueError as error:
        part.remove()
        raise DownloadFailed(f"{address}: {error}; removed it, fetch again") from error
    if file.is_stored_compressed:
        _compress(part.path, path)
        part.remove()
    else:
        part.move_to(path)
    return path


def _require_complete(path, file, address):
    """Checks an existing file, which is never removed."""
    try:
        with gzip.open(path) if file.is_stored_compressed else open(path, "rb") as opened:
            check_file(file.check, opened)
    except ValueError as error:
        raise FileExistsError(
            f"{path} already exists, but is not the file at {address}: {error}; "
            "move it elsewhere, or choose another folder"
        ) from error


def _compress(plain, path):
    """Writes a `.gz` that depends only on its content: it records no name and no time."""
    with (
        replaced_file(path) as unfinished,
        open(plain, "rb") as source,
        open(unfinished, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as compressed,
    ):
        shutil.copyfileobj(source, compressed)


def _multi30k_files():
    """Yields the `RemoteFile`s of Multi30k, from two commits that pin their content."""
    repository = "https://raw.githubusercontent.com/multi30k/dataset"
    raw = f"{repository}/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1"
    tokenised = f"{repository}/7bee46bc74186b4b6254603143610f730d40bf66/data/task1"
    for name, digest in _MULTI30K_RAW.items():
        yield RemoteFile(raw, f"raw/{name}.gz", f"{name}.gz", sha256_check(digest))
    for name, digest in _MULTI30K_TOKENISED.items():
        path = "tok/{}.lc.norm.tok.{}".format(*name.split("."))
        yield RemoteFile(tokenised, path, f"{path}.gz", sha256_check(digest))


def _make_language_pair(name):
    """Returns the `PublicCorpus` of English and another language."""
    return PublicCorpus(
        name=name,
        description="sentences in English and another language, such as spa-eng, cmn-eng",
        size="up to about 25 MB",
        source=_PAIRS_LIST,
        licence="CC BY 2.0 FR: name tatoeba.org and manythings.org/anki",
        terms="https://tatoeba.org/en/terms_of_use",
        files=(RemoteFile(_PAIRS_LIST, f"{name}.zip", f"{name}.zip", check_zip),),
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
        description="31,014 image captions in German, English and French",
        size="6.2 MB",
        source="https://github.com/multi30k/dataset",
        licence="for research and education, not commerce, like Flickr30k",
        terms="https://github.com/multi30k/dataset",
        files=tuple(_multi30k_files()),
        training="--train {0}/train.de.gz {0}/train.en.gz --valid {0}/val.de.gz {0}/val.en.gz "
        "--test {0}/test_2016_flickr.de.gz {0}/test_2016_flickr.en.gz",
    ),
    "cmudict": PublicCorpus(
        name="cmudict",
        description="the CMU pronouncing dictionary: 135,000 English words and phonemes",
        size="3.6 MB",
        source="https://github.com/cmusphinx/cmudict",
        licence="BSD, two clauses: keep the copyright notice",
        terms="https://github.com/cmusphinx/cmudict/blob/master/LICENSE",
        files=(
            RemoteFile(
                "https://raw.githubusercontent.com/cmusphinx/cmudict/master",
                "cmudict.dict",
                "cmudict.dict.gz",
                check_dictionary,
            ),
        ),
        training="--train {}/cmudict.dict.gz --set source_tokenizer=character",
    ),
}
