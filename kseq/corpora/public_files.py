"""The public corpora that can be fetched: their files, sources and licences."""

import dataclasses
import shlex
from collections.abc import Callable

from kseq.corpora.integrity import check_dictionary, check_table, check_zip, sha256_check

PAIRS_LIST = "https://www.manythings.org/anki/"
_GITHUB = "https://raw.githubusercontent.com"


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


def _multi30k_files():
    """Yields the `RemoteFile`s of Multi30k, from two commits that pin their content."""
    repository = f"{_GITHUB}/multi30k/dataset"
    raw = f"{repository}/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1"
    tokenised = f"{repository}/7bee46bc74186b4b6254603143610f730d40bf66/data/task1"
    for name, digest in _MULTI30K_RAW.items():
        yield RemoteFile(raw, f"raw/{name}.gz", f"{name}.gz", sha256_check(digest))
    for name, digest in _MULTI30K_TOKENISED.items():
        path = "tok/{}.lc.norm.tok.{}".format(*name.split("."))
        yield RemoteFile(tokenised, path, f"{path}.gz", sha256_check(digest))


def _pronunciation_files():
    """Yields the `RemoteFile`s of SIGMORPHON 2020; test files are known by their size only."""
    home = f"{_GITHUB}/sigmorphon/2020/master/task1/data"
    for path, digest in _PRONUNCIATIONS.items():
        yield RemoteFile(home, path, path, sha256_check(digest))
        if path.startswith("dev/"):
            path = path.replace("dev", "test")
            yield RemoteFile(home, path, path, check_table(lines=450, columns=2))


def _inflection_files():
    """Yields the `RemoteFile`s of SIGMORPHON-UniMorph 2023, likewise."""
    home = f"{_GITHUB}/sigmorphon/2023InflectionST/main/part1/data"
    for name, digest in _INFLECTIONS.items():
        yield RemoteFile(home, name, f"{name}.tsv.gz", sha256_check(digest))
        if name.endswith(".dev"):
            name = name.replace(".dev", ".tst")
            yield RemoteFile(home, name, f"{name}.tsv.gz", check_table(lines=1000, columns=3))


def make_language_pair(name):
    """Returns the `PublicCorpus` of English and another language."""
    return PublicCorpus(
        name=name,
        description="sentences in English and another language, such as spa-eng",
        size="up to about 25 MB",
        source=PAIRS_LIST,
        licence="CC BY 2.0 FR: name tatoeba.org and manythings.org/anki",
        terms="https://tatoeba.org/en/terms_of_use",
        files=(RemoteFile(PAIRS_LIST, f"{name}.zip", f"{name}.zip", check_zip),),
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
_PRONUNCIATIONS = {
    "train/ady_train.tsv": "8ab54e92ecf5245ea2ed9a5677df890a3917372fb928e44c1df9b954ffe3c010",
    "dev/ady_dev.tsv": "3a540e30adf286a226ab9faea9b0b08cf0726e8549cdbe8414ae1028a7f1f14f",
    "train/arm_train.tsv": "881b301408460b84443a768b697c7c1e5895994b6157daa3752a4078e088253b",
    "dev/arm_dev.tsv": "13ac315cb0025b243455ec44b5c68a9b6b888071f85028a4b64f749fd6996bcf",
    "train/bul_train.tsv": "726c92b03b5f6e8d414d407141cb82a4782fdac7ef9c7bd3be3c91a5a650bb1f",
    "dev/bul_dev.tsv": "813ac9f3983ad80538ea9aca5d4cc3cfe6308a27cc63076564c043f2650ae62c",
    "train/dut_train.tsv": "ee825c27cf5cc82a097819bdd6ae50900e449e49504fa3c1d06b318301ef28aa",
    "dev/dut_dev.tsv": "bb86ff20577e0c9706ce3aa88d2ea5963032212bc92facef251ba435f3eb791f",
    "train/fre_train.tsv": "fcc1c1c19a19381105662b412e8de1a143802da40fb401dd3cc452bc935128a6",
    "dev/fre_dev.tsv": "eb2b3fb761b02591a93981c448c6c7972da0499fd0fb1d7a0b60142463f6b355",
    "train/geo_train.tsv": "5a9d9cadc41e6c514be51eb257f7005dea67f8a528db3f839cd9bc8f9799caf5",
    "dev/geo_dev.tsv": "2f0b707103648fb09c04084a8f60a1307cf14b4bfd5d5892664ba32920604e59",
    "train/gre_train.tsv": "acc3450422d1d44e5d596d6b5092919ebf5e0f8a26ddde4ccac7aa9dec1e0996",
    "dev/gre_dev.tsv": "bac8a18261aa39e125db95423cc33dfaa60683d72eb2b0bb933f2f66b913c7a9",
    "train/hin_train.tsv": "74c5359152b21349bafafdc280b9f7ac1a8391056111f7442b3fed04c2a5251b",
    "dev/hin_dev.tsv": "51807c402408a8da95fde02b9f9af35a39715ff0e31020f5fa95937962fa66a1",
    "train/hun_train.tsv": "e729f49b9b232848ee5bb98afeae2e236f1ec7d0e89d43cf930a9526ad1b9e1e",
    "dev/hun_dev.tsv": "a77a59974f54d218e8c8cf2d38c5db5ee33fac4767e842d3cc0b9bad42cf7032",
    "train/ice_train.tsv": "d3729c6306c6b20b873b1b8e94bc1fa3b70dce7f8c2e0179ad3a434c8803f2ef",
    "dev/ice_dev.tsv": "5054f1051521f83acf137e918445052cc8702937131a7f7dac7b2b7dad6f78e4",
    "train/jpn_train.tsv": "5a8adf93f79799b89ba1af4805caa482383dbd62365cca18d5ef5dd993b0c3ac",
    "dev/jpn_dev.tsv": "ae61d965b012ae24cbf05d5bb7bf2c2fc721b9428c57828082e9d089a5020d79",
    "train/kor_train.tsv": "c0e509d5c604df2bb0d899fec7825985e2d48f6cbb7238b1cde5ab408716071f",
    "dev/kor_dev.tsv": "0bf3b0676254dde2f087283f39f4a2f0ef2377000d0317be9c4b6cc8ef9ea23e",
    "train/lit_train.tsv": "0b2a516fd0832654ae8fba3037635a66cc3ad864e61139323bad009a2de4cb14",
    "dev/lit_dev.tsv": "0dba9ff447458eb6a5e5275d44f33cb98218cb59c5f86984e1c9c86744eb334c",
    "train/rum_train.tsv": "aac7c0bebd664e9f313bd444e6c4be56fb002b45d3054a75f0c1900dcb8f64f7",
    "dev/rum_dev.tsv": "3169f34527ae54fe1bf4f0aaf3ac5dde71ba0eee31e40d4ff15e4e64a58675a9",
    "train/vie_train.tsv": "541f4b51c14305580a5766158a76e299836646eafcbfb2ed9b5e7e50ae3fa7e6",
    "dev/vie_dev.tsv": "6d9f94f8f8229876bd029b4db9b42654d31f834bb096279108547a98319cb510",
}
_INFLECTIONS = {
    "deu.trn": "2f31054424f0995e232f060f3d1e2a85b3da45e4f40680e3c2653044d29bd650",
    "deu.dev": "6aa5f9409c0096949af167951147838b3375f394997509c46a698c295e909601",
    "fin.trn": "4cf5056c5292c392c3fd08448326c409d0554e9528fdd436902d5d8113ca9b47",
    "fin.dev": "3ce5128a8cc5b086cb31a107a8c016328618b25730a6b4f4bbd6a3f91bcb67ff",
    "tur.trn": "f61f64416dedd8e5b6ec92e2050745438b74e05cefa6bd03abbd293bc4fafee9",
    "tur.dev": "50029acf7c0fd5931940ab6381ac20ebc9c9a7f32d8e72ffd0b0702e02565a97",
    "rus.trn": "20429c3a25c318c822c7963cbeff8af0ffa3996368fafd8222b51c1ff1c21593",
    "rus.dev": "ed25c802cc4f7563003d1c42aadddea5682a92687627d9a0f5390ab43563aea7",
    "amh.trn": "85d20ea2e2bcd5552c763906ca50c2273865aaabad39f82c20f154f293c9ecc1",
    "amh.dev": "65d8c32601fddde5c0a05f92e809a04214985df952e1d7018363c15ef22ef736",
}
CORPORA = {
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
                f"{_GITHUB}/cmusphinx/cmudict/master",
                "cmudict.dict",
                "cmudict.dict.gz",
                check_dictionary,
            ),
        ),
        training="--train {}/cmudict.dict.gz --set source_tokenizer=character",
    ),
    "sigmorphon2020-g2p": PublicCorpus(
        name="sigmorphon2020-g2p",
        description="words and their phones in 15 languages, 4,500 of each: SIGMORPHON 2020",
        size="2.2 MB",
        source="https://github.com/sigmorphon/2020",
        licence="CC BY-SA 3.0: name Wiktionary and WikiPron",
        terms="https://creativecommons.org/licenses/by-sa/3.0/",
        files=tuple(_pronunciation_files()),
        training="--recipe sigmorphon2020-g2p --language ice --data {}",
    ),
    "inflection2023": PublicCorpus(
        name="inflection2023",
        description="inflected words of five languages: SIGMORPHON-UniMorph 2023",
        size="2.8 MB",
        source="https://github.com/sigmorphon/2023InflectionST",
        licence="CC BY-SA 3.0: name UniMorph",
        terms="https://creativecommons.org/licenses/by-sa/3.0/",
        files=tuple(_inflection_files()),
        training="--recipe inflection2023 --language deu --data {0}",
    ),
}
