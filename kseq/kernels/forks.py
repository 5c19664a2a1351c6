"""Processes made by a fork, where TensorFlow does not work: an error instead of hanging."""

import os

from kseq.kernels.gpu_memory import grow_gpu_memory

_process = None  # the id of the process in which TensorFlow is used


def claim_tensorflow():
    """Notes that this process uses TensorFlow, or refuses if it is a fork of one that does.

    The first time, the memory of GPUs is set up as well: it cannot be once TensorFlow uses them.

    A fork has a copy of TensorFlow's state, but not the threads that do the work: it would wait
    for them forever.

    Raises:
        RuntimeError: The process is such a fork.
    """
    global _process
    if _process not in (None, os.getpid()):
        raise RuntimeError(
            "this process is a fork of one in which TensorFlow was in use, and TensorFlow cannot "
            'work in a fork: start processes with multiprocessing.get_context("spawn"), or load '
            "the model only in the new processes"
        )
    if _process is None:
        grow_gpu_memory()
    _process = os.getpid()
