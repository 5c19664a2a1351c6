"""The application: the routes of all protocols, and errors as JSON."""

import http

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from kseq.serving import (
    open_inference_protocol,
    page,
    tensorflow_serving_protocol,
    translate_protocol,
)
from kseq.serving.host_names import KnownHosts
from kseq.serving.refusals import Refusal
from kseq.serving.requests import RequestLog


def make_app(service, logs_requests=True, host_names=None):
    """Makes the ASGI application of a server.

    Args:
        service: `Service`.
        logs_requests: Whether each request is logged.
        host_names: Names that the server answers to, besides addresses and `localhost`; None for
            all names.

    Returns:
        A `Starlette`.
    """
    middleware = [Middleware(RequestLog, service=service, is_written=logs_requests)]
    if host_names is not None:
        middleware.append(Middleware(KnownHosts, names=host_names))
    app = Starlette(
        routes=[
            *page.ROUTES,
            *translate_protocol.ROUTES,
            *tensorflow_serving_protocol.ROUTES,
            *open_inference_protocol.ROUTES,
            Route("/metrics", _metrics, methods=["GET"]),
        ],
        middleware=middleware,
        exception_handlers=_error_handlers(),
        lifespan=lambda _: service.running(),
    )
    app.state.service = service
    return app


def make_page_app(service, path):
    """Makes the ASGI application of a notebook: the page and what it asks.

    Args:
        service: `NotebookService`.
        path: Path of the page.

    Returns:
        A `Starlette`.
    """
    app = Starlette(
        routes=[Mount(path, routes=[*page.ROUTES, *translate_protocol.ROUTES])],
        exception_handlers=_error_handlers(),
    )
    app.state.service = service
    return app


def _error_handlers():
    return {Refusal: _refuse, HTTPException: _explain, Exception: _apologize}


async def _metrics(request):
    service = request.app.state.service
    return Response(service.measured(), media_type=service.metrics.content_type)


async def _refuse(request, refusal):
    return JSONResponse({"error": str(refusal)}, refusal.status, refusal.headers)


async def _explain(request, error):
    """Answers a request for a path or a method that there is not."""
    message = f"{error.detail or http.HTTPStatus(error.status_code).phrase}: {request.url.path}"
    return JSONResponse({"error": message}, error.status_code, error.headers)


async def _apologize(request, error):
    return JSONResponse({"error": "the server failed; its standard error says why"}, 500)
