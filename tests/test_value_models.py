"""Real-valued sequences: from files to a run, its predictions and pictures."""

import functools
import io
import json
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import run_eagerly
from untrained import untrained_reader

from kseq import (
    Config,
    ModelConfig,
    TextConfig,
    TrainingConfig,
    Translator,
    build_seq2seq,
    load_corpus,
    train,
)
from kseq.analysis.heatmap import plot_attention, save_heatmap
from kseq.cli.main import main

FEATURES, TARGET_FEATURES = 3, 2

load_from_disk = Translator.load


def write_walks(folder, count=120):
    """Writes random walks far from 0, functions of each walk in reverse, and values from 0 to 1.

    Returns `(words, walk, mirrored)` by number of the walk; a word describes each step.
    """
    rng = np.random.default_rng(0)
    walks = {}
    for number in range(count):
        walk = 300 + 50 * rng.normal(size=(rng.integers(4, 12), FEATURES)).cumsum(axis=0)
        mirrored = np.stack([0.1 * walk[::-1, 0], np.sin(walk[::-1, 1])], axis=1)
        words = " ".join("up" if step > 0 else "down" for step in np.diff(walk[:, 0]))
        shares = np.abs(np.sin(mirrored))
        for name, values in (("walk", walk), ("mirror", mirrored), ("share", shares)):
            np.save(folder / f"{name}{number}.npy", values.astype("float32"))
        walks[number] = words, walk.astype("float32"), mirrored.astype("float32")
    return walks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    walks = write_walks(folder)
    lines = {
        "speech": ((f"walk{n}.npy", words) for n, (words, *_) in walks.items()),
        "series": ((f"walk{n}.npy", f"mirror{n}.npy") for n in walks),
        "from_text": ((words, f"mirror{n}.npy") for n, (words, *_) in walks.items()),
        "probabilities": ((words, f"share{n}.npy") for n, (words, *_) in walks.items()),
    }
    for name, pairs in lines.items():
        text = "".join(f"{source}\t{target}\n" for source, target in pairs)
        (folder / f"{name}.tsv").write_text(text)
    return folder


MODELS = {
    "speech": {"encoder_layers": 2, "pyramid": True, "source_features": FEATURES},
    "series": {},
    "from_text": {"architecture": "transformer", "heads": 2},
    "probabilities": {"target_activation": "sigmoid"},
}


@pytest.fixture(scope="module")
def loaded():
    """Translators by run directory."""
    return {}


@pytest.fixture(scope="module")
def run_of(folder, loaded):
    """Trains a model, once for each kind; returns the run directory, its corpus and translator."""

    @functools.cache
    def train_once(name):
        corpus = load_corpus(folder / f"{name}.tsv")
        config = Config(
            ModelConfig(units=16, embedding_dim=8, **MODELS[name]),
            TextConfig(minimum_frequency=1),
            TrainingConfig(epochs=1, batch_size=64, warmup_steps=0),
        )
        out = folder / "runs" / name
        with run_eagerly():
            loaded[str(out)] = train(corpus, config, out=out, verbose=False)
        return out, corpus, loaded[str(out)]

    return train_once


@pytest.fixture(autouse=True)
def load_each_run_once(loaded, monkeypatch):
    """Makes commands reuse the trained translators and their traced graphs."""
    monkeypatch.setattr(Translator, "load", lambda run, **_: loaded[str(run)])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("speech", "series")))
        for name in MODELS
    ],
)
def run(request, run_of):
    """A run directory, its corpus and the trained translator."""
    return run_of(request.param)


def test_a_reloaded_run_gives_the_same_results(run):
    out, corpus, trained = run
    reloaded = load_from_disk(out)
    sources = [source for source, _ in corpus.test]
    for expected, result in zip(results(trained, sources), results(reloaded, sources), strict=True):
        np.testing.assert_array_equal(result.attention, expected.attention)
        if trained.predicts_values:
            np.testing.assert_array_equal(result.values, expected.values)
        else:
            assert (result.text, result.score) == (expected.text, expected.score)


def results(translator, sources):
    if translator.predicts_values:
        return translator.predict(sources, list(range(1, len(sources) + 1)))
    return translator.translate(sources, beam_size=2)


def test_widths_and_scales_come_from_the_data(run):
    out, corpus, trained = run
    config = json.loads((out / "config.json").read_text())["model"]
    assert (config["source_features"], config["target_features"]) == corpus.train.features
    for values, codec in zip(zip(*corpus.train), trained.codecs.sides):
        if not codec.is_text:
            values = np.concatenate(values)
            if config["target_activation"] == "sigmoid":
                values = np.array(
                    [[-1.0] * 2, [1.0] * 2]
                )  # targets of a sigmoid are not standardised
            np.testing.assert_allclose(codec.mean, values.mean(axis=0), rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(codec.scale, values.std(axis=0), rtol=1e-4)


def test_attention_has_the_shape_of_the_sequences(run):
    _, corpus, translator = run
    sources = [source for source, _ in corpus.test]
    for count, result in enumerate(results(translator, sources), start=1):
        height = count if translator.predicts_values else len(result.tokens)
        width = len(result.source) if result.source_tokens is None else len(result.source_tokens)
        if translator.config.model.pyramid:
            width = (width + 1) // 2
        assert result.attention.shape == (height, width)
        np.testing.assert_allclose(result.attention.sum(axis=1), 1.0, atol=1e-5)
        axes = plot_attention(result)
        np.testing.assert_array_equal(axes.images[0].get_array(), result.attention)
        tokens_of_sides = [result.source_tokens, getattr(result, "tokens", None)]
        assert len(axes.child_axes) == tokens_of_sides.count(None)
        if result.attention_heads is not None:
            heads = result.attention_heads
            assert heads.shape == (1, 2, height, width)
            np.testing.assert_allclose(heads.mean(axis=(0, 1)), result.attention, atol=1e-6)


def test_a_free_run_reads_its_own_predictions(run):
    """Teacher forcing with the predicted values predicts the same values."""
    _, corpus, translator = run
    if not translator.predicts_values:
        pytest.skip("the target is text")
    sources = [source for source, _ in corpus.test]
    predicted = translator.predict(sources, 6)
    scored = translator.score([(result.source, result.values) for result in predicted])
    for free, forced in zip(predicted, scored, strict=True):
        np.testing.assert_allclose(free.values, forced.values, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(free.attention, forced.attention, atol=1e-4)
        assert free.error is None
        # The cross-entropy of a prediction with itself is its entropy; its squared error is 0.
        is_binary = translator.config.model.target_activation == "sigmoid"
        share = free.values if is_binary else np.zeros(1)
        entropy = -(share * np.log(share + 1e-9) + (1 - share) * np.log(1 - share + 1e-9)).mean()
        np.testing.assert_allclose(forced.error, entropy, atol=1e-4)


def test_other_sources_in_the_batch_change_nothing(run):
    _, corpus, translator = run
    sources = [source for source, _ in corpus.test]
    together = results(translator, sources)[-1]
    steps = len(sources)
    alone = (
        translator.predict(sources[-1:], steps)
        if translator.predicts_values
        else translator.translate(sources[-1:], beam_size=2)
    )[0]
    np.testing.assert_allclose(alone.attention, together.attention, atol=1e-5)


@pytest.mark.filterwarnings("ignore:all 6 outputs")  # of a model that has hardly learnt anything
def test_evaluation_measures_the_free_run_and_single_steps(run):
    _, corpus, translator = run
    figures = translator.evaluate(corpus.test)
    if not translator.predicts_values:
        assert figures["token_error_rate"] > 0 and figures["sentences"] == len(list(corpus.test))
        return
    pairs = list(corpus.test)
    free = translator.predict([source for source, _ in pairs], [len(y) for _, y in pairs])
    errors = [np.square(result.values - y) for result, (_, y) in zip(free, pairs)]
    assert figures["mean_squared_error"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-4)
    assert figures["sequences"] == len(pairs)
    scored = translator.score(pairs)
    errors = [np.square(result.values - y) for result, (_, y) in zip(scored, pairs)]
    assert figures["one_step_error"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-4)


def test_the_command_reads_and_writes_values(run, folder, capsys):
    out, corpus, translator = run
    lines = folder / "lines.txt"
    sources = ["up down", "up"] if translator.codecs.source.is_text else [
        str(folder / "walk0.npy"),
        str(folder / "walk1.npy"),
    ]  # fmt: skip
    lines.write_text("".join(f"{source}\n" for source in sources))
    arguments = ["translate", str(out), str(lines)]
    assert main(["evaluate", str(out), "--json"]) == 0
    json.loads(capsys.readouterr().out)
    picture = folder / "picture.png"
    steps = ["--steps", "3"] if translator.predicts_values else []
    assert main(["heatmap", str(out), sources[0], "--out", str(picture), *steps]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    if translator.predicts_values:
        assert main(arguments) == 2
        assert "expected --steps, the number of steps to predict" in capsys.readouterr().err
        assert main([*arguments, "--steps", "2", "--beam", "3"]) == 2
        assert "real values are predicted without a search" in capsys.readouterr().err
        assert main([*arguments, "--steps", "2"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        expected = translator.predict(sources, 2)
        np.testing.assert_allclose(rows, [result.values for result in expected], rtol=1e-4)
    else:
        assert main([*arguments, "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [row["text"] for row in rows] == [r.text for r in translator.translate(sources)]
        assert main([*arguments, "--steps", "2"]) == 2
        assert "--steps is for real-valued targets" in capsys.readouterr().err


def test_the_command_predicts_each_sequence_from_a_pipe_at_once(
    folder, run_of, capsys, monkeypatch
):
    """The second line is written only when the first one has been predicted."""
    run, *_ = run_of("series")
    predict, counts = Translator.predict, []
    read, write = os.pipe()
    with open(read, "rb") as stdin, open(write, "wb", buffering=0) as writer:

        def predict_and_write(self, sources, steps):
            counts.append(len(sources))
            if len(counts) == 1:
                writer.write(f"{folder / 'walk1.npy'}\n".encode())
                writer.close()
            return predict(self, sources, steps)

        monkeypatch.setattr(Translator, "predict", predict_and_write)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        writer.write(f"{folder / 'walk0.npy'}\n".encode())
        # Ends the input of a command that waits for more lines, so that the test fails.
        timer = threading.Timer(20, writer.close)
        timer.start()
        assert main(["translate", str(run), "--steps", "2"]) == 0
        timer.cancel()
    assert counts == [1, 1] and capsys.readouterr().out.count("\n") == 2


@pytest.mark.slow
def test_a_model_of_values_learns(tmp_path):
    """Targets are twice their sources: the error falls far below the variance of the targets, 4."""
    rng = np.random.default_rng(1)
    for number in range(300):
        values = rng.normal(size=(rng.integers(3, 7), 1)).astype("float32")
        np.save(tmp_path / f"x{number}.npy", values)
        np.save(tmp_path / f"y{number}.npy", 2 * values)
    index = "".join(f"x{number}.npy\ty{number}.npy\n" for number in range(300))
    (tmp_path / "index.tsv").write_text(index)
    corpus = load_corpus(tmp_path / "index.tsv")
    config = Config(
        ModelConfig(units=32, attention="luong_general", input_feeding=False, dropout=0.0),
        training=TrainingConfig(
            epochs=25, batch_size=16, learning_rate=0.01, warmup_steps=20, patience=25
        ),
    )
    figures = train(corpus, config, out=tmp_path / "run", verbose=False).evaluate(corpus.test)
    assert figures["one_step_error"] < 0.1 * 4.0
    assert figures["mean_squared_error"] < 0.3 * 4.0


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("speech", {"source_features": 5}, "source_features is 5, but the corpus has 3 values"),
        ("speech", {"target_features": 5}, "target_features is 5, but the corpus has text"),
        (
            "series",
            {"target_features": 2, "target_activation": "sigmoid"},
            "target_activation=sigmoid needs target values from 0 to 1; received",
        ),
    ],
)
def test_unsuitable_data_are_errors(folder, tmp_path, name, settings, message):
    corpus = load_corpus(folder / f"{name}.tsv")
    with pytest.raises(ValueError, match=message):
        train(corpus, ModelConfig(units=8, **settings), out=tmp_path / "run", verbose=False)
    assert not list(tmp_path.iterdir())


def test_word_dropout_of_real_values_is_an_error(folder, tmp_path):
    config = Config(ModelConfig(units=8), training=TrainingConfig(word_dropout=0.1))
    with pytest.raises(ValueError, match="word_dropout is for text; both sides are real-valued"):
        train(load_corpus(folder / "series.tsv"), config, out=tmp_path / "run", verbose=False)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pyramid": True, "encoder_layers": 2}, "pyramid=true needs real-valued sources"),
        ({"target_activation": "sigmoid"}, "target_activation=sigmoid needs real-valued targets"),
    ],
)
def test_settings_that_depend_on_the_data_are_checked_against_them(
    small_corpus, tmp_path, settings, message
):
    """They are accepted before the data are read, and rejected afterwards."""
    config = ModelConfig(**settings)
    with pytest.raises(ValueError, match=message):
        train(small_corpus, config, out=tmp_path / "run", verbose=False)
    with pytest.raises(ValueError, match=message):
        build_seq2seq(config, 10, 10)
    assert not list(tmp_path.iterdir())


def test_evaluation_rejects_data_of_another_kind(run, folder, capsys):
    out, corpus, _ = run
    is_series = corpus.train.features == (FEATURES, TARGET_FEATURES)
    wrong_file = "speech.tsv" if is_series else "series.tsv"
    assert main(["evaluate", str(out), "--test", str(folder / wrong_file)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "as in the training of the run; received 3 values" in error


def test_evaluation_accepts_names_of_files(folder, run_of):
    *_, translator = run_of("series")
    names = [(str(folder / "walk0.npy"), str(folder / "mirror0.npy"))]
    arrays = [tuple(map(np.load, pair)) for pair in names]
    assert translator.evaluate(names) == translator.evaluate(arrays)


def test_a_header_in_an_index_is_an_error(tmp_path):
    (tmp_path / "index.tsv").write_text("source\ttarget\nwalk0.npy\tup down\n")
    with pytest.raises(ValueError, match="received the file walk0.npy after text.*the header"):
        load_corpus(tmp_path / "index.tsv")


def test_an_error_names_the_input_line_without_an_array(folder, run_of, tmp_path, capsys):
    run, *_ = run_of("speech")
    for content, message in (("", "received an empty line"), ("no.npy", "file not found: no.npy")):
        (tmp_path / "lines").write_text(f"{folder / 'walk0.npy'}\n{content}\n")
        code = main(["translate", str(run), str(tmp_path / "lines")])
        error = capsys.readouterr().err
        assert code == 2 and error.count("\n") == 1
        assert "line 2 of the input: " in error and message in error


def test_splits_of_different_widths_are_an_error(folder):
    with pytest.raises(ValueError, match="series.tsv: expected 3 values per step and text, as in"):
        load_corpus(folder / "speech.tsv", valid=folder / "series.tsv")


def test_a_missing_file_in_an_index_stops_training_with_a_one_line_error(folder, tmp_path, capsys):
    text = (folder / "speech.tsv").read_text()
    lines = text.splitlines()
    broken = folder / "broken.tsv"
    broken.write_text("\n".join([*lines[:90], "nowhere.npy\tup", *lines[90:]]) + "\n")
    assert main(["train", "--train", str(broken), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "broken.tsv, line 91" in error and "nowhere.npy" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda t, x: t.translate([x]), TypeError, r"use predict\(sources, steps\)"),
        (lambda t, x: t.predict([x], 0), ValueError, "steps must be whole numbers from 1 to"),
        (lambda t, x: t.predict([x], True), ValueError, "steps must be whole .*received True"),
        (lambda t, x: t.predict([x], 2.5), ValueError, "steps must be whole numbers.*received 2.5"),
        (lambda t, x: t.predict([x], [1, 2]), ValueError, "for each of 1 source; received 2"),
        (lambda t, x: t.predict([x[:, :1]], 1), ValueError, "expected 3 values per step.*ceived 1"),
        (lambda t, x: t.predict([x * np.nan], 1), ValueError, "expected finite numbers"),
        (lambda t, x: t.predict([x[0]], 1), ValueError, r"expected \[length, features\]"),
        (lambda t, x: t.predict(["no.npy"], 1), FileNotFoundError, "no.npy"),
        (lambda t, x: t.predict(x, 1), TypeError, "received one; wrap it in"),
        (lambda t, x: t.predict(pathlib.Path("a.npy"), 1), TypeError, "received one; wrap it in"),
        (lambda t, x: t.predict([x], None), ValueError, "steps must be whole .*received None"),
        (lambda t, x: t.score((x, x)), TypeError, "expected pairs of source and target"),
        (lambda t, x: t.evaluate([(x, None)]), ValueError, "a target of real values"),
        (lambda t, x: t.score([(x, x)]), ValueError, "a target of real values: expected 2 values"),
    ],
)
def test_invalid_calls_are_errors(folder, run_of, call, error, message):
    *_, translator = run_of("series")
    with pytest.raises(error, match=message):
        call(translator, np.load(folder / "walk0.npy"))


def test_a_model_without_attention_has_nothing_to_draw(
    translator, small_corpus, tmp_path, eager_mode
):
    translator = untrained_reader(["attention=none"], *translator.codecs.descriptions)
    result = translator.translate(["The cat is small."], beam_size=2)[0]
    assert result.attention is None and translator.score([("a", "b")])[0].attention is None
    with pytest.raises(ValueError, match="the model has none .attention=none., so there is noth"):
        save_heatmap(result, tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()
    assert "bleu" in translator.evaluate(list(small_corpus.valid)[:20])


@pytest.mark.slow
def test_an_exported_model_gives_the_same_predictions_without_kseq(folder, run_of):
    """In a separate process."""
    *_, translator = run_of("series")
    source = np.load(folder / "walk0.npy")
    translator.export(folder / "exported")
    program = """
import sys
import numpy as np, tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
source = tf.constant(np.load(sys.argv[2])[None])
outputs = serve(source=source, lengths=tf.shape(source)[1:2], steps=tf.constant(4))
assert serve(source=source[:0], lengths=tf.zeros([0], tf.int32), steps=tf.constant(4))
try:
    serve(source=source, lengths=tf.shape(source)[1:2], steps=tf.constant(0))
except tf.errors.InvalidArgumentError as error:
    assert "steps must be at least 1" in str(error)
else:
    raise AssertionError("no steps were accepted")
print(outputs["values"][0].numpy().tolist())
"""
    arguments = [sys.executable, "-c", program, folder / "exported", folder / "walk0.npy"]
    process = subprocess.run(arguments, capture_output=True, text=True, check=True)
    expected = translator.predict([source], 4)[0].values
    np.testing.assert_allclose(json.loads(process.stdout), expected, rtol=1e-4)
