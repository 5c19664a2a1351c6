"""Whatever people type, load or damage: words instead of a traceback, and never a hang.

`KSEQ_FUZZ_CASES=20000 python -m pytest tests/test_fuzz.py` tries more cases than the usual 500.
"""

import argparse
import contextlib
import dataclasses
import gzip
import io
import json
import os
import pathlib
import shutil
import signal
import sys
import typing
import warnings
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from untrained import untrained_translator, write_run

import kseq
from kseq.cli.main import _make_parser, main
from kseq.config import Config
from kseq.runs.weights import load_model

CASES = int(os.environ.get("KSEQ_FUZZ_CASES", "500"))
KINDS = 5  # of cases, one test for each
SLOWEST = 120  # seconds, after which a case counts as a hang

fuzz = hypothesis.settings(
    max_examples=CASES // KINDS,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    database=None,
    derandomize=CASES == 500,
)

TEXTS = st.text(st.sampled_from("ab 中é\t\n\r\"',;=-0.{}[]\x00\x1b￭▁\ud800"), max_size=12)
NUMBERS = st.one_of(st.integers(-3, 400), st.integers(), st.floats())
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)


@contextlib.contextmanager
def time_limit():
    """Raises an error in the code inside if it takes too long."""

    def fail(*_):
        raise AssertionError(f"took more than {SLOWEST} seconds")

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(SLOWEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def explained_errors():
    """Lets errors pass that have words for the user; all others are faults."""
    with time_limit(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ValueError, TypeError, OSError) as error:
            assert str(error).strip(), repr(error)


def run_command(*words):
    """Runs the command in this process; returns what it wrote to standard error."""
    errors = io.StringIO()
    with (
        time_limit(),
        warnings.catch_warnings(),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            code = main([*words])
        except SystemExit as error:
            code = error.code
    assert code in (0, 1, 2), errors.getvalue()
    assert "Traceback" not in errors.getvalue(), errors.getvalue()
    return errors.getvalue()


FIELDS = [
    f"{prefix}{field.name}"
    for section, kind in typing.get_type_hints(Config).items()
    for field in dataclasses.fields(kind)
    for prefix in ("", f"{section}.")
]
SETTINGS = st.one_of(
    TEXTS,
    st.builds("{}={}".format, st.sampled_from(FIELDS), st.one_of(VALUES.map(repr), TEXTS)),
    st.builds("{}={}".format, st.sampled_from(FIELDS), PLAIN.map(lambda value: json.dumps(value))),
)


@fuzz
@hypothesis.given(
    st.one_of(
        st.lists(st.one_of(SETTINGS, VALUES), max_size=4),
        st.dictionaries(st.sampled_from(["model", "text", "training"]), VALUES),
        st.fixed_dictionaries(
            {},
            optional={
                section: st.dictionaries(
                    st.sampled_from([field.name for field in dataclasses.fields(kind)]), PLAIN
                )
                for section, kind in typing.get_type_hints(Config).items()
            },
        ),
        TEXTS,
    )
)
def test_settings_of_any_kind_are_read_or_explained(settings):
    with explained_errors():
        if isinstance(settings, list):
            Config().with_settings(settings)
        elif isinstance(settings, dict):
            Config.from_dict(settings)
        else:
            Config.loads(settings, ".yaml")


LINES = st.one_of(
    TEXTS,
    st.builds("{}\t{}".format, TEXTS, TEXTS),
    st.sampled_from(
        ['{"source": "a", "target": "b"}', "word W ER D", '"a ""b"""\t"c"', "a.npy\tb"]
    ),
)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda lines, end: end.join(line.encode("utf-8", "surrogatepass") for line in lines),
        st.lists(LINES, max_size=8),
        st.sampled_from([b"\n", b"\r\n", b"\r", b"\x00"]),
    ),
)
SUFFIXES = ["tsv", "csv", "jsonl", "dict", "txt", "tsv.gz", "zip", "tfrecord", "json", "align"]


def write_data(path, content, is_packed):
    if is_packed and path.suffix == ".gz":
        content = gzip.compress(content)
    if is_packed and path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("pairs.tsv", content)
    else:
        path.write_bytes(content)


@fuzz
@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(SUFFIXES), CONTENTS, st.booleans()), min_size=1, max_size=2),
    st.sampled_from([[], ["--columns", "2", "1"], ["--columns", "a", "b"], ["--swap"]]),
)
def test_data_files_of_any_content_are_read_or_explained(tmp_path_factory, files, options):
    folder = tmp_path_factory.mktemp("fuzz")
    paths = []
    for number, (suffix, content, is_packed) in enumerate(files):
        path = folder / f"{number}.{suffix}"
        write_data(path, content, is_packed)
        paths.append(str(path))
    run_command("clean", *paths, *options, "--out", str(folder / "out.tsv"))
    with explained_errors():
        corpus = kseq.load_corpus(*paths, skip_faulty=True)
        for split in (corpus.train, corpus.valid, corpus.test):
            assert all(source.strip() and target.strip() for source, target in split)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has learnt nothing, which is enough to be damaged."""
    translator = untrained_translator([], ["a", "b"], ["a", "b"])
    return write_run(translator, tmp_path_factory.mktemp("fuzz") / "run")


@st.composite
def damages(draw):
    """A function that damages a file of a run."""
    name = draw(st.sampled_from(["config.json", "run.json", "run.json", "source_vocabulary.txt"]))
    kind = draw(st.sampled_from(["value", "value", "value", "bytes", "cut", "missing"]))
    number, value, noise = draw(st.integers(0, 10**6)), draw(VALUES), draw(st.binary(max_size=9))

    def damage(folder):
        path = folder / name
        data = path.read_bytes()
        if kind == "missing":
            path.unlink()
        elif kind == "cut":
            path.write_bytes(data[: number % len(data)])
        elif kind == "bytes" or not name.endswith("json"):
            place = number % len(data)
            path.write_bytes(data[:place] + noise + data[place + len(noise) :])
        else:
            values = json.loads(data)
            where = values
            while True:
                key = list(where)[number % len(where)]
                if not (isinstance(where[key], dict) and where[key] and number % 3):
                    break
                where = where[key]
            where[key] = value
            path.write_text(json.dumps(values), encoding="utf-8")

    return damage


@hypothesis.settings(fuzz, max_examples=CASES // KINDS // 2)  # each reads a run
@hypothesis.given(damages())
def test_a_damaged_run_is_loaded_or_explained(run, tmp_path_factory, damage):
    copy = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(run, copy)
    damage(copy)
    with explained_errors():
        load_model(copy)
    shutil.rmtree(copy.parent)


def all_flags(parser):
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from all_flags(subparser)


def all_commands(parser):
    (action,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return list(action.choices)


PARSER = _make_parser()
# Not the help, which ends the command; and `--from` would use the network.
FLAGS = sorted(set(all_flags(PARSER)) - {"-h", "--help", "--from", "--version"})
COMMANDS = sorted(set(all_commands(PARSER)) - {"fetch"})
WORDS = st.one_of(
    st.sampled_from(["pairs.tsv", "missing.tsv", ".", "out.tsv", "out.png", "out.html", "run"]),
    st.sampled_from(["", "-1", "0", "1", "2.5", "nan", "1e999", "x=y", "units=8", "*", "中"]),
    TEXTS.map(lambda text: text.replace("\x00", "")),
)


@fuzz
@hypothesis.given(
    st.sampled_from(COMMANDS),
    st.lists(st.one_of(st.sampled_from(FLAGS), WORDS, WORDS), max_size=6),
)
def test_command_lines_of_any_words_are_run_or_explained(tmp_path_factory, command, words):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "pairs.tsv").write_text("".join(f"a {n}\tb {n}\n" for n in range(40)))
    (folder / "run").mkdir()
    with contextlib.chdir(folder), open(os.devnull) as no_input:
        standard_input, sys.stdin = sys.stdin, no_input
        try:
            if command == "train":
                words = [*words, "--set", "units=8", "embedding_dim=4", "epochs=1"]
            errors = run_command(command, *words)
        finally:
            sys.stdin = standard_input
    assert errors.isprintable() or "\x1b" not in errors
    shutil.rmtree(folder)


ARRAYS = st.sampled_from([np.zeros([0]), np.ones([2, 3]), np.full([2, 2], np.nan), np.array("a")])
ARGUMENTS = st.one_of(VALUES, ARRAYS, st.just(object()), st.just(pathlib.Path("missing")))
CALLS = {
    "load_corpus": kseq.load_corpus,
    "Pairs.open": kseq.Pairs.open,
    "ValuePairs.open": kseq.ValuePairs.open,
    "Config.from_dict": Config.from_dict,
    "Config.load": Config.load,
    "ModelConfig": kseq.ModelConfig,
    "TextConfig": kseq.TextConfig,
    "TrainingConfig": kseq.TrainingConfig,
    "BeamSearch": kseq.BeamSearch,
    "Sampling": kseq.Sampling,
    "Cleaning": kseq.Cleaning,
    "clean": lambda *arguments: list(kseq.clean(*arguments)),
    "symmetrize": kseq.symmetrize,
    "to_pharaoh": kseq.to_pharaoh,
    "alignment_error_rate": kseq.alignment_error_rate,
    "hard_alignment": kseq.hard_alignment,
    "suggest_config": kseq.suggest_config,
    "Translator.load": kseq.Translator.load,
    "average_checkpoints": kseq.average_checkpoints,
    "load_vectors": kseq.load_vectors,
    "build_seq2seq": kseq.build_seq2seq,
}


@fuzz
@hypothesis.given(st.sampled_from(sorted(CALLS)), st.lists(ARGUMENTS, max_size=3))
def test_calls_with_any_arguments_are_answered_or_explained(tmp_path_factory, name, arguments):
    with contextlib.chdir(tmp_path_factory.getbasetemp()), explained_errors():
        CALLS[name](*arguments)
