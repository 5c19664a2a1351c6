"""Commands that run a model: translate, score, evaluate."""

import contextlib
import json
import pathlib
import sys
import warnings

from kseq.cli.options import (
    add_alignments,
    add_command,
    add_ensemble,
    add_precision,
    add_prefix,
    add_run,
    add_sampling,
    add_search,
    add_steps,
    add_test_files,
    path_name,
    require_suffix,
)
from kseq.cli.runs import (
    load_translator,
    pair_every_line,
    print_metrics,
    read_search,
    read_strategy,
    read_test_pairs,
    reject_search,
)
from kseq.console import show, show_count, show_warning
from kseq.corpora.value_sides import names_values
from kseq.counts import counted
from kseq.files import require_folder_of
from kseq.search.strategies import BeamSearch

# A model may write any character, but each output line must belong to one input line, and each
# column to one hypothesis.
_LINE_BREAKS = str.maketrans("\n\r", "  ")
_SEPARATORS = str.maketrans("\n\r\t", "   ")

_TRANSLATE_EXAMPLES = """
examples:
  echo "The red car is old." | kseq translate runs/en-fr
  kseq translate runs/en-fr english.txt --beam 5 > french.txt
  kseq translate runs/en-fr english.txt --beam 5 --n-best 3 --json
  kseq translate runs/en-fr english.txt --samples 5 --top-p 0.9 --seed 1
  kseq translate runs/en-fr english.txt --beam 5 --forbid '<unk>' --prefix "Il y a"
  kseq translate runs/en-fr english.txt --replace-unknown --dictionary names.tsv
  kseq translate runs/a english.txt --ensemble runs/b runs/c
  kseq translate runs/digits one.wav two.wav
  ls features/*.npy | kseq translate runs/digits
  kseq translate runs/sensors files.txt --steps 50 > predictions.jsonl
  printf 'load.npy\\tcalendar.npy\\n' | kseq translate runs/load
  printf 'gehen\\tV;PST;3;SG\\n' | kseq translate runs/inflection
  printf '\\nThe sea\\n' | kseq translate runs/poems --samples 5 --temperature 0.8

With --n-best or --samples, each output line holds several translations separated by tabs. A line
break within a translation is written as a space; --json gives the exact text. For real-valued
sources, each input line is the name of a .npy or a .wav file, or FILEs are such files themselves;
for real-valued targets, each output line is a JSON list of steps. A model with covariates reads two
columns: a source, and the name of a .npy file with what is known about each step. A language model
goes on with each input line; an empty line asks for a text from nothing.
"""


def add_translate(subparsers):
    """Adds `kseq translate`."""
    command = add_command(
        subparsers,
        "translate",
        translate,
        "translate text line by line",
        _TRANSLATE_EXAMPLES,
    )
    add_run(command)
    command.add_argument(
        "files",
        type=path_name,
        nargs="*",
        metavar="FILE",
        help="text to translate, or .npy or .wav files (default: standard input)",
    )
    command.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object per input line, with scores and tokens",
    )
    command.add_argument(
        "--features",
        type=path_name,
        metavar="COLUMN|FILE",
        help="where the features of each sentence are, if the model reads them: the number of a "
        "column in lines with tabs, or a file with a line for each line (default: 2)",
    )
    add_steps(command)
    add_prefix(command)
    add_ensemble(command)
    add_precision(command)
    add_search(command, n_best=True)
    add_sampling(command)


def translate(options):
    """Translates lines, or predicts real values: `Translator.stream`, `Translator.predict`."""
    from kseq.corpora.lines import require_file

    strategy = read_strategy(options)
    _check_last_token(options)
    features = options.features or ""
    others = strategy.dictionary, *([] if features.isdecimal() else [features])
    for path in (*options.files, *others):
        if path:
            require_file(pathlib.Path(path))
    if features.isdecimal() and int(features) < 1:
        raise ValueError(
            f"--features must be a file, or the number of a column, from 1; received {features}"
        )
    if len(options.files) > 1 and not all(map(names_values, options.files)):
        raise ValueError(
            f"expected one file of lines, or .npy and .wav files; received {len(options.files)} "
            f"files: {' '.join(options.files)}"
        )
    translator = load_translator(options)
    _check_steps(translator, options.steps)
    if features and translator.codecs.features is None:
        raise ValueError("--features is for a model that was trained with features; leave it out")
    if translator.predicts_values:
        _predict(translator, options)
        return
    is_single = isinstance(strategy, BeamSearch) and options.n_best is None
    with _open_sources(options, translator) as sources, show_count("sentences") as count:
        for hypotheses in translator.stream(sources, strategy, options.prefix):
            line = _translation_line(hypotheses, is_single, options.json)
            show(line, flush=not options.files)
            count()


def _check_last_token(options):
    """Rejects a FILE after the tokens of --forbid, where it would be one of them."""
    *others, last = options.forbid or [""]
    if not options.files and others and pathlib.Path(last).is_file():
        raise ValueError(
            f"--forbid would take {last}, which is a file, for a token; put the file first: "
            f"kseq translate {options.run_directory} {last} --forbid {' '.join(others)}"
        )


def _check_steps(translator, steps):
    """Checks that a number of steps is given if, and only if, the targets are real-valued."""
    if translator.predicts_values and steps is None and not translator.codecs.target.covariates:
        raise ValueError(
            "expected --steps, the number of steps to predict, as the targets are real-valued"
        )
    if not translator.predicts_values and steps is not None:
        raise ValueError("--steps is for real-valued targets; this model writes text")


def _open_sources(options, translator):
    from kseq.corpora.sources import open_sources

    is_text, target = translator.codecs.source.is_text, translator.codecs.target
    has_covariates = not target.is_text and target.covariates > 0
    if options.files and all(map(names_values, options.files)):
        if is_text or has_covariates:
            expected = (
                "lines of sources, tabs and files of covariates" if has_covariates else "text"
            )
            raise ValueError(
                f"{options.files[0]}: expected a file of {expected}, as the model reads them"
            )
        return contextlib.nullcontext(options.files)
    if not options.files and sys.stdin is not None and sys.stdin.isatty():
        is_model = translator.config.model.is_language_model
        unit = "the beginning of a text, or nothing," if is_model else "one sentence"
        print(f"{unit} per line, Ctrl-D to end", file=sys.stderr)
    features = options.features or "2"
    features = int(features) if features.isdecimal() else features
    if translator.codecs.features is None:
        features = None
    file = options.files[0] if options.files else None
    return open_sources(file, is_text, features, has_covariates=has_covariates)


def _predict(translator, options):
    from kseq.corpora.lines import chunks

    reject_search(translator, options)
    with _open_sources(options, translator) as sources, show_count("sequences") as count:
        for chunk in chunks(sources, translator.read_ahead):
            known = {}
            if translator.codecs.target.covariates:
                chunk, known["covariates"] = zip(*chunk)
            for prediction in translator.predict(chunk, options.steps, **known):
                print(json.dumps(prediction.values.tolist()), flush=not options.files)
                count()


def _translation_line(hypotheses, is_single, as_json):
    if not as_json:
        separators = _LINE_BREAKS if is_single else _SEPARATORS
        return "\t".join(hypothesis.text.translate(separators) for hypothesis in hypotheses)
    best = hypotheses[0]
    line = {}
    if best.source_tokens is not None:
        line = {"source": best.source, "source_tokens": best.source_tokens}
        line |= {} if best.features is None else {"features": best.features}
    if is_single:
        line |= best.to_dict()
    else:
        line["hypotheses"] = [hypothesis.to_dict() for hypothesis in hypotheses]
    return json.dumps(line, ensure_ascii=False)


_SCORE_EXAMPLES = """
examples:
  kseq score runs/en-fr
  kseq score runs/de-en --test test.de.gz test.en.gz --json

Targets are read with teacher forcing. Each output line holds the log-probability of a target, its
log-probability per token, and the target, separated by tabs, in the order of the pairs. For targets
of real values, each output line holds the mean error of a step.
"""


def add_score(subparsers):
    """Adds `kseq score`."""
    command = add_command(
        subparsers,
        "score",
        score,
        "compute the log-probabilities of given translations",
        _SCORE_EXAMPLES,
    )
    add_run(command)
    add_test_files(command)
    command.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object per pair, with the log-probability of each token",
    )
    add_ensemble(command)


def score(options):
    """Scores given targets: `Translator.score`."""
    from kseq.corpora.lines import chunks

    pairs, _ = read_test_pairs(options)
    translator = load_translator(options)
    with show_count("pairs") as count:
        for chunk in chunks(pair_every_line(pairs), translator.read_ahead):
            for result in translator.score(chunk):
                if translator.predicts_values:
                    print(_error_line(result, options.json))
                else:
                    show(_score_line(result, options.json))
                count()


def _error_line(prediction, as_json):
    return json.dumps({"error": prediction.error}) if as_json else f"{prediction.error:.6f}"


def _score_line(translation, as_json):
    if not as_json:
        text = translation.text.translate(_SEPARATORS)
        return f"{translation.log_probability:.6f}\t{translation.score:.6f}\t{text}"
    line = {} if translation.source_tokens is None else {"source": translation.source}
    line |= {} if translation.features is None else {"features": translation.features}
    scores = translation.to_dict()
    line["target"] = scores.pop("text")
    del scores["is_cut"]  # of outputs only
    return json.dumps(line | scores, ensure_ascii=False)


_EVALUATE_EXAMPLES = """
examples:
  kseq evaluate runs/en-fr
  kseq evaluate runs/de-en --test test.de.gz test.en.gz --beam 5 --json
  kseq evaluate runs/en-fr --calibration calibration.png
"""


def add_evaluate(subparsers):
    """Adds `kseq evaluate`."""
    command = add_command(
        subparsers,
        "evaluate",
        evaluate,
        "measure a run on test pairs",
        _EVALUATE_EXAMPLES,
    )
    add_run(command)
    add_test_files(command)
    add_alignments(command)
    command.add_argument("--json", action="store_true", help="print a JSON object")
    command.add_argument(
        "--calibration",
        type=path_name,
        metavar="PICTURE",
        help="measure also whether the model is right as often as its probabilities say, and draw "
        "it: .png, .svg or .pdf",
    )
    add_ensemble(command)
    add_precision(command)
    add_search(command)


def evaluate(options):
    """Measures a run: `Translator.evaluate`."""
    search = read_search(options)
    if options.calibration:
        require_suffix(options.calibration, (".png", ".svg", ".pdf"), "calibration")
        require_folder_of(options.calibration)
    pairs, alignments = read_test_pairs(options)
    translator = load_translator(options)
    calibrated = _calibrate(translator, pairs, options.calibration) if options.calibration else {}
    metrics = translator.evaluate(pairs, alignments, **search) | calibrated
    if pairs.blank:
        show_warning(f"{pairs}: left out {pairs.blank:,} with an empty side")
    if pairs.faulty:
        show_warning(f"{pairs}: left out {counted(pairs.faulty, 'faulty line')}")
    if options.json:
        print(json.dumps(metrics))
    else:
        print_metrics(metrics)


def _calibrate(translator, pairs, path):
    """Draws the calibration of a model; returns its error by name."""
    from kseq.analysis.calibration import measure_calibration
    from kseq.analysis.evaluation import LeftOutWarning
    from kseq.analysis.reliability import save_calibration

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)  # `evaluate` warns of the same pairs.
        calibration = measure_calibration(translator, pairs)
    save_calibration(calibration, path)
    return {"expected_calibration_error": calibration.error}
