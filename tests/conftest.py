"""Shared by all tests: small corpora, a small trained run, and the data that may be missing."""

import os
import pathlib

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = pathlib.Path(__file__).parent.parent

SMALL = ["units=32", "embedding_dim=16", "epochs=2", "batch_size=32", "warmup_steps=0"]
# Enough for sentences that differ, at least; a model that has learnt nothing writes nothing.
LEARNT = ["units=48", "embedding_dim=32", "epochs=6", "learning_rate=0.01", "dropout=0.1"]


@pytest.fixture(scope="session", autouse=True)
def exact_products():
    """TensorFloat-32 would blur the comparisons on a GPU."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


@pytest.fixture(scope="session")
def small_files(tmp_path_factory):
    """Two thousand training pairs, and two hundred each to validate and to test with."""
    from kseq import load_corpus

    folder = tmp_path_factory.mktemp("small")
    corpus = load_corpus("en-fr")
    for split, count in (("train", 2000), ("valid", 200), ("test", 200)):
        pairs = list(getattr(corpus, split))[:count]
        (folder / f"{split}.tsv").write_text(
            "".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8"
        )
    return folder


@pytest.fixture(scope="session")
def small_corpus(small_files):
    from kseq import load_corpus

    return load_corpus(
        small_files / "train.tsv", valid=small_files / "valid.tsv", test=small_files / "test.tsv"
    )


@pytest.fixture(scope="session")
def small_run(small_corpus, tmp_path_factory):
    """A run directory of a small model that has begun to learn."""
    from kseq import Config, train

    out = tmp_path_factory.mktemp("runs") / "small"
    train(small_corpus, Config().with_settings([*SMALL, *LEARNT]), out=out, verbose=False)
    return out


@pytest.fixture(scope="session")
def translator(small_run):
    from kseq import Translator

    return Translator.load(small_run)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of public corpora to measure with; tests that need it skip without it."""
    folder = pathlib.Path(os.environ.get("KSEQ_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs public corpora in {folder}, or where KSEQ_DATA says")
    return folder


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return [random.normal(size=(length, 3)).astype(np.float32) for length in (2, 5, 1)]


@pytest.fixture
def index(tmp_path, arrays):
    """Three recordings in a folder of their own, each with a text."""
    (tmp_path / "speech").mkdir()
    for number, array in enumerate(arrays):
        np.save(tmp_path / "speech" / f"{number}.npy", array)
    path = tmp_path / "index.tsv"
    path.write_text("".join(f"speech/{n}.npy\ttext {n}\tmore\n" for n in range(3)))
    return path
