"""Shell code of documents: `bash` runs it, and every `kseq` in it runs in this process.

Pipes, patterns, variables and redirections are those of the shell. A `kseq` in it is a small
program that sends its arguments and its standard input to the test, which has imported TensorFlow
already.
"""

import contextlib
import functools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile

# Sends the command to the test, and writes what comes back.
_CLIENT = """#!{python} -IS
import json, os, socket, sys
words = sys.argv[1:]
data = sys.stdin.buffer.read().decode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    connection.sendall(json.dumps([words, data]).encode())
    connection.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: connection.recv(65536), b""))
code, output, errors = json.loads(answer)
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""
_IGNORED = "#!/bin/sh\ncat > /dev/null < /dev/null\n"


class Shell:
    """Runs shell code; a context manager.

    Args:
        run: Function that runs `kseq` with a list of arguments and returns its exit code.
        ignored: Names of commands that do nothing, since they need what tests do not have.
    """

    def __init__(self, run, ignored=()):
        self._run = run
        self._ignored = ignored

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        # Not in the folder of the test: the address of a socket has at most 107 bytes.
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kseq-"))
        self._socket = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        address = os.path.join(folder, "socket")
        self._socket.bind(address)
        self._socket.listen()
        self._programs = os.path.join(folder, "bin")
        os.mkdir(self._programs)
        client = _CLIENT.format(python=sys.executable, address=address)
        for name, text in {"kseq": client, **dict.fromkeys(self._ignored, _IGNORED)}.items():
            path = os.path.join(self._programs, name)
            with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
                file.write(text)
        return self

    def __exit__(self, *details):
        return self._stack.__exit__(*details)

    def run(self, code):
        """Runs code in the current folder until a command fails.

        Returns:
            The exit code, and all output, errors included.
        """
        path = os.pathsep.join(
            [self._programs, os.path.dirname(sys.executable), os.environ["PATH"]]
        )
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": path},
            )
            while process.poll() is None:
                if select.select([self._socket], [], [], 0.01)[0]:
                    self._answer()
            output.seek(0)
            return process.returncode, output.read()

    def _answer(self):
        """Runs one command."""
        with self._socket.accept()[0] as connection:
            request = b"".join(iter(lambda: connection.recv(65536), b""))
            words, data = json.loads(request)
            connection.sendall(json.dumps(self._run_command(words, data)).encode())

    def _run_command(self, words, data):
        with _standard_streams(data) as (output, errors):
            try:
                code = self._run(words)
            except SystemExit as exit:
                code = exit.code
            return code or 0, output(), errors()


@contextlib.contextmanager
def _standard_streams(data):
    """Replaces the standard streams; yields functions that return what has been written."""
    with contextlib.ExitStack() as stack:
        # Files, as commands ask for the descriptor of their input.
        streams = [
            stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3)
        ]
        streams[0].write(data)
        streams[0].seek(0)
        for name, stream in zip(("stdin", "stdout", "stderr"), streams):
            stack.callback(setattr, sys, name, getattr(sys, name))
            setattr(sys, name, stream)
        yield tuple(functools.partial(_read, stream) for stream in streams[1:])


def _read(stream):
    stream.seek(0)
    return stream.read()
