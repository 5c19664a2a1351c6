"""`serve`: a server process, from its socket to its graceful end."""

import contextlib
import importlib.util
import socket
import sys

from kseq.errors import SettingError
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


def serve(
    models,
    *,
    host="127.0.0.1",
    port=8080,
    workers=None,
    limits=None,
    options=None,
    modules=(),
    trusted=False,
    host_names=(),
    logs_requests=True,
):
    """Serves models over HTTP until the process gets SIGTERM or Ctrl-C.

    Args:
        models: Runs, SavedModels, or folders of their versions: `"FOLDER"` or `"NAME=FOLDER"`.
        host: Address to listen on.
        port: Port; 0 for any that is free.
        workers: Number of processes that hold each model; by default one per core, up to four,
            divided among the models.
        limits: `Limits`.
        options: Options of the search that requests do not set, by name.
        modules: Modules of the user's own that workers import.
        trusted: Whether SavedModels may have operations that kseq does not write.
        host_names: Names that the server answers to, besides addresses and `localhost`. Without
            any, only a server on a loopback address refuses requests to other names.
        logs_requests: Whether each request is logged.

    Raises:
        ImportError: The packages of `kseq[serve]` are not installed.
        FileNotFoundError, ValueError: A folder is missing, or holds no model; or options are given,
            but all models are exported ones.
        OSError: The port is in use.
        RuntimeError: A model cannot be loaded.
    """
    require_packages()
    places = parse_places(models)
    kinds = {kind_of(folder) for place in places for folder in place.versions().values()}
    limits, options = Limits() if limits is None else limits, dict(options or {})
    _check_options(options, limits, kinds)
    if workers is None:
        workers = max(1, min(usable_cores(), _MOST_WORKERS) // len(places))
    with listen(host, port) as listener:
        surroundings = {"limits": limits, "context": process_context(kinds), "workers": workers}
        surroundings |= {"options": options, "modules": modules, "trusted": trusted}
        _run(places, listener, surroundings, host_names, logs_requests)


def _check_options(options, limits, kinds):
    if options and "run" not in kinds:
        raise SettingError(
            "{option}: the search of an exported model was fixed when it was exported; leave the "
            "option out, or serve the run",
            option=next(iter(options)),
        )
    check_defaults(options, limits)


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


def _run(places, listener, surroundings, host_names, logs_requests):
    import uvicorn

    from kseq.serving.app import make_app
    from kseq.serving.host_names import is_own_machine
    from kseq.serving.log import JsonLog
    from kseq.serving.metrics import Metrics
    from kseq.serving.models import Surroundings
    from kseq.serving.service import Service

    cores = max(1, usable_cores() // surroundings["workers"])
    server_of_models = Surroundings(log=JsonLog(), metrics=Metrics(), cores=cores, **surroundings)

    def announce():
        _tell(f"serving {', '.join(service.models)} at {address}")

    def stop():
        server.should_exit = True

    is_checked = host_names or is_own_machine(listener.getsockname()[0])
    service = Service(places, server_of_models, on_ready=announce, on_failure=stop)
    config = uvicorn.Config(
        make_app(service, logs_requests, host_names if is_checked else None),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(service.limits.timeout) + _SECONDS_TO_FINISH,
    )
    server = uvicorn.Server(config)
    address = _url(listener)
    service.log.write("listening", url=address)
    _tell(f"loading {', '.join(service.models)}")
    # After the graceful end, uvicorn passes the signal on.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if service.failure is not None:
        raise RuntimeError(service.failure)


def _tell(message):
    print(f"kseq: {message}", file=sys.stderr, flush=True)


def _url(listener):
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
