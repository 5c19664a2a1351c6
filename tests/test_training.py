"""Training: the contents of a run, which weights are kept, and what failures leave behind."""

import csv
import dataclasses
import itertools
import json
import os
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import LEARNING, SMALL, write_tiny_pairs

import kseq.kernels.precision
import kseq.training.run_writer
import kseq.training.teacher
import kseq.training.train
from kseq import (
    Config,
    TrainingConfig,
    TrainingFailed,
    Translator,
    build_seq2seq,
    list_runs,
    load_corpus,
    locks,
    train,
)
from kseq.analysis.curves import save_curves
from kseq.kernels.devices import describe_devices
from kseq.kernels.precision import fastest_precision, half_type
from kseq.models.factory import use_dtype_policy
from kseq.pipeline.survey import Survey, survey_pairs
from kseq.runs.directory import STATES, is_run
from kseq.runs.known_corpora import recall_corpus
from kseq.runs.record import UnfinishedRunWarning
from kseq.sides.text_side import TextSide
from kseq.training.examples import choose_examples, describe_failure
from kseq.training.setup import compile_teacher

FILES = [
    "config.json",
    "curves.png",
    "history.csv",
    "model.weights.h5",
    "run.json",
    "source_vocabulary.txt",
    "target_vocabulary.txt",
]


@pytest.fixture
def tiny_corpus(tmp_path):
    return load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))


CONFIG = Config().with_settings([*SMALL, "units=8", "minimum_frequency=1", "bidirectional=false"])
ONE_STEP = CONFIG.with_settings(["epochs=1", "batch_size=128"])


def read_history(run):
    """The figures of each epoch by name."""
    with open(run / "history.csv") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def test_a_run_directory_is_complete(small_run):
    assert sorted(path.name for path in small_run.iterdir()) == FILES
    assert Config.load(small_run / "config.json") == Config().with_settings([*SMALL, *LEARNING])
    record = json.loads((small_run / "run.json").read_text())
    assert record["train"]["kept"] == 2000 and record["valid"]["kept"] == 200
    assert record["seed"] == 1 and "command" not in record
    assert record["device"] == describe_devices()
    assert record["began"] <= record["ended"] and record["duration"] > 0
    assert not list(small_run.parent.glob(".*"))


def test_the_history_shows_that_the_loss_falls(small_run):
    rows = read_history(small_run)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    (run,) = list_runs(small_run)
    assert run.figure == min(row["val_cross_entropy"] for row in rows)
    assert (run.epochs, run.state) == (6, "finished")
    for name in ("loss", "cross_entropy", "val_cross_entropy", "perplexity"):
        assert rows[1][name] < rows[0][name]
    assert rows[1]["accuracy"] > rows[0]["accuracy"]
    perplexity = np.exp(rows[1]["val_cross_entropy"])
    np.testing.assert_allclose(rows[1]["val_perplexity"], perplexity, rtol=1e-4)


def test_the_best_validation_loss_belongs_to_the_saved_weights(small_run, small_corpus):
    """`fit` reports it for batches, `score` for single sentences."""
    best = min(row["val_cross_entropy"] for row in read_history(small_run))
    results = Translator.load(small_run).score(small_corpus.valid)
    total = sum(result.log_probability for result in results)
    tokens = sum(len(result.tokens) for result in results)
    np.testing.assert_allclose(-total / tokens, best, rtol=1e-4)


@pytest.mark.slow  # tests/test_validation.py trains the same weights twice
@pytest.mark.parametrize("seeds", [(3, 3), (3, 0)])
def test_the_seed_decides_on_the_model(tiny_corpus, tmp_path, mode, seeds):
    """The same one gives the same model; a different one, including 0, another model."""
    losses = []
    for number, seed in enumerate(seeds):
        config = ONE_STEP.with_settings([f"seed={seed}"])
        train(tiny_corpus, config, out=tmp_path / f"run{number}", verbose=False)
        losses.append(read_history(tmp_path / f"run{number}")[0]["val_cross_entropy"])
    first, second = losses
    assert abs(first - second) < 1e-5 if seeds == (3, 3) else abs(first - second) > 1e-3


@pytest.mark.slow  # tests/test_teacher.py counts the graphs of its own batches
@pytest.mark.parametrize("parts", [1, 2])
def test_steps_are_traced_once_for_batches_of_all_shapes(parts, tmp_path, monkeypatch):
    """There is one graph for training and one for validation."""
    path, traces, shapes = tmp_path / "pairs.tsv", [], set()
    lines = (f"{'a ' * (n % 9 + 1)}b\t{'x ' * (n % 7 + 1)}y\n" for n in range(250))
    path.write_text("".join(lines))
    batch_loss = kseq.training.teacher.Teacher._batch_loss

    def record_and_call(self, data, training):
        traces.append(training)
        tf.py_function(lambda labels: shapes.add(labels.shape), [data[1]], [])
        return batch_loss(self, data, training)

    monkeypatch.setattr(kseq.training.teacher.Teacher, "_batch_loss", record_and_call)
    monkeypatch.setattr("kseq.training.setup._number_of_parts", lambda *_: parts)
    train(load_corpus(path), Config().with_settings(SMALL), out=tmp_path / "run", verbose=False)
    assert len(shapes) > 3 and traces == [True, False]


def test_training_stops_when_the_loss_rises_and_keeps_the_best_weights(
    tiny_corpus, tmp_path, monkeypatch, eager_mode
):
    """If the learning rate is far too high, the validation loss rises sooner or later.

    The curves are not drawn after every epoch, but finally show all epochs.
    """
    drawn_epochs = []
    monkeypatch.setattr(
        "kseq.training.run_writer.save_curves",
        lambda rows, *given: drawn_epochs.append(len(rows)) or save_curves(rows, *given),
    )
    settings = ["epochs=40", "patience=2", "learning_rate=2", "dropout=0", "batch_size=128"]
    settings += ["attention=luong_dot", "input_feeding=false"]  # fast
    config = CONFIG.with_settings(settings)
    trained = train(tiny_corpus, config, out=tmp_path / "run", verbose=False)
    losses = [row["val_cross_entropy"] for row in read_history(tmp_path / "run")]
    assert drawn_epochs[0] == 1 and drawn_epochs[-1] == len(losses) > len(drawn_epochs)
    assert len(losses) < 40 and np.argmin(losses) == len(losses) - 3
    for translator in (trained, Translator.load(tmp_path / "run")):
        results = translator.score(tiny_corpus.valid)
        total = sum(result.log_probability for result in results)
        tokens = sum(len(result.tokens) for result in results)
        np.testing.assert_allclose(-total / tokens, min(losses), rtol=1e-4)


@pytest.mark.slow  # trains
def test_a_model_config_keeps_the_settings_of_the_corpus(tiny_corpus, tmp_path, eager_mode):
    tiny_corpus.config = ONE_STEP
    model = dataclasses.replace(CONFIG.model, cell="lstm")
    translator = train(tiny_corpus, model, out=tmp_path / "run", verbose=False)
    assert translator.config == dataclasses.replace(tiny_corpus.config, model=model)


@pytest.mark.slow  # trains; tests/test_progress.py has the choice itself
def test_a_pipe_receives_lines_without_control_characters(tiny_corpus, tmp_path, capfd, eager_mode):
    train(tiny_corpus, ONE_STEP, out=tmp_path / "run")
    lines = capfd.readouterr().out.splitlines(keepends=True)
    assert len([line for line in lines if "val_cross_entropy" in line]) == 1
    assert all(line[:-1].isprintable() and line.endswith("\n") for line in lines)


@pytest.mark.slow  # trains
def test_pairs_that_are_left_out_are_reported(tmp_path, capsys, eager_mode):
    path = tmp_path / "pairs.tsv"
    lines = [f"a{n % 7} b\tx{n % 7}\n" for n in range(60)] + ["\tx\n", "a " * 200 + "\tx\n"]
    path.write_text("".join(lines))
    corpus = load_corpus(path, valid=path)
    train(corpus, ONE_STEP, out=tmp_path / "run")
    output = capsys.readouterr().out
    assert "training on 60 pairs (left out: 1 with an empty side, 1 too long)" in output
    assert "best epoch: 1" in output


def test_an_existing_run_is_replaced_only_with_overwrite(
    tiny_corpus, small_run, tmp_path, eager_mode
):
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    with pytest.raises(FileExistsError, match="already holds a run; .*--overwrite"):
        train(tiny_corpus, CONFIG, out=run, verbose=False)
    assert Config.load(run / "config.json") == Config.load(small_run / "config.json")
    train(tiny_corpus, ONE_STEP, out=run, overwrite=True, verbose=False)
    assert Config.load(run / "config.json") == ONE_STEP
    assert sorted(path.name for path in run.iterdir()) == FILES


def test_a_folder_that_is_not_a_run_is_never_replaced(tiny_corpus, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        FileExistsError, match="exists and is not a run; choose another destination"
    ):
        train(tiny_corpus, CONFIG, out=tmp_path, overwrite=True, verbose=False)
    with pytest.raises(FileExistsError, match="exists and is not a run"):
        train(tiny_corpus, CONFIG, out=tmp_path / "thesis.tex", overwrite=True, verbose=False)


@pytest.mark.slow  # tests/test_validation.py has a loss that is not finite in the second batch
def test_a_loss_that_is_never_finite_leaves_no_run(tiny_corpus, tmp_path, monkeypatch, eager_mode):
    losses = kseq.training.teacher.output_losses
    monkeypatch.setattr(
        kseq.training.teacher,
        "output_losses",
        lambda hidden, *arguments, **options: losses(hidden * np.nan, *arguments, **options),
    )
    config = ONE_STEP.with_settings(["epochs=2"])
    with pytest.raises(TrainingFailed, match="batch 1 of epoch 1 is not a finite number"):
        train(tiny_corpus, config, out=tmp_path / "run", verbose=False)
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "run.failed_batch.npz"]


def test_a_damaged_file_leaves_no_run(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"a\tb\nc\td\ne\tf\n" * 50 + b"bad \xff\tline\n")
    with pytest.raises(ValueError, match="line 151: not valid UTF-8"):
        train(load_corpus(path, valid=path), CONFIG, out=tmp_path / "run", verbose=False)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_a_failure_in_the_second_epoch_leaves_the_run_of_the_first(
    tiny_corpus, tmp_path, monkeypatch, eager_mode
):
    """For example because the disk is full."""
    save_weights = kseq.training.run_writer.save_weights
    calls = []

    def fail_on_the_second_call(model, path):
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        save_weights(model, path)

    monkeypatch.setattr(kseq.training.run_writer, "save_weights", fail_on_the_second_call)
    with pytest.raises(OSError, match="No space left"):
        train(
            tiny_corpus, ONE_STEP.with_settings(["epochs=5"]), out=tmp_path / "run", verbose=False
        )
    assert is_run(tmp_path / "run")
    with pytest.warns(UnfinishedRunWarning):
        assert Translator.load(tmp_path / "run").score([("a1 b1", "x1")])
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "run"]
    assert sorted({*os.listdir(tmp_path / "run")} - {*STATES}) == FILES


def test_settings_reach_the_optimizer_and_the_loss():
    model = build_seq2seq(CONFIG.model, 20, 15)
    config = TrainingConfig(
        epochs=4, learning_rate=0.01, warmup_steps=10, gradient_clip=0.5, label_smoothing=0.1
    )
    teacher = compile_teacher(model, config, make_survey(batches=100))
    assert teacher.optimizer.global_clipnorm == 0.5
    assert teacher.label_smoothing == 0.1
    rates = [float(teacher.optimizer._learning_rate(step)) for step in (0, 5, 10, 205, 400)]
    np.testing.assert_allclose(rates, [0, 0.005, 0.01, 0.00525, 0.0005], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(
    "settings, tokens, shared, gpus, parts",
    [
        ({"batch_size": 64}, 8, True, [], 2),
        ({"batch_size": 64}, 7, True, [], 1),
        ({"batch_size": 8}, 64, True, [], 2),
        ({"batch_size": 7}, 999, True, [], 1),
        ({"batch_size": 64}, 8, False, [], 1),
        ({"batch_size": 64}, 8, True, ["a GPU"], 1),
        ({"batch_tokens": 512}, 8, True, [], 2),
        ({"batch_tokens": 500}, 8, True, [], 1),
    ],
)
def test_large_batches_are_split_in_two_where_cores_are_shared(
    settings, tokens, shared, gpus, parts, monkeypatch
):
    monkeypatch.setattr("kseq.training.setup.cores_are_shared", lambda: shared)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
    model = build_seq2seq(CONFIG.model, 20, 15)
    training = TrainingConfig(**settings)
    survey = make_survey(100, training.batch_size, tokens)
    assert compile_teacher(model, training, survey).parts == parts


def make_survey(batches, batch_size=128, tokens=16):
    """A survey of enough pairs for `batches` batches, with `tokens` tokens in each pair."""
    pairs = batches * batch_size
    return Survey(kept=pairs, blank=0, overlong=0, length_ratio=1.0, tokens=pairs * tokens)


# With these rates the last epoch is the best, so that both models have its weights.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:all .* outputs are the same")  # tied, it learns slowly
@pytest.mark.parametrize(
    ["ties", "learning_rate"],
    [("false", 0.01), ("true", 0.006)],
)
def test_mixed_precision_trains_and_leaves_a_float32_model(
    tiny_corpus, tmp_path, monkeypatch, capsys, ties, learning_rate
):
    models = []
    build = kseq.training.train.build_seq2seq
    monkeypatch.setattr(
        kseq.training.train,
        "build_seq2seq",
        lambda *arguments: models.append(build(*arguments)) or models[-1],
    )
    config = CONFIG.with_settings(
        [
            "precision=mixed_bfloat16",
            f"tie_output={ties}",
            "epochs=20",
            f"learning_rate={learning_rate}",
        ]
    )
    translator = train(tiny_corpus, config, out=tmp_path / "run")
    trained, final = models
    assert final is translator.model and keras.config.dtype_policy().name == "float32"
    for model, dtype in ((trained, "bfloat16"), (final, "float32")):
        decoder = model.get_layer("decoder")
        head = decoder.get_layer("target_embedding" if ties == "true" else "logits")
        assert head.compute_dtype == dtype and head.variable_dtype == "float32"
        assert model.output.dtype == "float32"
    losses = [row["val_cross_entropy"] for row in read_history(tmp_path / "run")]
    assert min(losses) < 0.5 * losses[0] and losses[-1] == min(losses)
    np.testing.assert_array_equal(final.get_weights()[0], trained.get_weights()[0])
    # The results of both models agree up to rounding.
    perplexity = translator.evaluate(tiny_corpus.valid)["perplexity"]
    np.testing.assert_allclose(np.log(perplexity), min(losses), atol=0.05)


@pytest.mark.slow  # trains; tests/test_teacher.py has a step
def test_a_precision_set_by_the_user_does_not_reach_the_run(tiny_corpus, tmp_path, eager_mode):
    with use_dtype_policy("mixed_float16"):
        translator = train(tiny_corpus, ONE_STEP, out=tmp_path / "run", verbose=False)
        translators = translator, Translator.load(tmp_path / "run")
    for (models,) in (translator.inference._members for translator in translators):
        layers = [layer for model in models for layer in model._flatten_layers()]
        assert {layer.dtype_policy.name for layer in layers} == {"float32"}


@pytest.mark.slow  # trains; tests/test_evaluation.py has the warning
def test_a_model_that_writes_the_same_for_all_sources_is_reported(tmp_path, capsys, eager_mode):
    """All targets of the training split are the same, so there is nothing else to learn."""
    for name, targets in (("train", 60 * ["x"]), ("valid", ["x", "x x", "x x x"])):
        lines = (f"a{number} b\t{target}\n" for number, target in enumerate(targets))
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    corpus = load_corpus(tmp_path / "train.tsv", valid=tmp_path / "valid.tsv")
    config = ONE_STEP.with_settings(["learning_rate=0.1", "epochs=2"])
    train(corpus, config, out=tmp_path / "run")
    last_line = capsys.readouterr().out.splitlines()[-1]
    assert last_line.startswith("WARNING: for a few short validation pairs, all 3 outputs are ")


def test_a_model_whose_outputs_differ_is_not_reported(translator, small_corpus):
    examples = choose_examples(small_corpus.valid)
    assert len(examples) == 16
    assert describe_failure(translator, examples) is None
    overlong = [("a " * length, "x" * length) for length in (101, 102)]
    assert describe_failure(translator, overlong) is None


def test_a_validation_file_with_swapped_sides_is_reported(tmp_path, capsys, monkeypatch):
    class BeforeTrainingError(Exception):
        pass

    def stop(*arguments):
        raise BeforeTrainingError

    monkeypatch.setattr("kseq.training.train.prepare", stop)
    pairs = list(itertools.islice(load_corpus("en-fr").train, 600))
    for name, rows in (("train", pairs[:400]), ("valid", pairs[400:])):
        lines = [f"{source}\t{target}\n" for source, target in rows]
        (tmp_path / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
        swapped = ["\t".join(reversed(line.rstrip("\n").split("\t"))) + "\n" for line in lines]
        (tmp_path / f"{name}_swapped.tsv").write_text("".join(swapped), encoding="utf-8")
    for valid, is_swapped in (("valid_swapped", True), ("valid", False)):
        corpus = load_corpus(tmp_path / "train.tsv", valid=tmp_path / f"{valid}.tsv")
        with pytest.raises(BeforeTrainingError):
            train(corpus, CONFIG, out=tmp_path / "run")
        output = capsys.readouterr().out
        message = f"WARNING: the sides of {tmp_path / 'valid_swapped.tsv'} look swapped compared"
        assert (message in output) == is_swapped and ("WARNING" in output) == is_swapped


@pytest.mark.parametrize(
    "before, after, settings",
    [
        # The count of pairs does not depend on batches.
        pytest.param(before, after, settings, marks=[pytest.mark.slow] * ((row, column) != (1, 0)))
        for row, (before, after) in enumerate(
            [(60, 59), (60, 20), (60, 61), (64, 65), (64, 300), (60, 300)]
        )
        for column, settings in enumerate(
            (["batch_size=16"], ["batch_tokens=64", "batch_size=128"])
        )
    ],
    ids=str,
)
def test_a_file_that_changed_after_the_survey_is_an_error(
    before, after, settings, tmp_path, monkeypatch, mode
):
    """Pools and chunks are small, so that an added pair can be the first of one."""
    change_before_training(tmp_path, monkeypatch, before, pair_lines(after))
    monkeypatch.setattr(TextSide, "pairs_per_pool", 16)
    monkeypatch.setattr(TextSide, "pairs_per_chunk", 8)
    with pytest.raises(ValueError, match="can no longer be read: expected .* pairs; received"):
        train_from_files(tmp_path, settings)


@pytest.mark.parametrize(
    "content, error, message",
    [
        (None, OSError, "can no longer be read: file not found: .*two lines/pairs.tsv$"),
        pytest.param(
            *(b"a\xff\tx\n" * 60, ValueError, "be read: .*pairs.tsv, line 1: not valid UTF-8"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(b"a x\n" * 60, ValueError, "can no longer be read: .*pairs.tsv, line 1: .*tab"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_file_that_can_no_longer_be_read_is_named_in_one_line(
    content, error, message, tmp_path, monkeypatch, mode
):
    """Even if the path of the file contains a line break."""
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    change_before_training(folder, monkeypatch, 60, content)
    with pytest.raises(error, match=message):
        train_from_files(folder, [])


def test_an_error_of_the_model_is_not_reported_as_one_of_the_data(
    tiny_corpus, tmp_path, monkeypatch, eager_mode
):
    losses = kseq.training.teacher.output_losses

    def fail(*arguments, **options):
        with tf.control_dependencies([tf.debugging.Assert(False, ["a bug in the model"])]):
            return losses(*arguments, **options)

    monkeypatch.setattr(kseq.training.teacher, "output_losses", fail)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a bug in the model"):
        train(tiny_corpus, CONFIG, out=tmp_path / "run", verbose=False)


def pair_lines(count):
    return b"".join(b"a%d\tx%d\n" % (n % 7, n % 7) for n in range(count))


def change_before_training(folder, monkeypatch, before, content):
    """Writes a file of pairs, and changes or deletes it after its survey."""
    path = folder / "pairs.tsv"
    path.write_bytes(pair_lines(before))
    (folder / "valid.tsv").write_bytes(pair_lines(before))

    def survey_and_change(*arguments):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        return survey_pairs(*arguments)

    monkeypatch.setattr("kseq.pipeline.encoded.survey_pairs", survey_and_change)
    monkeypatch.setattr("kseq.pipeline.encoded.SMALLEST", 0)


def train_from_files(folder, settings):
    corpus = load_corpus(folder / "pairs.tsv", valid=folder / "valid.tsv")
    options = {"out": folder / "run", "verbose": False, "cache": "off"}
    train(corpus, CONFIG.with_settings(settings), **options)


def test_the_error_of_a_full_disk_names_its_folder(tiny_corpus, tmp_path, monkeypatch, eager_mode):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=0))
    with pytest.raises(OSError, match="No space left on device") as error_info:
        train(tiny_corpus, ONE_STEP, out=tmp_path / "run", verbose=False)
    assert error_info.value.filename.startswith(str(tmp_path))
    assert "model.weights" not in error_info.value.filename
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_a_folder_that_another_process_is_writing_to_is_an_error(tiny_corpus, tmp_path):
    error = pytest.raises(FileExistsError, match="another process is writing to")
    with locks.lock(tmp_path / "run"), error:
        train(tiny_corpus, CONFIG, out=tmp_path / "run", verbose=False)


def test_arguments_of_the_wrong_type_are_errors(tiny_corpus, tmp_path):
    with pytest.raises(FileNotFoundError, match="file not found: pairs.tsv"):
        train("pairs.tsv", out=tmp_path / "run")
    with pytest.raises(
        TypeError, match="expected pairs of strings such as .* received 3; open files with"
    ):
        train(3, out=tmp_path / "run")
    with pytest.raises(TypeError, match="expected a Config or a ModelConfig; received {'units'"):
        train(tiny_corpus, {"units": 3}, out=tmp_path / "run")


@pytest.mark.slow
def test_copying_is_learnt_exactly_and_attention_is_diagonal(tmp_path):
    """A task whose alignment is known: the output equals the input."""
    rng = np.random.default_rng(0)
    letters = "abcdefghijkl"
    sentences = {" ".join(rng.choice(list(letters), size=rng.integers(3, 9))) for _ in range(6000)}
    path = tmp_path / "copy.tsv"
    path.write_text("".join(f"{sentence}\t{sentence}\n" for sentence in sorted(sentences)))
    corpus = load_corpus(path)
    config = Config().with_settings(
        ["units=64", "embedding_dim=32", "epochs=10", "dropout=0", "learning_rate=0.005"]
    )
    translator = train(corpus, config, out=tmp_path / "run", verbose=False)
    results = translator.translate([source for source, _ in corpus.test])
    assert np.mean([result.text == result.source for result in results]) == 1.0
    on_diagonal = [
        (result.attention.argmax(axis=1) == np.arange(len(result.tokens))).mean()
        for result in results
    ]
    assert np.mean(on_diagonal) > 0.95


@pytest.mark.slow  # trains; tests/test_known_corpora.py
def test_a_corpus_is_reopened_with_the_same_splits(tmp_path, eager_mode):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a{n % 90} b\tx{n % 130} y\n" for n in range(400)))
    corpus = load_corpus(path, swap=True, apart="both")
    train(corpus, ONE_STEP, out=tmp_path / "run", verbose=False)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    counts = {
        split: record[split]["kept"] + record[split]["shared"] for split in ("train", "valid")
    }
    plain = load_corpus(path, swap=True)
    assert counts == {split: len(list(getattr(plain, split))) for split in counts}
    assert record["train"]["shared"] > 0
    assert list(recall_corpus(record["corpus"]).test) == list(corpus.test)
    assert str(tmp_path) not in (tmp_path / "run" / "run.json").read_text()


def test_a_corpus_with_nothing_left_to_train_on_is_an_error(tiny_corpus, tmp_path):
    (path,) = tiny_corpus.train.files
    corpus = load_corpus(path, valid=path, apart="both")
    with pytest.raises(ValueError, match="none of 120 pairs can be used; .*120 have a side that"):
        train(corpus, CONFIG, out=tmp_path / "run", verbose=False)


def set_measured_ratio(monkeypatch, ratio):
    """Makes products in bfloat16 appear `ratio` times as fast as in float32."""
    seconds = {tf.float32: ratio, tf.bfloat16: 1.0}
    monkeypatch.setattr(kseq.kernels.precision, "_seconds", lambda units, dtype: seconds[dtype])


@pytest.mark.slow  # trains; tests/test_progress.py has the choice itself
def test_the_faster_precision_is_used_and_reported(
    tiny_corpus, tmp_path, monkeypatch, capsys, eager_mode
):
    set_measured_ratio(monkeypatch, 2.0)
    config = ONE_STEP.with_settings(["precision=auto"])
    translator = train(tiny_corpus, config, out=tmp_path / "run")
    line = "precision: mixed_bfloat16 (products in bfloat16 are 2.0 times as fast here)"
    assert line in capsys.readouterr().out
    assert Translator.load(tmp_path / "run").config.training.precision == "mixed_bfloat16"
    # Only the training computes in half precision.
    decoder = translator.model.get_layer("decoder")
    assert decoder.get_layer("logits").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    "ratio, precision",
    [(0.5, "float32"), (1.0, "float32"), (1.29, "float32"), (1.3, "mixed_bfloat16")],
)
def test_bfloat16_must_be_fast_enough_to_pay_for_its_conversions(ratio, precision, monkeypatch):
    set_measured_ratio(monkeypatch, ratio)
    assert fastest_precision(units=64) == (precision, tf.bfloat16, ratio)


@pytest.mark.parametrize(
    "capabilities, half",
    [
        ([], "bfloat16"),
        ([(8, 0)], "bfloat16"),
        ([(7, 5)], "float16"),
        ([(9, 0), (7, 0)], "float16"),
        ([None], "bfloat16"),  # a GPU of another maker
    ],
    ids=str,
)
def test_older_gpus_use_float16(capabilities, half, monkeypatch):
    details = [{"compute_capability": pair} if pair else {} for pair in capabilities]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: range(len(details)))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    assert half_type().name == half


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16], ids=lambda dtype: dtype.name)
def test_products_are_timed_at_the_width_of_the_model(dtype):
    """Products of 16 times the width take 256 times the operations."""
    seconds = [kseq.kernels.precision._seconds(units, dtype) for units in (32, 512)]
    assert 0 < 2 * seconds[0] < seconds[1]
