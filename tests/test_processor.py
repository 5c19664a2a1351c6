"""The cores that a process may use, and the threads of an operation."""

import pytest
import tensorflow as tf

from kseq.kernels.processor import cores_are_shared, share_cores, usable_cores


@pytest.fixture
def asked(monkeypatch):
    """Numbers of threads for an operation that TensorFlow was asked for."""
    numbers = []
    setter = "set_intra_op_parallelism_threads"
    monkeypatch.setattr(tf.config.threading, setter, numbers.append)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "")
    return numbers


@pytest.mark.parametrize("cores, threads", [(1, []), (2, [1]), (3, []), (8, [])])
def test_of_two_cores_an_operation_gets_one(cores, threads, asked, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores), raising=False)
    share_cores()
    assert asked == threads


def test_who_has_said_how_many_threads_gets_them(asked, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    monkeypatch.setattr("kseq.kernels.processor.usable_cores", lambda: 2)
    share_cores()
    assert asked == []


def test_what_is_at_work_already_keeps_its_threads():
    tf.zeros([1]).numpy()
    before = tf.config.threading.get_intra_op_parallelism_threads()
    share_cores()
    assert tf.config.threading.get_intra_op_parallelism_threads() == before


def test_where_a_system_does_not_say_what_a_process_may_use(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    "cores, configured, named, shared",
    [
        *((4, 0, "", False), (4, 2, "", False), (4, 1, "", True), (4, 0, "many", False)),
        *((4, 0, "1", True), (4, 0, "2", False), (4, 2, "1", False), (4, 1, "2", True)),
        *((1, 1, "", False), (2, 1, "", True)),
    ],
)
def test_two_operations_have_cores_of_their_own(cores, configured, named, shared, monkeypatch):
    """What is configured precedes the environment, as in TensorFlow; 0 leaves them all."""
    monkeypatch.setattr("kseq.kernels.processor.usable_cores", lambda: cores)
    getter = "get_intra_op_parallelism_threads"
    monkeypatch.setattr(tf.config.threading, getter, lambda: configured)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", named)
    assert cores_are_shared() is shared
