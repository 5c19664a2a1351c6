"""The queue of a model: whatever waits is the next batch of a worker that is free."""

import asyncio
import collections
import math
import time

from kseq.serving.refusals import Refusal

_SMOOTHING = 0.1  # weight of a batch in the time that a source takes
_LONGEST_WAIT = 60  # seconds that a client is asked to wait at most


class JobQueue:
    """Jobs that wait for a worker, first come, first served.

    Nothing is waited for: a free worker takes the first job and all others that can share its
    batch, within the limits. So batches grow with the load.

    Args:
        limits: `Limits`.

    Attributes:
        waiting: Number of sources that wait.
    """

    def __init__(self, limits):
        self._limits = limits
        self._jobs = collections.deque()
        self._takers = collections.deque()
        self._is_closed = False
        self._seconds_per_source = 0.0
        self.waiting = 0

    def put(self, job):
        """Adds a job.

        Raises:
            Refusal: The queue is full.
        """
        if self.waiting + job.count > self._limits.queue:
            raise Refusal(
                429,
                f"too many requests: {self.waiting} sources wait for this model, of at most "
                f"{self._limits.queue}; try again later",
                retry_after=self._expected_wait(),
            )
        job.came = time.monotonic()
        self._jobs.append(job)
        self.waiting += job.count
        self._wake_taker()

    def put_back(self, job):
        """Puts a job that failed at the front of the queue, alone in its next batch."""
        job.is_alone = True
        self._jobs.appendleft(job)
        self.waiting += job.count
        self._wake_taker()

    def close(self):
        """Lets workers finish what waits, and then tells them to end."""
        self._is_closed = True
        while self._takers:
            self._wake_taker()

    async def take(self):
        """Waits for jobs; returns those of a batch, or nothing once the queue is closed and empty.

        Returns:
            A list of `Job`s.
        """
        try:
            while True:
                while not self._jobs:
                    if self._is_closed:
                        return []
                    taker = asyncio.get_running_loop().create_future()
                    self._takers.append(taker)
                    await taker
                # Requests that have arrived already, but have not been read, join the batch.
                await asyncio.sleep(0)
                if jobs := self._pop_batch():
                    return jobs
        finally:
            if self._jobs:
                self._wake_taker()

    def note(self, seconds, count):
        """Notes how long a batch of `count` sources took, for the estimate of waiting times."""
        self._seconds_per_source += _SMOOTHING * (seconds / count - self._seconds_per_source)

    def _pop_batch(self):
        now, batch, others = time.monotonic(), _GrowingBatch(self._limits), []
        while self._jobs:
            job = self._jobs.popleft()
            if job.future.done():  # It was given up.
                self.waiting -= job.count
            elif batch.takes(job):
                self.waiting -= job.count
                job.seconds_waited = now - job.came
            else:
                others.append(job)
        self._jobs.extend(others)
        return batch.jobs

    def _wake_taker(self):
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _expected_wait(self):
        seconds = math.ceil(self.waiting * self._seconds_per_source)
        return min(max(1, seconds), _LONGEST_WAIT)


class _GrowingBatch:
    """Jobs that share a batch: one of any size, or several within the limits."""

    def __init__(self, limits):
        self._limits = limits
        self._count = self._hypotheses = self._longest = 0
        self.jobs = []

    def takes(self, job):
        """Adds a job, if it fits; returns whether it did."""
        count, longest = self._count + job.count, max(self._longest, job.length)
        hypotheses = self._hypotheses + job.hypotheses
        if self.jobs and (
            job.is_alone
            or self.jobs[0].is_alone
            or job.key != self.jobs[0].key
            or hypotheses > self._limits.batch
            or count * longest > self._limits.batch_length
        ):
            return False
        self._count, self._longest, self._hypotheses = count, longest, hypotheses
        self.jobs.append(job)
        return True
