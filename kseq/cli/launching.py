"""`kseq launch`: several workers on this host, each of which is a command of its own."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

from kseq.cli.devices import LAUNCHED
from kseq.cli.options import add_command
from kseq.cli.training import open_training
from kseq.cluster import local_config
from kseq.console import printable
from kseq.kernels.processor import usable_cores

# Others notice the end of a worker after at most `HEARTBEAT_SECONDS` of `kseq.training.workers`.
_SECONDS_TO_END = 60
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/{}"
_POLL_SECONDS = 0.2

_EXAMPLES = """
examples:
  kseq launch -n 2 train --corpus en-fr --out runs/en-fr
  kseq launch -n 4 -- train --recipe multi30k-de-en --data data --out runs/de-en

The output of the first worker is shown, and the errors of all. Each worker gets an equal part of
the cores and of the GPUs. Ctrl-C stops all of them, and the same command goes on. For several GPUs
of one host, kseq train --devices all is simpler and faster.
"""


def add_launch(subparsers):
    """Adds `kseq launch`."""
    command = add_command(
        subparsers, "launch", launch, "train with several processes on this host", _EXAMPLES
    )
    command.add_argument(
        "-n", dest="workers", type=int, required=True, metavar="N", help="number of processes"
    )
    train = subparsers.choices["train"]
    command.set_defaults(parse=lambda words: train.parse_args(words[1:]))
    command.add_argument(
        "command", nargs="...", metavar="train ...", help="the command that each process runs"
    )


def launch(options):
    """Runs a command in several processes.

    Raises:
        ValueError: The command is not `train`, or the number of processes is not at least 1.
        SystemExit: A process has failed; the exit code is its own.
    """
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if options.workers < 1:
        raise ValueError(f"-n must be at least 1; received {options.workers}")
    if words[:1] != ["train"]:
        received = f"received {words[0]}" if words else "received none"
        raise ValueError(f"expected a command of kseq train after -n N; {received}")
    open_training(options.parse(words))  # A mistake is found before the workers start.
    with Launch(words, options.workers) as processes:
        code = processes.wait()
    if code:
        sys.exit(code)


class Launch:
    """A context manager that runs workers, none of which is left when it ends.

    Args:
        words: Arguments of `kseq`.
        count: Number of workers.
    """

    def __init__(self, words, count):
        self._command = [sys.executable, "-m", "kseq", *words]
        self._count = count
        self._processes = []
        self._threads = []
        self._signals = {}
        self._deadline = None

    def __enter__(self):
        for kind in _SIGNALS:
            self._signals[kind] = signal.signal(kind, self._pass_on)
        try:
            ports = _free_ports(self._count)
            for number in range(self._count):
                self._start(number, ports)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.stdin.close()
            process.wait()
        for thread in self._threads:
            thread.join()
        for kind, handler in self._signals.items():
            signal.signal(kind, handler)

    def wait(self):
        """Waits until all workers have ended; after a signal or a failure, for a limited time.

        Returns:
            The exit code of the first worker that failed; 0 if none has.
        """
        first_code = 0
        while True:
            codes = [process.poll() for process in self._processes]
            first_code = first_code or next(filter(None, codes), 0)
            is_late = self._deadline is not None and time.monotonic() > self._deadline
            if None not in codes or is_late:
                return first_code if first_code >= 0 else 128 - first_code  # as a shell has it
            if first_code:
                self._end_soon()
            time.sleep(_POLL_SECONDS)

    def _start(self, number, ports):
        environment = {**os.environ, "TF_CONFIG": local_config(ports, number), LAUNCHED: "1"}
        environment |= _gpus_of(number, self._count)
        output = None if number == 0 else subprocess.DEVNULL
        errors = None if number == 0 else subprocess.PIPE
        with _cores_of(number, self._count):
            # In a session of its own, a worker gets Ctrl-C from here and not twice.
            process = subprocess.Popen(
                self._command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        self._processes.append(process)
        if process.stderr is not None:
            thread = threading.Thread(target=_show_errors, args=(process.stderr, number))
            thread.start()
            self._threads.append(thread)

    def _end_soon(self):
        self._deadline = self._deadline or time.monotonic() + _SECONDS_TO_END

    def _pass_on(self, kind, _):
        self._end_soon()
        kind = signal.SIGINT if kind == signal.SIGINT else signal.SIGTERM
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(kind)


def _show_errors(stream, number):
    """Shows what a worker writes to its standard error, with its number."""
    with stream:
        for line in stream:
            text = printable(line.decode(errors="replace").rstrip("\n"))
            print(f"worker {number}: {text}", file=sys.stderr, flush=True)


def _free_ports(count):
    """Returns ports of this host that no process uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def _cores_of(number, count):
    """A context in which processes are started on the cores of a worker, where that is possible."""
    if not hasattr(os, "sched_setaffinity") or usable_cores() < count:
        yield
        return
    cores = os.sched_getaffinity(0)
    nearby = sorted(cores, key=_place_of_core)
    first, end = (len(nearby) * part // count for part in (number, number + 1))
    os.sched_setaffinity(0, nearby[first:end])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _place_of_core(core):
    """A key that sorts logical cores by processor and physical core, so far as they are known."""
    numbers = []
    for name in ("physical_package_id", "core_id"):
        try:
            numbers.append(int(pathlib.Path(_TOPOLOGY.format(core, name)).read_text()))
        except (OSError, ValueError):
            numbers.append(0)
    return (*numbers, core)


def _gpus_of(number, count):
    """Returns the environment in which a worker sees its part of the GPUs, if there are any.

    Raises:
        ValueError: There are fewer GPUs than workers.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = _list_gpus() if visible is None else [name for name in visible.split(",") if name]
    if not names:
        return {}
    if len(names) < count:
        raise ValueError(
            f"expected at most as many workers as GPUs, {len(names)}; received -n {count} (on the "
            "processor alone: CUDA_VISIBLE_DEVICES= kseq launch ...)"
        )
    return {"CUDA_VISIBLE_DEVICES": ",".join(names[number::count])}


def _list_gpus():
    """Returns the numbers of the NVIDIA GPUs, as strings."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listing.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
