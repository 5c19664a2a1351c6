"""The files that names and patterns mean, and how each kind of file is read."""

import gzip
import pathlib
import zipfile

import pytest

from kseq.corpora.pair_files import PairFiles
from kseq.corpora.pairs import Pairs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with three TSVs and two line-aligned files."""
    monkeypatch.chdir(tmp_path)
    for number in (1, 2, 10):
        write(f"{number}.tsv", f"a{number}\tb{number}\n")
    write("train.de", "\n  \neins\nzwei\n")
    write("train.en", "\n\none\ttab\ntwo\n")
    return tmp_path


def write(name, text):
    pathlib.Path(name).parent.mkdir(exist_ok=True)
    pathlib.Path(name).write_text(text, encoding="utf-8")


def pack(name, **members):
    with zipfile.ZipFile(name, "w") as archive:
        for member, text in members.items():
            archive.writestr(member.replace("__", "-").replace("_", "."), text)


def read(*files):
    return [pair for pair in Pairs(files).with_blank() if any(map(str.strip, pair))]


def test_a_pattern_means_the_files_that_match_it_in_order_of_their_names(folder):
    assert read("*.tsv") == [("a1", "b1"), ("a10", "b10"), ("a2", "b2")]
    assert [path.name for path in Pairs("*.tsv").files] == ["1.tsv", "10.tsv", "2.tsv"]
    assert read("1.tsv", "[2-9].tsv") == [("a1", "b1"), ("a2", "b2")]
    (folder / "folder.tsv").mkdir()
    assert len(read("*.tsv")) == 3


def test_a_name_that_looks_like_a_pattern_may_be_a_file(folder):
    write("[1].tsv", "x\ty\n")
    assert read("[1].tsv") == [("x", "y")]


def test_the_first_lines_distinguish_files_of_pairs_from_sides(folder):
    assert read("2.tsv", "1.tsv") == [("a2", "b2"), ("a1", "b1")]
    # One line of a side has a tab, which is part of the text.
    assert read("train.de", "train.en") == [("eins", "one\ttab"), ("zwei", "two")]
    assert PairFiles(["train.de", "train.en"]).are_aligned
    assert not PairFiles(["1.tsv", "2.tsv"]).are_aligned


def test_sides_of_several_files_are_paired_in_order(folder):
    for language in ("de", "en"):
        for part in "ab":
            write(f"{language}/{part}", f"{language} {part} 1\n{language} {part} 2\n")
    expected = [(f"de {part} {n}", f"en {part} {n}") for part in "ab" for n in (1, 2)]
    assert read("de/*", "en/*") == expected
    assert read(["de/a", "de/b"], ["en/a", "en/b"]) == expected
    assert read("de/*", ["en/a", "en/b"]) == expected
    assert [str(path) for path in PairFiles(["de/*", "en/*"]).paths] == [
        *("de/a", "de/b", "en/a", "en/b")
    ]
    assert str(PairFiles(["de/*", "en/*"])) == "de/a … b (2 files) and en/a … b (2 files)"


def test_every_line_comes_with_its_file_and_number(folder):
    places = [(str(path), number) for path, number, _ in PairFiles("*.tsv").scan()]
    assert places == [("1.tsv", 1), ("10.tsv", 1), ("2.tsv", 1)]
    assert [number for _, number, _ in PairFiles(["train.de", "train.en"]).scan()] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "files, error, message",
    [
        ("none*.tsv", FileNotFoundError, r"no file matches none\*.tsv$"),
        (["1.tsv", "none"], FileNotFoundError, "file not found: none$"),
        (["*.tsv", "train.de"], ValueError, "1.tsv holds a source, a tab .* but train.de does not"),
        (["train.*", "train.de"], ValueError, r"received 2 \(train.de … .* and 1 \(train.de\)"),
        ([], ValueError, "expected the name of a file of pairs; received none"),
        (["1.tsv", []], ValueError, "expected the name of a file of pairs; received none"),
        (".", FileNotFoundError, r"received a directory: .; name its files, such as '\*.tsv'"),
        (["train.de", "1.tsv", "2.tsv"], ValueError, "train.de, line 3: expected source, tab"),
    ],
)
def test_missing_or_contradictory_files_are_errors(folder, files, error, message):
    with pytest.raises(error, match=message):
        read(files)


def test_a_zip_of_two_aligned_files_is_read_as_opus_packs_it(folder):
    sides = {"Tatoeba_de__en_en": "Hi\nGo\n", "Tatoeba_de__en_de": "Hallo\nGeh\n"}
    pack("opus.zip", **sides, Tatoeba_de__en_ids="1\n2\n", README="notes", LICENSE="", x_xml="<x>")
    assert read("opus.zip") == [("Hallo", "Hi"), ("Geh", "Go")]
    assert not PairFiles("opus.zip").are_aligned
    # Two archives are two files of pairs.
    assert read("opus.zip", "opus.zip", "1.tsv") == read("opus.zip") * 2 + [("a1", "b1")]
    assert read("opus.zip", "1.tsv") == [("Hallo", "Hi"), ("Geh", "Go"), ("a1", "b1")]


def test_the_name_of_a_zip_may_give_the_order_of_its_languages(folder):
    for name in ("en-de.txt.zip", "corpus.en-de.zip"):
        pack(name, train_de="Hallo\n", train_en="Hi\n")
        assert read(name) == [("Hi", "Hallo")]
    # The names of the files take precedence.
    pack("en-de.zip", de__en_de="Hallo\n", de__en_en="Hi\n")
    assert read("en-de.zip") == [("Hallo", "Hi")]


def test_languages_in_names_may_have_regions(folder):
    with zipfile.ZipFile("en-pt_BR.txt.zip", "w") as archive:
        archive.writestr("OpenSubtitles.en-pt_BR.pt_BR", "Oi\n")
        archive.writestr("OpenSubtitles.en-pt_BR.en", "Hi\n")
    assert read("en-pt_BR.txt.zip") == [("Hi", "Oi")]


def test_notices_in_a_zip_are_ignored(folder):
    pack("pairs.zip", **{"pairs_tsv": "a\tb\n", "README_md": "x", "LICENSE": "x", "COPYING": "x"})
    assert read("pairs.zip") == [("a", "b")]


def test_two_zips_may_hold_one_side_each(folder):
    pack("de.zip", train_de="Hallo\n")
    pack("en.zip", train_en="Hi\n")
    assert read("de.zip", "en.zip") == [("Hallo", "Hi")]


def test_ambiguous_and_damaged_zips_are_errors(folder):
    pack("train.zip", train_de="Hallo\n", train_en="Hi\n")
    with pytest.raises(ValueError, match=r"holds train.de and train.en, but no name says which"):
        read("train.zip")
    names = [f"{split}_de__en_{side}" for split in ("train", "valid") for side in ("de", "en")]
    pack("all.zip", **dict.fromkeys(names, "x\n"))
    with pytest.raises(ValueError, match="expected two line-aligned files; it holds train.de-en.d"):
        read("all.zip")
    pack("unequal.zip", x_de__en_de="1\n2\n", x_de__en_en="1\n")
    with pytest.raises(ValueError, match="unequal.zip: x.de-en.de has 2, unequal.zip: x.de-en.en"):
        read("unequal.zip")
    pack("latin.zip", x_de__en_de="1\n2\n", x_de__en_en=b"1\n\xe9\n")
    with pytest.raises(ValueError, match="latin.zip: x.de-en.en, line 2: not valid UTF-8"):
        read("latin.zip")
    pathlib.Path("broken.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="broken.zip: damaged"):
        read("broken.zip")


def test_a_pronouncing_dictionary_is_recognised_by_its_name(folder):
    write("words.dict", "cat K AE1 T\ndog D AO1 G # animal\n")
    with gzip.open("words.dict.gz", "wt") as file:
        file.write(pathlib.Path("words.dict").read_text())
    assert read("words.dict") == read("words.dict.gz") == [("cat", "K AE T"), ("dog", "D AO G")]
    assert read("words.dict", "1.tsv")[1:] == [("dog", "D AO G"), ("a1", "b1")]
