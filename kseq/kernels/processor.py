"""The cores that this process may use, and how operations share them."""

import contextlib
import os

AT_ONCE = 2  # batches, or parts of a batch: one can compute small products while another waits


_limit = None  # cores, if this process leaves the others to processes like it


def usable_cores():
    """Returns the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return cores if _limit is None else min(cores, _limit)


def limit_cores(count):
    """Makes this process use some of the cores, and leave the others to processes like it.

    It may still run on any core. Call it before TensorFlow starts its threads.

    Args:
        count: Number of cores, at least 1.
    """
    global _limit
    _limit = count
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(variable, str(count))


def share_cores():
    """Gives each operation one thread on two cores, unless TF_NUM_INTRAOP_THREADS is set.

    Two batches are searched at once, and a training batch has two parts, so each of them has a
    core. For one sentence the operations are so small that waking a second thread takes longer
    than its part of the work. With more cores nothing is changed: fewer threads for an operation
    would leave cores idle. Once TensorFlow has started, it keeps the threads that it has.
    """
    if os.environ.get("TF_NUM_INTRAOP_THREADS") or usable_cores() != AT_ONCE:
        return
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def cores_are_shared():
    """Returns whether each operation has one thread, and two operations have a core each."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    requested = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return (str(threads) if threads else requested) == "1" and usable_cores() >= AT_ONCE
