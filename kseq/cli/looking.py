"""Commands that show attention: heatmap, align, report."""

import pathlib

from kseq.analysis.heatmap_options import HeatmapOptions
from kseq.cli.options import (
    add_alignments,
    add_command,
    add_ensemble,
    add_fields,
    add_head,
    add_prefix,
    add_run,
    add_search,
    add_steps,
    add_test_files,
    given_fields,
    path_name,
    require_suffix,
)
from kseq.cli.runs import (
    load_runs,
    load_translator,
    pair_every_line,
    print_metrics,
    read_search,
    read_test_pairs,
)
from kseq.console import show, show_count
from kseq.files import require_folder_of

_HEATMAP_EXAMPLES = """
examples:
  kseq heatmap runs/en-fr "The red car is old." --out heatmap.png
  kseq heatmap runs/digits one.wav --out heatmap.png
  kseq heatmap runs/transformer "The red car is old." --out heatmap.png --head 2 5
  kseq heatmap runs/transformer "The red car is old." --out heads.pdf --panels heads
  kseq heatmap runs/gru "The red car is old." --compare-with runs/lstm --out two.png
  kseq heatmap runs/en-fr "I eat." --target "Je mange." --gold "0-0 1-1 2-2" --out gold.svg
"""


def add_heatmap(subparsers):
    """Adds `kseq heatmap`."""
    command = add_command(
        subparsers,
        "heatmap",
        heatmap,
        "translate sentences and draw the attention",
        _HEATMAP_EXAMPLES,
    )
    add_run(command)
    command.add_argument(
        "sentences",
        nargs="+",
        metavar="SENTENCE",
        help="source sentence in quotes, or a .npy or .wav file; several are drawn in a grid",
    )
    command.add_argument(
        "--out",
        type=path_name,
        required=True,
        metavar="PICTURE",
        help="file to write: .png, .svg or .pdf",
    )
    add_head(command)
    command.add_argument(
        "--target",
        metavar="TEXT",
        help="draw the attention for this translation, with teacher forcing",
    )
    command.add_argument(
        "--gold", metavar="LINKS", help="outline these links of --target, such as '0-0 1-2'"
    )
    command.add_argument(
        "--features", metavar="TEXT", help="features of all sentences, if the model reads them"
    )
    command.add_argument(
        "--compare-with",
        type=path_name,
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="draw the attention of other runs next to it, to the same sentence, with one scale",
    )
    add_fields(command, "drawing", HeatmapOptions, leave_out=("head", "gold", "titles"))
    add_steps(command)
    command.add_argument(
        "--covariates",
        type=path_name,
        metavar="FILE",
        help=".npy file of what is known about each step, if the model reads covariates",
    )
    add_prefix(command)
    add_ensemble(command)
    add_search(command)


def heatmap(options):
    """Draws attention: `kseq.analysis.attended.attend`, then `kseq.plot_attention` to a file."""
    from kseq.analysis.heatmap import check_options, save_heatmap

    search = read_search(options)
    require_suffix(options.out, (".png", ".svg", ".pdf"))
    require_folder_of(options.out)
    drawing = _read_drawing_options(options)
    check_options(**drawing)
    if options.compare_with:
        results, drawing["titles"] = _attend_with_several(options, drawing, search)
    else:
        results = _attend(load_translator(options), options, drawing, search)
    if options.target is None and hasattr(results[0], "text"):
        names = drawing.get("titles", [None] * len(results))
        for name, result in zip(names, results):
            show(f"{name}: {result.text}" if name else result.text)
    save_heatmap(results if len(results) > 1 else results[0], options.out, **drawing)
    show(options.out)


def _attend(translator, options, drawing, search):
    """Returns the results of a model for all sentences."""
    from kseq.analysis.attended import attend
    from kseq.corpora.arrays import read_values

    if not translator.has_attention:
        raise ValueError(
            "expected a run with attention; the model has none (attention=none), so there is "
            "nothing to draw"
        )
    if ("head" in drawing or drawing.get("panels", "mean") != "mean") and not translator.has_heads:
        raise ValueError(
            "--head and --panels are for a single Transformer; this run or ensemble has no heads"
        )
    return attend(
        translator,
        options.sentences,
        target=options.target,
        steps=options.steps,
        covariates=options.covariates and read_values(options.covariates),
        prefix=options.prefix,
        features=options.features,
        **search,
    )


def _attend_with_several(options, drawing, search):
    """Returns the results of several models for one sentence, and the names of their runs."""
    from kseq.runs.comparison import shortest_names

    if len(options.sentences) > 1:
        raise ValueError(
            f"--compare-with is for one sentence; received {len(options.sentences)}: draw each of "
            "them in a picture of its own"
        )
    runs = [options.run_directory, *options.compare_with]
    names = shortest_names([pathlib.Path(run).absolute() for run in runs])
    translators = [load_translator(options), *map(load_runs, options.compare_with)]
    results = []
    for translator in translators:
        results += _attend(translator, options, drawing, search)
    if "gold" in drawing:
        drawing["gold"] = [drawing["gold"]] * len(results)
    return results, names


def _read_drawing_options(options):
    """Returns the options of `kseq.plot_attention`, by name."""
    from kseq.corpora.gold_alignments import read_links

    if options.gold is not None and options.target is None:
        raise ValueError("--gold requires --target: its links refer to the words of that target")
    drawing = given_fields(options, HeatmapOptions)
    if "head" in drawing:
        drawing["head"] = tuple(options.head)
    if "gold" in drawing:
        drawing["gold"] = read_links(options.gold, "--gold")
    return drawing


_ALIGN_EXAMPLES = """
examples:
  kseq align runs/en-fr
  kseq align runs/de-en --test test.de.gz test.en.gz --reverse runs/en-de --weights

Each output line holds the links of a pair in Pharaoh format, source before target: 0-0 1-2.
Positions count the run's own tokens. A pair with an empty side gives an empty line.
"""


def add_align(subparsers):
    """Adds `kseq align`."""
    command = add_command(
        subparsers, "align", align, "write word alignments read from the attention", _ALIGN_EXAMPLES
    )
    add_run(command)
    add_test_files(command)
    command.add_argument(
        "--weights", action="store_true", help="write the attention of each link too: 0-0:0.93"
    )
    command.add_argument(
        "--reverse",
        type=path_name,
        metavar="RUN",
        help="run for the opposite direction, to symmetrise with",
    )
    command.add_argument(
        "--method",
        default="agreement",
        choices=("agreement", "grow-diag-final-and", "intersection", "union", "forward"),
        help="how to combine the two directions, or the two readings of one attention, into one "
        "alignment; forward links each output word with its strongest source word and combines "
        "nothing (default: %(default)s)",
    )
    add_head(command)
    add_head(command, "--reverse-head", "the reverse run, a Transformer")


def align(options):
    """Writes word alignments: `kseq.align`."""
    pairs, _ = read_test_pairs(options)
    translator = load_translator(options)
    reverse = options.reverse and load_runs(options.reverse)
    from kseq.analysis.alignment import align
    from kseq.analysis.links import to_pharaoh

    method = None if options.method == "forward" else options.method
    heads = tuple(options.head or ()) or None, tuple(options.reverse_head or ()) or None
    alignments = align(translator, pair_every_line(pairs), reverse, method, *heads)
    with show_count("pairs") as count:
        for links in alignments:
            print(to_pharaoh(links if options.weights else set(links)))
            count()


_REPORT_EXAMPLES = """
example:
  kseq report runs/en-fr --out report.html

The page works without a network. It shows alignment errors if there are gold alignments, entropy,
coverage and monotonicity, lists suspicious sentences, and draws an interactive heatmap of each
sentence.
"""


def add_report(subparsers):
    """Adds `kseq report`."""
    command = add_command(
        subparsers,
        "report",
        report,
        "write an HTML page about the attention over a corpus",
        _REPORT_EXAMPLES,
    )
    add_run(command)
    add_test_files(command)
    add_alignments(command)
    command.add_argument(
        "--out", type=path_name, required=True, metavar="PAGE", help="file to write: .html"
    )
    command.add_argument(
        "--sentences",
        type=int,
        default=200,
        metavar="N",
        help="sentences to show in addition to the suspicious ones (default: %(default)s)",
    )
    add_head(command)


def report(options):
    """Writes a page about the attention over a corpus: `kseq.attention_report`."""
    require_suffix(options.out, (".html", ".htm"))
    require_folder_of(options.out)
    pairs, alignments = read_test_pairs(options)
    translator = load_translator(options)
    from kseq.analysis.report import attention_report

    head = tuple(options.head) if options.head else None
    metrics = attention_report(translator, pairs, options.out, alignments, options.sentences, head)
    print_metrics(metrics)
    show(options.out)
