"""A look at a corpus: its figures against plain counting, and faults put in to be found."""

import collections
import gzip
import itertools
import json
import re
import statistics
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from kseq import inspect, suggest_config
from kseq.cli.main import main
from kseq.config import Config
from kseq.corpora.corpus import Pairs
from kseq.inspection.plots import plot_inspection, save_inspection
from kseq.inspection.sides import SideModel, can_tell, look_swapped, runs_of, swapped_states
from kseq.inspection.suspicions import KINDS, RatioCounts, is_copied, text_suspicions
from kseq.inspection.table import inspection_table
from kseq.inspection.tally import Growth, characters_by_script

ENGLISH_FRENCH = ROOT / "data" / "en-fr" / "train.tsv"


@pytest.fixture(scope="module")
def clean():
    return list(Pairs.open([ENGLISH_FRENCH]))[:3000]


@pytest.fixture
def look(tmp_path):
    """Writes pairs into a TSV and looks at them."""

    def write_and_look(pairs, **options):
        return inspect(write(tmp_path / "pairs.tsv", pairs), verbose=False, **options)

    return write_and_look


def write(path, pairs):
    text = "".join(f"{source}\t{target}\n" for source, target in pairs)
    path.write_text(text, encoding="utf-8")
    return path


def counts(inspection):
    return {each.kind: each.count for each in inspection.suspicions}


def lines(inspection, kind):
    (found,) = (each for each in inspection.suspicions if each.kind == kind)
    return [example.line for example in found.examples]


def test_figures_agree_with_plain_counting(look, clean):
    """The words of these sentences can be counted with a regular expression."""
    found = look(clean)
    for figures, texts in zip((found.source, found.target), zip(*clean)):
        words = [re.findall(r"\w+|[^\w\s]", text) for text in texts]
        lengths = sorted(map(len, texts))
        types = collections.Counter(itertools.chain(*words))
        assert figures.characters.mean == pytest.approx(statistics.mean(lengths))
        assert figures.characters.median == lengths[1499]
        assert figures.characters.percentile_95 == lengths[2849]
        assert figures.characters.percentile_99 == lengths[2969]
        assert figures.characters.longest == lengths[-1]
        # An apostrophe belongs to a word, so it is no word of its own; all else agrees.
        apostrophes = sum(text.count("'") + text.count("’") for text in texts)
        assert figures.tokens == sum(map(len, words)) - apostrophes
        assert figures.types == pytest.approx(len(types), rel=0.03)
        assert sum(n for _, n in figures.words.counts) == 3000
    assert found.pairs == 3000 and found.suspicions == () and found.splits == ()


def test_growth_and_coverage_are_those_of_the_words(look):
    """Ten words a line, of which one is new in every line and nine are the same."""
    pairs = [(f"new{n} " + "a b c d e f g h i", "x") for n in range(5000)]
    side = look(pairs).source
    assert side.tokens == 50_000 and side.types == 5009
    assert side.types_twice == 9 and side.coverage_twice == pytest.approx(0.9)
    assert all(types == tokens // 10 + 9 for tokens, types in side.growth)
    assert side.growth[-1] == (50_000, 5009)
    for rank, share in side.coverage:
        assert share == pytest.approx(min(rank, 9) * 0.1 + max(rank - 9, 0) / 50_000)
    assert side.coverage[0][0] == 1 and side.coverage[-1] == (5009, 1.0)


def test_a_curve_stays_short_however_long_it_gets():
    growth = Growth()
    for number in range(1, 5001):
        growth.add(2, number)
        assert len(growth.points) <= 201 and growth.points[-1] == (2 * number, number)
    assert all(total == 2 * value for total, value in growth.points)
    assert growth.points[0][1] <= 32 and len(growth.points) > 90  # thinned out evenly


def test_characters_are_counted_by_their_unicode_script():
    letters = collections.Counter("Tom去了東京。 1, カラaя")
    assert characters_by_script(letters) == {
        **{"Latin": 4, "Han": 4, "Common": 3, "Katakana": 2, "Cyrillic": 1}
    }


def ranges(inspection):
    return [(each.first, each.last) for each in inspection.swapped_lines]


# What is wrong with a pair, and pairs that are all right though they look alike.
FAULTS = {
    "blank": ("Only a source.", "  "),
    "copied": ("The red car is old!", "the red car is old"),
    "unbalanced": ("He eats.", "Il mange " + "du pain et du fromage " * 8 + "."),
    "overlong": ("very " * 101 + "old", "très " * 101 + "vieux"),
    "wrong_script": ("The cat is small.", "Кошка маленькая сегодня."),
    "markup": ("He &amp; she eat.", "Il et <b>elle</b> mangent."),
    "garbled": ("He is tired.", "Il est fatiguÃ©."),
    "invisible": ("The cat is \u200fsmall.", "Le chat est petit."),
    "address": ("See www.example.org for it.", "Voyez www.exemple.org pour cela."),
}


def test_every_fault_is_found_on_its_line_and_nothing_else(look, clean):
    pairs = list(clean)
    for number, pair in enumerate(FAULTS.values()):
        pairs[100 * number + 50] = pair
    pairs[2000] = pairs[1000]
    found = look(pairs)
    assert counts(found) == dict.fromkeys([*FAULTS, "repeated"], 1)
    for number, (kind, pair) in enumerate(FAULTS.items()):
        assert lines(found, kind) == [100 * number + 51]
        suspicion = next(each for each in found.suspicions if each.kind == kind)
        example = suspicion.examples[0]
        assert (example.source, example.target) == tuple(side.strip() for side in pair)
        assert np.flatnonzero(suspicion.where).tolist() == [(100 * number + 50) * 50 // 3000]
    assert lines(found, "repeated") == [2001]
    assert found.pairs == 2999 and found.different_pairs == 2998 and found.most_repeated == 2


@pytest.mark.parametrize(
    "text",
    [
        *("2 < 3 & 4 > 1", "R&D; and so on", "„Spaß“, „Fuß…“", "À Âge « là »", "ÉTÉ…", "نمی‌خواهم"),
        *(
            "say <unk> and &foo; now",
            "a <3 b> c",
            "👨‍👩‍👧",
            "C'était « déjà » l'été…",
            "a@b",
            "Ðê",
            "１２３",
            "你好。",
            "a\u00a0b",
        ),
    ],
)
def test_text_that_only_looks_strange(text):
    assert text_suspicions(text) == []


@pytest.mark.parametrize("text", ["déjà vu", "„naïve“ – señor", "Привет мир", "日本語のテキスト"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_what_a_wrong_encoding_leaves_behind(text, encoding):
    try:
        garbled = text.encode().decode(encoding)
    except UnicodeDecodeError:
        garbled = text.encode().decode(encoding, errors="replace")
    assert "garbled" in text_suspicions(garbled)


def test_copies_are_the_same_but_for_signs():
    assert is_copied("Tom.", "tom!") and is_copied("...", "...")
    assert not is_copied("...", "!!!") and not is_copied("Tom.", "Tim.")


def test_the_usual_ratio_is_the_median_and_few_are_beyond_it():
    random = np.random.default_rng(0)
    source = random.integers(20, 200, 20_000)
    target = np.maximum(1, (source * 1.5 * np.exp(random.normal(0, 0.1, 20_000))).astype(int))
    ratios = RatioCounts()
    for part in np.split(np.arange(20_000), 10):
        ratios.add(source[part], target[part])
    usual = ratios.usual()
    assert usual.ratio == pytest.approx(np.median((target + 5) / (source + 5)), rel=0.01)
    assert usual.factor == 2.0  # six standard deviations of 0.1 are less than a doubling
    assert not usual.is_exceeded(source, target).any()
    assert usual.is_exceeded([100, 100, 100], [40, 150, 400]).tolist() == [True, False, True]


def test_places_are_those_of_each_file(clean, tmp_path):
    """A swapped block over the end of a file, blank lines in it, is told by file and line."""
    block = [(target, source) for source, target in clean[800:1200]]
    block[10] = block[300] = ("", "")
    pairs = [*clean[:800], *block, *clean[1200:]]
    first = write(tmp_path / "first.tsv", pairs[:1000])
    second = write(tmp_path / "second.tsv", [*pairs[1000:], pairs[-1]])
    found = inspect(first, second, verbose=False)
    assert found.files == (str(first), str(second))
    places = [(each.file, each.first, each.last) for each in found.swapped_lines]
    assert places == [(str(first), 801, 1000), (str(second), 1, 200)]
    table = inspection_table(found)
    assert "lines 801 to 1,000 of first.tsv, lines 1 to 200 of second.tsv look swapped" in table
    assert lines(found, "blank") == [811, 101] and "first.tsv 811" in table
    assert lines(found, "repeated") == [2001]
    assert counts(found)["swapped"] == 398


def test_single_swapped_pairs_are_found_by_their_scripts(look, clean):
    """Scattered over a file, and one in three: no side has a script of its own by far."""
    greek = str.maketrans("abcdefghijklmnopqrstuvwxyz", "αβκδεφγηιξκλμνοπθρστυωωχψζ")
    random = np.random.default_rng(5)
    swapped = random.random(len(clean)) < 0.3
    pairs = [(source, target.lower().translate(greek)) for source, target in clean]
    found = look([pair[::-1] if turn else pair for pair, turn in zip(pairs, swapped)])
    assert counts(found) == {"swapped": swapped.sum()}


def test_sides_can_be_told_the_other_way_round(look, clean):
    straight, swapped = look(clean[:300]), look(clean[:300], swap=True)
    assert (straight.source, straight.target) == (swapped.target, swapped.source)


def test_several_targets_are_no_repetition(look, clean):
    pairs = [*clean, ("One source.", "a"), ("One source.", "b"), ("Two.", "b"), ("Two.", "b")]
    found = look(pairs)
    own = collections.defaultdict(set)
    for source, target in pairs:
        own[source].add(target)
    assert found.different_sources == len(own)
    assert found.several_targets == sum(len(targets) > 1 for targets in own.values())
    assert counts(found)["repeated"] == 1


def test_a_swapped_block_is_found_to_the_line(look, clean):
    pairs = [
        (target, source) if 1500 <= line <= 1900 else (source, target)
        for line, (source, target) in enumerate(clean, start=1)
    ]
    found = look(pairs)
    assert ranges(found) == [(1500, 1900)]
    assert counts(found)["swapped"] == 401
    assert "lines 1,500 to 1,900 of pairs.tsv look swapped" in inspection_table(found)


@pytest.mark.parametrize("first, last", [(1, 300), (1, 1300), (1300, 2700), (2701, 3000)])
def test_the_majority_decides_which_way_round_is_right(look, clean, first, last):
    pairs = [
        (target, source) if first <= line <= last else (source, target)
        for line, (source, target) in enumerate(clean, start=1)
    ]
    assert ranges(look(pairs)) == [(first, last)]


def test_sides_that_are_spelt_alike_are_never_called_swapped(look, clean):
    random = np.random.default_rng(1)
    english = [source for source, _ in clean]
    pairs = list(zip(english, random.permutation(english).tolist()))
    assert "swapped" not in counts(look(pairs))


def test_a_swapped_split_and_leaked_pairs_are_said(look, clean, tmp_path):
    swapped = [(target, source) for source, target in clean[2000:2100]]
    valid = write(tmp_path / "valid.tsv", swapped)
    test = write(tmp_path / "test.tsv", [*clean[10:15], (clean[20][0], "autre"), ("", "vide")])
    found = look(clean[:2000], valid=valid, test=test)
    of_valid, of_test = found.splits
    assert (of_valid.swapped, of_valid.shared_sources) == (100, 0)
    assert (of_test.swapped, of_test.shared_sources, of_test.shared_pairs) == (0, 6, 5)
    assert (of_test.pairs, of_test.blank) == (6, 1)
    assert "THE SIDES LOOK SWAPPED" in inspection_table(found)


def test_a_split_that_looks_swapped(clean):
    half = len(clean) // 2
    known, asked = clean[:half], clean[half:]
    turned = [pair[::-1] for pair in asked]
    assert look_swapped(known, turned) and look_swapped(iter(known), iter(turned))
    assert not look_swapped(known, asked)
    assert not look_swapped(known, [*asked, *turned[: half // 4]])
    # Sides that are spelt alike tell nothing; nor do splits of nothing.
    alike = list(zip((source for source, _ in clean), reversed([source for source, _ in clean])))
    assert not look_swapped(alike[:half], [pair[::-1] for pair in alike[half:]])
    assert not look_swapped(known, []) and not look_swapped([], asked)


def test_swapped_states_are_the_most_probable_way():
    """Against all ways through the chain, tried one by one."""
    random = np.random.default_rng(2)
    for _ in range(50):
        evidence = random.normal(0, 9, 9)
        best = max(
            itertools.product((False, True), repeat=9),
            key=lambda way: (
                sum(-e if swapped else e for e, swapped in zip(evidence / 2, way))
                - 8.0 * sum(a != b for a, b in itertools.pairwise(way))
            ),
        )
        assert swapped_states(evidence).tolist() == list(best)


def test_runs():
    assert runs_of([True, False, False, True, True]).tolist() == [[0, 0], [3, 4]]
    assert runs_of([]).tolist() == [] and swapped_states([]).tolist() == []
    assert not can_tell(np.zeros(0), np.zeros(0, bool))


def test_a_side_model_needs_no_scripts():
    model = SideModel()
    model.learn(["the cat sat on the mat"] * 200, ["le chat est sur la table"] * 200)
    right, wrong = model.evidence(["the mat", "la table"], ["la table", "the mat"])
    assert right > 3 > -3 > wrong


def test_identical_lines_are_told_as_such(tmp_path):
    path = tmp_path / "same.tsv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("The same.\tLe même.\n" * 20_000)
    found = inspect(path, verbose=False)
    assert counts(found) == {"repeated": 19_999}
    assert found.most_repeated == 20_000 and found.different_pairs == 1
    assert "the most frequent pair occurs 20,000 times" in inspection_table(found)


def test_blank_and_strange_files(look, tmp_path, index):
    found = look([("", ""), ("a", "b"), ("\u200b", "…"), ("", "c")])
    assert found.pairs == 2 and counts(found)["blank"] == 2
    assert plot_inspection(found) and inspection_table(found) and suggest_config(found)
    with pytest.raises(ValueError, match="expected text on both sides; received 3 values per step"):
        inspect(index, verbose=False)
    with pytest.raises(FileNotFoundError, match="file not found"):
        inspect(tmp_path / "none.tsv", verbose=False)


def test_everything_goes_into_json(look, clean):
    found = look(clean[:200])
    values = json.loads(json.dumps(found.to_dict()))
    assert values["pairs"] == 200 and values["source"]["words"]["longest"] > 5


def settings(inspection):
    return {each.field: each.value for each in suggest_config(inspection).settings}


def test_the_embedded_corpora_get_about_their_own_settings():
    """Theirs were measured; those that are suggested may differ where both work."""
    own = {name: Config.load(ROOT / "data" / name / "config.yaml") for name in ("dates", "en-fr")}
    for name, config in own.items():
        found = inspect(ROOT / "data" / name / "train.tsv", verbose=False)
        assert set(counts(found)) <= {"copied"}  # dates in many scripts, none of them wrong
        suggested = suggest_config(found).config()
        assert suggested.text == config.text
        assert suggested.model == config.model
        assert suggested.training.learning_rate == config.training.learning_rate


def test_suggestions_differ_from_the_defaults_and_say_why(look, clean):
    suggestion = suggest_config(look(clean))
    text = suggestion.to_yaml()
    defaults = Config().to_dict()
    for each in suggestion.settings:
        assert defaults[each.section].get(each.field) != each.value
        assert f"  {each.field}: {each.value}  # {each.reason}\n" in text


def test_a_suggestion_reads_back_as_a_config(look, clean, tmp_path):
    suggestion = suggest_config(look(clean))
    (tmp_path / "settings.yaml").write_text(suggestion.to_yaml())
    assert Config.load(tmp_path / "settings.yaml") == suggestion.config()


def test_words_to_sounds_get_letters_on_one_side(look):
    random = np.random.default_rng(3)
    sounds = [" ".join(random.choice(["AA", "B", "K", "IY", "S"], 6)) for _ in range(2000)]
    words = ["".join(random.choice(list("abcdefgh"), 7)) for _ in range(2000)]
    chosen = settings(look(list(zip(words, sounds))))
    assert chosen["source_tokenizer"] == "character" and "target_tokenizer" not in chosen
    assert chosen["minimum_frequency"] == 1 and chosen["batch_size"] == 32


def test_long_lines_get_a_maximum_length(look):
    pairs = [("a b c d " * 40 + str(n % 7), "x y z") for n in range(300)]
    assert settings(look(pairs))["maximum_length"] == 170


def test_large_vocabularies_get_subwords(look, tmp_path):
    random = np.random.default_rng(4)
    names = ["".join(random.choice(list("abcdefgh"), 7)) for _ in range(9000)]
    pairs = [(" ".join(names[3 * n : 3 * n + 3]), "one two") for n in range(3000)]
    suggestion = suggest_config(look(pairs))
    (tmp_path / "settings.yaml").write_text(suggestion.to_yaml())
    text = Config.load(tmp_path / "settings.yaml").text
    assert (text.source_tokenizer, text.target_tokenizer) == ("subword", "word")
    assert text.subword_vocabulary_size == 4000


def test_the_picture_has_six_panels_and_reads_in_every_format(look, clean, tmp_path):
    found = look([*clean, ("&amp;", "&amp;")])
    assert len([axes for axes in plot_inspection(found).axes if axes.get_title()]) == 6
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        save_inspection(found, tmp_path / f"picture{suffix}")
        assert (tmp_path / f"picture{suffix}").read_bytes().startswith(magic)
    assert "vocabulary growth" in (tmp_path / "picture.svg").read_text()


def test_what_nobody_sees_is_written_out(look, clean):
    table = inspection_table(look([*clean, FAULTS["invisible"]]))
    assert "The cat is <U+200F>small." in table and "\u200f" not in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_notebook_shows_the_table_and_the_picture(look, clean, monkeypatch):
    found = look([*clean, FAULTS["invisible"]])
    table = str(found)
    # As in a notebook, where rich would show its tables by itself.
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert str(found) == table == inspection_table(found) and "suspicious" in table
    shown = found._repr_html_()
    assert "suspicious" in shown and "\x1b" not in shown and "data:image/png;base64," in shown
    assert found._repr_png_().startswith(b"\x89PNG")
    assert len(repr(found)) < 200


def test_every_kind_is_explained():
    assert list(KINDS) == ["blank", "repeated", "copied", "swapped", *list(FAULTS)[2:]]


def test_the_command(clean, tmp_path, capsys):
    pairs = write(tmp_path / "pairs.tsv", clean)
    picture, suggested = tmp_path / "picture.png", tmp_path / "settings.yaml"
    words = ["inspect", pairs, "--out", picture, "--suggest", suggested]
    assert main([*map(str, words)]) == 0
    output = capsys.readouterr().out
    assert "3,000 pairs" in output and "nothing suspicious" in output
    assert output.endswith(suggested.read_text())
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["inspect", str(pairs), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["pairs"] == 3000 and values["suggestion"][0]["section"] == "model"


@pytest.mark.parametrize(
    "words, message",
    [
        (["{pairs}", "--out", "picture.jpg"], r"--out must end in .png, .svg or .pdf; received"),
        (["{pairs}", "--suggest", "settings"], r"--suggest must end in .yaml or .yml; received"),
        (["{pairs}", "--out", "nowhere/picture.png"], "nowhere/picture.png: No such file"),
        (["none.tsv"], "file not found: none.tsv"),
        (["{pairs}", "--valid", "none.tsv"], "file not found: none.tsv"),
    ],
)
def test_mistakes_are_told_in_one_line(words, message, clean, tmp_path, capsys):
    pairs = write(tmp_path / "pairs.tsv", clean[:10])
    assert main(["inspect", *(word.format(pairs=pairs) for word in words)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("kseq: ") and errors.count("\n") == 1
    assert re.search(message, errors), errors


def test_the_modules_that_show_need_no_tensorflow():
    program = """
import sys
import kseq.inspection.plots, kseq.inspection.table, kseq.inspection.suggestion
assert not {"tensorflow", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "names, facts",
    [
        (["tatoeba/spa-eng.zip"], (118_964, 0, {"Latin"})),
        (["tatoeba/cmn-eng.zip"], (26_388, 0, {"Han"})),
        (["multi30k/train.de.gz", "multi30k/train.en.gz"], (29_000, 3, {"Latin"})),
    ],
)
def test_real_corpora_and_a_swapped_block_in_them(shared_data, names, facts, tmp_path):
    pairs, repeated, scripts = facts
    files = [shared_data / name for name in names]
    everything = list(Pairs.open(files))
    found = inspect(*files, verbose=False)
    assert found.pairs == pairs == len(everything)
    assert found.swapped_lines == ()
    assert counts(found).get("repeated", 0) == repeated == pairs - len(set(everything))
    assert {next(iter(found.target.scripts))} == scripts
    swapped = range(9500, 9901)
    block = [pair[::-1] if n in swapped else pair for n, pair in enumerate(everything, start=1)]
    again = inspect(write(tmp_path / "swapped.tsv", block), verbose=False)
    assert ranges(again) == [(9500, 9900)]
