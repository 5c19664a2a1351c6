"""The metrics of a server, in the format of Prometheus."""

import prometheus_client

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters and histograms of a server.

    Attributes:
        requests: Counter of requests by path of the API and status.
        seconds: Histogram of the time of requests.
        waited: Histogram of the time in the queue of a model.
        sources: Counter of the sources that a model has answered.
        batch_size: Histogram of the sources in its batches.
        restarts: Counter of its workers that died.
        swaps: Counter of its versions that took the place of another.
        refused: Counter of its versions that could not be loaded.
        waiting: Gauge of the sources that wait.
        workers: Gauge of the workers that are ready.
        content_type: Content type of `text`.
    """

    content_type = prometheus_client.CONTENT_TYPE_LATEST

    def __init__(self):
        self._registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        model = {"labelnames": ["model"], "registry": registry}
        counter, histogram = prometheus_client.Counter, prometheus_client.Histogram
        self.requests = counter(
            "kseq_requests", "Requests", ["protocol", "status"], registry=registry
        )
        self.seconds = histogram(
            "kseq_request_seconds",
            "Seconds from a request to its answer",
            ["protocol"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.waited = histogram(
            "kseq_waiting_seconds", "Seconds in the queue", buckets=_SECONDS, **model
        )
        self.sources = counter("kseq_sources", "Sources that were answered", **model)
        self.batch_size = histogram(
            "kseq_batch_sources", "Sources in a batch", buckets=_SIZES, **model
        )
        self.restarts = counter("kseq_worker_deaths", "Workers that died", **model)
        self.swaps = counter("kseq_version_swaps", "Versions that replaced another", **model)
        self.refused = counter(
            "kseq_versions_refused", "Versions that could not be loaded", **model
        )
        self.waiting = prometheus_client.Gauge("kseq_waiting_sources", "Sources that wait", **model)
        self.workers = prometheus_client.Gauge("kseq_workers", "Workers that are ready", **model)

    def text(self):
        """Returns all metrics as bytes."""
        return prometheus_client.generate_latest(self._registry)
