"""The `kseq` command: its subcommands, their options, and what becomes of an error."""

import argparse
import os
import sys
import warnings

from kseq.cli import commands
from kseq.console import show_warning

_EXAMPLES = {
    None: """
a first run, in four commands:
  kseq train --corpus en-fr --out runs/en-fr
  kseq evaluate runs/en-fr
  kseq heatmap runs/en-fr "The red car is old." --out heatmap.png
  echo "The red car is old." | kseq translate runs/en-fr

files of pairs are TSVs (source, tab, target; further columns are ignored) or two files whose
lines belong together, plain, .gz or .zip, in UTF-8; or a pronouncing dictionary that ends in
.dict. Run "kseq COMMAND --help" for more.
""",
    "clean": """
examples:
  kseq clean spa-eng.zip --out clean.tsv
  kseq clean train.de.gz train.en.gz --out clean.tsv.gz --dropped dropped.tsv
  kseq clean parts/*.tsv --out clean.tsv --test valid.tsv --test test.de test.en

what is kept is one TSV in UTF-8 (NFC), with single spaces and without control characters, marks of
direction and other invisible characters that are no part of a script's spelling. Every line of
--dropped is a reason, a place, and the pair as it was read, with tabs between them.
""",
    "fetch": """
examples:
  kseq fetch
  kseq fetch spa-eng data
  kseq fetch multi30k data/multi30k
  kseq fetch cmudict data --from https://mirror.example.org/cmudict

an interrupted download is continued by the same command. Archives stay as they are: kseq train
reads them. A mirror has the same paths below its address as the original: spa-eng.zip,
cmudict.dict, raw/train.de.gz.
""",
    "inspect": """
examples:
  kseq inspect pairs.tsv
  kseq inspect train.de.gz train.en.gz --valid val.de.gz val.en.gz --out picture.png
  kseq inspect pairs.tsv --suggest settings.yaml
  kseq train --train pairs.tsv --config settings.yaml --out runs/mine

words are those of the word tokenizer. Nothing is changed: what looks wrong is counted, and shown
with its line.
""",
    "recipes": """
a recipe is a file of settings that reached a figure; docs/results.md has the figures:
  kseq fetch multi30k data
  kseq train --recipe multi30k-de-en --data data --out runs/de-en
  kseq evaluate runs/de-en --beam 5
""",
    "models": """
every line is a setting of kseq train, such as --set attention=luong_general. Settings that
contradict each other are refused, with the nearest combination that works.
""",
    "train": """
examples:
  kseq train --corpus dates --out runs/dates
  kseq train --train pairs.tsv --out runs/mine --set epochs=20 --set units=256
  kseq train --train train.de.gz train.en.gz --valid val.de.gz val.en.gz --out runs/de-en
  kseq train --train parts/*.tsv --config settings.yaml --out runs/mine --overwrite
  kseq train --train 'de/*.gz' 'en/*.gz' --out runs/de-en
  kseq train --train spa-eng.zip --swap --apart both --out runs/es-en
  kseq train --recipe multi30k-de-en --data data --out runs/de-en

a pattern in quotes is one side of two, without them it names files of pairs. Without
--valid, one source sentence in twenty is held out for validation and another one for testing.
Stopping with Ctrl-C keeps the best epoch so far.
""",
    "translate": """
examples:
  echo "The red car is old." | kseq translate runs/en-fr
  kseq translate runs/en-fr english.txt --beam 5 > french.txt
  kseq translate runs/en-fr english.txt --beam 5 --n-best 3 --json
  kseq translate runs/en-fr english.txt --samples 5 --top-p 0.9 --seed 1
  kseq translate runs/en-fr english.txt --beam 5 --forbid '<unk>' --prefix "Il y a"
  kseq translate runs/en-fr english.txt --replace-unknown --dictionary names.tsv
  kseq translate runs/a english.txt --ensemble runs/b runs/c
  ls features/*.npy | kseq translate runs/digits
  kseq translate runs/sensors files.txt --steps 50 > predictions.jsonl

with --n-best or --samples an output line holds several translations, tab between them.
where the source is real-valued, every line is the name of a .npy file; where the target is, every
output line is a JSON list of steps.
""",
    "evaluate": """
examples:
  kseq evaluate runs/en-fr
  kseq evaluate runs/de-en --test test.de.gz test.en.gz --beam 5 --json
""",
    "score": """
examples:
  kseq score runs/en-fr
  kseq score runs/de-en --test test.de.gz test.en.gz --json

every output line is the log-probability of a target, the same per token, and the target, with
tabs between them; in the order of the pairs, read with teacher forcing.
""",
    "average": """
example:
  kseq train --corpus en-fr --out runs/en-fr --set checkpoints=5
  kseq average runs/en-fr --out runs/averaged
""",
    "heatmap": """
examples:
  kseq heatmap runs/en-fr "The red car is old." --out heatmap.png
  kseq heatmap runs/digits features/0001.npy --out heatmap.png
  kseq heatmap runs/transformer "The red car is old." --out heatmap.png --head 2 5
  kseq heatmap runs/transformer "The red car is old." --out heads.pdf --panels heads
  kseq heatmap runs/en-fr "I eat." --target "Je mange." --gold "0-0 1-1 2-2" --out gold.svg
""",
    "align": """
examples:
  kseq align runs/en-fr
  kseq align runs/de-en --test test.de.gz test.en.gz --reverse runs/en-de --weights

every output line holds the links of a pair in Pharaoh format, source before target: 0-0 1-2
positions are those of the run's own tokens; a pair with an empty side has an empty line.
""",
    "report": """
example:
  kseq report runs/en-fr --out report.html

the page needs no network: alignment errors where gold is known, entropy, coverage, monotonicity,
suspicious sentences, and a heatmap to point at for every sentence.
""",
    "export": """
example:
  kseq export runs/en-fr exported/en-fr --beam 5

use it where kseq is not installed:
  import tensorflow as tf, tensorflow_text
  model = tf.saved_model.load("exported/en-fr")
  model.signatures["serving_default"](text=tf.constant(["The red car is old."]))
""",
}


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: Words of the command line; those of this process by default.

    Returns:
        The exit code: 0 done, 1 it failed, 2 the command or its data is wrong.
    """
    options = _parsed(arguments)
    _show_only_our_warnings()
    try:
        options.run(options)
    except BrokenPipeError:
        # Whoever read our output has had enough, such as head.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as error:
        return _complain(str(error) or "stopped", code=1)
    except (ValueError, TypeError) as error:
        # Settings of a training are given by name, the options of all else as flags.
        is_training = options.run is commands.train
        return _complain(error if is_training else commands.in_flags(error), code=2)
    except OSError as error:
        return _complain(_described(error), code=2)
    except MemoryError as error:
        return _complain(f"out of memory: {error}", code=1)
    except RuntimeError as error:
        return _complain(error, code=1)
    except Exception as error:
        if "tensorflow" not in type(error).__module__:
            raise
        return _complain(_reason(error), code=1)
    return 0


def _parsed(arguments):
    """The options. A FILE may stand behind them, where argparse does not look for it any more."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    is_file = len(rest) == 1 and not rest[0].startswith("-")
    if is_file and getattr(options, "file", "") is None:
        options.file = rest[0]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _described(error):
    """What the operating system says, with the file; our own errors say it themselves."""
    if error.strerror is None:
        return error
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _reason(error):
    """What TensorFlow says of a graph that failed, without where it happened."""
    if "ResourceExhausted" in type(error).__name__ or "OOM" in str(error):
        return "out of memory; a shorter source, or a smaller --beam, needs less"
    lines = [line.strip() for line in str(error).splitlines()]
    said = [
        line for line in lines if ":" in line and not line.startswith(("Graph exec", "[[", "File"))
    ]
    return said[-1] if said else lines[0]


def _complain(problem, code):
    print(f"kseq: {' '.join(str(problem).split())}", file=sys.stderr)
    return code


def _show_only_our_warnings():
    from kseq.analysis.evaluation import LeftOutWarning
    from kseq.analysis.fonts import MissingFontWarning

    warnings.simplefilter("ignore")
    for ours in (LeftOutWarning, MissingFontWarning):
        warnings.simplefilter("default", ours)
    warnings.showwarning = show_warning


def _parser():
    parser = argparse.ArgumentParser(
        prog="kseq",
        description="Train, use and look into sequence-to-sequence models with attention.",
        epilog=_EXAMPLES[None],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_fetch(subparsers)
    _add_inspect(subparsers)
    _add_clean(subparsers)
    _add_train(subparsers)
    _add_average(subparsers)
    _add_translate(subparsers)
    _add_evaluate(subparsers)
    _add_score(subparsers)
    _add_heatmap(subparsers)
    _add_align(subparsers)
    _add_report(subparsers)
    _add_export(subparsers)
    _add_recipes(subparsers)
    _add_models(subparsers)
    return parser


def _add_command(subparsers, name, run, summary):
    command = subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=_EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _add_run(command):
    command.add_argument("run_directory", metavar="RUN", help="directory that kseq train made")


def _add_test(command):
    command.add_argument(
        "--test", nargs="+", metavar="FILE", help="pairs; the corpus' own test split by default"
    )
    _add_swap(command, "--test")


def _add_swap(command, files):
    command.add_argument(
        "--swap",
        action="store_true",
        help=f"the second column, or the second file, of {files} is the source",
    )


def _add_ensemble(command):
    command.add_argument(
        "--ensemble",
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="further runs of the same target vocabulary, whose predictions are averaged",
    )
    command.add_argument(
        "--ensemble-average",
        default="probability",
        choices=("probability", "log_probability"),
        help="what is averaged (default: %(default)s)",
    )


def _add_precision(command):
    command.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "bfloat16"),
        help="of weights and products; bfloat16 is faster where the processor or GPU multiplies "
        "in it, and changes some results (default: %(default)s)",
    )


def _add_search(command, more="", n_best=False):
    """Options of `kseq.BeamSearch`, whose own defaults hold where one is not given."""
    group = command.add_argument_group("search" + more)
    _add(group, "--beam", int, "K", "hypotheses to follow (1, greedy search)", dest="beam_size")
    if n_best:
        _add(group, "--n-best", int, "N", "give the N best translations, at most K")
    _add(group, "--alpha", float, "A", "exponent of Wu et al.'s length penalty (1; 0 for none)")
    _add(group, "--beta", float, "B", "weight of Wu et al.'s coverage penalty (0)")
    _add(group, "--length-penalty", str, "KIND", "wu (default), or average: score per token")
    _add(group, "--minimum-length", int, "N", "least tokens of an output")
    _add(group, "--maximum-length", int, "N", "most tokens of an output")
    _add(group, "--minimum-ratio", float, "R", "least tokens per source token")
    _add(group, "--maximum-ratio", float, "R", "most tokens per source token")
    _add(group, "--no-repeat-ngram", int, "N", "write no N tokens in a row twice")
    _add(group, "--repetition-penalty", float, "P", "makes tokens that were written rarer (1)")
    _add(group, "--forbid", str, "TOKEN", "never write it; '<unk>' is one", **_SEVERAL)
    group.add_argument(
        "--replace-unknown",
        action="store_true",
        default=argparse.SUPPRESS,
        help="write the source word that an unknown word attended to",
    )
    _add(group, "--dictionary", str, "FILE", "TSV of words and translations to look it up in")


def _add_sampling(command):
    """Options of `kseq.Sampling`, likewise."""
    group = command.add_argument_group("sampling, in place of beams")
    _add(group, "--samples", int, "N", "draw N translations at random")
    _add(group, "--seed", int, "S", "the same seed draws the same again (0)")
    _add(group, "--temperature", float, "T", "under 1 probable tokens get more probable (1)")
    _add(group, "--top-k", int, "N", "draw from the N most probable tokens")
    _add(group, "--top-p", float, "P", "draw from the fewest tokens that sum to P")


_SEVERAL = {"nargs": "+", "action": "extend"}


def _add(group, name, kind, metavar, text, **more):
    group.add_argument(
        name, type=kind, default=argparse.SUPPRESS, metavar=metavar, help=text, **more
    )


def _add_prefix(command):
    command.add_argument("--prefix", metavar="TEXT", help="what every output must start with")


def _add_clean(subparsers):
    command = _add_command(
        subparsers, "clean", commands.clean, "tidy pairs, and drop what is not fit to learn from"
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="pairs")
    command.add_argument("--out", required=True, metavar="TSV", help="file to write: .tsv, .tsv.gz")
    command.add_argument("--dropped", metavar="TSV", help="file to write what was dropped to")
    command.add_argument(
        "--test",
        nargs="+",
        action="append",
        default=[],
        metavar="FILE",
        help="pairs to test with, of which no twin is kept; may be repeated",
    )
    _add_swap(command, "all of these")
    group = command.add_argument_group("what is dropped")
    _add(group, "--markup", str, "HOW", "strip (default) HTML tags, drop pairs with some, or keep")
    _add(group, "--maximum-words", int, "N", "most words of a side (100)")
    _add(group, "--maximum-characters", int, "N", "most characters of a side (1,000)")
    _add(group, "--maximum-ratio", float, "R", "how many times longer a side may be (3)")
    _add(
        group,
        "--leakage",
        str,
        "SIDE",
        "what makes a twin: either side (default), source, target, or both as a pair",
    )
    group.add_argument(
        "--deduplicate",
        action=argparse.BooleanOptionalAction,
        default=argparse.SUPPRESS,
        help="drop all but the first of equal pairs (on)",
    )


def _add_fetch(subparsers):
    command = _add_command(
        subparsers, "fetch", commands.fetch, "download a public corpus, or list what there is"
    )
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="corpus; without one they are listed"
    )
    command.add_argument("folder", nargs="?", metavar="DIR", help="directory to write to")
    command.add_argument("--from", dest="base", metavar="URL", help="address of a mirror")
    command.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="give a connection up after so long without a byte (%(default)g)",
    )


def _add_inspect(subparsers):
    command = _add_command(
        subparsers,
        "inspect",
        commands.inspect,
        "look at pairs before training: counts, suspicious pairs, settings that fit",
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="pairs of text")
    command.add_argument(
        "--valid", nargs="+", metavar="FILE", help="validation pairs, to compare with"
    )
    command.add_argument("--test", nargs="+", metavar="FILE", help="test pairs, likewise")
    _add_swap(command, "all files")
    command.add_argument("--out", metavar="PICTURE", help="file to write: .png, .svg or .pdf")
    command.add_argument(
        "--suggest", metavar="SETTINGS", help="file to write the settings to: .yaml"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")


def _add_train(subparsers):
    command = _add_command(
        subparsers, "train", commands.train, "train a model and write a run directory"
    )
    data = command.add_mutually_exclusive_group(required=True)
    data.add_argument("--corpus", metavar="NAME", help="embedded corpus: en-fr or dates")
    data.add_argument("--train", nargs="+", metavar="FILE", help="training pairs")
    data.add_argument("--recipe", metavar="NAME", help="one of kseq recipes, on its public corpus")
    command.add_argument(
        "--data", metavar="DIR", help="where kseq fetch put the corpus of a recipe (data)"
    )
    command.add_argument("--valid", nargs="+", metavar="FILE", help="validation pairs")
    command.add_argument("--test", nargs="+", metavar="FILE", help="test pairs, for kseq evaluate")
    _add_swap(command, "all of these")
    command.add_argument(
        "--apart",
        default="source",
        choices=("source", "both"),
        help="which sentences stand in one split only: sources, or those of both sides, which "
        "leaves out of training what shares one with a held-out pair (default: %(default)s)",
    )
    command.add_argument("--config", metavar="FILE", help="settings, .json or .yaml")
    command.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="change settings, such as units=256 epochs=20; may be repeated",
    )
    command.add_argument("--out", required=True, metavar="RUN", help="run directory to make")
    command.add_argument("--overwrite", action="store_true", help="replace a run that is there")
    command.add_argument(
        "--cache",
        metavar="DIR",
        help="where corpora of at least 32 MB are kept tokenised (KSEQ_CACHE, or ~/.cache/kseq); "
        "off for nowhere",
    )


def _add_recipes(subparsers):
    _add_command(
        subparsers, "recipes", commands.recipes, "list the recipes that kseq train --recipe follows"
    )


def _add_average(subparsers):
    command = _add_command(
        subparsers, "average", commands.average, "average the weights of the last epochs of a run"
    )
    _add_run(command)
    command.add_argument(
        "--last", type=int, metavar="N", help="epochs to average; all that the run kept by default"
    )
    command.add_argument("--out", required=True, metavar="RUN", help="run directory to make")
    command.add_argument("--overwrite", action="store_true", help="replace a run that is there")


def _add_translate(subparsers):
    command = _add_command(
        subparsers,
        "translate",
        commands.translate,
        "translate lines, an output line for each",
    )
    _add_run(command)
    command.add_argument("file", nargs="?", metavar="FILE", help="text; standard input by default")
    command.add_argument(
        "--json", action="store_true", help="an object per input line, with scores and tokens"
    )
    command.add_argument(
        "--steps", type=int, metavar="T", help="steps to predict, where targets are real-valued"
    )
    _add_prefix(command)
    _add_ensemble(command)
    _add_precision(command)
    _add_search(command, n_best=True)
    _add_sampling(command)


def _add_evaluate(subparsers):
    command = _add_command(
        subparsers, "evaluate", commands.evaluate, "measure a run against reference translations"
    )
    _add_run(command)
    _add_test(command)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    _add_ensemble(command)
    _add_precision(command)
    _add_search(command)


def _add_score(subparsers):
    command = _add_command(
        subparsers, "score", commands.score, "tell how probable given translations are"
    )
    _add_run(command)
    _add_test(command)
    command.add_argument(
        "--json", action="store_true", help="an object per pair, with a figure for each token"
    )
    _add_ensemble(command)


def _add_heatmap(subparsers):
    command = _add_command(
        subparsers,
        "heatmap",
        commands.heatmap,
        "translate one sentence and draw what it attended to",
    )
    _add_run(command)
    command.add_argument(
        "sentences",
        nargs="+",
        metavar="SENTENCE",
        help="source sentence, in quotes, or a .npy file; several are drawn in a grid",
    )
    _add_head(command)
    command.add_argument(
        "--panels",
        default="mean",
        metavar="KIND",
        help="of a Transformer: mean (default), or a panel for each of the layers or heads",
    )
    command.add_argument(
        "--target", metavar="TEXT", help="draw the attention to this translation, teacher forced"
    )
    command.add_argument(
        "--gold", metavar="LINKS", help="outline these links of --target, such as '0-0 1-2'"
    )
    command.add_argument(
        "--low-probability",
        type=float,
        metavar="P",
        help="mark output words that are less probable (0.5; 0 marks none)",
    )
    command.add_argument(
        "--colormap", default="viridis", metavar="NAME", help="a colormap of matplotlib"
    )
    command.add_argument(
        "--steps", type=int, metavar="T", help="steps to predict, where targets are real-valued"
    )
    command.add_argument(
        "--out", required=True, metavar="PICTURE", help="file to write: .png, .svg or .pdf"
    )
    _add_prefix(command)
    _add_ensemble(command)
    _add_search(command)


def _add_head(command, name="--head", whose="a Transformer"):
    command.add_argument(
        name,
        type=int,
        nargs=2,
        metavar=("LAYER", "HEAD"),
        help=f"one head of {whose}, both from 1; the mean over all by default",
    )


def _add_align(subparsers):
    command = _add_command(
        subparsers, "align", commands.align, "write word alignments, read from the attention"
    )
    _add_run(command)
    _add_test(command)
    command.add_argument(
        "--weights", action="store_true", help="write the attention of each link too: 0-0:0.93"
    )
    command.add_argument(
        "--reverse", metavar="RUN", help="a run of the other direction, to be symmetrised with"
    )
    command.add_argument(
        "--method",
        default="agreement",
        choices=("agreement", "grow-diag-final-and", "intersection", "union", "forward"),
        help="how both directions, or both sides of one attention, become one alignment; forward "
        "takes every output word's strongest source word alone (default: %(default)s)",
    )
    _add_head(command)
    _add_head(command, "--reverse-head", "the reverse run")


def _add_report(subparsers):
    command = _add_command(
        subparsers, "report", commands.report, "write a page on how the attention behaves"
    )
    _add_run(command)
    _add_test(command)
    command.add_argument("--out", required=True, metavar="PAGE", help="file to write: .html")
    command.add_argument(
        "--sentences",
        type=int,
        default=200,
        metavar="N",
        help="sentences that can be looked at, beside the suspicious ones (%(default)s)",
    )
    _add_head(command)


def _add_export(subparsers):
    command = _add_command(
        subparsers, "export", commands.export, "write a SavedModel that takes and gives strings"
    )
    _add_run(command)
    command.add_argument("folder", metavar="DIR", help="directory to write")
    _add_ensemble(command)
    _add_precision(command)
    _add_search(command, "; fixed in the exported model", n_best=True)


def _add_models(subparsers):
    _add_command(
        subparsers,
        "models",
        commands.models,
        "list the mechanisms that can be combined, with their papers",
    )
