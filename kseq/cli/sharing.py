"""The commands that share runs: pack, unpack, push."""

from kseq.cli.options import add_command, path_name
from kseq.console import show

_PACK_EXAMPLES = """
examples:
  kseq pack runs/en-fr en-fr.kseq --license cc-by-4.0 --language en fr
  kseq unpack en-fr.kseq runs/received

The file holds the run without its checkpoints, with checksums and a model card. The card is the
README.md of the run, or else written from its settings and figures.
"""

_UNPACK_EXAMPLES = """
example:
  kseq unpack en-fr.kseq runs/received

The file may come from a stranger: nothing in it is executed, and nothing is written outside the
new run.
"""

_PUSH_EXAMPLES = """
examples:
  kseq push runs/en-fr hf://user/en-fr --license cc-by-4.0 --language en fr
  kseq translate hf://user/en-fr@REVISION english.txt

Needs pip install kseq[hub]; "hf auth login" or HF_TOKEN says who you are.
"""


def add_pack(subparsers):
    """Adds `kseq pack`."""
    command = add_command(subparsers, "pack", pack, "write a run to one file", _PACK_EXAMPLES)
    _add_run(command)
    command.add_argument("file", type=path_name, metavar="FILE.kseq", help="file to write")
    _add_card(command)


def pack(options):
    """Writes a run to one file: `kseq.sharing.packing.pack`."""
    from kseq.sharing import packing

    packing.pack(options.run_directory, options.file, **_card(options))
    show(f"packed to {options.file}")


def add_unpack(subparsers):
    """Adds `kseq unpack`."""
    command = add_command(
        subparsers, "unpack", unpack, "read a run from one file", _UNPACK_EXAMPLES
    )
    command.add_argument("packed", type=path_name, metavar="FILE.kseq", help="file to read")
    command.add_argument("out", type=path_name, metavar="RUN", help="run directory to create")
    command.add_argument("--overwrite", action="store_true", help="replace an existing run")


def unpack(options):
    """Reads a run from one file: `kseq.sharing.packing.unpack`."""
    from kseq.sharing import packing

    packing.unpack(options.packed, options.out, options.overwrite)
    show(f"the run is in {options.out}")


def add_push(subparsers):
    """Adds `kseq push`."""
    command = add_command(subparsers, "push", push, "upload a run to a hub", _PUSH_EXAMPLES)
    _add_run(command)
    command.add_argument("name", metavar="hf://USER/NAME", help="where to upload it")
    command.add_argument("--private", action="store_true", help="make a new repository private")
    _add_card(command)


def push(options):
    """Uploads a run: `kseq.sharing.push.push`."""
    from kseq.sharing.push import push

    show(push(options.run_directory, options.name, options.private, **_card(options)))


def _add_run(command):
    command.add_argument("run_directory", type=path_name, metavar="RUN", help="run to share")


def _add_card(command):
    group = command.add_argument_group("model card, for a run without a README.md")
    group.add_argument("--license", metavar="ID", help="licence of the model, such as cc-by-4.0")
    group.add_argument(
        "--language",
        nargs="+",
        metavar="CODE",
        help="languages, such as en fr",
    )
    group.add_argument(
        "--data", metavar="TEXT", help="what the model was trained on, and under which licence"
    )
    group.add_argument("--limits", metavar="TEXT", help="what the model must not be used for")


def _card(options):
    return {
        "licence": options.license,
        "languages": options.language or (),
        "data": options.data,
        "limits": options.limits,
    }
