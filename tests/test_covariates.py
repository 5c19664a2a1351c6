"""Covariates: what is known about each step of a target, from files and arrays to predictions."""

import json

import numpy as np
import pytest
import tensorflow as tf
from conftest import run_eagerly

import kseq
from kseq import (
    Config,
    ModelConfig,
    TrainingConfig,
    Translator,
    build_codecs,
    build_seq2seq,
    load_corpus,
    split_for_inference,
    train,
    training_pipeline,
    write_records,
)
from kseq.cli.main import main
from kseq.pipeline.value_codec import ValueCodec
from kseq.sides.value_side import ValueSide

RNG = np.random.default_rng(0)


def make_pairs(count=60, steps=5):
    """Sources that say nothing, targets that are a function of the covariate, and covariates."""
    lengths = RNG.integers(2, steps + 1, count)
    sources = [RNG.normal(size=(3, 2)).astype("float32") for _ in lengths]
    covariates = [RNG.normal(10.0, 5.0, size=(length, 1)).astype("float32") for length in lengths]
    return sources, [0.2 * known - 1.0 for known in covariates], covariates


PAIRS = make_pairs()
SMALL = ModelConfig(units=8, cell="lstm", attention="luong_general", dropout=0.0)


def config_of(**training):
    return Config(SMALL, training=TrainingConfig(batch_size=16, warmup_steps=0, **training))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory, its corpus and the trained translator."""
    out = tmp_path_factory.mktemp("covariates") / "run"
    corpus = load_corpus(PAIRS[0], PAIRS[1], covariates=PAIRS[2])
    config = config_of(epochs=2, scheduled_sampling=0.5, decoded_pairs=4)
    with run_eagerly():
        return out, corpus, train(corpus, config, out=out, verbose=False)


# === The side ===


def test_the_decoder_reads_the_covariates_of_the_step_that_it_predicts():
    side = ValueSide(2, covariates=3)
    targets = np.arange(2 * 4 * 5, dtype="float32").reshape(2, 4, 5)
    inputs, labels = side.shift(tf.constant(targets))
    np.testing.assert_array_equal(inputs["target"][..., :2], targets[:, :-1, :2])
    np.testing.assert_array_equal(inputs["target"][..., 2:], targets[:, 1:, 2:])
    np.testing.assert_array_equal(labels, targets[:, 1:, :2])
    assert str(side) == "2 values and 3 covariates per step" and side.width == 5
    plain, _ = ValueSide(5).shift(tf.constant(targets))
    np.testing.assert_array_equal(plain["target"], targets[:, :-1])


def test_one_step_is_that_of_numpy():
    """An LSTM without attention: `tanh W [h; y; c]`, then the output layer; y is the last value."""
    config = ModelConfig(
        **{"units": 4, "cell": "lstm", "attention": "none", "bridge": "none", "dropout": 0.0},
        **{"bidirectional": False, "source_features": 2, "target_features": 1},
        target_covariates=3,
    )
    model = build_seq2seq(config)
    model.set_weights([RNG.normal(size=array.shape) for array in model.get_weights()])
    encoder, step = split_for_inference(model)
    source = RNG.normal(size=(1, 3, 2)).astype("float32")
    encoded = encoder({"source": source, "source_mask": np.ones((1, 3), bool)})
    value, known = RNG.normal(size=(1, 1)), RNG.normal(size=(1, 3))
    read = np.hstack([value, known]).astype("float32")
    result = step({"value": tf.constant(read), **encoded})
    weights = {weight.path: weight.numpy() for weight in model.get_layer("decoder").weights}
    kernel, recurrent, bias = (
        next(array for path, array in weights.items() if path.endswith(f"lstm_cell/{name}"))
        for name in ("kernel", "recurrent_kernel", "bias")
    )
    assert kernel.shape[0] == 4  # the value and three covariates
    ((hidden, cell),) = [[part.numpy() for part in states] for states in encoded["state"].cells]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    gates = np.split(read @ kernel + hidden @ recurrent + bias, 4, axis=1)
    cell = sigmoid(gates[1]) * cell + sigmoid(gates[0]) * np.tanh(gates[2])
    hidden = sigmoid(gates[3]) * np.tanh(cell)
    readout = np.hstack([hidden, read]) @ weights["readout/kernel"] + weights["readout/bias"]
    expected = np.tanh(readout) @ weights["values/kernel"] + weights["values/bias"]
    np.testing.assert_allclose(result["values"], expected, rtol=1e-4, atol=1e-5)


# === Data ===


def write_index(folder, pairs=PAIRS):
    lines = []
    for number, columns in enumerate(zip(*pairs)):
        names = [f"{name}{number}.npy" for name in ("x", "y", "c")]
        for name, array in zip(names, columns):
            np.save(folder / name, array)
        lines.append("\t".join(names) + "\n")
    (folder / "index.tsv").write_text("".join(lines))
    return folder / "index.tsv"


def test_files_and_arrays_are_the_same_pairs(tmp_path):
    index = write_index(tmp_path)
    from_files = load_corpus(index, covariates=3)
    named = tmp_path / "named.tsv"
    named.write_text("a\tb\tknown\n" + index.read_text())
    opened = [
        from_files.train,
        load_corpus(named, columns=("a", "b"), covariates="known").train,
    ]
    everything = sorted(np.hstack([y, c]).tolist() for y, c in zip(*PAIRS[1:]))
    for corpus in (
        load_corpus(*PAIRS[:2], covariates=PAIRS[2]),
        load_corpus(*PAIRS),
        load_corpus(list(zip(*PAIRS))),
        load_corpus(dict(zip(("source", "target", "covariates"), PAIRS))),
        from_files,
    ):
        splits = [corpus.train, corpus.valid, corpus.test]
        assert {(split.features, split.covariates) for split in splits} == {((2, 1), 1)}
        targets = [target.tolist() for split in splits for _, target in split]
        assert sorted(targets) == everything
        assert corpus.config.model.target_covariates == 1
    for first, second in zip(*opened, strict=True):
        np.testing.assert_array_equal(first[1], second[1])
    assert load_corpus(index).train.covariates == 0


def test_an_index_is_inspected_with_its_covariates(tmp_path, capsys):
    index = write_index(tmp_path)
    assert main(["inspect", str(index), "--covariates", "3"]) == 0
    known = np.concatenate(PAIRS[2])
    text = capsys.readouterr().out
    assert f"covariates: values, {len(known)} steps" in text
    assert f"values per step: 1, from {known.min():g} to {known.max():g}" in text.split("cov")[1]
    assert "values per step: 1, " in text.split("target")[1].split("cov")[0]
    assert kseq.inspect(index, verbose=False).covariates is None
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "index.tsv").write_text("../x0.npy\t../y0.npy\n")
    outside = ["inspect", str(tmp_path / "in" / "index.tsv")]
    assert main(outside) == 2
    assert "set --allow-outside" in capsys.readouterr().err
    assert main([*outside, "--allow-outside"]) == 0


def test_a_batch_holds_the_covariates_next_to_the_values(tmp_path):
    corpus = load_corpus(*PAIRS)
    config = Config(corpus.config.model, training=TrainingConfig(batch_size=4))
    codecs, _ = build_codecs(corpus.train, config)
    target = codecs.target
    everything = np.concatenate([pair[1] for pair in corpus.train])
    np.testing.assert_allclose(target.mean, everything.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(target.scale, everything.std(axis=0), rtol=1e-4)
    inputs, labels, weights = next(iter(training_pipeline(corpus.train, codecs, config.training)))
    assert inputs["target"].shape[-1] == 2 and labels.shape[-1] == 1
    # In standardised units, the target is the covariate.
    is_real = weights.numpy() > 0
    known = inputs["target"].numpy()[..., 1][is_real]
    np.testing.assert_allclose(known, labels.numpy()[..., 0][is_real], atol=1e-4)


def test_shares_keep_their_range_and_covariates_are_standardised():
    sources, targets, covariates = PAIRS
    shares = [1 / (1 + np.exp(-target)) for target in targets]
    corpus = load_corpus(sources, shares, covariates=covariates)
    model = ModelConfig(
        source_features=2, target_features=1, target_covariates=1, target_activation="sigmoid"
    )
    codecs, _ = build_codecs(corpus.train, Config(model))
    assert (codecs.target.mean[0], codecs.target.scale[0]) == (0.0, 1.0)
    assert codecs.target.mean[1] == pytest.approx(10.0, abs=2.0)
    with pytest.raises(ValueError, match="needs target values from 0 to 1"):
        build_codecs(load_corpus(*PAIRS).train, Config(model))


@pytest.mark.parametrize(
    "third, message",
    [
        ([PAIRS[2][0][:1], *PAIRS[2][1:]], "pair 1: expected covariates for each of . steps of th"),
        ([np.ones((5, 2)), *PAIRS[2][1:]], "pair 2, covariates: expected 2 features per frame, as"),
        (PAIRS[2][1:], "as many sources as targets and covariates; received 60 and 60 and 59"),
        (["a", *PAIRS[2][1:]], "pair 1: expected real values as covariates.*received text"),
    ],
)
def test_covariates_that_do_not_fit_are_errors(third, message):
    targets = [np.ones((5, 1)), *PAIRS[1][1:]] if "2 features" in message else PAIRS[1]
    with pytest.raises(ValueError, match=message):
        list(load_corpus(PAIRS[0], targets, covariates=third).train)


def test_other_contradictions_are_errors(tmp_path):
    (tmp_path / "text.tsv").write_text("a\tb\tc\n" * 30)
    with pytest.raises(ValueError, match="covariates are for real-valued targets; .*text.tsv hol"):
        load_corpus(tmp_path / "text.tsv", covariates=3)
    with pytest.raises(ValueError, match="covariates are for real-valued targets; received text"):
        load_corpus(["a"] * 30, ["b"] * 30, covariates=3)
    with pytest.raises(ValueError, match="covariates must be a column, by number from 1"):
        load_corpus(write_index(tmp_path), covariates=0)
    with pytest.raises(ValueError, match="index.tsv, line 1: expected at least 4 columns"):
        load_corpus(write_index(tmp_path), covariates=4)
    with pytest.raises(ValueError, match="or covariates must name what .*; received 'known'"):
        load_corpus(write_index(tmp_path), covariates="known")
    with pytest.raises(ValueError, match="covariates: expected 1, as in .*; received 0 in pairs"):
        load_corpus(*PAIRS, valid=PAIRS[:2])
    records = tmp_path / "a.tfrecord"
    write_records(records, zip(*PAIRS[:2]))
    with pytest.raises(ValueError, match="covariates are a column of an index; .*a.tfrecord has n"):
        load_corpus(records, covariates=3)
    with pytest.raises(ValueError, match="features is for text, covariates for real values"):
        load_corpus(tmp_path / "index.tsv", covariates=3, features=2)
    with pytest.raises(ValueError, match="target_covariates=2 needs real-valued targets"):
        build_seq2seq(ModelConfig(target_covariates=2), 10, 10)
    corpus = load_corpus(*PAIRS)
    config = ModelConfig(units=8, target_covariates=3)
    with pytest.raises(ValueError, match="target_covariates is 3, but the corpus has 1 covariate"):
        train(corpus, config, out=tmp_path / "run", verbose=False)


def test_faulty_pairs_in_memory_are_errors_or_left_out():
    faulty = [PAIRS[0][0] * np.nan, *PAIRS[0][1:]]
    with pytest.raises(ValueError, match="pairs in memory, pair 1, source: expected finite number"):
        load_corpus(faulty, *PAIRS[1:])
    corpus = load_corpus(faulty, *PAIRS[1:], skip_faulty=True)
    splits = [list(split) for split in (corpus.train, corpus.valid, corpus.test)]
    assert sum(map(len, splits)) == len(faulty) - 1
    with pytest.raises(ValueError, match="swap is for text; pass arrays in their order"):
        load_corpus(*PAIRS, swap=True)
    with pytest.raises(ValueError, match=r"received \(3,\); a single feature is array\[:, None\]"):
        load_corpus([np.ones(3)] * 30, [np.ones(3)] * 30)


def test_the_model_of_many_articles_is_trained_on_arrays(tmp_path, eager_mode):
    """An LSTM whose states start the decoder, a dense layer with a sigmoid; from `[N, S, F]`."""
    sources = RNG.uniform(size=(60, 6, 1)).astype("float32")
    model = ModelConfig(
        **{"cell": "lstm", "units": 8, "attention": "none", "bridge": "none", "readout": "none"},
        **{"bidirectional": False, "target_activation": "sigmoid"},
    )
    config = Config(model, training=TrainingConfig(epochs=1, batch_size=32))
    corpus = load_corpus(sources, sources[:, ::-1])
    translator = train(corpus, config, out=tmp_path / "run", verbose=False)
    (result,) = translator.predict(sources[:1], 4)
    assert result.values.shape == (4, 1) and ((result.values > 0) & (result.values < 1)).all()
    assert "binary_cross_entropy" in (tmp_path / "run" / "history.csv").read_text()
    # Four gates read the value, the state and a bias; the head reads the state alone.
    assert translator.model.get_layer("decoder").count_params() == 4 * 8 * (1 + 8 + 1) + 8 + 1


# === Use ===


def test_a_free_run_is_teacher_forcing_with_its_own_values(run):
    """Which knows the covariates of each step: those of another step give other values."""
    _, _, translator = run
    sources, known = PAIRS[0][:6], PAIRS[2][:6]
    free = translator.predict(sources, covariates=known)
    assert [len(result.values) for result in free] == list(map(len, known))
    triples = [(s, result.values, c) for s, result, c in zip(sources, free, known)]
    for result, forced in zip(free, translator.score(triples), strict=True):
        np.testing.assert_allclose(result.values, forced.values, rtol=1e-3, atol=1e-3)
        assert forced.error == pytest.approx(0.0, abs=1e-5)
    changed = [np.concatenate([each[:-1], each[-1:] + 5.0]) for each in known]
    for before, after in zip(free, translator.predict(sources, covariates=changed)):
        np.testing.assert_allclose(after.values[:-1], before.values[:-1], atol=1e-4)
        assert np.abs(after.values[-1] - before.values[-1]).max() > 1e-3


def test_one_array_of_covariates_is_for_all_sources(run):
    _, _, translator = run
    known = PAIRS[2][0]
    for one, several in zip(
        translator.predict(PAIRS[0][:3], covariates=known),
        translator.predict(PAIRS[0][:3], len(known), [known] * 3),
        strict=True,
    ):
        np.testing.assert_array_equal(one.values, several.values)


def test_evaluation_reads_the_covariates_of_the_references(run):
    out, corpus, translator = run
    figures = translator.evaluate(corpus.test)
    pairs = list(corpus.test)
    free = translator.predict([x for x, _ in pairs], covariates=[y[:, 1:] for _, y in pairs])
    errors = [np.square(result.values - y[:, :1]) for result, (_, y) in zip(free, pairs)]
    assert figures["mean_squared_error"] == pytest.approx(np.concatenate(errors).mean(), rel=1e-4)
    assert "val_free_run_error" in (out / "history.csv").read_text()


def test_a_loaded_run_predicts_the_same(run):
    out, _, translator = run
    loaded = Translator.load(out)
    record = json.loads((out / "target_values.json").read_text())
    assert record["covariates"] == 1 and len(record["mean"]) == 2
    for first, second in zip(
        translator.predict(PAIRS[0][:2], covariates=PAIRS[2][:2]),
        loaded.predict(PAIRS[0][:2], covariates=PAIRS[2][:2]),
    ):
        np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((3,), r"covariates: this model reads 1 known input with each step .*\[T, 1\] for each"),
        ((None, PAIRS[2][:1]), "covariates: expected an array for each of 2 sources; received 1"),
        ((9, PAIRS[2][0]), "covariates: expected known inputs of 9 steps, .*received"),
        ((None, np.ones((3, 2))), "covariates: expected 1 per step, as the model .* received 2"),
        ((None, np.full((3, 1), np.nan)), "covariates: expected finite numbers"),
        ((None, ["nowhere.npy"] * 2), "nowhere.npy"),
        ((None, "nowhere.npy"), "file not found: nowhere.npy"),
        ((None, 3), "covariates: expected an array for each of 2 sources; received 1"),
    ],
)
def test_predictions_need_covariates_that_fit(run, arguments, message):
    _, _, translator = run
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        translator.predict(PAIRS[0][:2], *arguments)


def test_a_saved_model_checks_covariates(run, tmp_path):
    _, _, translator = run
    translator.export(tmp_path / "model")
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    source, known = PAIRS[0][0][None], PAIRS[2][0][None]
    given = {"source": tf.constant(source), "lengths": tf.constant([source.shape[1]])}
    (expected,) = translator.predict(list(source), covariates=list(known))
    values = serve(**given, covariates=tf.constant(known))["values"]
    np.testing.assert_allclose(values[0], expected.values, rtol=1e-4, atol=1e-6)
    for wrong, message in (
        (known[:, :0], "steps must be at least 1"),
        (np.repeat(known, 2, axis=0), "covariates must hold known inputs for each source"),
        (known * np.nan, "covariates must hold finite numbers"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            serve(**given, covariates=tf.constant(wrong))


def test_a_model_without_covariates_takes_none(values_translator):
    with pytest.raises(ValueError, match="covariates: this model was trained without; leave them"):
        values_translator.predict([np.ones((2, 2))], 3, np.ones((3, 1)))


def test_the_command_reads_covariates_in_a_second_column(run, tmp_path, capsys, monkeypatch):
    out, _, translator = run
    monkeypatch.setattr(Translator, "load", lambda run, **_: translator)
    monkeypatch.chdir(tmp_path)
    index = write_index(tmp_path)
    (tmp_path / "lines").write_text("x0.npy\tc0.npy\nx1.npy\tc1.npy\n")
    assert main(["translate", str(out), "lines"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for row, result in zip(rows, translator.predict(PAIRS[0][:2], covariates=PAIRS[2][:2])):
        np.testing.assert_allclose(row, result.values, rtol=1e-4)
    (tmp_path / "lines").write_text("x0.npy\n")
    assert main(["translate", str(out), "lines"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "line 1 of the input: expected a source, a tab and" in error
    assert main(["evaluate", str(out), "--test", str(index), "--covariates", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sequences"] == len(PAIRS[0])
    assert main(["evaluate", str(out), "--test", str(index)]) == 2
    assert "--covariates: expected 1, as in" in capsys.readouterr().err
    drawing = ["heatmap", str(out), "x0.npy", "--out", "picture.png"]
    assert main([*drawing, "--covariates", "c0.npy"]) == 0
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert main([*drawing, "--steps", "2"]) == 2
    assert "--covariates: this model reads 1 known input" in capsys.readouterr().err


def test_what_has_no_covariates_refuses_them(run, tmp_path):
    _, _, translator = run
    with pytest.raises(ValueError, match="target_covariates is not possible with format=litert"):
        translator.export(tmp_path / "lite", format="litert")
    from kseq.serving.run_engine import RunEngine

    with pytest.raises(ValueError, match="the model reads covariates, which the protocols of kseq"):
        RunEngine(translator)


def test_a_codec_without_values_is_an_error():
    with pytest.raises(ValueError, match="a number of covariates below 2, .*; received 2"):
        ValueCodec(np.zeros(2), np.ones(2), 2)


@pytest.mark.slow
def test_a_function_of_the_covariate_is_learnt_only_with_it(tmp_path):
    pairs = make_pairs(300)
    errors = {}
    for name, columns in (("with", pairs), ("without", pairs[:2])):
        corpus = load_corpus(*columns)
        config = config_of(epochs=15, learning_rate=0.02, patience=15)
        translator = train(corpus, config, out=tmp_path / name, verbose=False)
        errors[name] = translator.evaluate(corpus.test)["mean_squared_error"]
    # The variance of the target is 1.
    assert errors["with"] < 0.05 and errors["without"] > 0.5
