"""`serve`: a server process, from its socket to its graceful end."""

import contextlib
import importlib.util
import socket
import sys

from kseq.kernels.processor import usable_cores
from kseq.serving.engines import kind_of
from kseq.serving.inputs import check_defaults
from kseq.serving.limits import Limits
from kseq.serving.places import parse_places
from kseq.serving.processes import process_context

_PACKAGES = ("starlette", "uvicorn", "prometheus_client")
_BACKLOG = 2048
_MOST_WORKERS = 4
_SECONDS_TO_FINISH = 5  # beyond the longest time of a request


def serve(models, *, host="127.0.0.1", port=8080, workers=None, limits=None, **others):
    """Serves models over HTTP until the process gets SIGTERM or Ctrl-C.

    Args:
        models: Runs, SavedModels, or folders of their versions: `"FOLDER"` or `"NAME=FOLDER"`.
        host: Address to listen on.
        port: Port; 0 for any that is free.
        workers: Number of processes that hold each model; by default one per core, up to four,
            divided among the models.
        limits: `Limits`.
        **others: `options`, options of the search that requests do not set; `modules`, modules of
            the user's own; `trusted`, whether SavedModels may have operations that kseq does not
            write; `logs_requests`.

    Raises:
        ImportError: The packages of `kseq[serve]` are not installed.
        FileNotFoundError, ValueError: A folder is missing, or holds no model.
        OSError: The port is in use.
        RuntimeError: A model cannot be loaded.
    """
    require_packages()
    places = parse_places(models)
    limits = Limits() if limits is None else limits
    check_defaults(dict(others.get("options", ())), limits)
    listener = listen(host, port)
    if workers is None:
        workers = max(1, min(usable_cores(), _MOST_WORKERS) // len(places))
    with listener:
        _run(places, listener, workers, limits, **others)


def require_packages():
    """Raises an ImportError if a package of `kseq[serve]` is not installed."""
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise ImportError(f"serving needs {', '.join(missing)}: pip install kseq[serve]")


def listen(host, port):
    """Returns a socket that listens.

    Raises:
        OSError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(f"cannot listen on {host}, port {port}: {reason}") from error


def _run(places, listener, workers, limits, *, options=(), logs_requests=True, **trust):
    context = process_context(_kinds(places))
    import uvicorn

    from kseq.serving.app import make_app
    from kseq.serving.log import JsonLog
    from kseq.serving.metrics import Metrics
    from kseq.serving.models import Surroundings
    from kseq.serving.service import Service

    surroundings = Surroundings(
        limits=limits,
        log=JsonLog(),
        metrics=Metrics(),
        context=context,
        workers=workers,
        cores=max(1, usable_cores() // workers),
        options=dict(options),
        **trust,
    )

    def stop():
        server.should_exit = True

    service = Service(places, surroundings, stop)
    config = uvicorn.Config(
        make_app(service, logs_requests),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(limits.timeout) + _SECONDS_TO_FINISH,
    )
    server = uvicorn.Server(config)
    address = _url(listener)
    surroundings.log.write("listening", url=address)
    print(f"kseq: serving {', '.join(service.models)} at {address}", file=sys.stderr, flush=True)
    # After the graceful end, uvicorn passes the signal on.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if service.failure is not None:
        raise RuntimeError(service.failure)


def _kinds(places):
    """The kinds of all models that are there now."""
    return {kind_of(folder) for place in places for folder in place.versions().values()}


def _url(listener):
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
