"""HTTP requests: their bodies within limits, their ids, and the log of each of them."""

import asyncio
import re
import secrets
import time

from kseq.serving.inputs import read_body, too_large
from kseq.serving.refusals import Refusal

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


async def read_json(request, limits):
    """Reads the body of a request, a JSON object.

    Raises:
        Refusal: It is too large, comes too slowly, or is not a JSON object.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.max_body:
        raise too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_body:
                    raise too_large(limits)
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {limits.timeout:g} s") from None
    return read_body(bytes(body))


class RequestLog:
    """ASGI middleware that gives each request an id, and logs and measures it.

    The id is that of the header `X-Request-Id`, or a new one. The answer has it, too.

    Args:
        app: The application.
        service: `Service`.
        is_written: Whether requests are written to the log.
    """

    def __init__(self, app, service, is_written):
        self._app = app
        self._service = service
        self._is_written = is_written

    async def __call__(self, scope, receive, send):
        """Handles a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        identifier = _request_id(scope)
        notes = {}
        scope.setdefault("state", {}).update(log=notes, request_id=identifier.decode())
        status = 500

        async def send_with_id(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identifier)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            self._note(scope, status, seconds, notes)

    def _note(self, scope, status, seconds, notes):
        metrics, protocol = self._service.metrics, _protocol_of(scope["path"])
        metrics.requests.labels(protocol, status).inc()
        metrics.seconds.labels(protocol).observe(seconds)
        if self._is_written:
            client = scope.get("client") or (None,)
            self._service.log.write(
                "request",
                id=scope["state"]["request_id"],
                client=client[0],
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(seconds, 6),
                **notes,
            )


def _request_id(scope):
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value
    return secrets.token_hex(8).encode()


def _protocol_of(path):
    """The first part of a path, if requests to it are counted on their own."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("translate", "v1", "v2") else "other"
