"""`kseq fetch` as a person uses it: on a terminal, in a pipe, and when something goes wrong."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from file_server import serving
from test_public_corpora import PAIRS, archive

import kseq
from kseq.cli.main import main
from kseq.corpora import downloads

KSEQ = [sys.executable, "-m", "kseq", "fetch"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        server.files["/spa-eng.zip"] = archive()
        yield server


@pytest.fixture
def spanish_arguments(server, tmp_path):
    """Arguments of `kseq fetch` for a language pair of the server."""
    return ["spa-eng", str(tmp_path / "data"), "--from", server.address]


def test_without_a_name_the_corpora_are_listed(capsys):
    assert main(["fetch"]) == 0
    assert re.search(r"^multi30k .*\n.*\n.*commerce", capsys.readouterr().out)


def test_in_a_pipe_only_the_last_lines_are_printed(spanish_arguments, tmp_path):
    process = subprocess.run([*KSEQ, *spanish_arguments], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    path, source, licence, next_command = process.stdout.splitlines()
    assert path == str(tmp_path / "data" / "spa-eng.zip")
    assert source == "source: https://www.manythings.org/anki/"
    assert licence.startswith("licence: CC BY 2.0 FR") and "; see https://tatoeba.org" in licence
    assert next_command == f"next: kseq train --train {path} --out runs/spa-eng"
    assert next(iter(kseq.load_corpus(path).train))


def test_on_a_terminal_a_progress_bar_is_shown(spanish_arguments, server, tmp_path):
    server.files["/spa-eng.zip"] = archive({"spa.txt": PAIRS * 3000}, compression=0)
    output, terminal = _run_on_a_terminal([*KSEQ, *spanish_arguments])
    assert b"spa-eng.zip" in terminal and re.search(rb"/\d\d\.\d MB", terminal), terminal
    assert output.startswith(str(tmp_path)) and output.count("\n") == 4 and "\x1b" not in output


def test_the_progress_bar_does_not_redirect_the_output():
    program = """
from kseq.console import show_transfers
with show_transfers() as show:
    show("a.zip", 1, 2)
    print("a line")
"""
    output, terminal = _run_on_a_terminal([sys.executable, "-c", program])
    assert output == "a line\n" and b"a.zip" in terminal and b"a line" not in terminal


def _run_on_a_terminal(command):
    """Runs a command; returns its output, from a pipe, and the contents of the terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower) as process:
        os.close(follower)
        screen = b""
        while piece := _read(leader):
            screen += piece
        output = process.stdout.read().decode()
    os.close(leader)
    return output, screen


def _read(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the process that wrote to it has ended
        return b""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_download_is_resumed(spanish_arguments, server, tmp_path, kind):
    # Ten times: on a busy machine, the process may time out and retry before it is stopped.
    server.faults = [("send_file", None, 1000, True)] * 10
    # A process in the background may ignore Ctrl-C, and its children would inherit this.
    program = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('kseq', run_name='__main__')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "fetch", *spanish_arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.is_stalling.wait(60)
    process.send_signal(kind)
    output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert errors == "kseq: stopped; run the same command again to resume\n"
    server.faults = []
    assert main(["fetch", *spanish_arguments]) == 0
    assert (tmp_path / "data" / "spa-eng.zip").read_bytes() == archive()
    assert os.listdir(tmp_path / "data") == ["spa-eng.zip"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["../x", "data"], "unknown corpus: '../x'; expected multi30k, cmudict, sigmorphon"),
        (["spa-eng"], "expected a directory to download to, such as: kseq fetch spa-eng data"),
        (["spa-eng", "file/x"], "expected a folder; received a file: .*file$"),
        (["spa-eng", "data", "--from", "nowhere"], "an address such as .*; received 'nowhere'"),
        (["spa-eng", "data", "--timeout", "0"], "--timeout must be .* greater than 0; received 0"),
        (["xyz-eng", "data", "--from", "SERVER"], "404 .*no language pair xyz-eng.* lists all"),
    ],
)
def test_mistakes_are_reported_in_one_line(server, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    words = [server.address if word == "SERVER" else word for word in words]
    assert main(["fetch", *words]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("kseq: ") and errors.count("\n") == 1
    assert re.search(message, errors), errors
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_download_is_reported_in_one_line_with_exit_code_1(
    server, spanish_arguments, capsys
):
    for fault in [("status", 403)], [("status", 500)] * 4, [("raw", b"x")] * 4:
        server.faults = fault
        assert main(["fetch", *spanish_arguments]) == 1
        assert re.fullmatch(r"kseq: http://127\S+/spa-eng.zip: .*\n", capsys.readouterr().err)
