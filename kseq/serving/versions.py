"""A version of a model: the queue of its jobs, and the workers that answer them."""

import asyncio
import contextlib
import time

from kseq.serving.batches import deliver, join
from kseq.serving.job_queue import JobQueue
from kseq.serving.processes import BatchFailed, LoadingFailed, WorkerDied, WorkerProcess
from kseq.serving.refusals import Refusal

_MOST_ATTEMPTS = 2  # workers that die with a job before it is given up
_LONGEST_PAUSE = 30  # seconds between attempts to load a model again


class Version:
    """A version of a model with its workers; those that die are replaced.

    Args:
        model: Name of the model.
        number: Name of the version.
        task: `Task` of its workers.
        server: `Surroundings`.

    Attributes:
        number: The argument.
        folder: Folder of the model.
        queue: `JobQueue`.
        description: `Description`, once a worker is ready.
        workers: Number of workers that are ready.
    """

    def __init__(self, model, number, task, server):
        self.model = model
        self.number = number
        self.folder = task.folder
        self.queue = JobQueue(server.limits)
        self.description = None
        self.workers = 0
        self._task = task
        self._server = server
        self._slots = []
        self._is_closed = False

    async def start(self):
        """Starts the workers, and waits until one of them is ready.

        Raises:
            LoadingFailed: The model cannot be loaded.
        """
        ready = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        self._slots = [
            asyncio.ensure_future(self._keep_worker(ready)) for _ in range(self._server.workers)
        ]
        try:
            await ready
        except BaseException:
            for slot in self._slots:
                slot.cancel()
            await asyncio.gather(*self._slots, return_exceptions=True)
            raise
        self._log("ready", seconds=round(time.monotonic() - began, 3))

    def submit(self, job):
        """Puts a job into the queue; its future gets the results.

        Raises:
            Refusal: The queue is full.
        """
        self.queue.put(job)

    async def drain(self):
        """Lets the workers answer what waits, and ends them."""
        self._is_closed = True
        self.queue.close()
        await asyncio.gather(*self._slots, return_exceptions=True)
        self._log("drained")

    def _log(self, event, **fields):
        self._server.log.write(event, model=self.model, version=self.number, **fields)

    async def _keep_worker(self, ready):
        """Starts a worker whenever there is none, until the queue is closed and empty."""
        pause = 1
        while not (self._is_closed and not self.queue.waiting):
            try:
                worker = await self._start_worker(ready)
            except LoadingFailed as error:
                if not ready.done():
                    ready.set_exception(error)
                    return
                self._log("worker_failed", reason=str(error), retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = 1
            try:
                await self._use(worker)
            finally:
                await worker.stop()

    async def _start_worker(self, ready):
        worker = await WorkerProcess.start(self._server.context, self._task)
        if self.description is None:
            self.description = worker.description
        elif worker.description != self.description:
            await worker.stop()
            raise LoadingFailed(
                f"the files of {self.folder} have changed since the server began to use them; "
                "start it again, or add a version"
            )
        if not ready.done():
            ready.set_result(None)
        return worker

    async def _use(self, worker):
        """Gives batches to a worker until it dies, or until the queue is closed and empty."""
        self.workers += 1
        self._log("worker_ready", pid=worker.pid)
        try:
            while jobs := await self._take(worker):
                await self._answer(worker, jobs)
        except WorkerDied as error:
            self._server.metrics.restarts.labels(self.model).inc()
            self._log("worker_died", pid=worker.pid, reason=str(error))
        finally:
            self.workers -= 1

    async def _take(self, worker):
        """Takes the next jobs.

        Raises:
            WorkerDied: The worker has ended before there were any.
        """
        taking = asyncio.ensure_future(self.queue.take())
        try:
            await asyncio.wait((taking, worker.next_message), return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            raise WorkerDied("the process has ended")
        finally:
            taking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await taking

    async def _answer(self, worker, jobs):
        batch = join(jobs)
        began = time.monotonic()
        try:
            results = await worker.answer(vars(batch), self._server.limits.timeout)
        except WorkerDied:
            for job in jobs:
                self._try_again(job)
            raise
        except BatchFailed as error:
            self._fail(jobs, error)
            return
        count = len(results)
        self.queue.note((time.monotonic() - began) / max(1, self.workers), count)
        self._server.metrics.batch_size.labels(self.model).observe(count)
        deliver(jobs, results)

    def _try_again(self, job):
        job.attempts += 1
        if job.attempts < _MOST_ATTEMPTS:
            self.queue.put_back(job)
        elif not job.future.done():
            reason = f"{job.attempts} workers ended while they answered this request"
            job.future.set_exception(Refusal(500, reason))

    def _fail(self, jobs, error):
        """Answers with an error; of several jobs, each runs alone first, to see whose it is."""
        for job in jobs:
            if len(jobs) > 1:
                self.queue.put_back(job)
            elif not job.future.done():
                job.future.set_exception(Refusal(400 if error.is_mistake else 500, str(error)))
