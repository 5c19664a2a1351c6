"""The devices and the other processes that `kseq train` uses."""

import contextlib
import os
import signal
import sys
import threading

from kseq.cli.runs import start_tensorflow
from kseq.cluster import Cluster
from kseq.console import show

LAUNCHED = "KSEQ_LAUNCHED"  # set by `kseq launch`, with which its workers end


def add_devices(command):
    """Adds the option that says on which devices of this machine to train."""
    command.add_argument(
        "--devices",
        choices=("one", "all"),
        default="one",
        help="one device, or all GPUs that TensorFlow sees, which share each batch; workers on "
        "several hosts (TF_CONFIG) always use all of theirs (default: %(default)s)",
    )


def join_workers():
    """Connects this process with the workers that TF_CONFIG names.

    Returns:
        Their `tf.distribute.Strategy`; None if there are no others.

    Raises:
        ValueError: TF_CONFIG cannot be used.
        WorkersEnded: Not all workers could be reached.
    """
    if os.environ.get(LAUNCHED):
        threading.Thread(target=_end_with_launch, daemon=True).start()
    cluster = Cluster.read()
    if cluster is None:
        return None
    start_tensorflow()
    from kseq.training.workers import join_cluster

    show(f"{cluster.name()} waits for the others", flush=True)
    with _signals_that_end_at_once():
        return join_cluster(cluster)


@contextlib.contextmanager
def ends_all_workers(strategy):
    """A context that ends all workers with its error; TensorFlow is imported if there are any."""
    if strategy is None:
        yield
        return
    from kseq.training.workers import Workers

    with Workers(strategy).together():
        yield


def _end_with_launch():
    """Ends this process when `kseq launch`, which holds the other end of its input, has ended."""
    os.read(sys.stdin.fileno(), 1)  # A file object would be locked when the interpreter ends.
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _signals_that_end_at_once():
    """A context in which Ctrl-C and SIGTERM end the process, although Python does not run.

    Afterwards the handlers are those from before, whatever TensorFlow has installed.
    """
    kinds = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may choose handlers.
        return
    handlers = [signal.signal(kind, signal.SIG_DFL) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, handlers):
            signal.signal(kind, handler)


def choose_strategy(devices):
    """Returns the `tf.distribute.Strategy` for a value of `--devices`; None for one device."""
    from kseq.training.workers import all_devices

    return all_devices() if devices == "all" else None
