"""The memory of GPUs: a process takes what it needs, not all that there is."""

import contextlib
import os


def grow_gpu_memory():
    """Lets the memory that TensorFlow takes on a GPU grow, so that processes can share the GPU.

    By default, TensorFlow takes nearly all of it at once, and the next process on the same GPU
    fails. Nothing is changed if the user has chosen otherwise (with the environment variable
    TF_FORCE_GPU_ALLOW_GROWTH, `set_memory_growth` or a logical device) or has already used a GPU:
    from then on, TensorFlow keeps its settings.
    """
    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    # The setting must be the same for all GPUs.
    if any(map(_is_configured, gpus)):
        return
    with contextlib.suppress(RuntimeError):
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)


def _is_configured(gpu):
    import tensorflow as tf

    growth = tf.config.experimental.get_memory_growth(gpu)
    return growth is not None or tf.config.get_logical_device_configuration(gpu) is not None
