"""The command that serves models over HTTP: serve."""

from kseq.cli.options import add_command, add_fields, add_search, given_fields, path_name
from kseq.cli.runs import read_search
from kseq.serving import server
from kseq.serving.limits import Limits

_EXAMPLES = """
examples:
  kseq serve runs/en-fr
  kseq serve en-fr=runs/en-fr dates=exported/dates --port 9000 --beam 5

http://localhost:8080/ is a page where you type a sentence and see the outputs and the attention.

  curl localhost:8080/translate -d '{"text": ["The red car is old."], "beam": 5}'

A folder of versions, 1/, 2/, ..., is watched: a new one takes the place of the old one without
losing a request. docs/serving.md describes the protocols, the limits and the metrics.
"""


def add_serve(subparsers):
    """Adds `kseq serve`."""
    command = add_command(subparsers, "serve", serve, "serve models over HTTP", _EXAMPLES)
    command.add_argument(
        "models",
        type=path_name,
        nargs="+",
        metavar="MODEL",
        help="run, SavedModel, or folder of versions of one, as FOLDER or NAME=FOLDER",
    )
    command.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    command.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port (default: %(default)s; 0: any)"
    )
    command.add_argument(
        "--allow-host",
        dest="host_names",
        action="append",
        default=[],
        metavar="NAME",
        help="host name that requests may use, such as that of a proxy (may be repeated; default: "
        "localhost and addresses, or with --host beyond this machine any name)",
    )
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that hold each model (default: one per core up to four, divided among the "
        "models)",
    )
    command.add_argument(
        "--import",
        dest="worker_modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a module first that defines a layer of your own (may be repeated)",
    )
    command.add_argument(
        "--trust-models",
        action="store_true",
        help="load SavedModels with operations that kseq does not write, such as those of layers "
        "of your own (docs/savedmodel.md)",
    )
    command.add_argument(
        "--no-request-log", action="store_true", help="log events, but not each request"
    )
    add_fields(command, "limits", Limits)
    add_search(command, ", unless a request sets the option")


def serve(options):
    """Serves models: `kseq.serving.server.serve`.

    Raises:
        ValueError: The number of workers is not at least 1.
    """
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be at least 1; received {options.workers}")
    server.serve(
        options.models,
        host=options.host,
        port=options.port,
        workers=options.workers,
        limits=Limits(**given_fields(options, Limits)),
        options=read_search(options),
        modules=tuple(options.worker_modules),
        trusted=options.trust_models,
        host_names=tuple(options.host_names),
        logs_requests=not options.no_request_log,
    )
