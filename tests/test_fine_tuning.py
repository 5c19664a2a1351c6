"""Training that starts from another run: its weights, its tokens, frozen parts, a lower rate."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import run_eagerly, write_tiny_pairs
from test_resume import rows_of, stop_after, train_in_pieces, weights_of

from kseq import (
    Config,
    ModelConfig,
    Translator,
    average_checkpoints,
    fine_tuning_config,
    load_corpus,
    train,
)
from kseq.cli.main import main
from kseq.models.factory import build_seq2seq
from kseq.models.growth import copy_weights
from kseq.models.parts import find_parts
from kseq.runs import directory
from kseq.runs.record import UnfinishedRunWarning

SETTINGS = ["units=16", "embedding_dim=8", "batch_size=128", "warmup_steps=0", "epochs=1", "seed=7"]
FROZEN = "source_embedding,encoder"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run `old` and files of its pairs and of others with new words."""
    folder = tmp_path_factory.mktemp("runs")
    corpus = load_corpus(write_tiny_pairs(folder / "old.tsv"))
    lines = (f"a{n % 7} d{n % 5} c{n}\tx{n % 7} z{n % 5}\n" for n in range(100))
    (folder / "new.tsv").write_text("".join(lines))
    with run_eagerly():
        config = Config().with_settings([*SETTINGS, "learning_rate=0.01", "checkpoints=1"])
        train(corpus, config, out=folder / "old", verbose=False)
    return folder


@pytest.fixture
def corpus(runs):
    return load_corpus(runs / "new.tsv")


def weights_by_part(model, parts):
    """The weights of these parts, and all others, as lists of bytes."""
    chosen, others = [], []
    for weight, own in find_parts(model):
        (chosen if set(own) & set(parts) else others).append(weight.numpy().tobytes())
    return chosen, others


# === What is trained ===


def test_frozen_parts_stay_the_same_to_the_last_bit(runs, corpus, tmp_path, eager_mode):
    old = Translator.load(runs / "old")
    config = fine_tuning_config(runs / "old").with_settings([f"freeze={FROZEN}"])
    new = train(corpus, config, out=tmp_path / "new", start=runs / "old", verbose=False)
    frozen, trained = weights_by_part(new.model, config.training.freeze)
    old_frozen, old_trained = weights_by_part(old.model, config.training.freeze)
    assert frozen == old_frozen and len(frozen) > 4
    assert not any(map(bytes.__eq__, trained, old_trained))
    assert new.codecs.descriptions == old.codecs.descriptions
    loaded = Translator.load(tmp_path / "new")
    assert weights_of(loaded) == weights_of(new)
    assert loaded.config == config


@pytest.mark.slow  # trains
def test_the_output_names_the_run_the_rate_and_unknown_words(
    runs, corpus, tmp_path, capsys, eager_mode
):
    config = fine_tuning_config(runs / "old").with_settings([f"freeze={FROZEN}"])
    train(corpus, config, out=tmp_path / "new", start=runs / "old")
    output = capsys.readouterr().out
    assert (
        f"starting from {runs / 'old'}, learning rate 0.002 instead of 0.01; frozen: "
        "source_embedding, encoder\n"
    ) in output
    unknown = re.search(r"source: ([\d.]+)% of all tokens are not in the vocabulary .*", output)
    assert 60 < float(unknown[1]) < 67 and "grow_vocabulary=true adds 5 new tokens" in unknown[0]


@pytest.mark.slow  # trains
def test_the_record_names_the_run_but_not_its_place(runs, corpus, tmp_path, eager_mode):
    train(corpus, out=tmp_path / "new", start=runs / "old", verbose=False)
    text = (tmp_path / "new" / "run.json").read_text()
    checksums = json.loads((runs / "old" / "run.json").read_text())["checksums"]
    expected = {"name": "old", "checksum": checksums["model.weights.h5"]}
    assert json.loads(text)["start"] == expected
    assert str(runs) not in text
    # A run that was itself started from another one has a lower rate already.
    rates = [
        fine_tuning_config(run).training.learning_rate for run in (runs / "old", tmp_path / "new")
    ]
    np.testing.assert_allclose(rates, [0.002, 0.002])


@pytest.mark.slow  # trains
def test_grown_vocabularies_keep_the_ids_of_the_run(runs, corpus, tmp_path, capsys, eager_mode):
    old = Translator.load(runs / "old")
    config = fine_tuning_config(runs / "old").with_settings(["grow_vocabulary=true"])
    new = train(corpus, config, out=tmp_path / "new", start=runs / "old")
    for codec, old_codec in zip(new.codecs.sides, old.codecs.sides):
        size = old_codec.size
        assert codec.vocabulary[:size] == old_codec.vocabulary
        assert len(codec.vocabulary) == size + 5
    assert (
        "target: 5 new tokens join the vocabulary; unknown are 0.0% of" in capsys.readouterr().out
    )
    assert weights_of(Translator.load(tmp_path / "new")) == weights_of(new)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tie_output": True},
        {"share_embeddings": True, "tie_output": True, "architecture": "transformer", "heads": 2},
    ],
    ids=str,
)
def test_a_grown_model_starts_as_the_old_one(settings):
    """Old tokens keep their logits; new ones together are no more probable than by chance."""
    config = ModelConfig(units=8, embedding_dim=6, **settings)
    old, new = build_seq2seq(config, 12, 12), build_seq2seq(config, 20, 20)
    random = np.random.default_rng(3)
    old.set_weights([random.normal(size=weight.shape) for weight in old.weights])
    copy_weights(old, new, seed=1)
    inputs = {
        "source_ids": random.integers(4, 12, [30, 5]),
        "target_ids": random.integers(4, 12, [30, 7]),
    }
    logits, old_logits = new(inputs).numpy(), old(inputs).numpy()
    np.testing.assert_allclose(logits[..., :12], old_logits, rtol=1e-5, atol=1e-5)
    share = tf.nn.softmax(logits).numpy()[..., 12:].sum(axis=-1)
    assert share.max() < 1.2 * 8 / 20
    assert share.mean() < 8 / 20
    # New tokens differ, so that each can be learnt.
    (matrix, *_) = (weight for weight in new.weights if weight.path.endswith("embeddings"))
    rows = matrix.numpy()[12:]
    assert len(np.unique(rows[:, 0])) == 8
    old_rows = matrix.numpy()[4:12]
    np.testing.assert_allclose(rows.mean(axis=0), old_rows.mean(axis=0), atol=0.2 * old_rows.std())


@pytest.mark.slow  # trains
@pytest.mark.parametrize(
    "settings",
    [
        ["architecture=transformer", "heads=2", "share_embeddings=true", "tie_output=true"],
        ["attention=luong_general", "cell=lstm", "precision=mixed_bfloat16"],
        ["source_tokenizer=subword", "target_tokenizer=character", "subword_vocabulary_size=350"],
    ],
    ids=str,
)
@pytest.mark.parametrize("freeze", ["decoder", "encoder,attention"])
def test_every_kind_of_run_can_be_the_start(
    runs, corpus, small_files, tmp_path, settings, freeze, eager_mode
):
    """Frozen parts are compared; embeddings have grown where there is a vocabulary."""
    config = Config().with_settings([*SETTINGS, *settings])
    text = load_corpus(runs / "old.tsv")
    if "subword" in settings[0]:
        text = load_corpus(small_files / "valid.tsv")
    old = train(text, config, out=tmp_path / "old", verbose=False)
    changes = ["grow_vocabulary=true", f"freeze={freeze}"]
    config = fine_tuning_config(tmp_path / "old").with_settings(changes)
    new = train(corpus, config, out=tmp_path / "new", start=tmp_path / "old", verbose=False)
    frozen, trained = weights_by_part(new.model, config.training.freeze)
    old_frozen, old_trained = weights_by_part(old.model, config.training.freeze)
    assert frozen == old_frozen and frozen
    assert not any(map(bytes.__eq__, trained, old_trained))
    assert new.codecs.target.size > old.codecs.target.size


@pytest.mark.slow  # trains
def test_an_averaged_run_can_be_the_start(runs, corpus, tmp_path, eager_mode):
    average_checkpoints(runs / "old", tmp_path / "mean")
    train(corpus, out=tmp_path / "new", start=tmp_path / "mean", verbose=False)
    record = json.loads((tmp_path / "new" / "run.json").read_text())
    assert record["start"]["name"] == "mean" and "averaged" not in record


# === Training that is stopped ===


def stop_and_go_on(runs, corpus, folder, monkeypatch, settings, pieces):
    config = fine_tuning_config(runs / "old").with_settings(settings)
    start = {"start": runs / "old"}
    whole = train(corpus, config, out=folder / "whole", verbose=False, **start)
    parts = train_in_pieces(corpus, config, folder / "parts", pieces, monkeypatch, **start)
    assert weights_of(parts) == weights_of(whole)
    assert rows_of(folder / "parts") == rows_of(folder / "whole")
    return config, whole


SMALL_STEPS = [
    "epochs=2",
    "batch_size=20",
    "grow_vocabulary=true",
    f"freeze={FROZEN.split(',')[1]}",
]


@pytest.mark.slow  # trains several times
def test_a_stopped_fine_tuning_ends_with_the_same_weights(
    runs, corpus, tmp_path, monkeypatch, mode
):
    """With the same command, and then without the run that it started from."""
    config, whole = stop_and_go_on(runs, corpus, tmp_path, monkeypatch, SMALL_STEPS, [2, 4])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        train(corpus, config, out=tmp_path / "run", start=runs / "old", verbose=False)
    alone = train(corpus, config, out=tmp_path / "run", resume=True, verbose=False)
    assert weights_of(alone) == weights_of(whole)
    # The training has ended: it is loaded.
    again = train(corpus, config, out=tmp_path / "run", resume=True, verbose=False)
    assert weights_of(again) == weights_of(whole)


@pytest.mark.slow  # trains
def test_another_start_is_refused_with_its_name(runs, corpus, tmp_path, monkeypatch, eager_mode):
    config = fine_tuning_config(runs / "old").with_settings(["batch_size=30"])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 1)
        train(corpus, config, out=tmp_path / "run", start=runs / "old", verbose=False)
    shutil.copytree(runs / "old", tmp_path / "other")
    message = r"other settings or data \(start: old in the run, now other\)"
    with pytest.raises(FileExistsError, match=message):
        train(corpus, config, out=tmp_path / "run", start=tmp_path / "other", resume=True)
    message = r"\(epochs: 1 in the run, now 2; freeze: nothing in the run, now encoder,decoder\)"
    with pytest.raises(FileExistsError, match=message):
        changed = config.with_settings(["epochs=2", "freeze=decoder,encoder"])
        train(corpus, changed, out=tmp_path / "run", resume=True)
    for path in directory.state_paths(directory.find_stopped(tmp_path / "run")):
        path.write_bytes(b"damaged") if path.exists() else None
    with pytest.raises(ValueError, match="no state .* can be read; repeat the command .*: old$"):
        train(corpus, config, out=tmp_path / "run", resume=True)
    # With --overwrite and without a start, it is another training.
    plain = Config().with_settings(SETTINGS)
    train(corpus, plain, out=tmp_path / "run", resume=True, overwrite=True, verbose=False)
    assert "start" not in json.loads((tmp_path / "run" / "run.json").read_text())


# === What is refused ===


@pytest.mark.parametrize(
    "settings, message",
    [
        (["units=32"], r"units=32 contradicts .*old has units=16; leave it out, because the mod"),
        (["case=lower"], r"case=lower contradicts the run .* has case=keep; leave it out"),
        (["minimum_frequency=1"], r"minimum_frequency=1 has no effect.*; set grow_vocabulary=true"),
        (["source_vectors=x.txt"], r"source_vectors is for a training that starts from nothing"),
        (["freeze=encoder,atention"], r"freeze must be .*'atention'; did you mean 'attention'\?"),
        (
            ["freeze=output", "grow_vocabulary=true"],
            r"freeze=output contradicts grow_vocabulary=tr",
        ),
        (
            ["freeze=source_embedding,encoder,attention,decoder,target_embedding,output"],
            "freeze names all parts, so nothing would be trained; leave one out",
        ),
    ],
)
def test_settings_that_contradict_the_run_are_an_error_in_one_line(
    runs, tmp_path, capsys, settings, message
):
    words = [
        "train",
        "--from",
        runs / "old",
        "--train",
        runs / "new.tsv",
        "--out",
        tmp_path / "new",
    ]
    assert main([str(word) for word in [*words, "--set", *settings]]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert not list(tmp_path.iterdir())


def test_settings_for_a_start_need_one(runs, tmp_path, capsys):
    words = ["train", "--train", runs / "new.tsv", "--out", tmp_path / "new", "--set"]
    assert main([str(word) for word in [*words, "freeze=encoder"]]) == 2
    message = "kseq: freeze is for a training that starts from another run; name it with --from\n"
    assert capsys.readouterr().err == message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words, message",
    [
        (["--train", "new.tsv", "--out", "old"], "out must not be the directory of the run that"),
        (["--resume", "old"], "--from is not for --resume, which repeats the recorded training"),
        (["--recipe", "multi30k-de-en", "--out", "new"], "--from and --recipe both choose the se"),
        (
            ["--train", "values.tsv", "--out", "new"],
            "expected text and text, as in the training of old; received",
        ),
    ],
    ids=str,
)
def test_commands_that_cannot_start_there_are_an_error_in_one_line(
    runs, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(runs)
    for number in range(9):
        np.save(f"{number}.npy", np.full([2, 3], number, np.float32))
    (runs / "values.tsv").write_text("".join(f"{number}.npy\tx\n" for number in range(9)))
    assert main(["train", "--from", "old", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error, error


def test_a_file_of_settings_changes_only_what_it_names(runs, tmp_path, capsys, eager_mode):
    (tmp_path / "s.yaml").write_text("training: {freeze: [encoder], learning_rate: 0.5, epochs: 9}")
    base = fine_tuning_config(runs / "old")
    config = Config.load(tmp_path / "s.yaml", absent=base.to_dict())
    assert config.model == base.model and config.training.seed == 7
    assert config.training.freeze == ("encoder",) and config.training.learning_rate == 0.5
    assert Config.loads(config.dumps(".yaml"), ".yaml") == Config.loads(config.dumps()) == config


def test_a_start_is_checked_as_a_run_that_is_loaded(runs, corpus, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "old", run)
    with pytest.raises(TypeError, match="start must be a run directory; received 3"):
        train(corpus, out=tmp_path / "new", start=3)
    with pytest.raises(FileNotFoundError, match="run directory not found: .*none"):
        train(corpus, out=tmp_path / "new", start=tmp_path / "none")
    weights = run / directory.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ValueError, match="model.weights.h5: has been changed since the run was"):
        train(corpus, out=tmp_path / "new", start=run)


@pytest.mark.slow  # trains
def test_a_run_whose_training_goes_on_is_a_start_with_a_warning(runs, corpus, tmp_path, eager_mode):
    run = tmp_path / "run"
    shutil.copytree(runs / "old", run)
    path = run / directory.RECORD
    path.write_text(path.read_text().replace('"is_finished": true', '"is_finished": false'))
    with pytest.warns(UnfinishedRunWarning, match="the training of .*run has not ended"):
        train(corpus, out=tmp_path / "new", start=run, verbose=False)
