"""The cores that this process may use, and how they are shared out."""

import contextlib
import os

AT_ONCE = 2  # batches, or parts of one: one has small products to do while another waits


def usable_cores():
    """Returns the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def share_cores():
    """Where there are two cores, gives an operation one, unless TF_NUM_INTRAOP_THREADS is set.

    Batches are searched two at once, and trained on in two parts, so that each has a core of its
    own; and for one sentence the operations are so small that to wake a thread for its part of one
    takes longer than the part. With more cores all that TensorFlow has at work share the threads
    for operations: fewer of them would leave cores idle. Where TensorFlow is at work already, it
    keeps the threads that it has.
    """
    if os.environ.get("TF_NUM_INTRAOP_THREADS") or usable_cores() != AT_ONCE:
        return
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def cores_are_shared():
    """Returns whether an operation has one thread, and two at once find cores of their own."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return (str(threads) if threads else named) == "1" and usable_cores() >= AT_ONCE
