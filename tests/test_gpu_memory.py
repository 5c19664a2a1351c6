"""The memory of GPUs grows with need, unless the user has set them up."""

import pytest
import tensorflow as tf

from kseq.kernels.gpu_memory import grow_gpu_memory


class Gpus:
    """Stands for TensorFlow's settings of two GPUs, which this machine may not have."""

    def __init__(self, monkeypatch, growth=None, configuration=None, are_in_use=False):
        self.growth = {"first": None, "second": growth}
        self._are_in_use = are_in_use
        monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
        config, experimental = tf.config, tf.config.experimental
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: list(self.growth))
        monkeypatch.setattr(
            config,
            "get_logical_device_configuration",
            {"first": None, "second": configuration}.__getitem__,
        )
        monkeypatch.setattr(experimental, "get_memory_growth", self.growth.__getitem__)
        monkeypatch.setattr(experimental, "set_memory_growth", self.set_growth)

    def set_growth(self, gpu, growth):
        if self._are_in_use:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        self.growth[gpu] = growth


def test_memory_grows(monkeypatch):
    gpus = Gpus(monkeypatch)
    grow_gpu_memory()
    assert gpus.growth == {"first": True, "second": True}


@pytest.mark.parametrize(
    "settings",
    [{"growth": False}, {"growth": True}, {"configuration": ["logical"]}, {"are_in_use": True}],
    ids=str,
)
def test_the_settings_of_a_user_are_kept(settings, monkeypatch):
    gpus = Gpus(monkeypatch, **settings)
    before = dict(gpus.growth)
    grow_gpu_memory()
    assert gpus.growth == before


def test_the_environment_variable_decides(monkeypatch):
    gpus = Gpus(monkeypatch)
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    grow_gpu_memory()
    assert gpus.growth == {"first": None, "second": None}


def test_without_a_gpu_nothing_happens(monkeypatch):
    gpus = Gpus(monkeypatch)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    grow_gpu_memory()
    assert gpus.growth == {"first": None, "second": None}
