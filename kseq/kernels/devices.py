"""The devices on which TensorFlow trains, described for users."""

import collections
import ctypes
import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import sys

import tensorflow as tf

from kseq.counts import counted
from kseq.kernels.processor import usable_cores

_CUDA_LIBRARY = "nvidia-cudnn-cu12"  # one of the packages of kseq[gpu]


def describe_devices(strategy=None):
    """Describes the devices on which this process trains.

    Args:
        strategy: `tf.distribute.Strategy` under which it trains; None for a single device.

    Returns:
        A description such as `"2 CPU cores (AMD EPYC)"`, `"NVIDIA H200 (140 GiB)"` or
        `"2 x NVIDIA H200 (140 GiB)"`.
    """
    replicas = 1 if strategy is None else strategy.num_replicas_in_sync
    gpus = tf.config.get_visible_devices("GPU")[: _count_gpus(strategy)]
    names = collections.Counter(map(_describe_gpu, gpus))
    parts = [f"{number} x {name}" if number > 1 else name for name, number in names.items()]
    parts = parts or [f"{counted(usable_cores(), 'CPU core')} ({_processor_name()})"]
    if replicas > max(len(gpus), 1):
        parts.append(f"{replicas} replicas in all")
    return ", ".join(parts)


def device_line(strategy=None):
    """Returns the line with which training begins: its devices, and how it could use a GPU.

    Args:
        strategy: As in `describe_devices`.
    """
    line = f"device: {describe_devices(strategy)}"
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus > 1 and strategy is None and tf.config.get_visible_devices("GPU"):
        return f"{line}, the first of {gpus} GPUs"
    # Other systems have no TensorFlow with CUDA. A GPU that the user has hidden is not missed.
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if gpus or is_hidden or sys.platform != "linux":
        return line
    return line + _explain_missing_gpu(has_nvidia_gpu(), _has_cuda_libraries())


def has_nvidia_gpu(root="/"):
    """Returns whether the system shows an NVIDIA GPU, whether or not TensorFlow can use it.

    Only names of files are read.

    Args:
        root: Folder that holds `dev` and `proc`.
    """
    root = pathlib.Path(root)
    places = (("dev", "nvidia[0-9]*"), ("proc/driver/nvidia/gpus", "*"))
    is_shown = any(any((root / folder).glob(name)) for folder, name in places)
    return is_shown or shutil.which("nvidia-smi") is not None


def _explain_missing_gpu(is_there, has_libraries):
    install = "pip install 'kseq[gpu]'"
    if not is_there:
        return f"; no GPU found (for one by NVIDIA: {install})"
    if not has_libraries:
        return f"; to train on the NVIDIA GPU of this machine: {install}"
    return (
        "; TensorFlow cannot use the NVIDIA GPU of this machine although kseq[gpu] is installed: "
        "nvidia-smi shows whether its driver works"
    )


def _has_cuda_libraries():
    try:
        return bool(importlib.metadata.version(_CUDA_LIBRARY))
    except importlib.metadata.PackageNotFoundError:
        return False


def _count_gpus(strategy):
    """Number of GPUs of this process that a strategy uses; without one, TensorFlow uses the first.

    `tf.distribute` strategies take the GPUs in their order.
    """
    if strategy is None:
        return 1
    devices = map(tf.DeviceSpec.from_string, strategy.extended.worker_devices)
    return sum(device.device_type == "GPU" for device in devices)


def _describe_gpu(gpu):
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    memory = _gpu_memory(int(gpu.name.rpartition(":")[2]))
    return f"{name} ({memory / 2**30:.0f} GiB)" if memory else name


def _gpu_memory(number):
    """Returns the memory of a GPU in bytes, as its driver has it; None without an answer.

    TensorFlow does not say. It has loaded the driver before this is called.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, size = ctypes.c_int(), ctypes.c_size_t()
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), number)
        or driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    )
    return None if failed else size.value


def _processor_name(path="/proc/cpuinfo"):
    """Returns the name of the processor, or at least of its architecture."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(\S.*)$", text, re.MULTILINE)
    return " ".join(name[1].split()) if name else platform.processor() or platform.machine()
