"""A server process for tests, and requests to it over HTTP."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time

from conftest import ROOT

_SECONDS_TO_WAIT = 120


class Served:
    """`kseq serve` in a process of its own, as a context manager.

    Args:
        folder: Folder for its log.
        *words: Arguments of the command, without the port.
    """

    def __init__(self, folder, *words):
        self._log = folder / "log.jsonl"
        self._errors = folder / "errors.txt"
        self._words = [str(word) for word in words]

    def __enter__(self):
        command = [sys.executable, "-m", "kseq", "serve", *self._words, "--port", "0"]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with open(self._log, "w") as log, open(self._errors, "w") as errors:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=errors, env={**os.environ, "PYTHONPATH": path}
            )
        self.port = int(self.wait_for("listening")["url"].rpartition(":")[2])
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def events(self, name=None):
        """The events with a name that it has logged so far, or all of them."""
        lines = self._log.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.endswith("}")]
        return [event for event in events if name in (None, event["event"])]

    def errors(self):
        """What it has written to standard error."""
        return self._errors.read_text()

    def wait_for(self, name, count=1):
        """Waits until an event has been logged that often; returns the last of these."""
        deadline = time.monotonic() + _SECONDS_TO_WAIT
        while len(events := self.events(name)) < count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {name}: {self.events()}, {self.errors()}")
            time.sleep(0.02)
        return events[count - 1]

    def ask(self, path, body=None, headers=None):
        """Sends a GET request, or a POST request with a body.

        Args:
            path: Path of the URL.
            body: A value that becomes JSON, or bytes; None for GET.
            headers: HTTP headers by name.

        Returns:
            The status, the JSON value or the text of the answer, and its headers.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request("GET" if body is None else "POST", path, body, headers or {})
            response = connection.getresponse()
            content = response.read().decode()
        finally:
            connection.close()
        if "json" in response.headers["content-type"]:
            content = json.loads(content)
        return response.status, content, response.headers
