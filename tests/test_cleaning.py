"""Cleaning: how texts are tidied, why pairs are dropped, and how files are written."""

import gzip
import itertools
import os
import random
import unicodedata

import numpy as np
import pytest

from kseq import Cleaning, CleaningReport, Pairs, clean, clean_files
from kseq.cli.main import main
from kseq.corpora.cleaning import REASONS, examine


def tidy(text, **settings):
    """Returns the tidied text, or the reason why its pair is dropped."""
    settings = {"maximum_ratio": 1e6, **settings}
    (verdict,) = examine([(text, "x")], Cleaning(**settings))
    return verdict.tidied[0] if verdict.reason is None else verdict.reason


def reasons(pairs, test=(), **settings):
    """Returns the reason why each pair is dropped, or None."""
    return [verdict.reason for verdict in examine(pairs, Cleaning(**settings), test)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("  two\u00a0 words\t\u3000here \u2028", "two words here"),
        ("a\x00b\x07 \x85c\x1fd", "a b c d"),
        ("cafe\u0301 \u212b", "café Å"),
        ("½ ﬁve Ａ", "½ ﬁve Ａ"),
        ("\ufeffsoft\u00adly \u2060here", "softly here"),
        ("\u200fשלום\u200e (\u202bעולם\u202c)", "שלום (עולם)"),
        ("zero\u200bwidth\u200d \u200cjoiners", "zerowidth joiners"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),  # Persian: I want
        ("\u0645\u06cc\u064e\u200c\u062e", None),  # the same after a vowel sign
        ("\u0d28\u0d4d\u200d", None),  # Malayalam: an old chillu at the end of a word
        ("\u0915\u094d\u200d\u0937", None),  # Devanagari: a half form
        ("👩\u200d👩\u200d👧 👍🏽\u200d ❤\ufe0f\u200d🔥", None),
        ("\u179f\u17bd\u200b\u179f\u17d2\u178f\u17b8", None),  # Khmer: where a word ends
        ("\u1820\u180e\u182b\u180b", None),  # Mongolian: letters with variants
    ],
)
def test_spaces_are_single_and_invisible_characters_are_removed(text, expected):
    assert tidy(text) == (text if expected is None else expected)


def test_single_spaces_are_the_only_spaces_and_controls_left():
    """Every character that is not a letter is tested between two letters."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    skipped = ("Lo", "Cn", "Co")
    characters = [char for char in characters if unicodedata.category(char) not in skipped]
    pairs = ((f"a{character}b", "x") for character in characters)
    cleaned = clean(pairs, Cleaning(markup="keep", deduplicate=False))
    for character, (source, _) in zip(characters, cleaned, strict=True):
        category = unicodedata.category(character)
        if character.isspace() or category == "Cc":
            assert source == "a b", hex(ord(character))
        elif category[0] not in "C":
            assert source == unicodedata.normalize("NFC", f"a{character}b"), hex(ord(character))


def test_tidying_a_tidied_text_changes_nothing():
    generator = random.Random(0)
    parts = [
        "a",
        " ",
        "\u200f",
        "\u0301",
        "&",
        "amp;",
        "lt;",
        "<",
        "b",
        ">",
        "/",
        "#38;",
        "é",
        "\0",
    ]
    for _ in range(3000):
        text = "x" + "".join(generator.choices(parts, k=9))
        once = tidy(text)
        assert tidy(once) == once, text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("<b>H</b>ello<br/>wor<i class=\"x\" id='y'>l</i>d", "Hello world"),
        ("<P ALIGN = left>one</P><p>two</p>", "one two"),
        ("a<!-- note: > -->b", "ab"),
        ("AT&amp;T &quot;x&quot; caf&eacute; &#39;s &#x41;", 'AT&T "x" café \'s A'),
        ("&amp;amp;lt; twice &amp;nbsp;escaped", "< twice escaped"),
        ("&lt;b&gt;escaped&lt;/b&gt;", "escaped"),
        # Text that looks like markup.
        ("a < b > c and <unk> and <3 & R&notes &copy 5", None),
        ("if <b and c> or <a b>, &unknown; &#; &#xZZ; &", None),
        ("<bold> <brr> </> <b", None),
    ],
)
def test_markup_is_stripped_and_similar_text_stays(text, expected):
    expected = text if expected is None else expected
    assert tidy(text) == expected
    assert tidy(text, markup="keep") == " ".join(text.split())


def test_pairs_with_tags_can_be_dropped():
    assert tidy("<b>x</b>", markup="drop") == "markup"
    assert tidy("&lt;b&gt;x", markup="drop") == "markup"
    assert tidy("AT&amp;T <unk>", markup="drop") == "AT&T <unk>"


def test_endless_markup_is_read_in_linear_time():
    """Regular expressions with backtracking would take years."""
    for text in ("<a" + " x=" * 30_000, "<b" + " x=y" * 30_000, "<!--" * 30_000, "&" * 60_000):
        assert tidy(text) == "overlong"
    assert tidy("&" + "amp;" * 30_000) == "&"


@pytest.mark.parametrize(
    "pair, settings, reason",
    [
        (("", "x"), {}, "empty"),
        (("x", " \u200f<br>\0"), {}, "empty"),
        (("a b c", "x"), {"maximum_words": 3}, None),
        (("a b c", "x"), {"maximum_words": 2}, "overlong"),
        (("x", "a \u200f  b"), {"maximum_words": 2}, None),
        (("x" * 5, "y" * 6), {"maximum_characters": 6}, None),
        (("x" * 5, "y" * 6), {"maximum_characters": 5}, "overlong"),
        (("x" * 30, "y" * 10), {"maximum_ratio": 2.0}, None),
        (("x" * 31, "y" * 10), {"maximum_ratio": 2.0}, "ratio"),
        (("y" * 10, "x" * 31), {"maximum_ratio": 2.0}, "ratio"),
        (("Yes.", "Ja, das stimmt."), {}, None),
        # Ten Chinese characters, or fifteen Korean ones, are as long as thirty letters.
        (("x" * 60, "中" * 20), {"maximum_ratio": 1.0}, None),
        (("x" * 60, "가" * 30), {"maximum_ratio": 1.0}, None),
        (("x" * 60, "あ" * 30), {"maximum_ratio": 1.0}, None),
        (("x" * 60, "q\u0323" * 60), {"maximum_ratio": 1.0}, None),
    ],
)
def test_pairs_are_dropped_because_of_the_lengths_of_their_sides(pair, settings, reason):
    assert reasons([pair], **settings) == [reason]


def test_the_first_of_equal_pairs_is_kept():
    pairs = [("a", "b"), ("a", "c"), ("a ", "b\u200f"), ("Ａ", "x"), ("A", "x"), ("b", "a")]
    assert reasons(pairs) == [None, None, "duplicate", None, None, None]
    assert reasons(pairs, deduplicate=False) == [None] * 6


def test_a_dropped_pair_makes_no_later_pair_a_duplicate():
    assert reasons([("a b", "c")] * 2, maximum_words=1) == ["overlong"] * 2


@pytest.mark.parametrize(
    "leakage, dropped",
    [("either", {0, 1, 2, 3}), ("source", {0, 1, 3}), ("target", {0, 2, 3}), ("pair", {0, 3})],
)
def test_pairs_that_leak_into_the_test_pairs_are_dropped(leakage, dropped):
    test = [("one  two", "<b>three</b>"), ("", ""), ("x", "")]
    pairs = [
        ("one two", "three"),
        ("one two", "new"),
        ("new", "three"),
        ("one two ", "three\u200f"),
    ]
    pairs += [("three", "one two"), ("One two", "Three")]
    actual = reasons(pairs, test, leakage=leakage, deduplicate=False)
    assert {number for number, reason in enumerate(actual) if reason == "leakage"} == dropped
    assert set(actual) == {None, "leakage"}


@pytest.mark.parametrize(
    "test", [{"en": ["a"], "fr": ["x"]}, [{"source": "a", "target": "x"}], np.array([["a", "x"]])]
)
def test_test_pairs_may_have_any_form(test):
    assert list(clean([("a", "b"), ("c", "d")], test=test)) == [("c", "d")]


def test_faulty_test_pairs_are_an_error():
    with pytest.raises(ValueError, match="pair 2: expected two strings"):
        list(clean([("a", "b")], test=[("c", "d"), ("e", None)]))


def test_a_dropped_pair_is_one_line(tmp_path):
    (tmp_path / "raw.jsonl").write_text(
        '{"source": "one\\ntwo\\tthree\\rfour", "target": ""}\n{"source": "a", "target": "b"}\n'
    )
    clean_files(tmp_path / "raw.jsonl", tmp_path / "out.tsv", dropped=tmp_path / "dropped.tsv")
    [line] = (tmp_path / "dropped.tsv").read_text().splitlines()
    assert line.split("\t")[2] == "one two three four"


def test_a_report_accounts_for_every_pair():
    pairs = [("a", "b"), ("a", "b"), ("", "b"), ("c  c", "d"), ("a", "b"), ("x" * 2000, "x" * 2000)]
    report = CleaningReport()
    cleaned = list(clean(iter(pairs), report=report))
    assert cleaned == [("a", "b"), ("c c", "d")]
    assert (report.kept, report.changed) == (2, 1)
    assert report.dropped == {
        **dict.fromkeys(REASONS, 0),
        "empty": 1,
        "duplicate": 2,
        "overlong": 1,
    }
    assert report.examples["duplicate"].place == "pair 2"
    assert report.examples["empty"].pair == ("", "b")
    assert set(report.examples) == {"empty", "duplicate", "overlong"}


def test_cleaning_streams_endless_pairs():
    endless = ((f"a{number // 2}", "b") for number in itertools.count())
    assert list(itertools.islice(clean(endless), 3)) == [("a0", "b"), ("a1", "b"), ("a2", "b")]


def test_invalid_options_are_errors():
    with pytest.raises(ValueError, match="markup must be 'strip', 'drop' or 'keep'.*mean 'keep'"):
        Cleaning(markup="kep")
    with pytest.raises(ValueError, match="maximum_words must be at least 1"):
        Cleaning(maximum_words=0)
    with pytest.raises(TypeError, match="deduplicate must be true or false"):
        Cleaning(deduplicate=1)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.tsv"
    text = "a  a\tb\n\tb\na a\tb\nc\td\tCC-BY\nhe\u200fld\tout\n"
    path.write_text(text, encoding="utf-8")
    return path


def test_kept_and_dropped_pairs_are_written_to_files(raw, tmp_path):
    out, dropped, test = (tmp_path / name for name in ("out.tsv", "dropped.tsv", "test.tsv"))
    test.write_text("held\tx\n")
    report = clean_files(raw, out, test=[test], dropped=dropped)
    assert out.read_text() == "a a\tb\nc\td\n"
    assert dropped.read_text() == (
        f"empty\t{raw}, line 2\t\tb\nduplicate\t{raw}, line 3\ta a\tb\n"
        f"leakage\t{raw}, line 5\the\u200fld\tout\n"
    )
    assert report.kept == 2 and report.dropped.total() == 3
    assert sorted(os.listdir(tmp_path)) == ["dropped.tsv", "out.tsv", "raw.tsv", "test.tsv"]


def test_cleaning_a_clean_file_changes_nothing(raw, tmp_path):
    clean_files(raw, tmp_path / "once.tsv")
    report = clean_files(tmp_path / "once.tsv", tmp_path / "twice.tsv")
    assert report.dropped.total() == report.changed == 0
    assert (tmp_path / "once.tsv").read_bytes() == (tmp_path / "twice.tsv").read_bytes()


def test_compressed_files_are_the_same_each_time(raw, tmp_path):
    clean_files(raw, tmp_path / "out.tsv")
    for name in ("a.tsv.gz", "b.tsv.gz"):
        clean_files(raw, tmp_path / name)
        assert (
            gzip.decompress((tmp_path / name).read_bytes()) == (tmp_path / "out.tsv").read_bytes()
        )
    compressed = (tmp_path / "a.tsv.gz").read_bytes()
    assert compressed == (tmp_path / "b.tsv.gz").read_bytes()
    assert compressed[4:8] == bytes(4)  # no time (RFC 1952)


def test_tabs_in_aligned_files_become_spaces(tmp_path):
    (tmp_path / "de").write_text("eins\nzwei\tdrei\nvier\tx\nfünf\n")
    (tmp_path / "en").write_text("one\ntwo\tthree\n\nfive\n")
    sides = [tmp_path / "de", tmp_path / "en"]
    clean_files(sides, tmp_path / "out.tsv", dropped=tmp_path / "dropped.tsv", swap=True)
    expected = [("one", "eins"), ("two three", "zwei drei"), ("five", "fünf")]
    assert list(Pairs(tmp_path / "out.tsv")) == expected
    assert (tmp_path / "dropped.tsv").read_text() == f"empty\t{tmp_path}/de, line 3\t\tvier x\n"


def test_an_error_leaves_existing_files_unchanged(raw, tmp_path):
    out, dropped = tmp_path / "out.tsv", tmp_path / "dropped.tsv.gz"
    out.write_text("old")
    damaged = tmp_path / "raw.tsv.gz"
    damaged.write_bytes(gzip.compress(raw.read_bytes())[:-8])
    with pytest.raises(ValueError, match="raw.tsv.gz: damaged after line 5"):
        clean_files(damaged, out, dropped=dropped)
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["out.tsv", "raw.tsv", "raw.tsv.gz"]


def test_faulty_lines_are_dropped_with_their_fault(raw, tmp_path):
    raw.write_bytes(b"caf\xe9\tx\none\n" + raw.read_bytes())
    report = clean_files(raw, tmp_path / "out.tsv", dropped=tmp_path / "dropped.tsv")
    assert report.dropped["faulty"] == 2
    reason, place, fault, _ = (tmp_path / "dropped.tsv").read_text().splitlines()[1].split("\t")
    assert (reason, place) == ("faulty", f"{raw}, line 2")
    assert "expected source, tab, target; received one column: 'one'" in fault


def test_nothing_is_written_if_no_pair_is_left(raw, tmp_path):
    out = tmp_path / "out.tsv"
    out.write_text("old")
    raw.write_text("aa\tbb\n\tb\nccc\td\n")
    message = r"raw.tsv: no pair is left \(dropped: 1 'empty', 2 'overlong'\), and nothing was w"
    with pytest.raises(ValueError, match=message):
        clean_files(raw, out, Cleaning(maximum_characters=1), dropped=tmp_path / "dropped.tsv")
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["out.tsv", "raw.tsv"]


def test_an_output_must_be_a_new_tsv_of_text(raw, index, tmp_path):
    for options, message in [
        ({"out": raw}, "raw.tsv: this file is an input; choose another name"),
        ({"out": tmp_path / "x.tsv", "dropped": raw}, "raw.tsv: this file is an input"),
        (
            {"out": tmp_path / "x.tsv", "test": [raw], "dropped": raw},
            "raw.tsv: this file is an input",
        ),
        (
            {"out": tmp_path / "x.zip"},
            "x.zip: expected an output whose name ends in .tsv or .tsv.gz",
        ),
        ({"out": tmp_path / "x.tsv", "dropped": tmp_path / "x.tsv"}, "need different files"),
    ]:
        with pytest.raises(ValueError, match=message):
            clean_files(raw, **options)
    with pytest.raises(ValueError, match="index.tsv: expected text to clean; received real values"):
        clean_files(index, tmp_path / "x.tsv")
    assert not list(tmp_path.glob("x.*"))


def test_the_command_prints_the_report_and_writes_both_files(raw, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["clean", "raw.tsv", "--out", "out.tsv", "--dropped", "dropped.tsv.gz"]
    assert main([*words, "--maximum-words", "1", "--no-deduplicate", "--leakage", "pair"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kept 2 of 5 pairs, 1 of them tidied" and lines[-1] == "out.tsv"
    assert lines[1].split() == ["faulty", "0"]
    assert lines[2].split(maxsplit=2) == ["empty", "1", "raw.tsv, line 2: '', 'b'"]
    assert lines[4].split(maxsplit=2) == ["overlong", "2", "raw.tsv, line 1: 'a a', 'b'"]
    assert lines[7].split() == ["duplicate", "0"]
    rows = gzip.decompress((tmp_path / "dropped.tsv.gz").read_bytes()).decode().splitlines()
    assert [row.split("\t")[0] for row in rows] == ["overlong", "empty", "overlong"]
    tests = ["--test", "raw.tsv", "--test", "raw.tsv", "raw.tsv"]
    assert main(["clean", "raw.tsv", "--out", "out.tsv", *tests]) == 2
    errors = capsys.readouterr().err
    assert "raw.tsv: no pair is left (dropped: 1 'empty', 4 'leakage'), and nothing" in errors


@pytest.mark.parametrize(
    "words, message",
    [
        (["--maximum-words", "0"], "--maximum-words must be at least 1 and at most 1,000,000;"),
        (["--markup", "burn"], "--markup must be 'strip', 'drop' or 'keep'; received 'burn'"),
        (["--out", "no/out.tsv"], "no/out.tsv: No such file or directory"),
        (["--dropped", "no/out.tsv"], "no/out.tsv: No such file or directory"),
        (["--test", "none*"], "no file matches none*"),
        (
            ["--out", "raw.tsv"],
            "raw.tsv: this file is an input; choose another name for the output",
        ),
    ],
)
def test_a_mistake_in_the_command_is_reported_in_one_line(
    raw, tmp_path, capsys, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["clean", "raw.tsv", "--out", "out.tsv", *words]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"kseq: {message}") and errors.count("\n") == 1
    assert os.listdir(tmp_path) == ["raw.tsv"]


def test_the_leakage_of_real_captions_agrees_with_plain_sets(shared_data, tmp_path):
    folder = shared_data / "multi30k"
    train, *held_out = (
        [folder / f"{split}.{language}.gz" for language in ("de", "en")]
        for split in ("train", "val", "test_2016_flickr")
    )
    report = clean_files(train, tmp_path / "out.tsv", test=held_out)
    test_sides = [
        set(map(str.strip, side)) for side in zip(*itertools.chain(*map(Pairs, held_out)))
    ]
    leaks = [
        pair
        for pair in Pairs(train)
        if any(text.strip() in side for text, side in zip(pair, test_sides))
    ]
    assert report.dropped["leakage"] == len(leaks) > 0
    assert report.dropped["ratio"] == 2  # one of them has the line "@@"
