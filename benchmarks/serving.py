"""Load on `kseq serve`: throughput, latency, overload, a killed worker, a new version, memory.

Usage: python benchmarks/serving.py MODEL --texts FILE --scenario NAME [--seconds N] [--out FOLDER]

MODEL is a run or a SavedModel, and FILE has a source on each line (before a tab, if there is one).
The server and the process that computes the expected answers are processes of their own; this one
is the client. Every answer is compared with the expected one. The scenarios:

    closed    64 clients, each of which sends its next request when it has an answer
    single    the same with one text at a time per batch: what batching gains
    open      10 requests a second, at fixed times
    overload  requests at twice the rate that closed reaches, for N seconds
    kill      closed, while the first worker gets kill -9 after a third of the time
    swap      closed, while a second version of the model appears
    start     seconds from the start of the command to the first answer
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from measuring import publish, table_row

CLIENTS, RATE = 64, 10
_EXPECTED = """
import json, sys
texts, (model, options) = json.load(sys.stdin), sys.argv[1:]
from kseq.serving.batches import Batch
from kseq.serving.engines import load_engine
engine, results = load_engine(model), []
for begin in range(0, len(texts), 32):
    batch = Batch(sources=texts[begin : begin + 32], options=json.loads(options))
    results += engine.answer(batch)
print(json.dumps([result[0]["text"] for result in results]))
"""


def main():
    """Runs a scenario, prints and writes its figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("model")
    parser.add_argument("--texts", required=True)
    parser.add_argument("--scenario", required=True, choices=SCENARIOS)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=500, help="number of different texts")
    parser.add_argument(
        "--serve", nargs="*", default=[], help="options of kseq serve, such as batch=1"
    )
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = pathlib.Path(options.texts).read_text(encoding="utf-8").splitlines()
    texts = [line.partition("\t")[0] for line in lines[: options.count]]
    figures = SCENARIOS[options.scenario](options, texts)
    rows = [table_row(["figure", "value"]), table_row(["---", "---"])]
    rows += [table_row([name, _spell(value)]) for name, value in figures.items()]
    publish({"scenario": options.scenario, **figures}, "\n".join(rows), options.out)


def _spell(value):
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def expected_texts(model, texts, search="{}"):
    """The text that the model writes for each source, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", _EXPECTED, model, search],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


class Server:
    """`kseq serve` as a context manager.

    Args:
        models: Its arguments.
        options: Further options of the command, without the leading `--`.

    Attributes:
        port: Its port.
        events: What it has logged, without requests, a list of dicts.
    """

    def __init__(self, models, options=()):
        words = [f"--{option}" for option in options]
        self._command = [sys.executable, "-m", "kseq", "serve", *models, "--port", "0", *words]
        self._folder = tempfile.TemporaryDirectory()
        self._log = pathlib.Path(self._folder.name) / "log.jsonl"

    def __enter__(self):
        self.began = time.perf_counter()
        with open(self._log, "w") as log:
            self.process = subprocess.Popen(
                [*self._command, "--no-request-log"], stdout=log, stderr=subprocess.DEVNULL
            )
        while not (listening := self.find("listening")):
            time.sleep(0.01)
        self.port = int(listening[0]["url"].rpartition(":")[2])
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self._folder.cleanup()

    def find(self, event):
        """Returns the logged events with this name."""
        if self.process.poll() is not None:
            raise RuntimeError("the server has ended")
        lines = self._log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.endswith("}")]
        return [entry for entry in entries if entry["event"] == event]

    def wait(self, event, count=1):
        """Waits until an event has been logged that often."""
        while len(self.find(event)) < count:
            time.sleep(0.02)

    def memory(self):
        """The private and shared memory of all its processes together, in MB."""
        total = 0
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])
        return total / 1024

    def processor_seconds(self):
        """Processor time of the server, and of its workers."""
        own, others = _processor_seconds(self.process.pid), 0.0
        for pid in _descendants(self.process.pid):
            others += _processor_seconds(pid)
        return own, others


def _descendants(pid):
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *_descendants(child)]
    return found


def _processor_seconds(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Requests to a server, and what came of them.

    Args:
        port: Port of the server.
        texts: Sources.
        expected: Texts that are right for each of them, a list of sets.
    """

    def __init__(self, port, texts, expected):
        self._port, self._expected = port, expected
        self._requests = [self._request(text) for text in texts]
        self._next = 0
        self.seconds, self.statuses = [], collections.Counter()
        self.forget()

    @staticmethod
    def _request(text):
        body = json.dumps({"text": text}).encode()
        head = f"POST /translate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def closed(self, clients, end):
        """Clients that each wait for an answer before the next request."""
        await asyncio.gather(*(self._client(end) for _ in range(clients)))

    async def _client(self, end):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while time.perf_counter() < end:
            await self._ask(reader, writer)
        writer.close()

    async def open(self, rate, end):
        """Requests at fixed times, whatever the answers do; connections are kept for later."""
        idle, tasks, number, began = [], set(), 0, time.perf_counter()
        while (due := began + number / rate) < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.ensure_future(self._ask_once(idle, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)

    async def _ask_once(self, idle, due):
        connection = idle.pop() if idle else None
        if connection is None or connection[0].at_eof():  # The server closes idle connections.
            connection = await asyncio.open_connection("127.0.0.1", self._port)
        await self._ask(*connection, due)
        idle.append(connection)

    async def _ask(self, reader, writer, due=None):
        number, self._next = self._next, (self._next + 1) % len(self._requests)
        began = time.perf_counter() if due is None else due
        writer.write(self._requests[number])
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        now = time.perf_counter()
        status = int(head[9:12])
        self.statuses[status] += 1
        if status != 200:
            return
        self.seconds.append(now - began)
        self.longest_gap = max(self.longest_gap, now - (self._last or now))
        self._last = now
        text = json.loads(body)["translations"][0]["text"]
        self.wrong += text not in self._expected[number]

    def figures(self, seconds):
        """Rate and latencies, by name."""
        ranked = sorted(self.seconds)
        return {
            "requests a second with status 200": len(ranked) / seconds,
            "p50, ms": 1e3 * statistics.median(ranked),
            "p99, ms": 1e3 * ranked[int(0.99 * len(ranked))],
            "statuses": dict(sorted(self.statuses.items())),
            "wrong answers": self.wrong,
            "longest time without an answer, s": self.longest_gap,
        }

    def forget(self):
        """Forgets all that was measured."""
        self.seconds.clear()
        self.statuses.clear()
        self.wrong, self.longest_gap, self._last = 0, 0.0, None


def measure(server, load, run, seconds, act=None):
    """Puts load on a server.

    Args:
        server: `Server`.
        load: `Load`.
        run: Function from the time of the end to a coroutine of the load.
        seconds: How long.
        act: A coroutine function that runs at the same time, or None.

    Returns:
        The figures of the load, processor times and memory, by name.
    """

    async def run_all():
        memory = [(0.0, server.memory())]

        async def watch():
            while True:
                await asyncio.sleep(5)
                memory.append((time.perf_counter() - began, server.memory()))

        began = time.perf_counter()
        others = [asyncio.ensure_future(watch())]
        others += [asyncio.ensure_future(act())] if act else []
        await run(began + seconds)
        took = time.perf_counter() - began
        for other in others:
            other.cancel()
        return took, [*memory, (took, server.memory())]

    asyncio.run(load.closed(CLIENTS, time.perf_counter() + 2))  # warm-up
    load.forget()
    before, own = server.processor_seconds(), time.process_time()
    took, memory = asyncio.run(run_all())
    after, used = server.processor_seconds(), time.process_time() - own
    settled = [size for moment, size in memory if moment >= min(60, took / 2)]
    return {
        **load.figures(took),
        "processor of the server, cores": (after[0] - before[0]) / took,
        "processor of the workers, cores": (after[1] - before[1]) / took,
        "processor of the client, cores": used / took,
        "memory at the end, MB": memory[-1][1],
        "memory after the first minute (or half), least to most, MB": max(settled) - min(settled),
    }


def run_closed(options, texts, serve=()):
    """The scenario `closed`."""
    load_texts = [{text} for text in expected_texts(options.model, texts)]
    with Server([options.model], [*options.serve, *serve]) as server:
        server.wait("serving")
        load = Load(server.port, texts, load_texts)
        return measure(server, load, lambda end: load.closed(CLIENTS, end), options.seconds)


def run_single(options, texts):
    """The scenario `single`."""
    return run_closed(options, texts, serve=["batch=1"])


def run_open(options, texts):
    """The scenario `open`."""
    right = [{text} for text in expected_texts(options.model, texts)]
    with Server([options.model], options.serve) as server:
        server.wait("serving")
        load = Load(server.port, texts, right)
        return measure(server, load, lambda end: load.open(RATE, end), options.seconds)


def run_overload(options, texts):
    """The scenario `overload`."""
    right = [{text} for text in expected_texts(options.model, texts)]
    with Server([options.model], options.serve) as server:
        server.wait("serving")
        load = Load(server.port, texts, right)
        closed = measure(server, load, lambda end: load.closed(CLIENTS, end), 5)
        rate = 2 * closed["requests a second with status 200"]
        figures = measure(server, load, lambda end: load.open(rate, end), options.seconds)
        return {"rate of the requests": rate, **figures}


def run_kill(options, texts):
    """The scenario `kill`."""
    right = [{text} for text in expected_texts(options.model, texts)]
    with Server([options.model], options.serve) as server:
        server.wait("serving")
        load, moments = Load(server.port, texts, right), {}

        async def act():
            await asyncio.sleep(options.seconds / 3)
            ready = server.find("worker_ready")
            killed = time.perf_counter()
            os.kill(ready[0]["pid"], signal.SIGKILL)
            while len(server.find("worker_ready")) == len(ready):
                await asyncio.sleep(0.05)
            moments["seconds until another worker is ready"] = time.perf_counter() - killed

        run = lambda end: load.closed(CLIENTS, end)  # noqa: E731
        return {**measure(server, load, run, options.seconds, act), **moments}


def run_swap(options, texts):
    """The scenario `swap`; the second version is a copy of the first."""
    right = [{text} for text in expected_texts(options.model, texts)]
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "model"
        shutil.copytree(options.model, place / "1")
        with Server([str(place)], options.serve) as server:
            server.wait("serving")
            load, moments = Load(server.port, texts, right), {}

            async def act():
                await asyncio.sleep(options.seconds / 4)
                copied = time.perf_counter()
                shutil.copytree(options.model, place / "2")
                while not server.find("drained"):
                    await asyncio.sleep(0.05)
                moments["seconds until the old version is drained"] = time.perf_counter() - copied

            run = lambda end: load.closed(CLIENTS, end)  # noqa: E731
            return {**measure(server, load, run, options.seconds, act), **moments}


def run_start(options, texts):
    """The scenario `start`."""
    with Server([options.model], options.serve) as server:
        url = f"http://127.0.0.1:{server.port}/translate"
        body = json.dumps({"text": texts[:1]}).encode()
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(url, body)).read()
                return {"seconds until the first answer": time.perf_counter() - server.began}
            except urllib.error.HTTPError:
                time.sleep(0.01)


SCENARIOS = {
    "closed": run_closed,
    "single": run_single,
    "open": run_open,
    "overload": run_overload,
    "kill": run_kill,
    "swap": run_swap,
    "start": run_start,
}

if __name__ == "__main__":
    main()
