"""Inspecting a corpus: figures compared with plain counting, and faults that must be found."""

import collections
import dataclasses
import gzip
import html
import itertools
import json
import re
import statistics
import string
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from conftest import ROOT

from kseq import inspect, suggest_config
from kseq.cli.main import main
from kseq.config import Config
from kseq.corpora.corpus import Pairs
from kseq.inspection.plots import plot_inspection, save_inspection
from kseq.inspection.suspicions import KINDS, RatioCounts, is_copied, text_suspicions
from kseq.inspection.swapped_sides import (
    SideModel,
    can_tell,
    look_swapped,
    runs_of,
    swapped_states,
)
from kseq.inspection.table import inspection_table
from kseq.inspection.tally import Growth, characters_by_script
from kseq.recipes import load_recipe

ENGLISH_FRENCH = ROOT / "data" / "en-fr" / "train.tsv"


@pytest.fixture(scope="module")
def clean():
    return list(Pairs.open([ENGLISH_FRENCH]))[:3000]


@pytest.fixture
def inspect_pairs(tmp_path):
    """A function that writes pairs to a TSV file and inspects it."""

    def write_and_inspect(pairs, **options):
        return inspect(write(tmp_path / "pairs.tsv", pairs), verbose=False, **options)

    return write_and_inspect


def write(path, pairs):
    text = "".join(f"{source}\t{target}\n" for source, target in pairs)
    path.write_text(text, encoding="utf-8")
    return path


def counts(inspection):
    return {suspicion.kind: suspicion.count for suspicion in inspection.suspicions}


def lines(inspection, kind):
    return [example.line for example in find_suspicion(inspection, kind).examples]


def find_suspicion(inspection, kind):
    (suspicion,) = (suspicion for suspicion in inspection.suspicions if suspicion.kind == kind)
    return suspicion


def test_the_figures_agree_with_counting_words_with_a_regular_expression(inspect_pairs, clean):
    inspection = inspect_pairs(clean)
    for figures, texts in zip((inspection.source, inspection.target), zip(*clean)):
        words = [re.findall(r"\w+|[^\w\s]", text) for text in texts]
        lengths = sorted(map(len, texts))
        types = collections.Counter(itertools.chain(*words))
        assert figures.characters.mean == pytest.approx(statistics.mean(lengths))
        assert figures.characters.median == lengths[1499]
        assert figures.characters.percentile_95 == lengths[2849]
        assert figures.characters.percentile_99 == lengths[2969]
        assert figures.characters.longest == lengths[-1]
        # An apostrophe is part of a word, not a word; everything else agrees.
        apostrophes = sum(text.count("'") + text.count("’") for text in texts)
        assert figures.tokens == sum(map(len, words)) - apostrophes
        assert figures.types == pytest.approx(len(types), rel=0.03)
        assert sum(n for _, n in figures.words.counts) == 3000
    assert inspection.pairs == 3000 and inspection.suspicions == () and inspection.splits == ()


def test_vocabulary_growth_and_coverage_are_right_for_a_known_text(inspect_pairs):
    """Ten words per line, one new word and nine that are always the same."""
    pairs = [(f"new{n} " + "a b c d e f g h i", "x") for n in range(5000)]
    side = inspect_pairs(pairs).source
    assert side.tokens == 50_000 and side.types == 5009
    assert side.types_twice == 9 and side.coverage_twice == pytest.approx(0.9)
    assert all(types == tokens // 10 + 9 for tokens, types in side.growth)
    assert side.growth[-1] == (50_000, 5009)
    for rank, share in side.coverage:
        assert share == pytest.approx(min(rank, 9) * 0.1 + max(rank - 9, 0) / 50_000)
    assert side.coverage[0][0] == 1 and side.coverage[-1] == (5009, 1.0)


def test_a_growing_curve_keeps_few_points():
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
    return [(line_range.first, line_range.last) for line_range in inspection.swapped_lines]


# A suspicious pair of each kind.
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


def test_every_fault_is_found_on_its_line_and_no_other_pair_is_suspicious(inspect_pairs, clean):
    pairs = list(clean)
    for number, pair in enumerate(FAULTS.values()):
        pairs[100 * number + 50] = pair
    pairs[2000] = pairs[1000]
    inspection = inspect_pairs(pairs)
    assert counts(inspection) == dict.fromkeys([*FAULTS, "repeated"], 1)
    for number, (kind, pair) in enumerate(FAULTS.items()):
        assert lines(inspection, kind) == [100 * number + 51]
        suspicion = find_suspicion(inspection, kind)
        example = suspicion.examples[0]
        assert (example.source, example.target) == tuple(side.strip() for side in pair)
        assert np.flatnonzero(suspicion.where).tolist() == [(100 * number + 50) * 50 // 3000]
    assert lines(inspection, "repeated") == [2001]
    assert (
        inspection.pairs == 2999
        and inspection.different_pairs == 2998
        and inspection.most_repeated == 2
    )


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
def test_unusual_but_correct_text_is_not_suspicious(text):
    assert text_suspicions(text) == []


@pytest.mark.parametrize("text", ["déjà vu", "„naïve“ – señor", "Привет мир", "日本語のテキスト"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_text_in_the_wrong_encoding_is_recognised(text, encoding):
    try:
        garbled = text.encode().decode(encoding)
    except UnicodeDecodeError:
        garbled = text.encode().decode(encoding, errors="replace")
    assert "garbled" in text_suspicions(garbled)


def test_a_copy_is_equal_except_for_case_and_punctuation():
    assert is_copied("Tom.", "tom!") and is_copied("...", "...")
    assert not is_copied("...", "!!!") and not is_copied("Tom.", "Tim.")


def test_the_usual_ratio_is_the_median_and_typical_pairs_are_not_unbalanced():
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


def test_places_are_given_by_file_and_line(clean, tmp_path):
    """A swapped block with blank lines continues from one file to the next."""
    block = [(target, source) for source, target in clean[800:1200]]
    block[10] = block[300] = ("", "")
    pairs = [*clean[:800], *block, *clean[1200:]]
    first = write(tmp_path / "first.tsv", pairs[:1000])
    second = write(tmp_path / "second.tsv", [*pairs[1000:], pairs[-1]])
    inspection = inspect(first, second, verbose=False)
    assert inspection.files == (str(first), str(second))
    places = [
        (line_range.file, line_range.first, line_range.last)
        for line_range in inspection.swapped_lines
    ]
    assert places == [(str(first), 801, 1000), (str(second), 1, 200)]
    table = inspection_table(inspection)
    assert "lines 801 to 1,000 of first.tsv, lines 1 to 200 of second.tsv look swapped" in table
    assert lines(inspection, "blank") == [811, 101] and "first.tsv 811" in table
    assert lines(inspection, "repeated") == [2001]
    assert counts(inspection)["swapped"] == 398


def test_single_swapped_pairs_are_found_by_their_scripts(inspect_pairs, clean):
    """About a third of the pairs are swapped, so both scripts are common on both sides."""
    greek = str.maketrans("abcdefghijklmnopqrstuvwxyz", "αβκδεφγηιξκλμνοπθρστυωωχψζ")
    random = np.random.default_rng(5)
    swapped = random.random(len(clean)) < 0.3
    pairs = [(source, target.lower().translate(greek)) for source, target in clean]
    inspection = inspect_pairs(
        [pair[::-1] if is_swapped else pair for pair, is_swapped in zip(pairs, swapped)]
    )
    assert counts(inspection) == {"swapped": swapped.sum()}


def test_swap_exchanges_source_and_target(inspect_pairs, clean):
    straight, swapped = inspect_pairs(clean[:300]), inspect_pairs(clean[:300], swap=True)
    assert (straight.source, straight.target) == (swapped.target, swapped.source)


def test_a_source_with_several_targets_is_not_a_repeated_pair(inspect_pairs, clean):
    pairs = [*clean, ("One source.", "a"), ("One source.", "b"), ("Two.", "b"), ("Two.", "b")]
    inspection = inspect_pairs(pairs)
    targets_by_source = collections.defaultdict(set)
    for source, target in pairs:
        targets_by_source[source].add(target)
    assert inspection.different_sources == len(targets_by_source)
    assert inspection.several_targets == sum(
        len(targets) > 1 for targets in targets_by_source.values()
    )
    assert counts(inspection)["repeated"] == 1


def test_the_first_and_last_line_of_a_swapped_block_are_found(inspect_pairs, clean):
    pairs = [
        (target, source) if 1500 <= line <= 1900 else (source, target)
        for line, (source, target) in enumerate(clean, start=1)
    ]
    inspection = inspect_pairs(pairs)
    assert ranges(inspection) == [(1500, 1900)]
    assert counts(inspection)["swapped"] == 401
    assert "lines 1,500 to 1,900 of pairs.tsv look swapped" in inspection_table(inspection)


@pytest.mark.parametrize("first, last", [(1, 300), (1, 1300), (1300, 2700), (2701, 3000)])
def test_the_majority_of_pairs_decides_which_are_swapped(inspect_pairs, clean, first, last):
    pairs = [
        (target, source) if first <= line <= last else (source, target)
        for line, (source, target) in enumerate(clean, start=1)
    ]
    assert ranges(inspect_pairs(pairs)) == [(first, last)]


def test_sides_with_the_same_spelling_never_look_swapped(inspect_pairs, clean):
    random = np.random.default_rng(1)
    english = [source for source, _ in clean]
    pairs = list(zip(english, random.permutation(english).tolist()))
    assert "swapped" not in counts(inspect_pairs(pairs))


def test_swapped_splits_and_pairs_shared_with_the_corpus_are_reported(
    inspect_pairs, clean, tmp_path
):
    swapped = [(target, source) for source, target in clean[2000:2100]]
    valid = write(tmp_path / "valid.tsv", swapped)
    test = write(tmp_path / "test.tsv", [*clean[10:15], (clean[20][0], "autre"), ("", "vide")])
    inspection = inspect_pairs(clean[:2000], valid=valid, test=test)
    valid_figures, test_figures = inspection.splits
    assert (valid_figures.swapped, valid_figures.shared_sources) == (100, 0)
    assert (test_figures.swapped, test_figures.shared_sources) == (0, 6)
    assert (test_figures.shared_pairs, test_figures.pairs, test_figures.blank) == (5, 6, 1)
    assert "THE SIDES LOOK SWAPPED compared with the corpus, in 100 pairs" in inspection_table(
        inspection
    )


def test_a_swapped_split_is_recognised_by_its_first_pairs(clean):
    half = len(clean) // 2
    reference, straight = clean[:half], clean[half:]
    swapped = [pair[::-1] for pair in straight]
    assert look_swapped(reference, swapped) and look_swapped(iter(reference), iter(swapped))
    assert not look_swapped(reference, straight)
    assert not look_swapped(reference, [*straight, *swapped[: half // 4]])
    # Sides with the same spelling are no evidence; nor are empty splits.
    same_spelling = list(
        zip((source for source, _ in clean), reversed([source for source, _ in clean]))
    )
    assert not look_swapped(same_spelling[:half], [pair[::-1] for pair in same_spelling[half:]])
    assert not look_swapped(reference, []) and not look_swapped([], straight)


def test_swapped_states_are_the_most_probable_path():
    """Compared with all paths through the chain."""
    random = np.random.default_rng(2)
    for _ in range(50):
        evidence = random.normal(0, 9, 9)
        best = max(
            itertools.product((False, True), repeat=9),
            key=lambda path: (
                sum(-e if swapped else e for e, swapped in zip(evidence / 2, path))
                - 8.0 * sum(a != b for a, b in itertools.pairwise(path))
            ),
        )
        assert swapped_states(evidence).tolist() == list(best)


def test_runs_are_first_and_last_positions_of_true_values():
    assert runs_of([True, False, False, True, True]).tolist() == [[0, 0], [3, 4]]
    assert runs_of([]).tolist() == [] and swapped_states([]).tolist() == []
    assert not can_tell(np.zeros(0), np.zeros(0, bool))


def test_a_side_model_tells_sides_of_the_same_script_apart():
    model = SideModel()
    model.learn(["the cat sat on the mat"] * 200, ["le chat est sur la table"] * 200)
    right, wrong = model.evidence(["the mat", "la table"], ["la table", "the mat"])
    assert right > 3 > -3 > wrong


def test_identical_lines_are_reported_as_repeated(tmp_path):
    path = tmp_path / "same.tsv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("The same.\tLe même.\n" * 20_000)
    inspection = inspect(path, verbose=False)
    assert counts(inspection) == {"repeated": 19_999}
    assert inspection.most_repeated == 20_000 and inspection.different_pairs == 1
    assert "the most frequent pair occurs 20,000 times" in inspection_table(inspection)


def test_a_nearly_blank_file_is_inspected_but_not_a_missing_one(inspect_pairs, tmp_path):
    inspection = inspect_pairs([("", ""), ("a", "b"), ("\u200b", "…"), ("", "c")])
    assert inspection.pairs == 2 and counts(inspection)["blank"] == 2
    assert (
        plot_inspection(inspection).size
        and inspection_table(inspection)
        and suggest_config(inspection)
    )
    with pytest.raises(FileNotFoundError, match="file not found"):
        inspect(tmp_path / "none.tsv", verbose=False)


def test_real_values_have_an_inspection_of_their_own(index, arrays):
    inspection = inspect(index, verbose=False)
    lengths = [len(array) for array in arrays]
    assert inspection.pairs == 3 and inspection.source.total == sum(lengths)
    assert inspection.source.lengths["longest"] == max(lengths)
    values = np.concatenate(arrays)
    limits = f"from {values.min():g} to {values.max():g}"
    assert f"values per step: 3, {limits}" in str(inspection)
    assert "target: text, 6 words" in str(inspection)
    # In a notebook, the text is displayed; a list of inspections stays short.
    assert html.unescape(inspection._repr_html_()) == f"<pre>{inspection}</pre>"
    assert repr(inspection) == f"<ValueInspection of 3 pairs of {index}>"
    index.write_text(index.read_text() + "speech/none.npy\ttext\n")
    inspection = inspect(index, verbose=False)
    assert "3 pairs (left out: 1 faulty)" in str(inspection) and "none.npy" in str(inspection)
    with pytest.raises(ValueError, match="valid is for text; .*index.tsv has real values"):
        inspect(index, valid=index, verbose=False)


def test_an_inspection_can_be_written_as_json(inspect_pairs, clean):
    inspection = inspect_pairs(clean[:200])
    values = json.loads(json.dumps(inspection.to_dict()))
    assert values["pairs"] == 200 and values["source"]["words"]["longest"] > 5


def settings(inspection):
    return {setting.field: setting.value for setting in suggest_config(inspection).settings}


@pytest.mark.parametrize("name", [pytest.param("dates", marks=pytest.mark.slow), "en-fr"])
def test_the_suggestions_for_the_embedded_corpora_agree_with_their_own_settings(name):
    config = Config.load(ROOT / "data" / name / "config.yaml")
    inspection = inspect(ROOT / "data" / name / "train.tsv", verbose=False)
    assert set(counts(inspection)) <= {"copied"}  # dates in many scripts, none of them wrong
    suggested = suggest_config(inspection).config()
    assert suggested.text == config.text
    assert suggested.model == config.model
    assert suggested.training.learning_rate == config.training.learning_rate


def test_suggestions_differ_from_the_defaults_and_have_reasons(inspect_pairs, clean):
    suggestion = suggest_config(inspect_pairs(clean))
    text = suggestion.to_yaml()
    defaults = Config().to_dict()
    for setting in suggestion.settings:
        assert defaults[setting.section].get(setting.field) != setting.value
        assert f"  {setting.field}: {setting.value}  # {setting.reason}\n" in text


def test_faulty_lines_are_counted_and_shown(inspect_pairs, clean, tmp_path):
    path = write(tmp_path / "faulty.tsv", clean[:100])
    path.write_bytes(b"one column\n" + path.read_bytes() + b"caf\xe9\tx\n")
    inspection = inspect(path, test=path, verbose=False)
    assert (inspection.pairs, inspection.faulty, inspection.splits[0].faulty) == (100, 2, 2)
    text = str(inspection)
    assert "2 faulty lines; kseq train stops at the first one unless" in text
    assert "line 1: expected source, tab, target" in text and "line 102: not valid UTF-8" in text


def test_pairs_in_memory_are_inspected_like_files(inspect_pairs, clean):
    from_file, in_memory = inspect_pairs(clean[:200]), inspect(clean[:200], verbose=False)
    assert in_memory.source == from_file.source and in_memory.target == from_file.target


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda text: re.sub(r"([.,?!])", r" \1", text), "separated by spaces"),
        (lambda text: re.sub(r"(\w\w)(\w\w)", r"\1@@ \2", text), "parts of words"),
        (lambda text: " ".join(text.replace(" ", "_")), "short symbols between spaces"),
    ],
)
def test_text_that_is_tokenised_already_keeps_its_tokens(inspect_pairs, clean, change, reason):
    suggestion = suggest_config(inspect_pairs([(change(s), t) for s, t in clean[:500]]))
    reasons = {setting.field: setting.reason for setting in suggestion.settings}
    assert suggestion.config().text.tokenizers == ("space", "word")
    assert reason in reasons["source_tokenizer"]


def test_targets_in_another_unicode_form_are_not_normalised(inspect_pairs, clean):
    decomposed = [(s, unicodedata.normalize("NFD", t)) for s, t in clean[:500]]
    assert settings(inspect_pairs(decomposed))["normalization"] == "none"
    assert "normalization" not in settings(inspect_pairs([(t, s) for s, t in decomposed]))


def test_a_suggestion_can_be_loaded_as_a_config(inspect_pairs, clean, tmp_path):
    suggestion = suggest_config(inspect_pairs(clean))
    (tmp_path / "settings.yaml").write_text(suggestion.to_yaml())
    assert Config.load(tmp_path / "settings.yaml") == suggestion.config()


def test_single_words_are_split_into_characters_but_phonemes_are_not(inspect_pairs):
    random = np.random.default_rng(3)
    sounds = [" ".join(random.choice(["AA", "B", "K", "IY", "S"], 6)) for _ in range(2000)]
    words = ["".join(random.choice(list("abcdefgh"), 7)) for _ in range(2000)]
    suggested = suggest_config(inspect_pairs(list(zip(words, sounds)))).config()
    assert suggested.text.tokenizers == ("character", "space")
    assert suggested.text.minimum_frequency == 1
    recipe = load_recipe("sigmorphon2020-g2p").config
    assert (suggested.model, suggested.training) == (recipe.model, recipe.training)


ENDINGS = ["".join(letters) for letters in itertools.product("abcd", "efgh")]


def random_words(count, length, letters="abcdefgh"):
    random = np.random.default_rng(3)
    return ["".join(random.choice(list(letters), length)) for _ in range(count)]


def test_words_that_become_similar_words_are_copied(inspect_pairs):
    """As forms of a lemma are; not if the words are phonemes, or have other characters."""
    words = random_words(2000, 7)
    inspection = inspect_pairs([(word, f"ge{word}t") for word in words])
    # The letters of "ge" also occur in some of the words, "t" in none.
    shared = [7 + ("g" in word) + ("e" in word) for word in words]
    assert inspection.copied_characters == pytest.approx(sum(shared) / (10 * 2000))
    suggested = suggest_config(inspection).config()
    recipe = load_recipe("inflection2023").config
    without = {"features": "none", "feature_attention": "joint"}
    assert suggested.model == dataclasses.replace(recipe.model, **without)
    for targets in ([" ".join(word) for word in words], [word.upper() for word in words]):
        assert not suggest_config(inspect_pairs(list(zip(words, targets)))).config().model.copy


def test_shared_characters_are_compared_with_those_of_random_sources(inspect_pairs):
    """All pairs of a source and a target, spaces left out; words of one alphabet are not alike."""
    words = random_words(1600, 12)
    pairs = [(f"{a} {b}", f"{c} {d}") for a, b, c, d in zip(*[iter(words)] * 4)]
    inspection = inspect_pairs(pairs)
    shared = [
        sum(letter in source for letter in target if letter != " ")
        for source, _ in pairs
        for _, target in pairs
    ]
    assert inspection.copied_by_chance == pytest.approx(np.mean(shared) / 24)
    assert inspection.copied_characters > 0.9
    config = suggest_config(inspection).config()
    assert not config.model.copy and config.text.target_tokenizer == "word"


def test_forms_of_two_words_are_split_into_characters(inspect_pairs):
    """The lemmas occur often, but those that are held out are new words."""
    lemmas = random_words(100, 7, string.ascii_lowercase)
    forms = [(lemma, f"{lemma}{end} olan") for lemma in lemmas for end in ENDINGS]
    suggested = suggest_config(inspect_pairs(forms)).config()
    assert suggested.text.tokenizers == ("character", "character") and suggested.model.copy
    pairs = [(f"{lemma} ve", f"{form} ve") for lemma, form in forms]
    assert suggest_config(inspect_pairs(pairs)).config().text.tokenizers == ("word", "word")
    pairs = [(f"{lemma} ve", form) for lemma, form in forms]
    assert suggest_config(inspect_pairs(pairs)).config().text.tokenizers == ("character",) * 2


def test_korean_syllables_are_taken_apart(inspect_pairs):
    """They would be too many for a small model; letters with accents remain as they are."""
    syllables = random_words(2000, 3, [chr(number) for number in range(0xAC00, 0xD7A4, 5)])
    inspection = inspect_pairs([(word, "p a") for word in syllables])
    assert inspection.source.alphabet > 1000
    assert inspection.source.decomposed_alphabet == 19 + 21 + 27  # Unicode Standard, 3.12
    suggested = suggest_config(inspection).config()
    recipe = load_recipe("sigmorphon2020-g2p")
    korean = recipe.config.with_settings(recipe.exceptions["kor"])
    assert suggested.text == korean.text
    assert suggested.model.units == 256
    # 27 of 28 syllables have three letters, the others two.
    assert inspection.source.parts_per_character == pytest.approx(2 + 27 / 28, abs=0.01)
    decomposed = inspect_pairs([(unicodedata.normalize("NFD", word), "p a") for word in syllables])
    assert suggest_config(decomposed).config() == suggested
    outputs = [(word, unicodedata.normalize("NFD", word)) for word in syllables]
    whole = suggest_config(inspect_pairs(outputs)).config()
    assert (whole.text.normalization, whole.text.minimum_frequency) == ("none", 2)
    names = [("".join(syllables[n : n + 12]), "p a") for n in range(0, 1200, 12)]
    assert settings(inspect_pairs(names))["maximum_length"] == 110  # 36 syllables
    names = [(word, "\u1ed9" * 50) for word in syllables]  # o, dot below, circumflex
    assert settings(inspect_pairs(names))["maximum_length"] == 150
    accents = [(word, "p a") for word in random_words(2000, 7, "abcdefghiáàéèíì")]
    assert "normalization" not in settings(inspect_pairs(accents))


def test_words_of_a_language_that_separates_syllables_are_split_into_characters(inspect_pairs):
    """As in Vietnamese, if phones are their targets; not if the other side is sentences."""
    syllables = random_words(3000, 3)
    words = [f"{first} {second}" for first, second in zip(syllables[::2], syllables[1::2])]
    pairs = [(word, " ".join(word.replace(" ", ""))) for word in words]
    suggested = suggest_config(inspect_pairs(pairs)).config()
    assert suggested.text.tokenizers == ("character", "space")
    pairs = [(word, f"this is the word {word}") for word in words]
    assert suggest_config(inspect_pairs(pairs)).config().text.tokenizers == ("word", "word")
    pairs = [(word.replace(" ", " between the "), " ".join(word[:3])) for word in words]
    assert suggest_config(inspect_pairs(pairs)).config().text.tokenizers == ("word", "space")
    pieces = [(word, f"{word[:2]}@@ {word[2:]}") for word in words]
    assert suggest_config(inspect_pairs(pieces)).config().text.tokenizers == ("word", "space")
    symbols = [(f"{word[:2]} {word[4:6]}", " ".join(word[4:])) for word in words]
    assert suggest_config(inspect_pairs(symbols)).config().text.tokenizers == ("space", "space")
    commands = [("turn left", "L W W"), ("turn right", "R W W"), ("jump", "J W")] * 50
    assert suggest_config(inspect_pairs(commands)).config().text.tokenizers == ("word", "space")


def test_short_answers_do_not_split_long_questions_into_characters(inspect_pairs):
    words = random_words(8000, 6)
    pairs = [(" ".join(words[n : n + 8]), " ".join(words[n : n + 2])) for n in range(2000)]
    assert suggest_config(inspect_pairs(pairs)).config().text.tokenizers == ("word", "word")


def test_single_words_of_many_characters_get_settings_that_fit_together(inspect_pairs):
    names = ["".join(map(chr, range(0xA000 + n, 0xA000 + n + 3))) for n in range(1100)]  # Yi
    suggested = suggest_config(inspect_pairs([(name, name[::-1]) for name in names])).config()
    assert suggested.model.tie_output


def test_long_lines_get_a_larger_maximum_length(inspect_pairs):
    pairs = [("a b c d " * 40 + str(n % 7), "x y z") for n in range(300)]
    assert settings(inspect_pairs(pairs))["maximum_length"] == 170


def test_a_large_vocabulary_gets_subwords(inspect_pairs, tmp_path):
    random = np.random.default_rng(4)
    names = ["".join(random.choice(list("abcdefgh"), 7)) for _ in range(9000)]
    pairs = [(" ".join(names[3 * n : 3 * n + 3]), "one two") for n in range(3000)]
    suggestion = suggest_config(inspect_pairs(pairs))
    (tmp_path / "settings.yaml").write_text(suggestion.to_yaml())
    text = Config.load(tmp_path / "settings.yaml").text
    assert (text.source_tokenizer, text.target_tokenizer) == ("subword", "word")
    assert text.subword_vocabulary_size == 4000


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_of_control_characters_is_an_error(inspect_pairs, side):
    pair = {"source": "a cat", "target": "un chat"} | {side: "\x01"}
    with pytest.raises(ValueError, match=f"expected words on both sides; no {side} has one"):
        inspect_pairs([tuple(pair.values())])


def test_a_single_pair_is_one_pair(inspect_pairs):
    inspection = inspect_pairs([("The cat is small.", "Le chat est petit.")])
    assert ": 1 pair\n" in inspection_table(inspection) and "1 pair of" in repr(inspection)
    reasons = suggest_config(inspection).to_yaml()
    assert "only 1 pair" in reasons and "1 pairs" not in reasons


@pytest.mark.parametrize(
    "suffix, magic",
    [
        pytest.param(".png", b"\x89PNG", marks=pytest.mark.slow),  # that of the command
        (".svg", b"<?xml"),
        pytest.param(".pdf", b"%PDF", marks=pytest.mark.slow),
    ],
)
def test_the_picture_has_six_panels_in_every_format(inspect_pairs, clean, tmp_path, suffix, magic):
    inspection = inspect_pairs([*clean, ("&amp;", "&amp;")])
    assert all(axes.get_title() for axes in plot_inspection(inspection).flat)
    picture = tmp_path / f"picture{suffix}"
    save_inspection(inspection, picture)
    assert picture.read_bytes().startswith(magic)
    if suffix == ".svg":
        assert "vocabulary growth" in picture.read_text()


def test_invisible_characters_are_written_as_code_points(inspect_pairs, clean):
    table = inspection_table(inspect_pairs([*clean, FAULTS["invisible"]]))
    assert "The cat is <U+200F>small." in table and "\u200f" not in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_notebook_shows_the_table_and_the_picture(inspect_pairs, clean, monkeypatch):
    inspection = inspect_pairs([*clean, FAULTS["invisible"]])
    table = str(inspection)
    # In a notebook, rich would display its tables itself.
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert str(inspection) == table == inspection_table(inspection) and "suspicious" in table
    page = inspection._repr_html_()
    assert "suspicious" in page and "\x1b" not in page and "data:image/png;base64," in page
    assert inspection._repr_png_().startswith(b"\x89PNG")
    assert len(repr(inspection)) < 200


def test_the_faults_of_these_tests_cover_every_kind_of_suspicion():
    assert list(KINDS) == ["blank", "repeated", "copied", "swapped", *list(FAULTS)[2:]]


def test_the_command_prints_draws_and_suggests(clean, tmp_path, capsys):
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
def test_mistakes_are_reported_in_one_line(words, message, clean, tmp_path, capsys):
    pairs = write(tmp_path / "pairs.tsv", clean[:10])
    assert main(["inspect", *(word.format(pairs=pairs) for word in words)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("kseq: ") and errors.count("\n") == 1
    assert re.search(message, errors), errors


def test_tables_and_suggestions_are_made_without_tensorflow():
    program = """
import sys
import kseq.inspection.plots, kseq.inspection.table, kseq.inspection.suggestion
assert not {"tensorflow", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow  # reads whole public corpora
@pytest.mark.parametrize(
    "names, expected",
    [
        pytest.param(*(["tatoeba/spa-eng.zip"], (118_964, 0, {"Latin"})), marks=pytest.mark.slow),
        pytest.param(*(["tatoeba/cmn-eng.zip"], (26_388, 0, {"Han"})), marks=pytest.mark.slow),
        (["multi30k/train.de.gz", "multi30k/train.en.gz"], (29_000, 3, {"Latin"})),
    ],
)
def test_a_swapped_block_in_a_public_corpus_is_found(shared_data, names, expected, tmp_path):
    pairs, repeated, scripts = expected
    files = [shared_data / name for name in names]
    all_pairs = list(Pairs.open(files))
    inspection = inspect(*files, verbose=False)
    assert inspection.pairs == pairs == len(all_pairs)
    assert inspection.swapped_lines == ()
    assert counts(inspection).get("repeated", 0) == repeated == pairs - len(set(all_pairs))
    assert {next(iter(inspection.target.scripts))} == scripts
    swapped = range(9500, 9901)
    block = [pair[::-1] if n in swapped else pair for n, pair in enumerate(all_pairs, start=1)]
    with_block = inspect(write(tmp_path / "swapped.tsv", block), verbose=False)
    assert ranges(with_block) == [(9500, 9900)]
