"""The `kseq` command: each subcommand calls one public function."""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import warnings

from kseq.console import import_tensorflow_quietly

_EXAMPLES = {
    None: """
a first run, in four commands:
  kseq train --corpus en-fr --out runs/en-fr
  kseq evaluate runs/en-fr
  kseq heatmap runs/en-fr "The red car is old." --out heatmap.png
  echo "The red car is old." | kseq translate runs/en-fr

files of pairs are one TSV (source, tab, target; further columns are ignored) or two files whose
lines belong together, plain, .gz or .zip, in UTF-8. Run "kseq COMMAND --help" for more.
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
  kseq train --train pairs.tsv --config settings.yaml --out runs/mine --overwrite

without --valid, one source sentence in twenty is held out for validation and another one for
testing. Stopping with Ctrl-C keeps the best epoch so far.
""",
    "translate": """
examples:
  echo "The red car is old." | kseq translate runs/en-fr
  kseq translate runs/en-fr english.txt --beam 5 > french.txt
  kseq translate runs/en-fr english.txt --beam 5 --n-best 3 --json
  ls features/*.npy | kseq translate runs/digits
  kseq translate runs/sensors files.txt --steps 50 > predictions.jsonl

where the source is real-valued, every line is the name of a .npy file; where the target is, every
output line is a JSON list of steps.
""",
    "evaluate": """
examples:
  kseq evaluate runs/en-fr
  kseq evaluate runs/de-en --test test.de.gz test.en.gz --beam 5 --json
""",
    "heatmap": """
examples:
  kseq heatmap runs/en-fr "The red car is old." --out heatmap.png
  kseq heatmap runs/digits features/0001.npy --out heatmap.png
  kseq heatmap runs/transformer "The red car is old." --out heatmap.png --head 2 5
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
    options = _parser().parse_args(arguments)
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
        return _complain(error, code=2)
    except OSError as error:
        return _complain(_described(error), code=2)
    except MemoryError as error:
        return _complain(f"out of memory: {error}", code=1)
    except RuntimeError as error:
        return _complain(error, code=1)
    except Exception as error:
        if "tensorflow" not in type(error).__module__:
            raise
        # What runs in a graph fails in a graph, such as for want of memory.
        return _complain(str(error).partition("\n")[0], code=1)
    return 0


def _described(error):
    """What the operating system says, with the file; our own errors say it themselves."""
    if error.strerror is None:
        return error
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _complain(problem, code):
    print(f"kseq: {' '.join(str(problem).split())}", file=sys.stderr)
    return code


def _show_only_our_warnings():
    from kseq.evaluation import LeftOutWarning
    from kseq.fonts import MissingFontWarning

    warnings.simplefilter("ignore")
    for ours in (LeftOutWarning, MissingFontWarning):
        warnings.simplefilter("default", ours)
    warnings.showwarning = _show_warning


def _show_warning(message, *_, **__):
    print(f"kseq: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _parser():
    parser = argparse.ArgumentParser(
        prog="kseq",
        description="Train, use and look into sequence-to-sequence models with attention.",
        epilog=_EXAMPLES[None],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_translate(commands)
    _add_evaluate(commands)
    _add_heatmap(commands)
    _add_export(commands)
    _add_models(commands)
    return parser


def _add_command(commands, name, run, summary):
    command = commands.add_parser(
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


def _add_beam(command, more=""):
    command.add_argument(
        "--beam",
        type=int,
        default=1,
        metavar="K",
        help=f"hypotheses the search follows; 1, the default, is greedy search{more}",
    )


def _add_train(commands):
    command = _add_command(commands, "train", _train, "train a model and write a run directory")
    data = command.add_mutually_exclusive_group(required=True)
    data.add_argument("--corpus", metavar="NAME", help="embedded corpus: en-fr or dates")
    data.add_argument("--train", nargs="+", metavar="FILE", help="training pairs")
    command.add_argument("--valid", nargs="+", metavar="FILE", help="validation pairs")
    command.add_argument("--test", nargs="+", metavar="FILE", help="test pairs, for kseq evaluate")
    command.add_argument("--config", metavar="FILE", help="settings, .json or .yaml")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change one setting, such as units=256; may be repeated",
    )
    command.add_argument("--out", required=True, metavar="RUN", help="run directory to make")
    command.add_argument("--overwrite", action="store_true", help="replace a run that is there")


def _train(options):
    from kseq.config import Config
    from kseq.corpora import embedded_corpora, load_corpus

    config = Config.load(options.config).with_settings(options.set) if options.config else None
    if options.corpus and options.corpus not in embedded_corpora():
        known = " or ".join(embedded_corpora())
        raise ValueError(f"unknown corpus: {options.corpus!r}; expected {known}, or use --train")
    if options.corpus and (options.valid or options.test):
        raise ValueError("--valid and --test go with --train; an embedded corpus brings its own")
    files = [options.corpus] if options.corpus else options.train
    corpus = load_corpus(*files, valid=options.valid, test=options.test)
    config = config or corpus.config.with_settings(options.set)

    import_tensorflow_quietly()
    from kseq.run_directory import is_run
    from kseq.training import train

    try:
        train(corpus, config, out=options.out, overwrite=options.overwrite)
    except KeyboardInterrupt:
        kept = f"{options.out} holds the last whole run" if is_run(options.out) else "nothing kept"
        raise KeyboardInterrupt(f"stopped; {kept}") from None
    print(f"the run is in {options.out}; next: kseq evaluate {options.out}")


def _add_translate(commands):
    command = _add_command(
        commands, "translate", _translate, "translate lines, one output line per input line"
    )
    _add_run(command)
    command.add_argument("file", nargs="?", metavar="FILE", help="text; standard input by default")
    _add_beam(command)
    command.add_argument(
        "--n-best", type=int, metavar="N", help="give the N best translations, at most K"
    )
    command.add_argument(
        "--json", action="store_true", help="an object per input line, with scores and tokens"
    )
    command.add_argument(
        "--steps", type=int, metavar="T", help="steps to predict, where targets are real-valued"
    )


def _translate(options):
    _require_positive(options)
    translator = _translator(options)
    from kseq.translator import ARRAYS_READ_AHEAD, READ_AHEAD

    _check_steps(translator, options)
    if translator.predicts_values:
        _predict(translator, options)
        return
    read_ahead = READ_AHEAD if translator.codecs.source.is_text else ARRAYS_READ_AHEAD
    if options.file is None and sys.stdin is None:
        raise ValueError("standard input is closed; name a FILE")
    if options.file is None and sys.stdin.isatty():
        print("one sentence a line, Ctrl-D to end", file=sys.stderr)
        read_ahead = 1
    with _sources(options.file, translator) as sources:
        results = translator.stream(sources, options.beam, options.n_best, read_ahead=read_ahead)
        for result in results:
            hypotheses = result if isinstance(result, list) else [result]
            print(_translation_line(hypotheses, options), flush=options.file is None)


def _predict(translator, options):
    _refuse_search(translator, options)
    with _sources(options.file, translator) as sources:
        for source in sources:
            prediction = translator.predict([source], options.steps)[0]
            print(json.dumps(prediction.values.tolist()), flush=options.file is None)


def _translation_line(hypotheses, options):
    if not options.json:
        return "\t".join(hypothesis.text for hypothesis in hypotheses)
    objects = [
        {
            "text": hypothesis.text,
            "score": hypothesis.score,
            "log_probability": hypothesis.log_probability,
            "tokens": hypothesis.tokens,
        }
        for hypothesis in hypotheses
    ]
    first = hypotheses[0]
    line = {}
    if first.source_tokens is not None:
        line = {"source": first.source, "source_tokens": first.source_tokens}
    line |= objects[0] if options.n_best is None else {"hypotheses": objects}
    return json.dumps(line, ensure_ascii=False)


def _check_steps(translator, options):
    if translator.predicts_values and options.steps is None:
        raise ValueError("the targets are real-valued: say with --steps how many to predict")
    if not translator.predicts_values and options.steps is not None:
        raise ValueError("--steps is for real-valued targets; this model writes text")


def _refuse_search(translator, options):
    if translator.predicts_values and (options.beam != 1 or getattr(options, "n_best", None)):
        raise ValueError("--beam and --n-best are for text; real values are not searched for")


@contextlib.contextmanager
def _sources(file, translator):
    """The lines of the input, or the arrays that they name."""
    with _input_lines(file) as lines:
        yield lines if translator.codecs.source.is_text else _arrays(lines)


def _arrays(lines):
    from kseq.arrays import read_values

    for number, line in enumerate(lines, start=1):
        try:
            if not line.strip():
                raise ValueError("expected the name of a .npy file; received an empty line")
            yield read_values(line.strip())
        except (ValueError, OSError) as error:
            raise ValueError(f"line {number} of the input: {error}") from error


@contextlib.contextmanager
def _input_lines(file):
    from kseq.lines import decode_lines, read_lines

    if file is None:
        yield (line for _, line in decode_lines(sys.stdin.buffer, "standard input"))
    else:
        with contextlib.closing(read_lines(file)) as lines:
            yield (line for _, line in lines)


def _add_evaluate(commands):
    command = _add_command(
        commands, "evaluate", _evaluate, "measure a run against reference translations"
    )
    _add_run(command)
    command.add_argument(
        "--test", nargs="+", metavar="FILE", help="pairs; the corpus' own test split by default"
    )
    _add_beam(command)
    command.add_argument("--json", action="store_true", help="print one JSON object")


def _evaluate(options):
    from kseq.corpora import describe_features, load_corpus, open_pairs
    from kseq.run_directory import read_run

    _require_positive(options)
    _, config, record = read_run(options.run_directory)
    alignments = None
    if options.test:
        pairs = open_pairs(options.test)
    else:
        origin = record["corpus"]
        if origin is None:
            raise ValueError("the run does not know the files of its corpus; name some with --test")
        corpus = load_corpus(*origin["train"], valid=origin["valid"], test=origin["test"])
        pairs = corpus.test
        text = config.text
        reads_words = {text.source_tokenizer, text.target_tokenizer} == {"word"}
        if reads_words and corpus.has_alignments("test"):
            alignments = corpus.alignments("test")
    trained = config.model.source_features, config.model.target_features
    if pairs.features != trained:
        expected, received = map(describe_features, (trained, pairs.features))
        raise ValueError(
            f"{pairs}: expected {expected}, as the run was trained with; received {received}"
        )
    translator = _translator(options)
    _refuse_search(translator, options)
    figures = translator.evaluate(pairs, alignments, options.beam)
    if pairs.blank:
        _show_warning(f"{pairs}: {pairs.blank:,} pairs with an empty side were left out")
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        shown = f"{value:.3f}" if isinstance(value, float) else value
        print(f"{name.replace('_', ' '):22}{shown}")


def _add_heatmap(commands):
    command = _add_command(
        commands, "heatmap", _heatmap, "translate one sentence and draw what it attended to"
    )
    _add_run(command)
    command.add_argument(
        "--head",
        type=int,
        nargs=2,
        metavar=("LAYER", "HEAD"),
        help="one head of a Transformer, both from 1; the mean over all by default",
    )
    command.add_argument(
        "sentence", metavar="SENTENCE", help="source sentence, in quotes; or a .npy file"
    )
    command.add_argument(
        "--steps", type=int, metavar="T", help="steps to predict, where targets are real-valued"
    )
    command.add_argument(
        "--out", required=True, metavar="PICTURE", help="file to write: .png, .svg or .pdf"
    )
    _add_beam(command)


def _heatmap(options):
    from kseq.heatmap import save_heatmap

    _require_positive(options)
    if not options.sentence.strip():
        raise ValueError("expected a sentence to draw; received an empty one")
    if pathlib.Path(options.out).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--out must end in .png, .svg or .pdf; received {options.out}")
    translator = _translator(options)
    _check_steps(translator, options)
    if translator.predicts_values:
        _refuse_search(translator, options)
        result = translator.predict([options.sentence], options.steps)[0]
    else:
        result = translator.translate([options.sentence], options.beam)[0]
        print(result.text)
    save_heatmap(result, options.out, options.head)
    print(options.out)


def _add_export(commands):
    command = _add_command(
        commands, "export", _export, "write a SavedModel that takes and gives strings"
    )
    _add_run(command)
    command.add_argument("folder", metavar="DIR", help="directory to write")
    _add_beam(command, "; fixed in the exported model")


def _export(options):
    _require_positive(options)
    translator = _translator(options)
    _refuse_search(translator, options)
    print(f"exported to {translator.export(options.folder, options.beam)}")


def _add_models(commands):
    _add_command(
        commands, "models", _models, "list the mechanisms that can be combined, with their papers"
    )


def _models(options):
    from kseq.catalogue import table

    print(table())


def _require_positive(options):
    if not 1 <= options.beam <= 1000:
        raise ValueError(f"--beam must be from 1 to 1000; received {options.beam}")
    n_best = getattr(options, "n_best", None)
    if n_best is not None and not 1 <= n_best <= options.beam:
        raise ValueError(f"--n-best must be from 1 to --beam ({options.beam}); received {n_best}")


def _translator(options):
    from kseq.run_directory import require_run

    require_run(options.run_directory)
    import_tensorflow_quietly()
    from kseq.translator import Translator

    return Translator.load(options.run_directory)
