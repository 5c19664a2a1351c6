"""The cores that a process may use, and the threads of an operation."""

import pytest
import tensorflow as tf

from kseq.kernels.processor import cores_are_shared, share_cores, usable_cores


@pytest.fixture
def thread_counts(monkeypatch):
    """The numbers of threads per operation that were set in TensorFlow."""
    counts = []
    setter = "set_intra_op_parallelism_threads"
    monkeypatch.setattr(tf.config.threading, setter, counts.append)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "")
    return counts


@pytest.mark.parametrize("cores, threads", [(1, []), (2, [1]), (3, []), (8, [])])
def test_an_operation_gets_one_of_two_cores(cores, threads, thread_counts, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores), raising=False)
    share_cores()
    assert thread_counts == threads


def test_a_number_of_threads_in_the_environment_is_kept(thread_counts, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    monkeypatch.setattr("kseq.kernels.processor.usable_cores", lambda: 2)
    share_cores()
    assert thread_counts == []


def test_tensorflow_keeps_its_threads_once_it_has_started():
    tf.zeros([1]).numpy()
    before = tf.config.threading.get_intra_op_parallelism_threads()
    share_cores()
    assert tf.config.threading.get_intra_op_parallelism_threads() == before


def test_without_an_affinity_all_cores_of_the_machine_count(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    "cores, configured, variable, shared",
    [
        *((4, 0, "", False), (4, 2, "", False), (4, 1, "", True), (4, 0, "many", False)),
        *((4, 0, "1", True), (4, 0, "2", False), (4, 2, "1", False), (4, 1, "2", True)),
        *((1, 1, "", False), (2, 1, "", True)),
    ],
)
def test_operations_of_one_thread_have_a_core_each(
    cores, configured, variable, shared, monkeypatch
):
    """The configuration precedes the environment, as in TensorFlow; 0 means all threads."""
    monkeypatch.setattr("kseq.kernels.processor.usable_cores", lambda: cores)
    getter = "get_intra_op_parallelism_threads"
    monkeypatch.setattr(tf.config.threading, getter, lambda: configured)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", variable)
    assert cores_are_shared() is shared
