"""The devices and the other processes that `kseq train` uses."""

import contextlib

from kseq.cli.runs import start_tensorflow
from kseq.cluster import Cluster
from kseq.console import show


def add_devices(command):
    """Adds the option that says on which devices of this machine to train."""
    command.add_argument(
        "--devices",
        choices=("one", "all"),
        default="one",
        help="one device, or all GPUs that TensorFlow sees, which share each batch; workers on "
        "several hosts (TF_CONFIG) always use all of theirs (default: %(default)s)",
    )


@contextlib.contextmanager
def join_workers():
    """A context in which this process trains together with the workers that TF_CONFIG names.

    It yields their `tf.distribute.Strategy`, or None if there are no others.

    Raises:
        ValueError: TF_CONFIG cannot be used.
        WorkersEnded: Another worker has ended, or cannot be reached.
    """
    cluster = Cluster.read()
    if cluster is None:
        yield None
        return
    start_tensorflow()
    from kseq.training.workers import Workers, join_cluster

    if cluster.is_chief:
        show(f"{cluster.name()} waits for the others", flush=True)
    strategy = join_cluster(cluster)
    with Workers(strategy).together():
        yield strategy


def choose_strategy(devices):
    """Returns the `tf.distribute.Strategy` for a value of `--devices`; None for one device."""
    from kseq.training.workers import all_devices

    return all_devices() if devices == "all" else None
