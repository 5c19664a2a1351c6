"""Processes that train a model together: what they tell each other, and how they end together.

All of them run the same program on the same data. One of them, the chief, writes the run and
decides whatever depends on the machine; the others receive its decisions, and the state in which
training goes on. They need no access to the run directory.
"""

import collections
import contextlib
import functools
import json
import re
import time

import numpy as np
import tensorflow as tf

from kseq.cluster import Cluster

WAITING_SECONDS = 3600  # in which all workers must have begun
HEARTBEAT_SECONDS = 30  # without a sign of life, after which a worker counts as lost
_BLOCK = 2**20  # numbers that are sent at once
_SECONDS_TO_REPORT = 2
_REPORT = "kseq: "  # begins what workers report to each other
_REPORTED = re.compile(r"reported from /job:(\w+)/(?:replica:\d+/)?task:(\d+): ([^\n]*)")
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")
_SIGNS = ("Collective ops is aborted", "coordination service", "CoordinationService")


class WorkersEnded(RuntimeError):
    """Another worker has ended, or can no longer be reached, so that this one ends, too."""


class Workers:
    """The processes of a `tf.distribute.Strategy`.

    Args:
        strategy: `tf.distribute.MirroredStrategy` or `tf.distribute.MultiWorkerMirroredStrategy`;
            None for a single device.

    Raises:
        TypeError: It is something else.
    """

    def __init__(self, strategy=None):
        kinds = tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy
        if strategy is not None and not isinstance(strategy, kinds):
            raise TypeError(
                "strategy must be a tf.distribute.MirroredStrategy or a tf.distribute."
                f"MultiWorkerMirroredStrategy; received {strategy!r}"
            )
        self.strategy = strategy
        self._cluster = _cluster_of(strategy)

    @property
    def is_chief(self):
        """Whether this process writes the run; it does if it is the only one."""
        return self._cluster is None or self._cluster.is_chief

    @property
    def are_several(self):
        """Whether there is another process."""
        return self._cluster is not None

    def scope(self):
        """Returns the context in which variables are made."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def share(self, value=None):
        """Returns the value of the chief, which JSON can write; that of the others is ignored."""
        if not self.are_several:
            return value
        return json.loads(self.share_bytes(json.dumps(value).encode()))

    def share_bytes(self, data=b""):
        """Returns the bytes of the chief; those of the others are ignored."""
        if not self.are_several:
            return data
        length = self._share_numbers(np.array([len(data)], np.int64).view(np.uint16), 4)
        count = int(length.view(np.int64)[0])
        numbers = np.frombuffer(data + b"\0" * (len(data) % 2), np.uint16)
        return self._share_numbers(numbers, (count + 1) // 2).tobytes()[:count]

    def _share_numbers(self, numbers, count):
        """Returns `count` numbers of the chief, uint16; those of the others are ignored."""
        parts = [np.zeros(0, np.uint16)]
        for start in range(0, count, _BLOCK):
            # Every kind of device can add up float32, which is exact for these numbers.
            part = np.zeros(min(_BLOCK, count - start), np.float32)
            if self.is_chief:
                part[:] = numbers[start : start + part.size]
            parts.append(self._send(part).numpy().astype(np.uint16))
        return np.concatenate(parts)

    @functools.cached_property
    def _send(self):
        """A function that returns the numbers, float32 `[N]`, of the first replica of the chief."""

        def send(numbers):
            context = tf.distribute.get_replica_context()
            sent = tf.where(context.replica_id_in_sync_group == 0, numbers, 0.0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, sent)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
        def run(numbers):
            results = self.strategy.run(send, args=(numbers,))
            return self.strategy.experimental_local_results(results)[0]

        return run

    def require_same(self, facts):
        """Checks that this worker and the chief begin with the same.

        Args:
            facts: A dict of what is compared, which JSON can write.

        Raises:
            ValueError: There is a difference.
        """
        facts = json.loads(json.dumps(facts))
        expected = self.share(facts)
        for name, value in facts.items():
            if value != expected.get(name):
                values = ""
                if not isinstance(value, (dict, list)):
                    values = f" ({expected.get(name)} there, {value} here)"
                raise ValueError(
                    f"{name}: not the same as that of the chief{values}; all workers must run the "
                    "same command on the same data"
                )

    @contextlib.contextmanager
    def together(self):
        """A context that ends with an error on all workers if it ends with one on any of them.

        Raises:
            WorkersEnded: Another worker has ended, or can no longer be reached.
        """
        try:
            yield
        except BaseException as error:
            if not self.are_several or isinstance(error, WorkersEnded):
                raise
            if isinstance(error, tf.errors.OpError) and any(s in str(error) for s in _SIGNS):
                raise WorkersEnded(explain_end(str(error), self._cluster)) from error
            self._report(error)
            raise

    def _report(self, error):
        """Ends the other workers with the message of an error."""
        from tensorflow.python.eager import context

        message = " ".join(str(error).split()) or "stopped"
        # The error of a worker may be the consequence of an end that TensorFlow knows already.
        with contextlib.suppress(tf.errors.OpError):
            context.context().report_error_to_cluster(tf.errors.ABORTED, _REPORT + message)
            # It is sent in the background; if this process ended now, the others would not get it.
            time.sleep(_SECONDS_TO_REPORT)


def explain_end(text, cluster):
    """Explains an error of TensorFlow that says that another worker has ended.

    Args:
        text: Text of the error.
        cluster: `Cluster`.

    Returns:
        A line, with the reason if the worker could still report it.
    """
    worker = "another worker"
    reported = _REPORTED.search(text)
    tasks = [reported.groups()[:2]] if reported else _TASK.findall(text)
    known = [(job, int(index)) for job, index in tasks if (job, int(index)) in cluster.jobs]
    if known:
        worker = cluster.name(cluster.jobs.index(known[-1]))
    if reported and _REPORT in reported[3]:
        reason = reported[3].partition(_REPORT)[2].partition(" [type.")[0]
        return f"{worker} has ended: {reason}"
    return (
        f"{worker} has ended, or can no longer be reached; run the same command on all workers to "
        "go on from the last state"
    )


def join_cluster(cluster):
    """Connects this process with the other workers, which it waits for.

    It must be called before anything else uses TensorFlow.

    Args:
        cluster: `Cluster`.

    Returns:
        A `tf.distribute.MultiWorkerMirroredStrategy`.

    Raises:
        OSError: The port of this worker cannot be used.
        WorkersEnded: Not all workers could be reached.
    """
    # TensorFlow has no public way to choose after how long a worker counts as lost.
    from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
    from tensorflow.python.eager import context

    job, index = cluster.jobs[0]
    sizes = collections.Counter(job for job, _ in cluster.jobs)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{job}/replica:0/task:{index}",
        cluster_register_timeout_in_ms=1000 * WAITING_SECONDS,
        heartbeat_timeout_in_ms=1000 * HEARTBEAT_SECONDS,
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=size) for job, size in sizes.items()],
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.UnknownError as error:
        raise OSError(
            f"{cluster.name()} cannot be reached by others ({error.message}); is its port in use?"
        ) from error
    except tf.errors.OpError as error:
        raise WorkersEnded(f"not all workers could be reached: {error.message}") from error


def all_devices():
    """Returns a `tf.distribute.MirroredStrategy` for all GPUs that TensorFlow sees.

    Without a GPU, these are all logical processors, of which there is usually one; for a single
    device, it returns None.
    """
    names = [
        device.name.removeprefix("/device:")
        for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    ]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else None


def _cluster_of(strategy):
    """The `Cluster` of a strategy; None if it has a single process."""
    resolver = getattr(strategy, "cluster_resolver", None)
    jobs = resolver.cluster_spec().as_dict() if resolver else {}
    if not jobs:
        return None
    task = {"type": resolver.task_type, "index": resolver.task_id}
    return Cluster.read(json.dumps({"cluster": jobs, "task": task}))
