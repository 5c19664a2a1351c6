"""Fixtures for all tests: a small corpus, a small trained run; and the order of the tests."""

import contextlib
import gc
import importlib.util
import os
import pathlib
import sys
import tempfile

import filelock
import hypothesis
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IS_WORKER:
    # Set before TensorFlow and NumPy start their threads: each worker has its own core.
    for variable in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

if not IS_WORKER:  # Workers inherit it.
    STATE = tempfile.TemporaryDirectory(prefix="kseq-tests-")
    os.environ["XDG_STATE_HOME"] = STATE.name  # Nothing is written to the user's own folder.

# Number of examples per property. `make test-all` uses the second profile.
hypothesis.settings.register_profile("few", deadline=None, max_examples=20)
hypothesis.settings.register_profile("many", deadline=None, max_examples=300)
hypothesis.settings.load_profile("few")

# Tracing creates millions of objects; frequent garbage collection would take a tenth of the time.
gc.set_threshold(200_000, 20, 100)

ROOT = pathlib.Path(__file__).parent.parent


def load_example(name):
    """Returns a script of the examples as a module."""
    path = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SMALL = ["units=32", "embedding_dim=16", "epochs=2", "batch_size=32", "warmup_steps=0"]
# Enough for outputs that differ; a model that has learnt nothing writes nothing.
LEARNING = ["units=48", "embedding_dim=32", "epochs=6", "learning_rate=0.01", "dropout=0.1"]


# Files of unit tests: they train no model and trace few graphs.
QUICK = """
arrays attention batches catalogue cells cleaning config console corpora dense devices documents
doubts dropout encoders errors files fingerprints house_rules in_memory known_corpora
letter_case lines locks measures optimizer output pair_files panels process_memory processor
pronunciations provenance record records rules runs_overview scripts serving_parts sides sources
strategies
tables text tuning_space tuning_study value_strips values vectors
"""


# The slowest files start first, so that the workers finish at about the same time. The second one
# does not need the small run, which the first one makes.
LONGEST = """
training combinations decoding models search teacher pipeline value_models validation translator
weights inspection cli encoded report decoders package cli_search tuning progress fine_tuning
additions embeddings resume export_combinations search_combinations pyplot recurrence export
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Puts the slowest files first, and marks quick tests."""
    items.sort(key=_rank_of)
    for item in items:
        if item.path.stem.removeprefix("test_") in QUICK.split():
            item.add_marker("quick")


def _rank_of(item):
    name = item.path.stem.removeprefix("test_")
    longest = LONGEST.split()
    return longest.index(name) if name in longest else len(longest)


@pytest.fixture(autouse=True)
def close_figures():
    """Closes the figures of pyplot after a test that has drawn some."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory):
    """A folder that all workers share, so that expensive files are made only once."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if IS_WORKER else folder


def make_once(folder, make):
    """Makes a folder in one worker, while the others wait; returns the folder.

    Args:
        folder: Path of the folder.
        make: A function that makes the folder atomically.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.parent.with_suffix(".lock")):
        if not folder.exists():
            make()
    return folder


@pytest.fixture(scope="session", autouse=True)
def disable_tensor_float_32():
    """Makes products on a GPU exact enough to compare."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


@contextlib.contextmanager
def run_eagerly():
    """Runs TensorFlow functions eagerly in a context: tracing takes longer than a few steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager_mode():
    """Runs TensorFlow functions eagerly."""
    with run_eagerly():
        yield


@pytest.fixture(params=["eager", pytest.param("graph", marks=pytest.mark.slow)])
def mode(request):
    """Runs TensorFlow functions eagerly and, in `make test-all`, also as graphs."""
    if request.param == "eager":
        request.getfixturevalue("eager_mode")
    return request.param


def write_tiny_pairs(path):
    """Writes 120 pairs of two or three words to a file; returns its path."""
    path.write_text("".join(f"a{n % 7} b{n % 5} c{n}\tx{n % 7} y{n % 5}\n" for n in range(120)))
    return path


@pytest.fixture(scope="session")
def small_files(common_folder):
    """A folder with 2,000 pairs for training, 200 for validation and 200 for testing."""
    from kseq import load_corpus

    folder = common_folder / "small" / "files"

    def write_files():
        unfinished = folder.with_name("unfinished")
        unfinished.mkdir()
        corpus = load_corpus("en-fr")
        for split, count in (("train", 2000), ("valid", 200), ("test", 200)):
            pairs = list(getattr(corpus, split))[:count]
            lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
            (unfinished / f"{split}.tsv").write_text(lines, encoding="utf-8")
        unfinished.rename(folder)

    return make_once(folder, write_files)


@pytest.fixture(scope="session")
def small_corpus(small_files):
    from kseq import load_corpus

    return load_corpus(
        small_files / "train.tsv", valid=small_files / "valid.tsv", test=small_files / "test.tsv"
    )


@pytest.fixture(scope="session")
def small_run(small_corpus, common_folder):
    """A run directory of a small model that has begun to learn."""
    from kseq import Config, train

    config = Config().with_settings([*SMALL, *LEARNING])
    out = common_folder / "runs" / "small"
    return make_once(out, lambda: train(small_corpus, config, out=out, verbose=False))


@pytest.fixture(scope="session")
def translator(small_run):
    from kseq import Translator

    return Translator.load(small_run)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of public corpora; tests that need it are skipped without it."""
    folder = pathlib.Path(os.environ.get("KSEQ_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs public corpora in {folder}, or in the folder that KSEQ_DATA names")
    return folder


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return [random.normal(size=(length, 3)).astype(np.float32) for length in (2, 5, 1)]


@pytest.fixture
def index(tmp_path, arrays):
    """An index of three recordings, which are in a folder next to it, and their texts."""
    (tmp_path / "speech").mkdir()
    for number, array in enumerate(arrays):
        np.save(tmp_path / "speech" / f"{number}.npy", array)
    path = tmp_path / "index.tsv"
    path.write_text("".join(f"speech/{n}.npy\ttext {n}\tmore\n" for n in range(3)))
    return path


@pytest.fixture
def load_once(request, common_folder, monkeypatch):
    """Makes commands reuse the translator of the small run and its traced graphs."""
    from kseq import Translator

    load = Translator.load

    def load_or_reuse(*runs, **options):
        is_small_run = list(map(str, runs)) == [str(common_folder / "runs" / "small")]
        if not is_small_run or options.get("precision", "float32") != "float32":
            return load(*runs, **options)
        with monkeypatch.context() as patch:
            patch.setattr(Translator, "load", load)  # for the fixture
            return request.getfixturevalue("translator")

    monkeypatch.setattr(Translator, "load", load_or_reuse)


@pytest.fixture
def command(capfd, monkeypatch, load_once):
    """A function that runs `kseq` in this process; returns its exit code, output and errors."""
    from kseq.cli.main import main

    def run(*words, data=b""):
        with tempfile.TemporaryFile() as file, monkeypatch.context() as patch:
            file.write(data)
            file.seek(0)
            patch.setattr("sys.stdin", file)
            code = main([str(word) for word in words])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def values_translator():
    """An untrained translator from two real values in a step to one."""
    from untrained import untrained_reader

    from kseq.pipeline.value_codec import ValueCodec

    settings = ["source_features=2", "target_features=1"]
    codecs = ValueCodec(np.zeros(2), np.ones(2)), ValueCodec(np.zeros(1), np.full(1, 3.0))
    return untrained_reader(settings, *codecs)
