"""The workers of a training on several hosts, as the environment variable TF_CONFIG names them."""

import dataclasses
import json
import os

_JOBS = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Processes that train together, each of which has a number; 0 is the chief.

    Args:
        jobs: The job of each worker, `"chief"` or `"worker"`, and its number in the job.
        addresses: The address of each, `host:port`.
        number: Number of this process.
    """

    jobs: tuple
    addresses: tuple
    number: int

    @classmethod
    def read(cls, text=None):
        """Reads a TF_CONFIG, by default that of the environment.

        Returns:
            A `Cluster`; None if there is no other worker.

        Raises:
            ValueError: The text does not describe the workers of a training, and which of them this
                process is.
        """
        text = os.environ.get("TF_CONFIG", "") if text is None else text
        try:
            values = json.loads(text or "{}")
            cluster, task = values.get("cluster") or {}, values.get("task") or {}
            members = [
                ((job, index), _check_address(address))
                for job in _JOBS
                for index, address in enumerate(_check_list(cluster.get(job, [])))
            ]
            others = set(cluster) - {*_JOBS, "evaluator"}
            own = task.get("type"), int(task.get("index") or 0)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"TF_CONFIG must be like {_EXAMPLE}; received {text}") from error
        if not members:
            return None
        jobs, addresses = zip(*members)
        if len(set(addresses)) < len(addresses):
            raise ValueError(f"TF_CONFIG names an address twice: {', '.join(addresses)}")
        if others:
            raise ValueError(
                f"TF_CONFIG names tasks of the type {', '.join(sorted(others))}; kseq trains with "
                "workers (and a chief) alone"
            )
        if own[0] is None:
            raise ValueError(
                f"TF_CONFIG does not say which of the {len(jobs)} workers this process is: add "
                '"task": {"type": "worker", "index": 0}, or another index'
            )
        if own not in jobs:
            raise ValueError(
                f"TF_CONFIG says that this process is the {own[0]} with the index {own[1]}, which "
                f"is not one of the {len(jobs)} of its cluster"
            )
        return cls(jobs, addresses, jobs.index(own)) if len(jobs) > 1 else None

    @property
    def is_chief(self):
        """Whether this process is the one that writes."""
        return self.number == 0

    def name(self, number=None):
        """Returns how a worker is called in messages, by default this one."""
        number = self.number if number is None else number
        return f"worker {number} of {len(self.jobs)} ({self.addresses[number]})"


def local_config(ports, number):
    """Returns the TF_CONFIG of a worker of a cluster on this host.

    Args:
        ports: The ports of all workers.
        number: Number of the worker.
    """
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": number}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def _check_list(addresses):
    if not isinstance(addresses, list):
        raise TypeError("the workers of a job are a list")
    return addresses


def _check_address(address):
    host, _, port = str(address).rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError("an address is host:port")
    return address
