"""The line that names the devices, and says how a GPU could be used."""

import subprocess
import sys

import pytest
import tensorflow as tf

from kseq.kernels.devices import describe_devices, device_line, has_nvidia_gpu
from kseq.kernels.processor import usable_cores

needs_linux_without_gpu = pytest.mark.skipif(
    sys.platform != "linux" or bool(tf.config.list_physical_devices("GPU")),
    reason="about a Linux machine whose GPU, if there is one, TensorFlow cannot use",
)


@pytest.fixture
def without_gpu(tmp_path, monkeypatch):
    """The folder that is the whole of PATH: a machine that has no `nvidia-smi`."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if has_nvidia_gpu():
        pytest.skip("this machine has a GPU")
    return tmp_path


@pytest.fixture
def with_gpu(without_gpu):
    """The same with `nvidia-smi`, which must not be run."""
    (without_gpu / "nvidia-smi").write_text("#!/bin/sh\nsleep 1000\n")
    (without_gpu / "nvidia-smi").chmod(0o755)
    return without_gpu


@needs_linux_without_gpu
def test_the_cores_that_this_process_may_use_are_named():
    number = usable_cores()
    start = "1 CPU core (" if number == 1 else f"{number} CPU cores ("
    assert describe_devices().startswith(start)
    assert describe_devices(tf.distribute.OneDeviceStrategy("CPU:0")) == describe_devices()


@needs_linux_without_gpu
def test_without_a_gpu_the_line_is_short(without_gpu):
    assert device_line() == (
        f"device: {describe_devices()}; no GPU found (for one by NVIDIA: pip install 'kseq[gpu]')"
    )


@needs_linux_without_gpu
def test_a_gpu_that_tensorflow_cannot_use_is_mentioned_with_the_remedy(with_gpu, monkeypatch):
    end = "; to train on the NVIDIA GPU of this machine: pip install 'kseq[gpu]'"
    assert device_line() == f"device: {describe_devices()}{end}"
    package = with_gpu / "nvidia_cudnn_cu12-9.10.2.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: nvidia-cudnn-cu12\nVersion: 9.10.2\n")
    monkeypatch.syspath_prepend(with_gpu)
    assert device_line().endswith("is installed: nvidia-smi shows whether its driver works")


@needs_linux_without_gpu
@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_gpu_that_the_user_has_hidden_is_not_mentioned(with_gpu, monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert device_line() == f"device: {describe_devices()}"


@pytest.mark.parametrize(
    "names, expected",
    [
        (["dev/nvidia0"], True),
        (["proc/driver/nvidia/gpus/0000:01:00.0/information"], True),
        (["dev/nvidiactl", "proc/driver/nvidia/version"], False),
        ([], False),
    ],
)
def test_a_gpu_is_found_by_the_files_of_its_driver(without_gpu, tmp_path, names, expected):
    root = tmp_path / "root"
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert has_nvidia_gpu(root) == expected


@needs_linux_without_gpu
@pytest.mark.slow  # TensorFlow makes its devices only once in a process
def test_replicas_are_counted():
    program = """
import tensorflow as tf
from kseq.kernels.devices import describe_devices
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
print(describe_devices(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])))
"""
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert output.strip() == f"{describe_devices()}, 2 replicas in all"
