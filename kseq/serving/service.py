"""The service: finds the model of a request, and waits for its results."""

import asyncio
import contextlib

from kseq.serving.inputs import make_job
from kseq.serving.models import Model
from kseq.serving.processes import LoadingFailed
from kseq.serving.refusals import Refusal, mistake


def find_model(models, name=None):
    """Returns a model.

    Args:
        models: Models by name.
        name: Name of the model; None for the only one.

    Raises:
        Refusal: There is no such model.
    """
    names = ", ".join(models)
    if name is None:
        if len(models) > 1:
            raise mistake(f"model: expected one of {names}; received none")
        name = next(iter(models))
    if name not in models:
        raise Refusal(404, f"unknown model: {name!r} (known: {names})")
    return models[name]


class Service:
    """The models of a server, and what is done with them.

    Args:
        places: `Place`s of the models.
        server: `Surroundings`.
        on_ready: Function that is called when all models can answer.
        on_failure: Function that is called when a model cannot be loaded at the start.

    Attributes:
        models: `Model`s by name.
        limits: `Limits`.
        metrics: `Metrics`.
        log: `JsonLog`.
        failure: Why a model could not be loaded at the start, or None.
    """

    def __init__(self, places, server, on_ready, on_failure):
        self.models = {place.name: Model(place, server) for place in places}
        self.limits, self.metrics, self.log = server.limits, server.metrics, server.log
        self.failure = None
        self._options = server.options
        self._on_ready, self._on_failure = on_ready, on_failure
        self._tasks = []
        self._is_stopping = False

    @property
    def is_ready(self):
        """Whether every model can answer."""
        return not self._is_stopping and all(model.is_ready for model in self.models.values())

    @contextlib.asynccontextmanager
    async def running(self):
        """A context in which models are loaded and watched; in the end, workers are drained."""
        self._tasks = [asyncio.ensure_future(self._run(model)) for model in self.models.values()]
        try:
            yield
        finally:
            self._is_stopping = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.gather(*(model.drain() for model in self.models.values()))
            self.log.write("stopped")

    def find(self, name=None, number=None):
        """Returns the `Version` in use of a model.

        Args:
            name: Name of the model; None for the only one.
            number: Name of the version; None for the one in use.

        Raises:
            Refusal: There is no such model or version, or it is not ready.
        """
        return find_model(self.models, name).find(number)

    async def ask(self, request, version, question):
        """Answers a question.

        Args:
            request: The HTTP request; what is logged about it is added to `request.state.log`.
            version: `Version` of a model.
            question: `Question`.

        Returns:
            The result of each source, as from `Engine.answer`.

        Raises:
            Refusal: The question is wrong, the queue is full, or there was no answer in time.
        """
        job = make_job(question, version.description, self.limits, self._options)
        notes = request.state.log
        notes |= {"model": version.model, "version": version.number, "sources": job.count}
        version.submit(job)
        try:
            async with asyncio.timeout(self.limits.timeout):
                results = await job.future
        except TimeoutError:
            raise Refusal(504, f"no answer within {self.limits.timeout:g} s") from None
        notes |= {"waited": round(job.seconds_waited, 6), "batch": job.batch_size}
        self.metrics.waited.labels(version.model).observe(job.seconds_waited)
        self.metrics.sources.labels(version.model).inc(job.count)
        return results

    def measured(self):
        """Returns all metrics as bytes, with the state of this moment."""
        for name, model in self.models.items():
            version = model.version
            self.metrics.waiting.labels(name).set(version.queue.waiting if version else 0)
            self.metrics.workers.labels(name).set(version.workers if version else 0)
        return self.metrics.text()

    async def _run(self, model):
        try:
            await model.start()
        except LoadingFailed as error:
            self.failure = self.failure or str(error)
            self._on_failure()
            return
        if self.is_ready:
            self.log.write("serving", models=list(self.models))
            self._on_ready()
        await model.watch()
