"""Refusals: errors that are the answer to a request, with an HTTP status and a message."""


class Refusal(Exception):
    """A request that is not answered with results.

    Args:
        status: HTTP status: 400 a mistake in the request, 404 an unknown model, 408 a body that
            comes too slowly, 413 a body that is too large, 429 a full queue, 500 a failure of the
            server, 503 a model that is not ready, 504 a request that took too long.
        message: What was expected, what was received and what helps.
        retry_after: Seconds after which to try again; None if that does not help.
    """

    def __init__(self, status, message, retry_after=None):
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def headers(self):
        """The HTTP headers of the answer, a dict."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def mistake(message):
    """Makes the `Refusal` of a request that is wrong."""
    return Refusal(400, message)
