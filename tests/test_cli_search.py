"""The command's searches, scores, alignments and pictures."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from test_cli import ENVIRONMENT, KSEQ, expect_error, read_line  # noqa: F401
from untrained import untrained_translator, write_run

from kseq import (
    BeamSearch,
    Sampling,
    Translator,
    align,
    to_pharaoh,
    write_records,
)
from kseq.cli.main import main
from kseq.console import show_count
from kseq.kernels.processor import usable_cores
from kseq.runs.directory import checkpoint_path
from kseq.runs.weights import save_weights

SENTENCES = ["The cat is small.", "Where is he?", "They do not eat."]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("".join(sentence + "\n" for sentence in SENTENCES))
    return path


@pytest.fixture
def output(capsys, load_once):
    """Runs a command that must succeed; returns its output lines."""

    def run(*words):
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize(
    "words, strategy",
    [
        ([], BeamSearch()),
        (
            ["--beam", 4, "--n-best", 3, "--alpha", 0.2, "--beta", 0.5, "--maximum-ratio", 1.5],
            BeamSearch(beam_size=4, n_best=3, alpha=0.2, beta=0.5, maximum_ratio=1.5),
        ),
        (
            ["--length-penalty", "average", "--minimum-length", 4, "--no-repeat-ngram", 2]
            + ["--forbid", "le", "Le", "--forbid", "<unk>", "--repetition-penalty", 2],
            BeamSearch(
                length_penalty="average",
                minimum_length=4,
                no_repeat_ngram=2,
                forbid=("le", "Le", "<unk>"),
                repetition_penalty=2.0,
            ),
        ),
        (
            ["--samples", 3, "--seed", 5, "--temperature", 0.8, "--top-k", 9, "--top-p", 0.9],
            Sampling(samples=3, seed=5, temperature=0.8, top_k=9, top_p=0.9),
        ),
    ],
)
def test_options_set_fields_of_the_strategy(small_run, translator, text, output, words, strategy):
    lines = output("translate", small_run, text, *words)
    expected = translator.stream(SENTENCES, strategy)
    assert lines == ["\t".join(result.text for result in results) for results in expected]


def test_options_may_come_before_the_file(small_run, text, output, capsys):
    plain = output("translate", small_run, text, "--beam", 2)
    assert output("translate", small_run, "--beam", 2, text) == plain
    assert output("translate", "--beam", 2, small_run, text) == plain
    assert main(["translate", str(small_run), str(text), "more"]) == 2
    assert "file not found: more" in capsys.readouterr().err
    assert main(["translate", str(small_run), str(text), str(text)]) == 2
    assert "expected one file of lines, or .npy and .wav files; received 2" in (
        capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    [
        "translate",
        "train",
        "train from records",
        "train next to records",
    ],
)
def test_an_operation_uses_one_of_two_cores(task, small_run, text, tmp_path):
    """In a separate process: the command sets this before TensorFlow starts its threads."""
    (tmp_path / "pairs.tsv").write_text("a b\tc d\n" * 40)
    values = np.zeros([3, 2], np.float32)
    write_records(tmp_path / "pairs.tfrecord", [(values, "a b")] * 40)
    np.save(tmp_path / "values.npy", values)
    (tmp_path / "index.tsv").write_text("values.npy\ta b\n" * 40)
    file, valid = {
        "train from records": ("pairs.tfrecord", "pairs.tfrecord"),
        "train next to records": ("index.tsv", "pairs.tfrecord"),
    }.get(task, ("pairs.tsv", "pairs.tsv"))
    verb = task.split()[0]
    arguments = {
        "translate": [small_run, text],
        "train": [
            *("--train", tmp_path / file, "--valid", tmp_path / valid),
            *("--out", tmp_path / "run", "--set", "epochs=1", "units=8", "embedding_dim=8"),
        ],
    }
    program = (
        "import sys; from kseq.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "import tensorflow as tf; "
        "print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    command = [sys.executable, "-c", program, verb, *arguments[verb]]
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": ""}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(process.stdout.splitlines()[-1]) == (1 if usable_cores() == 2 else 0)


@pytest.mark.slow  # another search of an ensemble
def test_an_ensemble_starts_its_outputs_with_the_prefix(small_run, text, output):
    lines = output("translate", small_run, text, "--prefix", "Le chat", "--ensemble", small_run)
    assert len(lines) == 3 and all(line.startswith("Le chat") for line in lines)


@pytest.mark.slow
def test_bfloat16_halves_the_size_of_an_exported_model(small_run, text, tmp_path, output):
    results = Translator.load(small_run, precision="bfloat16").translate(SENTENCES)
    lines = output("translate", small_run, text, "--precision", "bfloat16", "--json")
    assert [json.loads(line)["score"] for line in lines] == [result.score for result in results]
    perplexities = []
    for precision in ("float32", "bfloat16"):
        output("export", small_run, tmp_path / precision, "--precision", precision)
        lines = output("evaluate", small_run, "--precision", precision, "--json")
        perplexities.append(json.loads("".join(lines))["perplexity"])
    assert 0.0 < abs(perplexities[0] / perplexities[1] - 1.0) < 0.05
    sizes = [
        sum(path.stat().st_size for path in (tmp_path / name / "variables").iterdir())
        for name in ("float32", "bfloat16")
    ]
    assert sizes[1] < 0.6 * sizes[0]
    serve = tf.saved_model.load(tmp_path / "bfloat16").signatures["serving_default"]
    texts = serve(text=tf.constant(SENTENCES))["translation"].numpy()
    assert [text.decode() for text in texts] == [result.text for result in results]


def test_json_has_a_log_probability_for_each_token(small_run, text, output):
    for line in output("translate", small_run, text, "--samples", 2, "--json"):
        for hypothesis in json.loads(line)["hypotheses"]:
            assert len(hypothesis["token_log_probabilities"]) == len(hypothesis["tokens"])
            total = sum(hypothesis["token_log_probabilities"])
            assert total == pytest.approx(hypothesis["log_probability"], abs=1e-4)


def test_score_prints_a_line_for_each_pair(small_run, translator, tmp_path, output):
    """Including the pairs with an empty side."""
    pairs = [("The cat is small.", "Le chat est petit."), ("", "Non."), ("Where?", "")]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    expected = translator.score(pairs)
    for line, result in zip(output("score", small_run, "--test", path), expected, strict=True):
        total, mean, target = line.split("\t")
        assert float(total) == pytest.approx(result.log_probability, abs=1e-5)
        assert float(mean) == pytest.approx(result.score, abs=1e-5)
        assert target == result.text
    lines = output("score", small_run, "--test", path, "--json")
    for line, result in zip(map(json.loads, lines), expected, strict=True):
        assert (line["source"], line["target"]) == (result.source, result.text)
        assert line["tokens"] == result.tokens
        np.testing.assert_allclose(
            line["token_log_probabilities"], result.token_log_probabilities, atol=1e-5
        )
    assert len(output("score", small_run)) == 200


def test_align_prints_the_links_of_each_pair(small_run, translator, tmp_path, output):
    pairs = [("The cat is small.", "Le chat est petit."), ("", "Non."), ("Where?", "Où ?")]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    expected = list(align(translator, pairs))
    words = ["align", small_run, "--test", path]
    assert output(*words) == [to_pharaoh(set(links)) for links in expected]
    assert output(*words, "--weights") == [to_pharaoh(links) for links in expected]
    assert output(*words)[1] == "" and ":" in output(*words, "--weights")[0]
    forward = align(translator, pairs, method=None)
    assert output(*words, "--method", "forward") == [to_pharaoh(set(links)) for links in forward]


def test_report_and_heatmap_write_their_files(small_run, tmp_path, output):
    page = tmp_path / "page.html"
    assert output("report", small_run, "--out", page, "--sentences", 3)[-1] == str(page)
    assert "<!doctype html>" in page.read_text().lower()
    picture = tmp_path / "picture.svg"
    words = ["heatmap", small_run, "I eat.", "--target", "Je mange.", "--gold", "0-0 1-1"]
    assert output(*words, "--colormap", "magma", "--out", picture) == [str(picture)]
    assert "mange" in picture.read_text()
    assert len(output("heatmap", small_run, *SENTENCES, "--out", tmp_path / "grid.png")) == 4


def test_a_heatmap_compares_runs_on_one_sentence(small_run, translator, tmp_path, output):
    """Each run writes its own output, or reads the same target."""
    words = ["I", "eat", "Je", "mange"]
    other = untrained_translator(["attention=luong_dot"], words, words)
    run, picture = write_run(other, tmp_path / "other"), tmp_path / "two.svg"
    command = ["heatmap", small_run, "I eat.", "--compare-with", run, "--out", picture]
    limit = ["--maximum-length", 3]
    texts = [each.translate(["I eat."], maximum_length=3)[0].text for each in (translator, other)]
    assert output(*command, *limit) == [f"small: {texts[0]}", f"other: {texts[1]}", str(picture)]
    assert {">small<", ">other<"} <= set(re.findall(">(?:small|other)<", picture.read_text()))
    assert output(*command, "--target", "Je mange", "--gold", "0-0") == [str(picture)]
    assert picture.read_text().count(">mange<") == 2


@pytest.fixture(scope="module")
def checkpointed_run(tmp_path_factory):
    """A run with checkpoints of two epochs, whose weights are random."""
    out = tmp_path_factory.mktemp("runs") / "checkpointed"
    write_run(untrained_translator(["checkpoints=2"], ["the"], ["le"]), out)
    (out / "checkpoints").mkdir()
    for epoch in (2, 3):
        model = untrained_translator([], ["the"], ["le"]).model
        save_weights(model, checkpoint_path(out, epoch))
    return out


@pytest.mark.slow  # tests/test_weights.py has the means
def test_average_writes_a_run_with_the_mean_of_the_checkpoints(checkpointed_run, tmp_path, output):
    """The new run can be used like any other."""
    names = sorted(path.name for path in (checkpointed_run / "checkpoints").iterdir())
    assert names == ["epoch-0002.weights.h5", "epoch-0003.weights.h5"]
    out = tmp_path / "averaged"
    assert "averaged epochs 2, 3" in output("average", checkpointed_run, "--out", out)[0]
    weights_of_epochs = []
    for name in names:
        run = tmp_path / name
        shutil.copytree(checkpointed_run, run)
        shutil.copy(checkpointed_run / "checkpoints" / name, run / "model.weights.h5")
        weights_of_epochs.append(Translator.load(run).model.get_weights())
    for mean, *weights in zip(Translator.load(out).model.get_weights(), *weights_of_epochs):
        np.testing.assert_allclose(mean, np.mean(weights, axis=0), atol=1e-6)
    assert (
        "averaged epochs 3;"
        in output("average", checkpointed_run, "--last", 1, "--out", out, "--overwrite")[0]
    )
    for mean, last in zip(Translator.load(out).model.get_weights(), weights_of_epochs[1]):
        np.testing.assert_array_equal(mean, last)
    assert len(output("translate", out, __file__)) > 100


@pytest.fixture
def lower(tmp_path):
    """A run directory of a model that reads lower case."""
    return write_run(untrained_translator(["case=lower"], ["the"], ["le"]), tmp_path / "lower")


def test_unsuitable_options_of_translate_are_errors(
    small_run,
    lower,
    text,
    tmp_path,
    expect_error,  # noqa: F811
):
    (tmp_path / "words.tsv").write_text("a\tb\nno tab\n")
    translate = ["translate", small_run, text]
    for words, message in [
        ([*translate, "--prefix", "Le xyzzy"], "output cannot begin with 'Le xyzzy': 'xyzzy' is"),
        ([*translate, "--beam", 0], "--beam must be at least 1 and at most 1,000; received 0"),
        ([*translate, "--beam", 999], "--beam must be at most .* the size of the target vocab"),
        ([*translate, "--samples", 2, "--top-p", 0], "--top-p must be greater than 0 and at most"),
        ([*translate, "--top-p", 0.5], r"--top-p is for sampling: add --samples N"),
        ([*translate, "--samples", 2, "--beam", 2], "--beam is for beam search, --samples for sam"),
        (
            [*translate, "--minimum-length", 9, "--maximum-length", 3],
            r"--minimum-length \(9\) must be at most --maximum-length \(3\)",
        ),
        ([*translate, "--ensemble", lower], "lower: expected a model that reads the source like"),
        ([*translate, "--ensemble", tmp_path / "none"], "run directory not found: .*none"),
        ([*translate, "--dictionary", tmp_path / "words.tsv"], "words.tsv, line 2: expected"),
        ([*translate, "--dictionary", tmp_path / "none"], "file not found: .*none"),
        ([*translate, "--forbid", "xyzzy"], "'xyzzy' is not in the target vocabulary"),
    ]:
        expect_error(words, message)


def test_unsuitable_options_of_average_are_errors(
    small_run,
    checkpointed_run,
    tmp_path,
    expect_error,  # noqa: F811
):
    for words, message in [
        (["average", small_run, "--out", tmp_path / "x"], "has no checkpoints; train with check"),
        (
            ["average", checkpointed_run, "--last", 3, "--out", tmp_path / "x"],
            "--last must be from 1 to 2, the number of checkpoints in .*checkpointed",
        ),
        (["average", checkpointed_run, "--out", small_run], "already holds a run"),
        (
            ["average", checkpointed_run, "--out", checkpointed_run, "--overwrite"],
            "out must not be the directory of the run that is averaged",
        ),
    ]:
        expect_error(words, message)
    assert not (tmp_path / "x").exists()


def test_unsuitable_options_of_reports_and_pictures_are_errors(
    small_run,
    lower,
    tmp_path,
    expect_error,  # noqa: F811
    eager_mode,
):
    picture = ["--out", tmp_path / "a.png"]
    for words, message in [
        (["heatmap", small_run, "a", "--target", "b", "--beam", 2, *picture], "--beam is for a se"),
        (
            ["heatmap", small_run, "a", "--panels", "heads", *picture],
            "--panels are for a single T",
        ),
        (["heatmap", small_run, "a", "--panels", "foo", *picture], "--panels must be 'mean', 'lay"),
        (["report", small_run, "--out", tmp_path / "no" / "page.html"], "No such file or directo"),
        (["score", small_run, "--test", tmp_path / "none"], "file not found"),
        (
            ["align", small_run, "--reverse", lower],
            "must split sentences like the run: .*case=keep",
        ),
        (
            ["align", small_run, "--head", 1, 1],
            r"only a single Transformer has heads; received head=\(1, 1\)",
        ),
        (["report", small_run, "--out", tmp_path / "page.pdf"], "--out must end in .html"),
        (
            ["report", small_run, "--out", tmp_path / "page.html", "--sentences", -1],
            "--sentences must be a whole number of at least 0",
        ),
        (["heatmap", small_run, "a", "--gold", "0-0", *picture], "--gold requires --target"),
        (
            ["heatmap", small_run, "I eat.", "--target", "Je", "--gold", "0_0", *picture],
            "--gold: expected links such as 0-0 1-2, source before target; received 0_0",
        ),
        (["heatmap", small_run, "a", "b", "--target", "x", *picture], "--target is for one senten"),
        (
            ["heatmap", small_run, "a", "b", "--compare-with", small_run, *picture],
            "--compare-with is for one sentence; received 2: draw each",
        ),
        (["heatmap", small_run, "a", "--colormap", "virides", *picture], "virides.*viridis"),
    ]:
        expect_error(words, message)
    assert not (tmp_path / "a.png").exists()


# === Streams ===


@pytest.mark.slow
def test_ten_thousand_lines_need_hardly_more_ram_than_a_thousand(small_run, tmp_path):
    """The results come in order, and the process does not store them all.

    The results of all lines, with their attention, would need many times the limit.
    """
    rng = np.random.default_rng(0)
    words = [word for sentence in SENTENCES for word in sentence.split()]
    lines = [" ".join(rng.choice(words, size=rng.integers(1, 12))) for _ in range(10_000)]

    def outputs_and_peak(count):
        text = "".join(line + "\n" for line in lines[:count])
        program = (
            "import resource, sys; from kseq.cli.main import main; code = main();"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr);"
            "sys.exit(code)"
        )
        process = subprocess.run(
            [KSEQ[0], "-c", program, "translate", str(small_run)],
            input=text.encode(),
            capture_output=True,
            env=ENVIRONMENT,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout.decode().splitlines(), int(process.stderr.split()[-1])

    outputs, kilobytes = outputs_and_peak(10_000)
    first_outputs, fewer_kilobytes = outputs_and_peak(1_000)
    assert len(outputs) == 10_000
    assert outputs[:1000] == first_outputs
    assert kilobytes < fewer_kilobytes + 150_000


def test_each_line_from_a_pipe_is_answered_at_once(small_run, translator, load_once, monkeypatch):
    """A program that talks to kseq through pipes and waits for every answer."""
    expected = [result.text for result in translator.translate(SENTENCES)]
    read_input, write_input = os.pipe()
    read_output, write_output = os.pipe()
    answers = []

    def talk():
        with open(write_input, "wb", buffering=0) as to_kseq, open(read_output, "rb") as from_kseq:
            for sentence in SENTENCES:
                to_kseq.write(f"{sentence}\n".encode())
                answers.append(read_line(from_kseq, seconds=60))

    talker = threading.Thread(target=talk)
    # Both are buffered in blocks, as in a process of its own.
    with open(read_input) as stdin, open(write_output, "w") as stdout:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stdout", stdout)
        talker.start()
        assert main(["translate", str(small_run)]) == 0
        talker.join()
    assert answers == [answer + "\n" for answer in expected]


@pytest.mark.slow  # starts a process
def test_each_line_is_answered_at_once_by_a_process(small_run, translator):
    expected = [result.text for result in translator.translate(SENTENCES)]
    with subprocess.Popen(
        [*KSEQ, "translate", str(small_run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    ) as process:
        for sentence, answer in zip(SENTENCES, expected):
            process.stdin.write(f"{sentence}\n".encode())
            process.stdin.flush()
            assert read_line(process.stdout) == answer + "\n"
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def read_all(descriptor):
    """Everything written to a terminal until it is closed."""
    parts = []
    while select.select([descriptor], [], [], 60)[0]:
        try:
            part = os.read(descriptor, 4096)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_a_count_is_shown_on_a_terminal(monkeypatch):
    leader, follower = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with show_count("sentences", is_visible=True) as add:
            add(3)
    assert "3 sentences" in read_all(leader)
    os.close(leader)


@pytest.mark.slow
def test_progress_is_shown_only_on_a_terminal(small_run, text, tmp_path, command):
    code, _, errors = command("translate", small_run, text)
    assert (code, errors) == (0, "")
    leader, follower = pty.openpty()
    with open(tmp_path / "output", "wb") as file:
        process = subprocess.Popen(
            [*KSEQ, "translate", str(small_run), str(text)],
            stdout=file,
            stderr=follower,
            env={**ENVIRONMENT, "TERM": "xterm"},
        )
    os.close(follower)
    terminal = read_all(leader)
    os.close(leader)
    assert process.wait(timeout=60) == 0
    assert "3 sentences" in terminal and "Traceback" not in terminal
    assert len((tmp_path / "output").read_text().splitlines()) == 3
