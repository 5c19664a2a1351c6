"""Corpora that are tokenised once: the same batches; damaged or outdated files are noticed."""

import contextlib
import errno
import shutil

import numpy as np
import pytest

from kseq import Config, load_corpus, locks
from kseq.pipeline import encoded
from kseq.pipeline.batching import training_pipeline
from kseq.pipeline.encoded import default_cache, prepare
from kseq.pipeline.ids import EncodedPairs, PairsInRam

CONFIG = Config().with_settings(["minimum_frequency=1", "maximum_length=6", "batch_size=16"])


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(encoded, "SMALLEST", 0)
    sources, targets = (
        [f"{name}{n * 7919 % kinds:x}{' a' * (n % longest)}" for n in range(3000)]
        for name, kinds, longest in (("s", 90, 8), ("total", 900, 5))
    )
    targets[::100] = [" "] * 30
    lines = map("{}\t{}\n".format, sources, targets)
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    return load_corpus(str(tmp_path / "pairs.tsv"))


@pytest.fixture
def reports():
    return []


def batches(prepared, config, split):
    pairs, survey = prepared.splits[split], prepared.surveys[split]
    dataset = training_pipeline(pairs, prepared.codecs, config.training, survey, split == 0)
    return [
        [inputs["source_ids"].tolist(), inputs["target_ids"].tolist(), labels.tolist()]
        for inputs, labels, _ in dataset.as_numpy_iterator()
    ]


@pytest.mark.parametrize(
    "kind, place",
    [
        # Where ids are kept does not depend on what they mean.
        pytest.param("shared", PairsInRam, marks=pytest.mark.slow),
        pytest.param("word", EncodedPairs, marks=pytest.mark.slow),
        pytest.param("subword", EncodedPairs, marks=pytest.mark.slow),
        pytest.param("word", PairsInRam, marks=pytest.mark.slow),
        pytest.param("shared", EncodedPairs, marks=pytest.mark.slow),
        pytest.param("subword", PairsInRam, marks=pytest.mark.slow),
    ],
)
def test_encoded_pairs_give_the_batches_of_the_text(corpus, tmp_path, monkeypatch, kind, place):
    config = CONFIG
    if kind == "shared":
        config = CONFIG.with_settings(["share_vocabulary=true", "minimum_frequency=4"])
    if kind == "subword":
        config = CONFIG.with_settings(
            ["source_tokenizer=subword", "subword_vocabulary_size=300", "share_vocabulary=false"]
        )
    plain = prepare(corpus, config, "off")
    assert plain.splits == (corpus.train, corpus.valid)
    if place is PairsInRam:
        monkeypatch.setattr(encoded, "SMALLEST", 2**25)
    cached = prepare(corpus, config, tmp_path / "cache")
    assert all(isinstance(split, place) for split in cached.splits)
    assert (tmp_path / "cache").exists() == (place is EncodedPairs)
    assert plain.surveys == cached.surveys and plain.surveys[0].overlong > 0
    assert plain.surveys[0].blank > 0
    assert plain.codecs.descriptions == cached.codecs.descriptions
    for split in (0, 1):
        assert batches(plain, config, split) == batches(cached, config, split)


def test_encoded_pairs_that_fit_into_a_buffer_give_the_batches_of_the_text(corpus, tmp_path):
    """Nothing is in the files yet when the ids are renumbered."""
    path = tmp_path / "few.tsv"
    path.write_text("".join(f"s{n % 7} a\tx{n % 5}\n" for n in range(100)), encoding="utf-8")
    few = load_corpus(str(path))
    plain, cached = (prepare(few, CONFIG, cache) for cache in ("off", tmp_path / "cache"))
    assert isinstance(cached.splits[0], EncodedPairs)
    assert batches(plain, CONFIG, 0) == batches(cached, CONFIG, 0)


@pytest.mark.parametrize("part", [0, 2, 3], ids=["sources", "targets", "target lengths"])
def test_a_file_that_is_truncated_during_training_is_named(corpus, tmp_path, part):
    pairs = prepare(corpus, CONFIG, tmp_path / "cache").splits[0]
    path = pairs.paths()[part]
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match=f"{path.name}: truncated since training began"):
        list(pairs.chunks())


def test_a_second_training_uses_the_files_of_the_first(corpus, tmp_path, reports, monkeypatch):
    first = prepare(corpus, CONFIG, tmp_path / "cache", reports.append)

    def tokenize_again(*_):
        raise AssertionError("the corpus was read again")

    monkeypatch.setattr(encoded, "build_codecs", tokenize_again)
    second = prepare(corpus, CONFIG, tmp_path / "cache", reports.append)
    assert first.splits == second.splits and first.surveys == second.surveys
    assert [line.split(" ")[0] for line in reports] == ["encoding", "using"]


@pytest.mark.parametrize(
    "change",
    [
        "content",
        "length",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("config", "split")),
    ],
)
def test_a_changed_corpus_is_encoded_again(corpus, tmp_path, reports, change):
    path = tmp_path / "pairs.tsv"
    prepare(corpus, CONFIG, tmp_path / "cache")
    config = CONFIG
    if change == "content":
        path.write_text(path.read_text().replace("s1", "S1"), encoding="utf-8")
    if change == "config":
        config = CONFIG.with_settings(["case=lower"])
    if change == "length":
        config = CONFIG.with_settings(["maximum_length=5"])
    corpus = load_corpus(str(path), swap=change == "split")
    fresh = prepare(corpus, config, tmp_path / "cache", reports.append)
    assert reports[0].startswith("encoding")
    plain = prepare(corpus, config, "off")
    assert fresh.codecs.descriptions == plain.codecs.descriptions
    assert fresh.surveys == plain.surveys
    assert len(list((tmp_path / "cache").iterdir())) == 2


RECORDS = {
    "empty": "{}",
    "list": '{"surveys": [], "files": []}',
    "nothing": '{"surveys": [], "files": {}}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize(
    "damage",
    [
        *("changed", "missing", "vocabulary"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("cut", "deep", "empty", "list", "nothing")
        ),
    ],
)
def test_damaged_files_are_encoded_again(corpus, tmp_path, reports, damage):
    original = prepare(corpus, CONFIG, tmp_path / "cache")
    [folder] = (tmp_path / "cache").iterdir()
    ids = folder / "train_target_ids.int32"
    good = ids.read_bytes()
    if damage == "cut":
        ids.write_bytes(good[:-4])
    if damage == "changed":
        ids.write_bytes(np.frombuffer(good, np.int32)[::-1].tobytes())
    if damage == "missing":
        ids.unlink()
    if damage in RECORDS:
        (folder / "encoded.json").write_text(RECORDS[damage])
    if damage == "vocabulary":
        vocabulary = folder / "source_vocabulary.txt"
        vocabulary.write_text(vocabulary.read_text() + "more\n")
    encoded_again = prepare(corpus, CONFIG, tmp_path / "cache", reports.append)
    assert reports[0].startswith("encoding")
    assert encoded_again.splits == original.splits and ids.read_bytes() == good


@pytest.mark.parametrize("smallest, place", [(0, EncodedPairs), (2**25, PairsInRam)])
def test_training_with_drawn_subwords_reads_the_text(
    corpus, tmp_path, monkeypatch, smallest, place
):
    monkeypatch.setattr(encoded, "SMALLEST", smallest)
    settings = ["target_tokenizer=subword", "subword_vocabulary_size=300", "subword_sampling=0.3"]
    prepared = prepare(corpus, CONFIG.with_settings(settings), tmp_path / "cache")
    assert prepared.splits[0] is corpus.train
    assert isinstance(prepared.splits[1], place)


def test_a_full_disk_leaves_no_files(corpus, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encoded._Writer, "add", fail)
    with pytest.raises(OSError, match="no space for the encoded corpus in .*; free some space"):
        prepare(corpus, CONFIG, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("**/*"))


def test_the_cache_folder_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("KSEQ_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == str(tmp_path / "kseq")
    monkeypatch.setenv("KSEQ_CACHE", str(tmp_path / "mine"))
    assert default_cache() == str(tmp_path / "mine")


def test_a_file_in_the_place_of_the_cache_is_an_error(corpus, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="expected a folder .*received a file: .*--cache"):
        prepare(corpus, CONFIG, tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        prepare(corpus, CONFIG, tmp_path / "file" / "cache")


def test_what_a_kill_has_left_next_to_complete_files_is_removed(corpus, tmp_path):
    prepare(corpus, CONFIG, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    hidden = locks.hidden_folder(folder)
    hidden.mkdir()
    (hidden / locks.MARK).write_text("kseq")
    shutil.copytree(folder, hidden / "old")
    prepare(corpus, CONFIG, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_a_renamed_corpus_is_found_by_its_content(corpus, tmp_path, reports):
    prepare(corpus, CONFIG, tmp_path / "cache")
    moved = (tmp_path / "pairs.tsv").rename(tmp_path / "moved.tsv")
    prepared = prepare(load_corpus(str(moved)), CONFIG, tmp_path / "cache", reports.append)
    assert reports[0].startswith("using the corpus encoded in") and prepared.surveys[0].kept


def test_a_second_training_waits_for_the_first_one_to_encode(
    corpus, tmp_path, reports, monkeypatch
):
    prepare(corpus, CONFIG, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    shutil.rmtree(folder)
    first = contextlib.ExitStack()
    first.enter_context(locks.lock(folder))
    monkeypatch.setattr(encoded.time, "sleep", lambda seconds: first.close())
    assert prepare(corpus, CONFIG, tmp_path / "cache", reports.append).surveys[0].kept
    assert reports[1] == "another training run is encoding it; waiting"


@pytest.mark.slow  # trains subwords
def test_drawn_subwords_are_not_cached(corpus, tmp_path):
    settings = ["source_tokenizer=subword", "subword_vocabulary_size=300", "subword_sampling=0.2"]
    drawing = prepare(corpus, CONFIG.with_settings(settings), tmp_path / "cache")
    assert drawing.splits[0] is corpus.train and isinstance(drawing.splits[1], EncodedPairs)
    fixed = prepare(corpus, CONFIG.with_settings(settings[:2]), tmp_path / "cache")
    assert len(batches(fixed, CONFIG, 0)) == len(batches(drawing, CONFIG, 0)) > 0


def test_without_a_home_directory_a_large_corpus_needs_the_name_of_a_folder(
    corpus, tmp_path, monkeypatch
):
    """As in a container for a user without an entry in /etc/passwd."""

    def raise_key_error(uid):
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", raise_key_error)
    for name in ("HOME", "XDG_CACHE_HOME", "KSEQ_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r"no home directory .*--cache DIR, or KSEQ_CACHE"):
        prepare(corpus, CONFIG)
    assert prepare(corpus, CONFIG, "off").splits == (corpus.train, corpus.valid)
    monkeypatch.setattr(encoded, "SMALLEST", 2**25)
    assert isinstance(prepare(corpus, CONFIG).splits[0], PairsInRam)
    monkeypatch.setattr(encoded, "SMALLEST", 0)
    monkeypatch.setenv("KSEQ_CACHE", str(tmp_path / "cache"))
    assert isinstance(prepare(corpus, CONFIG).splits[0], EncodedPairs)
