"""Worker processes, as the server sees them: started, asked, replaced when they die.

They are forks of a process that has imported TensorFlow but not used it, so that a worker starts
within moments and shares the memory of the libraries with the others.
"""

import asyncio
import contextlib
import multiprocessing
import socket
from multiprocessing import forkserver

from kseq.serving.descriptions import Description
from kseq.serving.engines import modules_of
from kseq.serving.messages import pack_message, receive_message
from kseq.serving.worker import work

_SECONDS_TO_END = 5
# A connection ends in several ways; whoever writes what is no message is not used any more.
_CONNECTION_ENDED = (EOFError, OSError, RuntimeError, ValueError)


class LoadingFailed(Exception):
    """A worker could not load its model."""


class WorkerDied(Exception):
    """A worker has ended, or does not answer."""


class BatchFailed(Exception):
    """A worker could not answer a batch.

    Args:
        message: The reason.
        is_mistake: Whether the batch asked for something that cannot be done.
    """

    def __init__(self, message, is_mistake):
        super().__init__(message)
        self.is_mistake = is_mistake


def process_context(kinds):
    """Returns the `multiprocessing` context in which workers start.

    Args:
        kinds: Kinds of models, as from `kind_of`, for which modules are imported in advance.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(modules_of(kinds))
    forkserver.ensure_running()  # It imports while the server does.
    return context


class WorkerProcess:
    """A process that holds a model; `WorkerProcess.start` makes one.

    Attributes:
        description: `Description` of its model.
        next_message: A future of its next message. If no answer is due, it is done only when the
            process has ended.
    """

    def __init__(self, process, reader, writer):
        self._process = process
        self._reader = reader
        self._writer = writer
        self.description = None
        self.next_message = None

    @classmethod
    async def start(cls, context, task):
        """Starts a process and waits until it has loaded its model.

        Args:
            context: As from `process_context`.
            task: `Task`.

        Raises:
            LoadingFailed: It cannot load it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = context.Process(target=work, args=(theirs, task), daemon=True)
            try:
                await asyncio.to_thread(process.start)  # The first start waits for the imports.
            except _CONNECTION_ENDED as error:
                ours.close()
                raise LoadingFailed(f"no process could be started: {error}") from error
        worker = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            await worker._greet()
        except BaseException:
            await worker.stop()
            raise
        return worker

    @property
    def pid(self):
        """Its process id."""
        return self._process.pid

    async def answer(self, batch, timeout):
        """Answers a batch.

        Args:
            batch: Fields of a `Batch`, a dict.
            timeout: Seconds to wait for the answer.

        Returns:
            The result of each source, as from `Engine.answer`.

        Raises:
            WorkerDied: The process has ended, or has not answered in time.
            BatchFailed: It could not answer the batch.
        """
        try:
            self._writer.write(pack_message(batch))
            await self._writer.drain()
            answer = await asyncio.wait_for(asyncio.shield(self.next_message), timeout)
        except TimeoutError:
            self._process.kill()
            raise WorkerDied(f"no answer within {timeout:g} s") from None
        except _CONNECTION_ENDED as error:
            raise WorkerDied("the process has ended") from error
        self._listen()
        if "results" in answer:
            return answer["results"]
        is_mistake = "mistake" in answer
        raise BatchFailed(answer["mistake" if is_mistake else "failure"], is_mistake)

    async def stop(self):
        """Ends the process: it ends when its connection does, or else it is killed."""
        if self.next_message is not None:
            self.next_message.cancel()
        self._writer.close()
        with contextlib.suppress(*_CONNECTION_ENDED):
            await self._writer.wait_closed()
        await asyncio.to_thread(self._process.join, _SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join)
        self._process.close()

    async def _greet(self):
        try:
            message = await receive_message(self._reader)
        except _CONNECTION_ENDED as error:
            raise LoadingFailed("the process ended while it loaded the model") from error
        if "refused" in message:
            raise LoadingFailed(message["refused"])
        self.description = Description(**message["ready"])
        self._listen()

    def _listen(self):
        self.next_message = asyncio.ensure_future(receive_message(self._reader))
