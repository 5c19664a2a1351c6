"""The command as a user runs it; in separate processes where standard streams matter."""

import json
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import SMALL, run_eagerly, write_tiny_pairs
from test_event_files import read_events

from kseq.cli.main import _parse, main

# Not set on a user's machine: they silence TensorFlow's messages, and flush all output.
UNSET = ("TF_CPP_MIN_LOG_LEVEL", "PYTHONUNBUFFERED")
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name not in UNSET}
KSEQ = [sys.executable, "-c", "import sys; from kseq.cli.main import main; sys.exit(main())"]


def read_line(stream, seconds=120):
    """The next line of a pipe; fails if none comes in time."""
    readable, *_ = select.select([stream], [], [], seconds)
    assert readable, "no answer"
    return stream.readline().decode()


def run_process(*words, data=b""):
    """Runs the command in a separate process; returns exit code, output, errors."""
    process = subprocess.run(
        [*KSEQ, *map(str, words)], input=data, capture_output=True, env=ENVIRONMENT
    )
    return process.returncode, process.stdout.decode(), process.stderr.decode()


@pytest.fixture
def expect_error(capsys, load_once):
    """Checks that a command ends with exit code 2 and one line that matches a message."""

    def check(words, message):
        assert main([str(word) for word in words]) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and captured.err.startswith("kseq: ")
        assert re.search(message, captured.err), captured.err

    return check


def small_options():
    """Options `--set`, which take one or several settings each."""
    return ["--set", SMALL[0], "--set", *SMALL[1:]]


def test_a_model_is_trained_evaluated_plotted_and_exported(tmp_path, command):
    run, pairs, test = tmp_path / "run", tmp_path / "pairs.tsv", tmp_path / "test.tsv"
    write_tiny_pairs(pairs)
    test.write_text("".join(pairs.read_text().splitlines(keepends=True)[:20]))
    settings = ["--set", "units=16", "--set", "embedding_dim=8", "epochs=1", "batch_size=128"]
    with run_eagerly():
        words = ["train", "--train", pairs, *settings, "--tensorboard", "--out", run]
        code, output, errors = command(*words)
    assert (code, errors) == (0, "")
    assert output.startswith("device: ") and f"kseq evaluate {run}" in output
    recorded = json.loads((run / "run.json").read_text())["command"]
    settings = " ".join(settings)
    assert recorded == f"kseq train --train pairs.tsv {settings} --tensorboard --out run"
    names = {name for _, name, *_ in read_events(tmp_path / "tensorboard" / "run" / "validation")}
    assert {"figures/cross_entropy", "outputs", "attention/4"} <= names

    with run_eagerly():
        code, output, errors = command("evaluate", run, "--test", test, "--json")
    # After one epoch, outputs may be empty, or not end by themselves.
    assert code == 0 and re.fullmatch("(kseq: warning: (all|cut) .*\n)*", errors)
    figures = json.loads(output)
    assert sorted(figures) == sorted(
        ["bleu", "chrf", "exact_match", "token_error_rate", "perplexity"]
        + ["sentences", "signature"]
    )
    assert figures["sentences"] == 20

    picture = tmp_path / "picture.png"
    with run_eagerly():
        code, output, errors = command("heatmap", run, "a1 b1 c1", "--out", picture)
    assert code == 0 and re.fullmatch("(kseq: warning: cut .*\n)?", errors)
    assert picture.read_bytes().startswith(b"\x89PNG")

    code, _, errors = command("export", run, tmp_path / "exported", "--beam", 2)
    assert (code, errors) == (0, "")
    assert (tmp_path / "exported" / "saved_model.pb").exists()


def test_each_input_line_gives_one_output_line(small_run, command):
    lines = b"The cat is small.\n\nWhere is he?\r\n\xef\xbb\xbf\x00\nno line end"
    code, output, errors = command("translate", small_run, data=lines)
    assert (code, errors) == (0, "")
    assert output.count("\n") == 5
    assert output.split("\n")[1] == "" and output.split("\n")[3] == ""


def test_cut_outputs_give_one_warning_in_one_line(small_run, command):
    lines = 50 * b"I see the house and the big red car.\n"
    code, output, errors = command("translate", small_run, "--maximum-length", 1, data=lines)
    assert code == 0 and output.count("\n") == 50
    assert errors.count("\n") == 1 and errors.startswith("kseq: warning: cut at the maximum length")
    assert "for 50 sources: 1 ('I see the ho... big red car.'), 2 (" in errors


def test_json_has_the_source_and_the_best_or_the_n_best_translations(
    small_run, tmp_path, capsys, load_once
):
    (tmp_path / "text").write_text("The cat is small.\nWhere is he?\n")
    words = ["translate", small_run, tmp_path / "text", "--beam", "3", "--json"]
    assert main([str(word) for word in words]) == 0
    plain = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["source"] for line in plain] == ["The cat is small.", "Where is he?"]
    assert main([str(word) for word in [*words, "--n-best", "2"]]) == 0
    n_best = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line, n_best_line in zip(plain, n_best, strict=True):
        assert len(n_best_line["hypotheses"]) == 2
        assert n_best_line["hypotheses"][0]["text"] == line["text"]


def test_evaluate_uses_the_test_split_of_the_corpus(small_run, capsys, load_once):
    assert main(["evaluate", str(small_run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sentences"] == 200
    assert main(["evaluate", str(small_run)]) == 0
    table = capsys.readouterr().out
    assert "exact match" in table and re.search(r"^sentences +200$", table, re.MULTILINE)


@pytest.mark.slow  # a process of its own
def test_a_reader_that_closes_the_pipe_early_causes_no_message(small_run, tmp_path):
    (tmp_path / "text").write_text("The cat is small.\n" * 3000)
    command = [*KSEQ, "translate", str(small_run), str(tmp_path / "text")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


COMMANDS = [
    *("fetch", "inspect", "clean", "train", "ensemble", "launch", "tune", "average"),
    *("runs", "compare"),
    *("translate", "chat", "evaluate", "score"),
    *("heatmap", "align", "report", "export"),
    *("pack", "unpack", "push", "serve", "recipes", "models"),
]


@pytest.fixture
def help_of(capsys):
    """Returns the help of a command."""

    def read(*command):
        with pytest.raises(SystemExit) as stop:
            main([*command, "--help"])
        assert stop.value.code == 0
        return capsys.readouterr().out

    return read


def test_the_help_lists_every_command_with_its_summary(help_of):
    summaries = dict(re.findall(r"^    (\w+)\s+(\S+ \S+)", help_of(), re.MULTILINE))
    assert list(summaries) == COMMANDS
    for command, summary in summaries.items():
        text = help_of(command)
        assert text.startswith(f"usage: kseq {command} ")
        assert summary.lower() in text.lower()


@pytest.mark.parametrize("command", [(), *((command,) for command in COMMANDS)])
def test_the_examples_in_the_help_are_commands_that_can_be_parsed(command, help_of):
    lines = [line for line in help_of(*command).splitlines() if re.match("  (.*[|] )?kseq ", line)]
    assert lines or command == ("models",)
    for line in lines:
        _, *words = shlex.split(line.split("| ")[-1].split(" > ")[0])
        assert _parse(words).run.__name__ == words[0]


@pytest.mark.parametrize(
    "words",
    [
        *([], ["fly"], ["train"], ["train", "--corpus", "en-fr"]),
        *(["train", "--corpus", "en-fr", "--out", ""], ["translate", ""], ["export", "run", ""]),
    ],
)
def test_an_incomplete_command_shows_the_usage(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: kseq")


def unusable_files():
    """Names and contents of files that cannot be trained on, and the error messages."""
    yield "empty.tsv", b"", "empty.tsv: no pair of two non-empty sides"
    yield "blank.tsv", b"\t\n\n \t \n", "blank.tsv: no pair of two non-empty sides"
    yield "column.tsv", b"a\tb\nonly one\n" * 9, "column.tsv, line 2: expected source, tab"
    yield "latin1.tsv", b"a\tb\ncaf\xe9\tx\n" * 9, "latin1.tsv, line 2: not valid UTF-8"
    yield "gone.gz", b"no gzip", "gone.gz: damaged after line 0"
    yield "long.tsv", b"word " * 25_000 + b"\tx\n", "long.tsv: .*none of 1 pair can be used"
    yield "once.tsv", b"".join(b"a%d\tb%d\n" % (n, n) for n in range(99)), "vocabulary would be"


@pytest.mark.parametrize(
    "name, content, message", list(unusable_files()), ids=lambda value: str(value)[:9]
)
def test_unusable_training_data_is_reported_in_one_line(
    tmp_path, expect_error, name, content, message
):
    path = tmp_path / name
    path.write_bytes(content)
    words = ["train", "--train", path, "--valid", path, "--out", tmp_path / "run"]
    expect_error(words, message)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_corpus_options_reach_the_training(tmp_path, monkeypatch):
    def record(corpus, *_, **__):
        corpora.append(corpus)

    monkeypatch.setattr("kseq.training.train.train", record)
    (tmp_path / "pairs.tsv").write_text("".join(f"a{n % 9} b\tx{n % 7}\n" for n in range(90)))
    words = ["train", "--train", tmp_path / "pairs.tsv", "--out", tmp_path / "run"]
    for options, expected in (
        ([], {"swap": False, "apart": "source"}),
        (["--swap", "--apart", "both"], {"swap": True, "apart": "both"}),
    ):
        corpora = []
        assert main([str(word) for word in [*words, *options]]) == 0
        assert {name: corpora[0].origin[name] for name in expected} == expected


def test_a_mistake_is_reported_in_one_line_and_changes_nothing(
    small_run, small_files, tmp_path, expect_error
):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    (tmp_path / "config.yaml").write_text("model: {unitz: 3}")
    (tmp_path / "short").write_text("x\n")
    data, out = ["--train", small_files / "train.tsv"], ["--out", tmp_path / "run"]
    for words, message in [
        (
            ["train", "--train", tmp_path / "no.tsv", *out],
            r"file not found: .*no.tsv \(embedded corpora",
        ),
        (["train", "--corpus", "en-de", *out], "unknown corpus: 'en-de'.*en-fr"),
        (["train", "--train", "a", "b", "c", *out], "file not found: a"),
        (
            ["train", "--corpus", "en-fr", "--swap", *out],
            "--swap requires --train; en-fr has its own splits",
        ),
        (["evaluate", small_run, "--swap"], "--swap is for the files of --test"),
        (["train", *data, "--config", tmp_path / "no.yaml", *out], "config file not found"),
        (["train", *data, "--config", tmp_path / "config.yaml", *out], "did you mean 'units'"),
        (["train", *data, "--set", "unitz=3", *out], "unknown setting 'unitz'"),
        (
            ["train", *data, "--set", "cell=gur", *out],
            "'gru' or 'lstm'; received 'gur'; did you mean 'gru'",
        ),
        (["train", *data, "--out", small_run], "holds a run with other settings.*--overwrite"),
        (["train", *data, "--out", tmp_path / "thesis"], "exists and is not a run"),
        (["train", "--corpus", "en-fr", "--test", "x", *out], "--test requires --train; en-fr has"),
        (["translate", tmp_path / "none"], "run directory not found: .*none"),
        (["translate", tmp_path / "thesis"], "not a run directory: .*thesis"),
        (["translate", small_run, tmp_path / "none"], "file not found: .*none"),
        (
            ["translate", small_run, "--forbid", "<unk>", tmp_path / "short"],
            "--forbid would take .*short, which is a file.*: kseq translate .*short --forbid <unk>",
        ),
        (
            ["evaluate", small_run, "--ensemble-average", "probability"],
            "--ensemble-average is for an ensemble: add --ensemble RUN",
        ),
        (
            ["translate", small_run, "--beam", "0"],
            "--beam must be at least 1 and at most 1,000; received 0",
        ),
        (["translate", small_run, "--n-best", "2"], r"--n-best must be at most --beam \(1\)"),
        (["evaluate", small_run, "--test", tmp_path / "none"], "file not found"),
        (
            ["evaluate", small_run, "--test", small_files / "test.tsv", tmp_path / "short"],
            "test.tsv holds a source, a tab and a target on its lines, but .*short does not",
        ),
        (["heatmap", small_run, " ", "--out", tmp_path / "a.png"], "received an empty one"),
        (["heatmap", small_run, "a", "--out", tmp_path / "a.xyz"], "must end in .png, .svg or"),
        (["heatmap", small_run, "a", "--out", tmp_path / "no" / "a.png"], "No such file or dir"),
        (["export", small_run, tmp_path / "thesis"], "exists and is not a SavedModel"),
        (["export", tmp_path, tmp_path / "model"], "not a run directory"),
    ]:
        expect_error(words, message)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["config.yaml", "short", "thesis"]
    assert os.listdir(tmp_path / "thesis") == ["thesis.tex"]


def test_a_missing_corpus_file_of_a_run_is_named(small_run, small_files, tmp_path, expect_error):
    from kseq import load_corpus
    from kseq.runs.known_corpora import remember_corpus

    run, files = tmp_path / "run", tmp_path / "files"
    shutil.copytree(small_run, run)
    shutil.copytree(small_files, files)
    corpus = load_corpus(files / "train.tsv", test=files / "test.tsv")
    record = json.loads((run / "run.json").read_text())
    record["corpus"] = remember_corpus(corpus)
    (run / "run.json").write_text(json.dumps(record))
    (files / "test.tsv").unlink()
    expect_error(["evaluate", run], f"No such file or directory|file not found: {files}/test.tsv")


def test_the_corpus_of_a_strangers_run_must_be_named(small_run, tmp_path, expect_error):
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    record = json.loads((run / "run.json").read_text())
    record["corpus"] = {"train": ["/dev/zero"], "valid": None, "test": ["/dev/zero"]}
    (run / "run.json").write_text(json.dumps(record))
    for words in (["evaluate"], ["score"], ["align"], ["report", "--out", tmp_path / "a.html"]):
        expect_error([words[0], run, *words[1:]], "--test must name files of pairs, such as test.t")


def test_lines_before_a_damaged_one_are_translated(small_run, command):
    code, output, errors = command("translate", small_run, data=b"The cat.\n" * 1500 + b"\xff\n")
    assert code == 2
    assert output.count("\n") == 1500
    assert errors == (
        "kseq: standard input, line 1501: not valid UTF-8; convert the file, such as with "
        "iconv -f latin1 -t utf-8\n"
    )


@pytest.mark.parametrize(
    "epochs, message",
    [
        pytest.param(0, "was not written", marks=pytest.mark.slow),
        (1, "holds the best epoch"),
    ],
)
def test_an_interrupted_training_reports_what_it_wrote(
    tmp_path, monkeypatch, capsys, eager_mode, epochs, message
):
    """Ctrl-C during the first epoch, and after it."""
    from kseq.training.validation import Validation

    def interrupt(self, epoch, logs=None):
        if epoch == epochs:
            raise KeyboardInterrupt
        on_epoch_begin(self, epoch, logs)

    on_epoch_begin = Validation.on_epoch_begin
    monkeypatch.setattr(Validation, "on_epoch_begin", interrupt)
    pairs = write_tiny_pairs(tmp_path / "pairs.tsv")
    words = ["train", "--train", pairs, "--out", tmp_path / "run"]
    assert main([str(word) for word in [*words, *small_options(), "batch_size=128"]]) == 1
    assert message in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv"] + ["run"] * epochs


def test_a_closed_standard_input_is_reported(small_run, monkeypatch, expect_error):
    monkeypatch.setattr("sys.stdin", None)
    expect_error(["translate", small_run], "standard input is closed; name a file")


def test_pairs_without_tokens_are_left_out_of_the_figures_with_a_warning(
    small_run, tmp_path, capsys, load_once
):
    (tmp_path / "test.tsv").write_text("The cat.\tLe chat.\nThe cat.\t\x01\n\tLe chat.\n")
    words = ["evaluate", str(small_run), "--test", str(tmp_path / "test.tsv"), "--json"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sentences"] == 1
    assert "left out 1 of 2 pairs: a side has no token" in captured.err
    assert "test.tsv: left out 1 with an empty side" in captured.err


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("verb", [pytest.param("translate", marks=pytest.mark.slow), "models"])
def test_a_full_disk_is_reported_in_one_line(small_run, verb):
    """Whether output is flushed after each line (translate) or at the end (models)."""
    words = [verb, str(small_run)] if verb == "translate" else [verb]
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            [*KSEQ, *words],
            input=b"The cat is small.\n",
            stdout=full,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
    assert process.returncode == 1
    assert process.stderr == b"kseq: No space left on device\n"


def test_an_unwritable_output_folder_is_reported(small_files, command):
    """/proc is read-only even to root."""
    code, _, errors = command(
        "train", "--train", small_files / "train.tsv", "--out", "/proc/run", *small_options()
    )
    assert code == 2
    assert errors.startswith("kseq: /proc/run: ") and errors.count("\n") == 1


@pytest.mark.slow  # with a pipe: test_each_line_from_a_pipe_is_answered_at_once
def test_each_line_typed_at_a_terminal_is_answered_at_once(small_run, translator):
    """The command does not read ahead: the answer comes before the input ends."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*KSEQ, "translate", str(small_run)],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        os.close(follower)
        os.write(leader, b"The cat is small.\n")
        expected = translator.translate(["The cat is small."])[0].text
        assert read_line(process.stdout) == expected + "\n"
        os.write(leader, b"\x04")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.stdout.close()
        os.close(leader)
