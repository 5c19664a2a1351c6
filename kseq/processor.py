"""The cores that this process may use, and how they are shared out."""

import contextlib
import os

AT_ONCE = 2  # batches, or parts of one: one has small products to do while another waits


def usable_cores():
    """Returns the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def share_cores():
    """Leaves a single operation half of the cores, unless TF_NUM_INTRAOP_THREADS is set.

    Batches are searched two at once, and trained on in two parts, which leaves little to be
    shared; and for one sentence the operations are so small that to wake a thread for its part
    of one takes longer than the part. Where TensorFlow is at work already, it keeps the threads
    that it has.
    """
    if os.environ.get("TF_NUM_INTRAOP_THREADS"):
        return
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(max(1, usable_cores() // 2))


def cores_are_shared():
    """Returns whether two operations at once find cores of their own, as after `share_cores`."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    if not threads:
        named = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
        threads = int(named) if named.isdecimal() else 0
    return 0 < threads <= usable_cores() // 2
