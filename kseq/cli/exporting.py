"""The command that exports a model for use without kseq: export."""

from kseq.cli.options import (
    add_command,
    add_ensemble,
    add_precision,
    add_run,
    add_search,
    path_name,
)
from kseq.cli.runs import load_translator, read_search
from kseq.console import show
from kseq.lite.folder import FORMATS, QUANTIZATIONS

_EXPORT_EXAMPLES = """
examples:
  kseq export runs/en-fr exported/en-fr --beam 5
  kseq export runs/en-fr models/en-fr --version 1

The exported model runs where kseq is not installed:
  import tensorflow as tf, tensorflow_text
  model = tf.saved_model.load("exported/en-fr")
  model.signatures["serving_default"](text=tf.constant(["The red car is old."]))

Other signatures: nbest, details (with tokens and attention), score, encode. The README in the
folder lists their inputs and outputs. With --version, the model is written to a folder of that
number, as TensorFlow Serving expects.

For phones and small computers, without TensorFlow:
  kseq export runs/en-fr exported/en-fr-lite --format litert --quantize dynamic
"""


def add_export(subparsers):
    """Adds `kseq export`."""
    command = add_command(
        subparsers,
        "export",
        export,
        "write a SavedModel that maps strings to strings, or a model for LiteRT",
        _EXPORT_EXAMPLES,
    )
    add_run(command)
    command.add_argument("folder", type=path_name, metavar="DIR", help="directory to create")
    command.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="write to a folder DIR/N, as TensorFlow Serving expects",
    )
    command.add_argument(
        "--format",
        choices=FORMATS,
        default="savedmodel",
        help="savedmodel, for TensorFlow; or litert, for phones (default: savedmodel)",
    )
    command.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        help="weights of a litert model: none, in float32; dynamic, 8 bits in products; or "
        "float16 (default: none)",
    )
    add_ensemble(command)
    add_precision(command)
    add_search(command, " (fixed in the exported model)", n_best=True)


def export(options):
    """Writes a SavedModel, or a model for LiteRT: `Translator.export`."""
    settings = read_search(options) | {"format": options.format}
    for name in ("quantize", "version"):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    translator = load_translator(options)
    show(f"exported to {translator.export(options.folder, **settings)}")
