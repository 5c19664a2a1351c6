"""The command that averages checkpoints: average."""

from kseq.cli.options import add_command, add_new_run, add_run
from kseq.console import import_tensorflow_quietly, show

_AVERAGE_EXAMPLES = """
example:
  kseq train --corpus en-fr --out runs/en-fr --set checkpoints=5
  kseq average runs/en-fr --out runs/averaged
"""


def add_average(subparsers):
    """Adds `kseq average`."""
    command = add_command(
        subparsers,
        "average",
        average,
        "average the weights of a run's last checkpoints",
        _AVERAGE_EXAMPLES,
    )
    add_run(command)
    command.add_argument(
        "--last",
        type=int,
        metavar="N",
        help="number of checkpoints to average (default: all that the run has kept)",
    )
    add_new_run(command)


def average(options):
    """Averages the checkpoints of a run: `kseq.average_checkpoints`."""
    from kseq.runs.reading import require_run

    require_run(options.run_directory)
    import_tensorflow_quietly()
    from kseq.runs.averaging import average_checkpoints

    epochs = average_checkpoints(
        options.run_directory, options.out, options.last, options.overwrite
    )
    show(f"averaged epochs {', '.join(map(str, epochs))}; the run is in {options.out}")
