"""Jobs: what a request asks of a model; and batches: jobs that run together."""

import asyncio
import dataclasses
import json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """Sources that an engine works on at once, with one set of options.

    Args:
        method: `"translate"`, `"sample"` or `"predict"`, as the methods of a `Translator`.
        sources: Sentences, or real values as lists of steps `[S][F]`.
        options: Options of `kseq.BeamSearch` or `kseq.Sampling` by name.
        attention: Whether results come with tokens and attention.
        columns: Further arguments with an entry for each source, by name: `prefix`, `features`,
            `steps`.
    """

    method: str = "translate"
    sources: list
    options: dict = dataclasses.field(default_factory=dict)
    attention: bool = False
    columns: dict = dataclasses.field(default_factory=dict)


class Job:
    """A request to a model, which waits for its results.

    Args:
        batch: Its sources and options, a `Batch`.
        width: Hypotheses, or samples, of each source.

    Attributes:
        future: `asyncio.Future` of a list with the result of each source.
        is_alone: Whether it must not share a batch with others. The random numbers of samples
            depend on the positions of their sources; and after a failure, this shows whose it was.
        attempts: Number of workers that died with it.
        came: When it was put into the queue.
        seconds_waited: Time in the queue.
        batch_size: Number of sources in the batch that it was answered with.
    """

    def __init__(self, batch, width=1):
        self.batch = batch
        self.width = width
        self.future = asyncio.get_running_loop().create_future()
        self.is_alone = batch.method == "sample"
        self.attempts = 0
        self.came = 0.0
        self.seconds_waited = 0.0
        self.batch_size = 0
        self.length = max((len(source) for source in batch.sources), default=0)
        self.key = json.dumps(
            [batch.method, batch.options, batch.attention, sorted(batch.columns)], sort_keys=True
        )

    @property
    def count(self):
        """Number of its sources."""
        return len(self.batch.sources)

    @property
    def hypotheses(self):
        """Number of its hypotheses."""
        return self.width * self.count


def join(jobs):
    """Joins jobs with one set of options to a `Batch`."""
    first = jobs[0].batch
    columns = {
        name: [value for job in jobs for value in job.batch.columns[name]] for name in first.columns
    }
    sources = [source for job in jobs for source in job.batch.sources]
    return dataclasses.replace(first, sources=sources, columns=columns)


def deliver(jobs, results):
    """Gives each job the results of its sources.

    Args:
        jobs: The jobs that were joined.
        results: The result of each source of the batch.
    """
    begin, batch_size = 0, len(results)
    for job in jobs:
        job.batch_size = batch_size
        if not job.future.done():
            job.future.set_result(results[begin : begin + job.count])
        begin += job.count
