"""What figures are taken on."""

import os
import pathlib
import platform
import time


def machine():
    """Returns processor, cores, versions and date, a dict."""
    import keras
    import tensorflow as tf

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor():
    """The name that Linux gives it; platform.processor() is often empty there."""
    lines = pathlib.Path("/proc/cpuinfo")
    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
