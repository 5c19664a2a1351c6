"""The models of a server, each in the newest version that can be loaded."""

import asyncio
import dataclasses

from kseq.serving.places import state_of
from kseq.serving.processes import LoadingFailed
from kseq.serving.refusals import Refusal
from kseq.serving.versions import Version
from kseq.serving.worker import Task

SECONDS_BETWEEN_LOOKS = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the models of a server share.

    Args:
        limits: `Limits`.
        log: `JsonLog`.
        metrics: `Metrics`.
        context: The `multiprocessing` context of workers.
        workers: Number of workers of each model.
        cores: Number of cores of each worker.
        options: Options of a search that a request does not set, by name.
        modules: Modules of the user's own that workers import.
        trusted: Whether SavedModels may have operations that kseq does not write.
    """

    limits: object
    log: object
    metrics: object
    context: object
    workers: int
    cores: int
    options: dict = dataclasses.field(default_factory=dict)
    modules: tuple = ()
    trusted: bool = False


class Model:
    """A model whose newest version is in use.

    Args:
        place: `Place`.
        server: `Surroundings`.

    Attributes:
        name: Name of the model.
        version: The `Version` in use; None before the first is ready.
    """

    def __init__(self, place, server):
        self.name = place.name
        self.version = None
        self._place = place
        self._server = server
        self._refused = {}  # the state of each version that could not be loaded
        self._seen = {}  # the state of each version at the last look
        self._draining = set()

    @property
    def is_ready(self):
        """Whether a worker of the version in use can answer."""
        return self.version is not None and self.version.workers > 0

    def find(self, number=None):
        """Returns the `Version` in use.

        Args:
            number: The name of the version that a request asks for, or None.

        Raises:
            Refusal: It is not ready, or another version is in use.
        """
        if self.version is None:
            raise Refusal(503, f"the model {self.name} is being loaded", retry_after=1)
        if number not in (None, self.version.number):
            raise Refusal(
                404,
                f"version {number} of the model {self.name} is not in use; the one in use is "
                f"{self.version.number}",
            )
        return self.version

    async def start(self):
        """Loads the newest version that can be loaded.

        Raises:
            LoadingFailed: None can be.
        """
        for number, folder in self._place.versions().items():
            if await self._load(number, folder, state_of(folder)):
                return
        reasons = "; ".join(f"version {number}: {reason}" for number, reason in self._reasons())
        raise LoadingFailed(f"{self.name}: {reasons or 'there is no version'}")

    async def watch(self):
        """Loads new versions as they appear, for ever.

        The version with the highest number is used. A version is loaded once its files have not
        changed between two looks, beside the old one. If it cannot be loaded, the old one stays,
        until files change.
        """
        if not self._place.is_versioned:
            return
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await self.look()

    async def look(self):
        """Looks for another version, and loads it."""
        found = await asyncio.to_thread(self._look)
        seen, self._seen = self._seen, {number: state for number, _, state in found}
        for number, folder, state in found:
            if number == self.version.number:
                return
            if self._refused.get(number, (None,))[0] == state:
                continue
            is_unfinished = seen.get(number) != state
            if is_unfinished or await self._load(number, folder, state):
                return

    async def drain(self):
        """Answers what waits, and ends all workers."""
        if self.version is not None:
            await self.version.drain()
        await asyncio.gather(*self._draining)

    def _look(self):
        return [
            (number, folder, state_of(folder)) for number, folder in self._place.versions().items()
        ]

    def _reasons(self):
        return [(number, reason) for number, (_, reason) in self._refused.items()]

    async def _load(self, number, folder, state):
        """Loads a version and swaps it in; returns whether that was possible."""
        server = self._server
        task = Task(
            folder=str(folder),
            options=server.options,
            cores=server.cores,
            modules=server.modules,
            trusted=server.trusted,
        )
        version = Version(self.name, number, task, server)
        server.log.write("loading", model=self.name, version=number)
        try:
            await version.start()
        except LoadingFailed as error:
            self._refused[number] = state, str(error)
            server.metrics.refused.labels(self.name).inc()
            server.log.write("refused", model=self.name, version=number, reason=str(error))
            return False
        self._refused.pop(number, None)
        old, self.version = self.version, version
        if old is not None:
            server.metrics.swaps.labels(self.name).inc()
            draining = asyncio.ensure_future(old.drain())
            self._draining.add(draining)
            draining.add_done_callback(self._draining.discard)
        return True
