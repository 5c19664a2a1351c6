"""Pairs from files, including faulty ones, and the splits of a corpus."""

import gzip
import itertools
import json
import os
import subprocess
import sys
import zipfile

import pytest

from kseq import Corpus, Pairs, clean
from kseq.corpora.corpus import embedded_corpora, load_corpus, reopen_corpus
from kseq.corpora.lines import LineEndWarning, read_lines

LINES = "".join(f"source {n}\ttarget {n}\n" for n in range(200))


@pytest.fixture
def tsv(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(LINES, encoding="utf-8")
    return path


def test_further_columns_are_ignored(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\tCC-BY\nc\td\n")
    assert list(Pairs.open([path])) == [("a", "b"), ("c", "d")]


def test_two_line_aligned_files_are_read_as_pairs(tmp_path):
    (tmp_path / "de").write_text("ein\nzwei\n")
    (tmp_path / "en").write_text("one\ntwo")
    assert list(Pairs.open([tmp_path / "de", tmp_path / "en"])) == [("ein", "one"), ("zwei", "two")]


def test_compressed_files_are_read_like_plain_ones(tsv, tmp_path):
    with gzip.open(tmp_path / "pairs.tsv.gz", "wb") as file:
        file.write(tsv.read_bytes())
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        archive.write(tsv, "folder/pairs.txt")
        archive.writestr("folder/_about.txt", "a notice")
    plain = list(Pairs.open([tsv]))
    assert len(plain) == 200
    assert list(Pairs.open([tmp_path / "pairs.tsv.gz"])) == plain
    assert list(Pairs.open([tmp_path / "pairs.zip"])) == plain


def test_a_split_can_be_read_several_times(tsv):
    pairs = Pairs.open([tsv])
    assert list(pairs) == list(pairs)


def test_pairs_are_streamed(tsv):
    """The first pair is yielded before the fault in the last line is read."""
    tsv.write_bytes(LINES.encode() + b"caf\xe9\tx\n")
    iterator = iter(Pairs([tsv]))
    assert next(iterator) == ("source 0", "target 0")
    with pytest.raises(ValueError, match="line 201: not valid UTF-8"):
        list(iterator)


def test_line_endings_may_be_mixed_and_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"\xef\xbb\xbfa\tb\r\nc\td\n\ng\x00\th\n")
    pairs = Pairs.open([path])
    assert list(pairs) == [("a", "b"), ("c", "d"), ("g\x00", "h")]
    assert pairs.blank == 1


def test_stray_carriage_returns_do_not_shift_aligned_files(shared_data):
    """One in each file; every pair between them would be wrong."""
    sides = [shared_data / "field" / f"cr_both.{side}" for side in ("src", "tgt")]
    with pytest.warns(LineEndWarning):
        pairs = list(Pairs.open(sides))
    lines = (side.read_bytes().decode().replace("\r", " ").split("\n") for side in sides)
    assert pairs == list(zip(*lines))[:-1] and len(pairs) == 400


def test_faulty_lines_are_left_out_and_counted_on_request(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(LINES.encode() + b"one column\ncaf\xe9\tx\nlast\tpair\n")
    corpus = load_corpus(path, skip_faulty=True)
    splits = (corpus.train, corpus.valid, corpus.test)
    assert sum(len(list(split)) for split in splits) == 201
    assert [split.faulty for split in splits] == [2, 0, 0]
    assert "line 201: expected source, tab, target" in str(corpus.train.first_faults[0])
    reopened = reopen_corpus(corpus.origin)
    assert list(reopened.train) == list(corpus.train) and reopened.train.faulty == 2
    with pytest.raises(ValueError, match="line 201: expected source, tab, target"):
        list(load_corpus(path).train)


def test_a_faulty_line_of_one_side_leaves_out_its_pair(tmp_path):
    (tmp_path / "de").write_bytes(b"eins\n\xff\ndrei\nvier\n")
    (tmp_path / "en").write_bytes(b"one\ntwo\nthree\n\xff\n")
    pairs = Pairs.open([tmp_path / "de", tmp_path / "en"], skip_faulty=True)
    assert list(pairs) == [("eins", "one"), ("drei", "three")]
    assert pairs.faulty == 2


def test_columns_are_chosen_in_all_splits_and_recorded(tmp_path):
    rows = [f"{n}\tsource {n}\tx\ttarget {n}\n" for n in range(60)]
    for name, part in (("train", rows[:50]), ("valid", rows[50:55]), ("test", rows[55:])):
        (tmp_path / f"{name}.tsv").write_text("".join(part))
    names = {name: tmp_path / f"{name}.tsv" for name in ("valid", "test")}
    corpus = load_corpus(tmp_path / "train.tsv", **names, columns=(2, 4))
    for opened in (corpus, reopen_corpus(json.loads(json.dumps(corpus.origin)))):
        assert list(opened.train)[0] == ("source 0", "target 0")
        assert list(opened.test)[-1] == ("source 59", "target 59")


def test_a_faulty_line_keeps_its_place_among_all_lines(tmp_path):
    """So that the n-th score, alignment and gold alignment belong to the n-th line."""
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\nfaulty\n\tc\nd\te\n")
    pairs = Pairs.open(path, skip_faulty=True)
    assert list(pairs.with_blank()) == [("a", "b"), ("", ""), ("", "c"), ("d", "e")]
    assert list(pairs) == [("a", "b"), ("d", "e")] and (pairs.blank, pairs.faulty) == (1, 1)


def test_gold_alignments_belong_to_the_lines_of_the_test_pairs(tsv, tmp_path):
    gold = tmp_path / "gold.align"
    gold.write_text("0-0 1-1\n\n1-0\n")
    corpus = load_corpus(tsv, test=tsv, alignments=gold)
    expected = [{(0, 0), (1, 1)}, set(), {(1, 0)}]
    for opened in (corpus, reopen_corpus(json.loads(json.dumps(corpus.origin)))):
        assert list(opened.alignments("test")) == expected
    with pytest.raises(ValueError, match=r"gold.align: expected .* 200 lines of .*tsv; received 3"):
        corpus.require_alignments("test")
    gold.write_text("0-0\n" * 200)
    corpus.require_alignments("test")
    with pytest.raises(ValueError, match="alignments requires test: its links belong to the test"):
        load_corpus(tsv, alignments=gold)


def test_pairs_with_an_empty_side_are_counted(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n\tb\na\t \n   \nc\td\n")
    pairs = Pairs.open([path])
    assert [source for source, _ in pairs] == ["a", "c"]
    assert pairs.blank == 3


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "pairs.tsv: no pair of two non-empty sides"),
        (b"\n\t\n", "pairs.tsv: no pair of two non-empty sides"),
        (b"a\tb\nonly one column\n", "line 2: expected source, tab, target; received one column"),
        (b"a\tb\nc\t\xff\n", "line 2: not valid UTF-8"),
    ],
)
def test_a_faulty_file_is_an_error_that_names_the_line(tmp_path, content, message):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(Pairs.open([path]))


@pytest.mark.parametrize("counts", [(3, 5), (5, 3)])
def test_aligned_files_with_different_numbers_of_lines_are_an_error(tmp_path, counts):
    for name, count in zip(("de", "en"), counts):
        (tmp_path / name).write_text("x\n" * count)
    message = f"de has {counts[0]}, .*en has {counts[1]}"
    with pytest.raises(ValueError, match=message):
        list(Pairs.open([tmp_path / "de", tmp_path / "en"]))


@pytest.mark.parametrize("name", ["pairs.tsv.gz", "pairs.zip"])
def test_a_damaged_archive_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"neither gzip nor zip")
    with pytest.raises(ValueError, match=f"{name}: damaged after line 0"):
        list(read_lines(tmp_path / name))


def test_an_archive_that_is_cut_short_is_an_error(tmp_path, tsv):
    compressed = gzip.compress(tsv.read_bytes())
    (tmp_path / "pairs.tsv.gz").write_bytes(compressed[: len(compressed) // 2])
    with pytest.raises(ValueError, match=r"pairs.tsv.gz: damaged after line \d"):
        list(read_lines(tmp_path / "pairs.tsv.gz"))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damage_within_an_archive_is_an_error(tmp_path, tsv, method):
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.write(tsv, "pairs.txt")
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(data)
    with pytest.raises((ValueError, OSError), match="pairs.zip: damaged after line"):
        list(read_lines(path))


def test_an_archive_of_several_files_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        archive.writestr("a.txt", "a\tb")
        archive.writestr("b.txt", "a\tb")
    with pytest.raises(ValueError, match="expected one file of pairs in the archive; it holds a"):
        list(read_lines(tmp_path / "pairs.zip"))


def test_a_missing_file_is_an_error_that_names_the_embedded_corpora(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.tsv \(embedded corpora: dates, en-fr\)"):
        load_corpus(tmp_path / "none.tsv")


def test_a_pipe_cannot_be_trained_on():
    with pytest.raises(FileNotFoundError, match="a file that can be read more than once; /dev/"):
        load_corpus("/dev/null")


def test_the_splits_of_an_embedded_corpus_cannot_be_replaced(tsv):
    with pytest.raises(ValueError, match="valid does not apply to the embedded corpus en-fr"):
        load_corpus("en-fr", valid=tsv)


def test_a_split_must_be_pairs():
    with pytest.raises(TypeError, match="a split must be Pairs, such as Pairs.open"):
        Corpus("mine", [("a", "b")], [("a", "b")])


def test_a_folder_instead_of_a_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="received a directory"):
        load_corpus(tmp_path)


def test_held_out_pairs_share_no_source(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(LINES + "".join(f" source {n} \tanother {n}\n" for n in range(200)))
    corpus = load_corpus(path)
    splits = [list(split) for split in (corpus.train, corpus.valid, corpus.test)]
    assert sum(map(len, splits)) == 400
    assert all(10 <= len(split) <= 50 for split in splits[1:])
    sources = [{source.strip() for source, _ in split} for split in splits]
    assert not sources[0] & sources[1] and not sources[0] & sources[2]
    assert not sources[1] & sources[2]


def test_held_out_pairs_are_the_same_in_every_process(tsv):
    program = "import sys, kseq; print(*[p[0] for p in kseq.load_corpus(sys.argv[1]).valid])"
    lists = [
        subprocess.run(
            [sys.executable, "-c", program, tsv],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert lists[0] == lists[1] and lists[0].strip()


def test_no_test_pairs_are_held_out_if_a_test_file_is_named(tsv):
    without_test, with_test = load_corpus(tsv), load_corpus(tsv, test=tsv)
    assert len(list(with_test.test)) == 200
    assert len(list(with_test.train)) == 200 - len(list(with_test.valid))
    assert len(list(with_test.train)) > len(list(without_test.train))


def test_held_out_pairs_do_not_depend_on_the_order_of_the_file(tsv):
    held_out = set(load_corpus(tsv).test)
    tsv.write_text("".join(reversed(LINES.splitlines(keepends=True))))
    assert set(load_corpus(tsv).test) == held_out


def test_every_blank_pair_is_counted_once(tsv):
    tsv.write_text(LINES + "\tx\n" * 5 + "a\t\n")
    corpus = load_corpus(tsv)
    assert sum(len(list(split)) for split in (corpus.train, corpus.valid, corpus.test)) == 200
    assert sum(split.blank for split in (corpus.train, corpus.valid, corpus.test)) == 6


def test_ten_pairs_are_enough_to_hold_some_out(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(LINES.splitlines(keepends=True)[:10]))
    corpus = load_corpus(path)
    assert all(len(list(split)) for split in (corpus.train, corpus.valid, corpus.test))


def test_too_few_pairs_to_hold_some_out_are_an_error(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n")
    with pytest.raises(ValueError, match="too few different pairs to hold some out"):
        load_corpus(path)


def test_a_missing_test_split_is_an_error(tsv):
    with pytest.raises(ValueError, match="has no test split; name its files"):
        _ = load_corpus(tsv, valid=tsv).test


def test_missing_gold_alignments_are_an_error(tsv):
    with pytest.raises(ValueError, match="has no gold alignments for 'test'"):
        list(load_corpus(tsv).alignments("test"))


def test_the_origin_opens_the_same_corpus_again(tsv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = load_corpus("pairs.tsv")
    held_out = list(corpus.test)
    with_test = load_corpus("pairs.tsv", test="pairs.tsv")
    assert with_test.origin["test"] == [str(tsv)]
    monkeypatch.chdir("/")
    assert list(reopen_corpus(corpus.origin).test) == held_out
    # Older runs did not record swap and apart.
    old_origin = {name: corpus.origin[name] for name in ("train", "valid", "test")}
    assert list(reopen_corpus(old_origin).test) == held_out


def test_the_embedded_corpora_are_dates_and_en_fr():
    assert embedded_corpora() == ["dates", "en-fr"]


def test_the_real_archives_are_read_as_downloaded(shared_data):
    """The Tatoeba archives have two or three columns and a notice."""
    spanish = Pairs.open([shared_data / "tatoeba" / "spa-eng.zip"])
    chinese = Pairs.open([shared_data / "tatoeba" / "cmn-eng.zip"])
    assert sum(1 for _ in spanish) == 118_964
    assert sum(1 for _ in chinese) == 26_388
    assert next(iter(chinese)) == ("Hi.", "嗨。")


def write_parts(folder, *contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents:
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def split_lists(corpus):
    return [list(split) for split in (corpus.train, corpus.valid, corpus.test)]


def test_several_files_are_split_like_one_file(tsv, tmp_path):
    lines = LINES.splitlines(keepends=True)
    parts = {"1.tsv": lines[:50], "2.tsv": lines[50:51], "3.tsv": lines[51:]}
    folder = write_parts(tmp_path / "parts", *((n, "".join(part)) for n, part in parts.items()))
    expected = split_lists(load_corpus(tsv))
    assert split_lists(load_corpus(folder / "*.tsv")) == expected
    assert split_lists(load_corpus(*(folder / name for name in parts))) == expected
    assert split_lists(load_corpus([str(folder / name) for name in parts])) == expected


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("apart", ["source", "both"])
def test_an_origin_opens_the_same_splits_from_any_folder(tmp_path, monkeypatch, swap, apart):
    pairs = [f"a{n % 120}\tb{n % 70}\n" for n in range(600)]
    write_parts(
        tmp_path / "parts", ("1.tsv", "".join(pairs[:300])), ("2.tsv", "".join(pairs[300:]))
    )
    monkeypatch.chdir(tmp_path)
    corpus = load_corpus("parts/*.tsv", swap=swap, apart=apart)
    before = split_lists(corpus)
    monkeypatch.chdir("/")
    # A file that is added later is not part of the corpus of existing runs.
    write_parts(tmp_path / "parts", ("3.tsv", "c\td\n"))
    assert split_lists(reopen_corpus(json.loads(json.dumps(corpus.origin)))) == before


def test_an_origin_of_many_aligned_files_opens_them_again(tmp_path):
    for side in ("de", "en"):
        parts = ((f"{k}.txt", "".join(f"{side} {k} {n}\n" for n in range(90))) for k in range(3))
        write_parts(tmp_path / side, *parts)
    patterns = tmp_path / "de" / "*.txt", tmp_path / "en" / "*.txt"
    corpus = load_corpus(*patterns, valid=patterns)
    assert split_lists(load_corpus(*patterns)) == split_lists(load_corpus(patterns))
    assert len(list(corpus.train)) == len(list(corpus.valid)) == 270
    reopened = reopen_corpus(corpus.origin)
    assert list(reopened.train) == list(corpus.train)
    assert list(reopened.valid) == list(corpus.valid)
    assert reopened.origin == corpus.origin


def test_swapped_pairs_are_held_out_by_their_new_source(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a{n}\tb{n % 100}\n" for n in range(1000)))
    corpus = load_corpus(path, swap=True)
    splits = split_lists(corpus)
    assert {(target, source) for split in splits for source, target in split} == set(Pairs([path]))
    sources = [{source for source, _ in split} for split in splits]
    assert all(len(split) >= 10 for split in splits)
    assert not sources[0] & sources[1] | sources[0] & sources[2] | sources[1] & sources[2]
    with_named_splits = load_corpus(path, valid=path, test=path, swap=True)
    for split in split_lists(with_named_splits):
        assert split[0] == ("b0", "a0") and len(split) == 1000


def sentences(split):
    sources, targets = zip(*((source.strip(), target.strip()) for source, target in split))
    return {f"source {text}" for text in sources} | {f"target {text}" for text in targets}


@pytest.mark.parametrize("swap", [False, True])
def test_splits_that_are_apart_on_both_sides_share_no_sentence(tmp_path, swap):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a{n % 701}\t b{n % 307}\n" for n in range(2000)))
    apart, together = (load_corpus(path, swap=swap, apart=choice) for choice in ("both", "source"))
    train, valid, test = map(sentences, split_lists(apart))
    assert not train & valid | train & test | valid & test
    # Only pairs that share a sentence are left out, and none of the test split.
    assert list(apart.test) == list(together.test)
    held_out = sentences(apart.test)
    for name in ("valid", "train"):
        expected = [pair for pair in getattr(together, name) if not sentences([pair]) & held_out]
        assert list(getattr(apart, name)) == expected
        split = getattr(apart, name)
        assert split.shared == len(list(getattr(together, name))) - len(expected) > 0
        held_out |= sentences(expected)


def test_equal_strings_on_different_sides_are_different_sentences(tmp_path):
    (tmp_path / "train.tsv").write_text("one\ttwo\nthree\tfour\n")
    (tmp_path / "test.tsv").write_text("two\tone\nfour\tfive\n")
    paths = {name: tmp_path / f"{name}.tsv" for name in ("train", "test")}
    corpus = load_corpus(paths["train"], valid=paths["test"], test=paths["test"], apart="both")
    assert list(corpus.train) == [("one", "two"), ("three", "four")]
    assert list(corpus.valid) == [] and corpus.valid.shared == 2


def test_named_test_files_share_no_sentence_either(tsv, tmp_path):
    (tmp_path / "test.tsv").write_text("new\ttarget 7\n source 9 \tnew\n")
    corpus = load_corpus(tsv, valid=tsv, test=tmp_path / "test.tsv", apart="both")
    assert len(list(corpus.valid)) == 198
    assert len(list(corpus.train)) == 0
    assert (corpus.valid.shared, corpus.train.shared) == (2, 200)


def test_the_test_split_is_opened_without_reading_the_others(tsv, tmp_path):
    """Evaluating a run does not read the training and validation files of a large corpus."""
    damaged = tmp_path / "valid.tsv"
    damaged.write_bytes(b"a\tb\n" * 20 + b"\xff\n")
    corpus = load_corpus(tsv, valid=damaged, test=tsv, apart="both")
    assert len(list(corpus.test)) == 200
    with pytest.raises(ValueError, match="valid.tsv, line 21: not valid UTF-8"):
        list(corpus.train)


def test_contradictory_arguments_are_errors(tsv, index):
    with pytest.raises(ValueError, match="apart must be 'source' or 'both'; received 'target'"):
        load_corpus(tsv, apart="target")
    with pytest.raises(ValueError, match="swap does not apply to the embedded corpus en-fr"):
        load_corpus("en-fr", swap=True)
    with pytest.raises(
        ValueError, match="swap is for text; for an index of arrays, use columns 2 1"
    ):
        load_corpus(index, swap=True)
    with pytest.raises(ValueError, match="apart='both' compares sentences; these pairs hold real"):
        load_corpus(index, valid=index, apart="both")
    with pytest.raises(ValueError, match="index.tsv: expected a single file of real values"):
        load_corpus(tsv, index)
    with pytest.raises(ValueError, match="expected the name of a file of pairs; received none"):
        load_corpus(tsv, valid=[])


@pytest.mark.slow  # reads whole public corpora
def test_the_splits_of_a_real_archive_share_no_sentence(shared_data):
    corpus = load_corpus(shared_data / "tatoeba" / "spa-eng.zip", swap=True, apart="both")
    train, valid, test = map(sentences, (corpus.train, corpus.valid, corpus.test))
    assert not train & valid | train & test | valid & test
    assert next(iter(corpus.train)) == ("Ve.", "Go.")


def test_a_file_of_pairs_with_a_file_of_one_side_is_refused(tmp_path):
    pairs, side = tmp_path / "a.tsv", tmp_path / "b.tsv"
    pairs.write_text("a\tb\nc\td\n")
    side.write_text("# second part\n" + "e\tf\n" * 9)
    with pytest.raises(ValueError, match="b.tsv, line 1: expected source, tab, target"):
        Pairs.open([side, pairs])
    side.write_text("# second part\ne\n")
    for files in ((pairs, side), (side, pairs)):
        with pytest.raises(ValueError, match="a.tsv holds a source.* but .*b.tsv does not"):
            load_corpus(*files)


def test_a_selection_of_a_split_shares_nothing_with_the_other_splits(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"source {n}\ttarget {n % 50}\n" for n in range(400)))
    corpus = load_corpus(path, apart="both")
    held_out = {side for split in (corpus.valid, corpus.test) for pair in split for side in pair}
    train = list(corpus.train)
    for part in (corpus.train.select(lambda _: True), clean(corpus.train)):
        assert list(part) == train and held_out.isdisjoint(itertools.chain(*train))
    odd = corpus.train.select(lambda source: source[-1] in "13579")
    assert list(odd) == [pair for pair in train if pair[0][-1] in "13579"]
    rest = corpus.train.apart_from(odd)
    assert set(rest) <= set(train) - set(odd) and list(corpus.train) == train
