"""The film of a training: its frames, its file, and that it goes on with the training."""

import contextlib
import json
import pathlib

import matplotlib
import numpy as np
import pytest
from conftest import write_tiny_pairs
from PIL import Image, ImageSequence
from results import make_translation
from test_cli import expect_error  # noqa: F401
from test_resume import stop_after
from untrained import untrained_translator

import kseq
from kseq.analysis.film import Film
from kseq.runs.directory import FILM, RUN
from kseq.training.film import AttentionFilm, find_pair

WORDS = ["a", "b", "c"]
SETTINGS = ["units=8", "embedding_dim=8", "epochs=3", "batch_size=32", "warmup_steps=0"]


def read_film(path):
    """The frames as arrays of colours, and their durations in milliseconds."""
    with Image.open(path) as film:
        assert film.info["loop"] == 0
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(film)
        ]


def has_colour(picture, weight):
    """Whether a large area has the colour of a weight, up to the palette of a GIF."""
    colour = 255 * np.array(matplotlib.colormaps["viridis"](weight)[:3])
    return (np.abs(picture - colour).max(-1) <= 8).sum() > 500


def test_frames_show_the_weights_and_have_one_size(tmp_path):
    tokens = ["a", "b", "<end>"]
    film = Film(make_translation(np.full((3, 3), 1 / 3), tokens, tokens))
    weights = [np.full((3, 3), 0.9), np.full((3, 3), 0.1), np.eye(3)]
    for number, each in enumerate(weights, start=1):
        film.add(each, f"epoch {number}, validation loss {10.0**-number:g}")
    film.save(tmp_path / "film.gif")
    pictures, durations = zip(*read_film(tmp_path / "film.gif"))
    assert len(film) == 3 and durations == (600, 600, 2000)
    assert len({picture.shape for picture in pictures}) == 1
    # The scale beside the heatmap has every colour, but not on a large area.
    found = [{w for w in (0.0, 0.1, 0.9, 1.0) if has_colour(each, w)} for each in pictures]
    assert found == [{0.9}, {0.1}, {0.0, 1.0}]


class FakeRun:
    """A run directory whose files are written as those of a run."""

    def __init__(self, folder):
        self.folder = folder
        self.written = 0

    @contextlib.contextmanager
    def replaced_file(self, path):
        self.written += 1
        yield path.with_name(f"new-{path.name}")
        path.with_name(f"new-{path.name}").replace(path)


def row(epoch, loss=1.0):
    return {"epoch": epoch, "step": 10 * epoch, "val_cross_entropy": loss}


def test_each_validation_adds_the_attention_of_the_model_as_it_is_then(tmp_path):
    translator = untrained_translator(["attention=luong_dot"], WORDS, WORDS)
    film, run = AttentionFilm("a b", "c"), FakeRun(tmp_path)
    film.connect(run, translator, None)
    random, expected = np.random.default_rng(0), []
    for epoch in (1, 2, 3):
        shapes = [weight.shape for weight in translator.model.get_weights()]
        translator.model.set_weights([random.normal(size=shape) for shape in shapes])
        film.on_validation(row(epoch, loss=1 / epoch))
        expected.append(translator.score([("a b", "c")])[0].attention)
    film.on_train_end()
    assert run.written < 4  # not after each of these short epochs
    assert len(read_film(tmp_path / FILM)) == 3
    frames = film._frames
    assert [title for _, title in frames] == [
        "epoch 1, validation loss 1.000",
        "epoch 2, validation loss 0.500",
        "epoch 3, validation loss 0.333",
    ]
    for (weights, _), attention in zip(frames, expected):
        np.testing.assert_allclose(weights, attention, atol=1e-3)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


def test_another_process_goes_on_with_the_frames(tmp_path):
    translator = untrained_translator(["attention=luong_dot"], WORDS, WORDS)
    films = [AttentionFilm("a b", "c"), AttentionFilm("a b", "c"), AttentionFilm("a", "c")]
    for film in films:
        film.connect(FakeRun(tmp_path), translator, None)
    films[0].on_validation(row(1))
    films[0].on_validation(row(1.5))
    state = json.loads(json.dumps(films[0].get_state()))
    for film in films[1:]:
        film.set_state(state)
        film.on_validation(row(2))
        film.on_train_end()
    titles = [[title.split(",")[0] for _, title in film._frames] for film in films[1:]]
    assert titles == [["epoch 1", "epoch 1.5", "epoch 2"], ["epoch 2"]]
    np.testing.assert_array_equal(films[0]._frames[1][0], films[1]._frames[1][0])


def test_a_transformer_keeps_its_scale_when_its_attention_grows():
    translator = untrained_translator(["architecture=transformer", "heads=2"], WORDS, WORDS)
    (result,) = translator.score([("a b", "c")])
    assert result.attention_heads is not None
    film = Film(result)
    film.add(np.ones_like(result.attention), "epoch 1")
    assert film._figure.axes[0].images[0].get_clim() == (0.0, 1.0)


class FakeCorpus:
    valid = [("a b", "A B"), ("c", "C")]
    train = [("a b", "other"), ("d", "D")]


def test_the_target_is_that_of_the_corpus_or_given():
    assert find_pair(" a b", None, FakeCorpus) == ("a b", "A B")
    assert find_pair("d", None, FakeCorpus) == ("d", "D")
    assert find_pair("a b", "mine", FakeCorpus) == ("a b", "mine")
    with pytest.raises(ValueError, match="film: no pair of the corpus has the source 'x'; give"):
        find_pair("x", None, FakeCorpus)


def test_only_a_model_with_attention_between_texts_can_be_filmed(values_translator):
    plain = untrained_translator(["attention=none"], WORDS, WORDS)
    with pytest.raises(ValueError, match=r"film shows attention, .* has none \(attention=none\)"):
        AttentionFilm("a", "b").connect(None, plain, None)
    with pytest.raises(ValueError, match="film is for sentences; a side .* is real-valued"):
        AttentionFilm("a", "b").connect(None, values_translator, None)


def test_wrong_arguments_are_errors(tmp_path):
    with pytest.raises(TypeError, match="expected a sentence; received 3"):
        AttentionFilm("a", 3)
    for sentences in ((" ",), ("a", "")):
        with pytest.raises(ValueError, match="film: expected a sentence; received an empty one"):
            AttentionFilm(*sentences)
    films = [AttentionFilm("a1 b1 c1"), AttentionFilm("a2 b2 c2")]
    corpus = write_tiny_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(ValueError, match="expected one AttentionFilm, .*; received 2"):
        kseq.train(corpus, out=tmp_path / "run", callbacks=films, verbose=False)


def test_the_film_belongs_to_the_run():
    """A run that is replaced takes it along."""
    assert RUN.owns(pathlib.Path(FILM)) and not RUN.owns(pathlib.Path("holiday.gif"))


def test_the_command_takes_a_sentence_and_its_translation(tmp_path, expect_error):  # noqa: F811
    words = ["train", "--corpus", "en-fr", "--out", tmp_path / "run", "--film", "a", "b", "c"]
    expect_error(words, "--film takes a sentence, and perhaps its translation; received 3")


@pytest.mark.slow  # trains several times
def test_a_training_that_goes_on_goes_on_with_the_film(tmp_path, monkeypatch, eager_mode):
    corpus = kseq.load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    config = kseq.Config().with_settings([*SETTINGS, "validate_every=2"])
    source, _ = next(iter(corpus.valid))
    options = {"verbose": False, "resume": True}
    whole, first, second = (AttentionFilm(source) for _ in range(3))
    plain = kseq.train(corpus, config, out=tmp_path / "plain", verbose=False)
    kseq.train(corpus, config, out=tmp_path / "whole", callbacks=whole, **options)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 6)
        kseq.train(corpus, config, out=tmp_path / "parts", callbacks=first, **options)
    trained = kseq.train(corpus, config, out=tmp_path / "parts", callbacks=second, **options)
    assert len(whole._frames) == len(second._frames) > len(first._frames) > 0
    for (weights, title), (other, other_title) in zip(whole._frames, second._frames):
        assert title == other_title
        np.testing.assert_array_equal(weights, other)
    assert len(read_film(tmp_path / "parts" / FILM)) == len(whole._frames)
    for weights, others in zip(plain.model.get_weights(), trained.model.get_weights()):
        np.testing.assert_array_equal(weights, others)  # The film changes nothing.


def test_training_writes_the_film(tmp_path, eager_mode):
    corpus = kseq.load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    source, _ = next(iter(corpus.valid))
    film = kseq.AttentionFilm(source)
    config = kseq.Config().with_settings([*SETTINGS, "epochs=2"])
    kseq.train(corpus, config, out=tmp_path / "run", callbacks=[film], verbose=False)
    assert len(read_film(tmp_path / "run" / FILM)) == 2
