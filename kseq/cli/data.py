"""Commands about pairs before training: fetch, inspect, clean."""

import dataclasses
import json

from kseq.cli.options import (
    add_command,
    add_context,
    add_fields,
    add_order,
    add_values,
    given_fields,
    given_order,
    path_name,
    require_suffix,
)
from kseq.console import import_tensorflow_quietly, show
from kseq.corpora.cleaning import Cleaning, clean_files
from kseq.files import require_folder_of, write_text

_FETCH_EXAMPLES = """
examples:
  kseq fetch
  kseq fetch spa-eng data
  kseq fetch multi30k data/multi30k
  kseq fetch cmudict data --from https://mirror.example.org/cmudict

Run the same command again to resume an interrupted download. Archives are not unpacked: kseq train
reads them as they are. A mirror must have the same paths under its address as the original site:
spa-eng.zip, cmudict.dict, raw/train.de.gz.
"""


def add_fetch(subparsers):
    """Adds `kseq fetch`."""
    command = add_command(
        subparsers,
        "fetch",
        fetch,
        "download a public corpus, or list those that are available",
        _FETCH_EXAMPLES,
    )
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="corpus (default: list all of them)"
    )
    command.add_argument(
        "folder", type=path_name, nargs="?", metavar="DIR", help="directory to download to"
    )
    command.add_argument("--from", dest="base", metavar="URL", help="address of a mirror")
    command.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="give up on a connection after this long without data (default: %(default)g)",
    )


def fetch(options):
    """Downloads a public corpus, or lists what is available: `kseq.fetch`."""
    from kseq.corpora import public_corpora

    if options.name is None:
        print(public_corpora.table())
        return
    corpus = public_corpora.find_corpus(options.name)
    if options.folder is None:
        raise ValueError(
            f"expected a directory to download to, such as: kseq fetch {corpus.name} data"
        )
    try:
        files = public_corpora.fetch(corpus.name, options.folder, options.base, options.timeout)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; run the same command again to resume") from None
    show(*files, sep="\n")
    print(f"source: {corpus.source}")
    print(f"licence: {corpus.licence}; see {corpus.terms}")
    show(f"next: {corpus.next_command(options.folder)}")


_INSPECT_EXAMPLES = """
examples:
  kseq inspect pairs.tsv
  kseq inspect train.de.gz train.en.gz --valid val.de.gz val.en.gz --out picture.png
  kseq inspect pairs.tsv --suggest settings.yaml
  kseq inspect sentences.tsv --columns 2 4
  kseq inspect inflections.tsv --features 2
  kseq inspect recordings.tsv
  kseq inspect dialogues.txt --context 2
  kseq train --train pairs.tsv --config settings.yaml --out runs/mine

Words are the tokens of the word tokenizer. The files are not changed: suspicious pairs are
counted, and shown with their line numbers.
"""


def add_inspect(subparsers):
    """Adds `kseq inspect`."""
    command = add_command(
        subparsers,
        "inspect",
        inspect,
        "look at pairs before training: statistics, suspicious pairs, suggested settings",
        _INSPECT_EXAMPLES,
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="pairs")
    command.add_argument(
        "--valid", nargs="+", metavar="FILE", help="validation pairs to compare with"
    )
    command.add_argument("--test", nargs="+", metavar="FILE", help="test pairs to compare with")
    add_order(command)
    add_context(command, "look at pairs of up to N turns and the reply")
    add_values(command)
    command.add_argument("--out", metavar="PICTURE", help="picture to write: .png, .svg or .pdf")
    command.add_argument(
        "--suggest", metavar="SETTINGS", help="write the suggested settings to this .yaml file"
    )
    command.add_argument("--json", action="store_true", help="print a JSON object")


def inspect(options):
    """Looks at pairs before training: `kseq.inspect`, `kseq.suggest_config`."""
    for name, suffixes in (("out", (".png", ".svg", ".pdf")), ("suggest", (".yaml", ".yml"))):
        path = getattr(options, name)
        if path is not None:
            require_suffix(path, suffixes, name)
            require_folder_of(path)
    import_tensorflow_quietly()
    from kseq.inspection.inspection import inspect
    from kseq.inspection.suggestion import suggest_config
    from kseq.inspection.value_inspection import ValueInspection

    inspection = inspect(
        *options.files,
        valid=options.valid,
        test=options.test,
        context=options.context,
        covariates=options.covariates,
        allow_outside=options.allow_outside,
        **given_order(options),
    )
    if isinstance(inspection, ValueInspection):
        _show_values(inspection, options)
        return
    suggestion = suggest_config(inspection)
    if options.out:
        from kseq.inspection.plots import save_inspection

        save_inspection(inspection, options.out)
    if options.suggest:
        write_text(options.suggest, suggestion.to_yaml())
    if options.json:
        settings = [dataclasses.asdict(setting) for setting in suggestion.settings]
        show(json.dumps({**inspection.to_dict(), "suggestion": settings}, ensure_ascii=False))
    else:
        show(f"{inspection}\n\n{suggestion.to_yaml()}", end="")


def _show_values(inspection, options):
    """Shows what pairs with real values hold."""
    for name in ("out", "suggest"):
        if getattr(options, name):
            raise ValueError(f"--{name} is for text; {inspection.name} has real values")
    show(json.dumps(inspection.to_dict()) if options.json else inspection)


_CLEAN_EXAMPLES = """
examples:
  kseq clean spa-eng.zip --out clean.tsv
  kseq clean train.de.gz train.en.gz --out clean.tsv.gz --dropped dropped.tsv
  kseq clean parts/*.tsv --out clean.tsv --test valid.tsv --test test.de test.en

The output is a TSV file in UTF-8 (NFC). Runs of spaces become one space; control characters,
direction marks and other invisible characters are removed unless the spelling of a script needs
them. Each line of the --dropped file has a reason, a file and line number, and the pair as it was
read, separated by tabs.
"""


def add_clean(subparsers):
    """Adds `kseq clean`."""
    command = add_command(
        subparsers,
        "clean",
        clean,
        "tidy pairs, and drop those that are not fit for training",
        _CLEAN_EXAMPLES,
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="pairs")
    command.add_argument(
        "--out", required=True, metavar="TSV", help="file to write: .tsv or .tsv.gz"
    )
    command.add_argument("--dropped", metavar="TSV", help="write the dropped pairs to this file")
    command.add_argument(
        "--test",
        nargs="+",
        action="append",
        default=[],
        metavar="FILE",
        help="held-out pairs; pairs that match one of them are dropped (may be repeated)",
    )
    add_order(command)
    add_fields(command, "what to drop", Cleaning)


def clean(options):
    """Cleans pairs: `kseq.clean_files`."""
    for path in filter(None, (options.out, options.dropped)):
        require_folder_of(path)
    report = clean_files(
        options.files,
        options.out,
        Cleaning(**given_fields(options, Cleaning)),
        test=options.test,
        dropped=options.dropped,
        **given_order(options),
    )
    show(report)
    show(options.out)
    if options.features is not None:
        show("its columns are source, target and features: read it with --features 3")
