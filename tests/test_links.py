"""Word alignments of training pairs: read with their pairs, stored, and in batches."""

import numpy as np
import pytest

from kseq import Config, load_corpus, train
from kseq.corpora.pairs import AlignedPairs, Pairs
from kseq.pipeline import encoded
from kseq.pipeline.batching import make_position, training_pipeline
from kseq.pipeline.encoded import prepare
from kseq.pipeline.ids import EncodedPairs, PairsInRam
from kseq.pipeline.links import ALIGNMENT, pack_links

CONFIG = Config().with_settings(
    ["minimum_frequency=1", "maximum_length=6", "batch_size=16", "guided_alignment=0.5"]
)
COUNT = 600


@pytest.fixture
def files(tmp_path):
    """Pairs of which some are blank, overlong or equal in length, and links made from their words.

    Word `s5` is linked to word `t5`; a number may occur on one side only.
    """
    generator = np.random.default_rng(0)
    pairs, links = [], []
    for _ in range(COUNT):
        source, target = (generator.permutation(9)[: generator.integers(1, 8)] for _ in "st")
        pairs.append(" ".join(f"s{n}" for n in source) + "\t" + " ".join(f"t{n}" for n in target))
        links.append(
            " ".join(
                f"{i}-{j}" for i, n in enumerate(source) for j, m in enumerate(target) if n == m
            )
        )
    pairs[::50] = [line.split("\t")[0] + "\t" for line in pairs[::50]]
    (tmp_path / "pairs.tsv").write_text("".join(f"{line}\n" for line in pairs))
    (tmp_path / "links.txt").write_text("".join(f"{line}\n" for line in links))
    return tmp_path


def open_corpus(folder, **options):
    return load_corpus(folder / "pairs.tsv", train_alignments=folder / "links.txt", **options)


def expected_links(source, target):
    return {(i, j) for i, s in enumerate(source) for j, t in enumerate(target) if s[1:] == t[1:]}


def read_batches(prepared, start=None):
    """Checks the alignment of every pair of an epoch; returns the ids of the batches."""
    codecs, training = prepared.codecs, CONFIG.training
    position = make_position(prepared.splits[0], codecs, training)
    position.begin(0, *(start or ()))
    batches, places = [], [start or (0, 0)]
    dataset = training_pipeline(
        prepared.splits[0], codecs, training, prepared.surveys[0], position=position
    )
    for inputs, labels, _ in dataset.as_numpy_iterator():
        for source, target, matrix in zip(inputs["source_ids"], labels, inputs[ALIGNMENT]):
            words = [
                [codec.vocabulary[number] for number in ids]
                for codec, ids in zip(codecs.sides, (source, target))
            ]
            links = {(int(j), int(i)) for i, j in zip(*np.nonzero(matrix))}
            assert links == {
                link for link in expected_links(*words) if words[0][link[0]].startswith("s")
            }
            assert set(matrix.sum(axis=1)) <= {0.0, 1.0}
        batches.append((inputs["source_ids"].tolist(), labels.tolist()))
        places.append(position.after(len(batches)))
    return batches, places


@pytest.mark.parametrize(
    "kind, smallest, cache",
    [
        pytest.param(PairsInRam, 2**25, "off", marks=pytest.mark.slow),
        (EncodedPairs, 0, "cache"),
        pytest.param(AlignedPairs, 0, "off", marks=pytest.mark.slow),
    ],
)
def test_links_stay_with_their_pairs(files, tmp_path, monkeypatch, kind, smallest, cache):
    """Shuffled, sorted, some left out, and from any batch on; in RAM, in the cache, or as text."""
    monkeypatch.setattr(encoded, "SMALLEST", smallest)
    prepared = prepare(open_corpus(files), CONFIG, cache if cache == "off" else tmp_path / cache)
    assert isinstance(prepared.splits[0], kind)
    assert prepared.surveys[0].blank > 0 and prepared.surveys[0].overlong > 0
    batches, places = read_batches(prepared)
    assert read_batches(prepared, places[9])[0] == batches[9:]


def test_without_guided_alignment_nothing_is_stored(files, tmp_path, monkeypatch):
    monkeypatch.setattr(encoded, "SMALLEST", 0)
    config = CONFIG.with_settings(["guided_alignment=0"])
    plain = load_corpus(files / "pairs.tsv")
    for corpus in (plain, open_corpus(files)):
        prepared = prepare(corpus, config, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()  # the same for both
    assert not list(folder.glob("*link*"))
    batch, *_ = training_pipeline(
        prepared.splits[0], prepared.codecs, config.training, prepared.surveys[0]
    )
    assert set(batch[0]) == {"source_ids", "target_ids"}


def test_other_links_are_other_data(files, tmp_path, monkeypatch):
    first = prepare(open_corpus(files), CONFIG).fingerprint()
    lines = (files / "links.txt").read_text().split("\n")
    lines[1] = ""
    (files / "links.txt").write_text("\n".join(lines))
    corpus = open_corpus(files)
    assert prepare(corpus, CONFIG).fingerprint() != first
    monkeypatch.setattr(encoded, "SMALLEST", 0)
    for number in (1, 2):
        prepare(corpus, CONFIG, tmp_path / "cache")
        assert len(list((tmp_path / "cache").iterdir())) == number
        (files / "links.txt").write_text("\n".join(["", *lines[1:]]))


@pytest.mark.parametrize("swap", [False, True])
def test_every_line_has_its_links_whatever_split_it_is_in(tmp_path, swap):
    path, links = tmp_path / "pairs.tsv", tmp_path / "links"
    path.write_text("a b\tx\n\ty\nc\tz w\nd\tv\n")
    links.write_text("0-0\n\n0-0 0-1\n0-0\n")
    pairs = Pairs([path], swap=swap).select(lambda source: source not in ("d", "v"))
    aligned = AlignedPairs(pairs, links)
    expected = [("a b", "x", {(0, 0)}), ("c", "z w", {(0, 0), (0, 1)})]
    if swap:
        expected = [(target, source, each) for source, target, each in expected]
    assert list(aligned) == list(aligned) == expected
    assert aligned.blank == 1 and aligned.files == (path, links) and str(aligned) == str(pairs)


@pytest.mark.parametrize("lines, problem", [("0-0\n", "fewer"), ("0-0\n" * 3, "more")])
def test_a_file_of_another_length_is_an_error(tmp_path, lines, problem):
    (tmp_path / "pairs.tsv").write_text("a\tx\nb\ty\n")
    (tmp_path / "links").write_text(lines)
    aligned = AlignedPairs(Pairs([tmp_path / "pairs.tsv"]), tmp_path / "links")
    with pytest.raises(ValueError, match=f"expected a line of links for each .*received {problem}"):
        list(aligned)


def test_a_link_to_a_token_that_does_not_exist_is_an_error(files):
    (files / "links.txt").write_text("0-0 9-0\n" * COUNT)
    with pytest.raises(ValueError, match="links.txt: the link 9-0 is outside of '.*tokens of the"):
        prepare(open_corpus(files), CONFIG)


def test_links_are_packed_in_order():
    numbers, counts = pack_links([{(2, 0), (0, 1)}, set(), {(1, 1)}])
    assert numbers.tolist() == [0, 1, 2, 0, 1, 1] and counts.tolist() == [4, 0, 2]
    assert [array.tolist() for array in pack_links([set()])] == [[], [0]]


def test_training_needs_the_alignments_that_it_uses(files):
    out = files / "run"
    with pytest.raises(ValueError, match="needs word alignments of the training pairs: name their"):
        train(load_corpus(files / "pairs.tsv"), CONFIG, out=out, verbose=False)
    with pytest.raises(ValueError, match="train_alignments has no effect without guided_alignment"):
        train(open_corpus(files), out=out, verbose=False)
    assert not out.exists()


def test_the_embedded_corpus_has_alignments_of_its_training_pairs():
    pairs = load_corpus("en-fr").aligned_train
    source, target, links = next(iter(pairs))
    assert source and target and links
