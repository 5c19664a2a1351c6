"""What each `kseq` subcommand does with its options; each calls one public function."""

import contextlib
import dataclasses
import json
import pathlib
import sys

from kseq.console import counted, import_tensorflow_quietly, show_warning
from kseq.corpora.cleaning import Cleaning, clean_files
from kseq.corpora.corpus import read_links
from kseq.errors import SettingError
from kseq.files import require_folder_of, write_text
from kseq.kernels.processor import share_cores
from kseq.search.strategies import BeamSearch, Sampling, make_strategy

FLAGS = {"beam_size": "--beam"}  # others are spelled like the option


def clean(options):
    """Cleans pairs: `kseq.clean_files`."""
    for path in filter(None, (options.out, options.dropped)):
        require_folder_of(path)
    report = clean_files(
        options.files,
        options.out,
        Cleaning(**_given(options, Cleaning)),
        options.test,
        options.dropped,
        options.swap,
    )
    print(report)
    print(options.out)


def fetch(options):
    """Downloads a public corpus, or lists what there is: `kseq.fetch`."""
    from kseq.corpora import public_corpora

    if options.name is None:
        print(public_corpora.table())
        return
    corpus = public_corpora.find_corpus(options.name)
    if options.folder is None:
        raise ValueError(f"expected a folder to write to, such as kseq fetch {corpus.name} data")
    try:
        files = public_corpora.fetch(corpus.name, options.folder, options.base, options.timeout)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from here") from None
    print(*files, sep="\n")
    print(f"source: {corpus.source}")
    print(f"licence: {corpus.licence}; see {corpus.terms}")
    print(f"next: {corpus.next_command(options.folder)}")


def inspect(options):
    """Looks at pairs before training: `kseq.inspect`, `kseq.suggest_config`."""
    from kseq.inspection.suggestion import suggest_config

    for path, suffixes, flag in (
        (options.out, (".png", ".svg", ".pdf"), "--out"),
        (options.suggest, (".yaml", ".yml"), "--suggest"),
    ):
        if path is not None:
            if pathlib.Path(path).suffix.lower() not in suffixes:
                raise ValueError(f"{flag} must end in {' or '.join(suffixes)}; received {path}")
            require_folder_of(path)
    import_tensorflow_quietly()
    from kseq.inspection.inspection import inspect

    inspection = inspect(*options.files, valid=options.valid, test=options.test, swap=options.swap)
    suggestion = suggest_config(inspection)
    if options.out:
        from kseq.inspection.plots import save_inspection

        save_inspection(inspection, options.out)
    if options.suggest:
        write_text(options.suggest, suggestion.to_yaml())
    _print_inspection(inspection, suggestion, options.json)


def _print_inspection(inspection, suggestion, as_json):
    if as_json:
        settings = [dataclasses.asdict(setting) for setting in suggestion.settings]
        print(json.dumps({**inspection.to_dict(), "suggestion": settings}, ensure_ascii=False))
    else:
        print(f"{inspection}\n\n{suggestion.to_yaml()}", end="")


def train(options):
    """Trains a model: `kseq.train`."""
    from kseq.config import Config

    config = Config.load(options.config).with_settings(options.set) if options.config else None
    corpus = _corpus(options)
    config = config or corpus.config.with_settings(options.set)

    _start_tensorflow()
    from kseq.runs.directory import is_run
    from kseq.training.train import train as train_model

    try:
        train_model(
            corpus,
            config,
            out=options.out,
            overwrite=options.overwrite,
            cache=options.cache,
        )
    except KeyboardInterrupt:
        kept = f"{options.out} holds the last whole run" if is_run(options.out) else "nothing kept"
        raise KeyboardInterrupt(f"stopped; {kept}") from None
    print(f"the run is in {options.out}; next: kseq evaluate {options.out}")


def _corpus(options):
    """The corpus to train on, with the settings that it brings."""
    from kseq.corpora.corpus import embedded_corpora, load_corpus
    from kseq.corpora.values import holds_records
    from kseq.recipes import load_recipe

    if not options.train:
        given = options.corpus or options.recipe
        if options.valid or options.test or options.swap or options.apart != "source":
            raise ValueError(
                "--valid, --test, --swap and --apart go with --train; "
                f"{given} brings its own splits"
            )
    if options.recipe:
        if options.config:
            raise ValueError(
                f"--config and --recipe are two sources of settings; change those of "
                f"{options.recipe} by --set FIELD=VALUE"
            )
        return load_recipe(options.recipe).open_corpus(options.data or "data")
    if options.data:
        raise ValueError("--data goes with --recipe; name the files of pairs with --train")
    if options.corpus and options.corpus not in embedded_corpora():
        known = " or ".join(embedded_corpora())
        raise ValueError(f"unknown corpus: {options.corpus!r}; expected {known}, or use --train")
    files = [options.corpus] if options.corpus else options.train
    splits = {"valid": options.valid, "test": options.test}
    if any(map(holds_records, [*files, *(options.valid or ()), *(options.test or ())])):
        _start_tensorflow()  # they are read by it; faults of other files are told without
    return load_corpus(*files, **splits, swap=options.swap, apart=options.apart)


def recipes(options):
    """Lists the recipes."""
    from kseq.recipes import load_recipe, recipe_names

    for name in recipe_names():
        recipe = load_recipe(name)
        print(f"{name:22}{recipe.about} (kseq fetch {recipe.fetch})")


def average(options):
    """Averages the checkpoints of a run: `kseq.average_checkpoints`."""
    from kseq.runs.directory import require_run

    require_run(options.run_directory)
    import_tensorflow_quietly()
    from kseq.runs.averaging import average_checkpoints

    epochs = average_checkpoints(
        options.run_directory, options.out, options.last, options.overwrite
    )
    print(f"averaged epochs {', '.join(map(str, epochs))}; the run is in {options.out}")


def translate(options):
    """Translates lines, or predicts real values: `Translator.stream`, `Translator.predict`."""
    from kseq.corpora.lines import require_file

    strategy = _strategy(options)
    for path in (options.file, strategy.dictionary):
        if path is not None:
            require_file(pathlib.Path(path))
    translator = _translator(options)
    _check_steps(translator, options)
    if translator.predicts_values:
        _predict(translator, options)
        return
    is_single = isinstance(strategy, BeamSearch) and not hasattr(options, "n_best")
    with _sources(options.file, translator) as sources, counted("sentences") as count:
        for hypotheses in translator.stream(sources, strategy, options.prefix):
            line = _translation_line(hypotheses, is_single, options.json)
            print(line, flush=options.file is None)
            count()


def _predict(translator, options):
    from kseq.corpora.lines import chunks

    _refuse_search(translator, options)
    with _sources(options.file, translator) as sources, counted("sequences") as count:
        for chunk in chunks(sources, translator.read_ahead):
            for prediction in translator.predict(chunk, options.steps):
                print(json.dumps(prediction.values.tolist()), flush=options.file is None)
                count()


def _translation_line(hypotheses, is_single, as_json):
    if not as_json:
        return "\t".join(hypothesis.text for hypothesis in hypotheses)
    first = hypotheses[0]
    line = {}
    if first.source_tokens is not None:
        line = {"source": first.source, "source_tokens": first.source_tokens}
    objects = [{"text": each.text, **_scores(each)} for each in hypotheses]
    line |= objects[0] if is_single else {"hypotheses": objects}
    return json.dumps(line, ensure_ascii=False)


def _scores(result):
    """What JSON says of a `Translation` beside its text."""
    return {
        "score": result.score,
        "log_probability": result.log_probability,
        "tokens": result.tokens,
        "token_log_probabilities": [round(float(x), 6) for x in result.token_log_probabilities],
    }


def evaluate(options):
    """Measures a run: `Translator.evaluate`."""
    searched = _search_options(options, BeamSearch)
    pairs, alignments = _test_pairs(options)
    translator = _translator(options)
    _refuse_search(translator, options)
    figures = translator.evaluate(pairs, alignments, **searched)
    _warn_of_blank(pairs)
    if options.json:
        print(json.dumps(figures))
    else:
        _print_figures(figures)


def _print_figures(figures):
    width = 2 + max(map(len, figures))
    for name, value in figures.items():
        shown = f"{value:.3f}" if isinstance(value, float) else value
        print(f"{name.replace('_', ' '):{width}}{shown}")


def score(options):
    """Scores given targets: `Translator.score`."""
    from kseq.corpora.lines import chunks

    pairs, _ = _test_pairs(options)
    translator = _translator(options)
    with counted("pairs") as count:
        for chunk in chunks(_all_lines(pairs), translator.read_ahead):
            for result, (source, _) in zip(translator.score(chunk), chunk):
                print(_score_line(translator, result, source, options.json))
                count()


def _score_line(translator, result, source, as_json):
    if translator.predicts_values:
        return json.dumps({"error": result.error}) if as_json else f"{result.error:.6f}"
    if not as_json:
        return f"{result.log_probability:.6f}\t{result.score:.6f}\t{result.text}"
    line = {"source": source} if result.source_tokens is not None else {}
    return json.dumps({**line, "target": result.text, **_scores(result)}, ensure_ascii=False)


def align(options):
    """Writes word alignments: `kseq.align`."""
    pairs, _ = _test_pairs(options)
    translator = _translator(options)
    reverse = options.reverse and _load(options.reverse)
    from kseq.analysis.alignment import align, to_pharaoh

    method = None if options.method == "forward" else options.method
    heads = tuple(options.head or ()) or None, tuple(options.reverse_head or ()) or None
    alignments = align(translator, _all_lines(pairs), reverse, method, *heads)
    with counted("pairs") as count:
        for links in alignments:
            print(to_pharaoh(links if options.weights else set(links)))
            count()


def report(options):
    """Writes a page about the attention over a corpus: `kseq.attention_report`."""
    if pathlib.Path(options.out).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--out must end in .html; received {options.out}")
    require_folder_of(options.out)
    pairs, alignments = _test_pairs(options)
    translator = _translator(options)
    from kseq.analysis.report import attention_report

    head = tuple(options.head) if options.head else None
    figures = attention_report(translator, pairs, options.out, alignments, options.sentences, head)
    _print_figures(figures)
    print(options.out)


def heatmap(options):
    """Draws attention: `save_heatmap`."""
    from kseq.analysis.heatmap import check_options, save_heatmap

    searched = _search_options(options, BeamSearch)
    if not all(sentence.strip() for sentence in options.sentences):
        raise ValueError("expected a sentence to draw; received an empty one")
    if pathlib.Path(options.out).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--out must end in .png, .svg or .pdf; received {options.out}")
    require_folder_of(options.out)
    if options.target is not None and len(options.sentences) > 1:
        raise ValueError(f"--target is for one sentence; received {len(options.sentences)}")
    if options.gold is not None and options.target is None:
        raise ValueError("--gold links the words of a given target: give that with --target")
    drawn = {
        "panels": options.panels,
        "colormap": options.colormap,
        "low_probability": options.low_probability,
        "gold": None if options.gold is None else read_links(options.gold, "--gold"),
    }
    head = tuple(options.head) if options.head else None
    check_options(head=head, **drawn)
    translator = _translator(options)
    _check_steps(translator, options)
    if (head or options.panels != "mean") and not translator.has_heads:
        raise ValueError(
            "--head and --panels are for a run of one Transformer; this one has no heads"
        )
    results = _results_to_draw(translator, searched, options)
    save_heatmap(results if len(results) > 1 else results[0], options.out, head, **drawn)
    print(options.out)


def _results_to_draw(translator, searched, options):
    if options.target is not None:
        if translator.predicts_values:
            raise ValueError("--target is for text; this model predicts real values")
        if searched or options.prefix is not None:
            flag = _flag(next(iter(searched), "prefix"))
            raise ValueError(f"{flag} is for a search; with --target nothing is searched for")
        return translator.score([(options.sentences[0], options.target)])
    if translator.predicts_values:
        _refuse_search(translator, options)
        return translator.predict(options.sentences, options.steps)
    results = translator.translate(options.sentences, prefix=options.prefix, **searched)
    for result in results:
        print(result.text)
    return results


def export(options):
    """Writes a SavedModel: `Translator.export`."""
    searched = _search_options(options, BeamSearch)
    translator = _translator(options)
    _refuse_search(translator, options)
    print(f"exported to {translator.export(options.folder, **searched)}")


def models(options):
    """Lists the mechanisms: `kseq.catalogue.table`."""
    from kseq.catalogue import table

    print(table())


def _strategy(options):
    """The `BeamSearch` or the `Sampling` that the options ask for."""
    drawn, searched = (_given(options, kind) for kind in (Sampling, BeamSearch))
    beam_only = sorted(set(searched) - set(drawn))
    sampling_only = sorted(set(drawn) - set(searched))
    if beam_only and sampling_only:
        raise ValueError(
            f"{_flag(beam_only[0])} is for beam search, {_flag(sampling_only[0])} for sampling: "
            "give one of them"
        )
    if sampling_only and "samples" not in drawn:
        raise ValueError(f"{_flag(sampling_only[0])} is for sampling: add --samples N")
    kind, given = (Sampling, drawn) if sampling_only else (BeamSearch, searched)
    return make_strategy(kind, **given)


def _search_options(options, kind):
    """The options of a kind of search that were given, checked."""
    given = _given(options, kind)
    make_strategy(kind, **given)
    return given


def _given(options, kind):
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def in_flags(error):
    """What an error says, with the names of options as the flags that were given."""
    return error.spelled(_flag) if isinstance(error, SettingError) else str(error)


def _flag(name):
    return FLAGS.get(name, "--" + name.replace("_", "-"))


def _refuse_search(translator, options):
    given = _given(options, BeamSearch) | _given(options, Sampling)
    if getattr(options, "prefix", None) is not None:
        given["prefix"] = options.prefix
    if translator.predicts_values and given:
        raise ValueError(
            f"{_flag(next(iter(given)))} is for text; real values are not searched for"
        )


def _check_steps(translator, options):
    if translator.predicts_values and options.steps is None:
        raise ValueError("the targets are real-valued: say with --steps how many to predict")
    if not translator.predicts_values and options.steps is not None:
        raise ValueError("--steps is for real-valued targets; this model writes text")


def _translator(options):
    runs = options.run_directory, *getattr(options, "ensemble", ())
    average = getattr(options, "ensemble_average", "probability")
    precision = getattr(options, "precision", "float32")
    return _load(*runs, average=average, precision=precision)


def _load(*runs, **options):
    from kseq.runs.directory import require_run

    for run in runs:
        require_run(run)
    _start_tensorflow()
    from kseq.translation.translator import Translator

    return Translator.load(*runs, **options)


def _start_tensorflow():
    """Before anything else does: its threads are given out then."""
    import_tensorflow_quietly()
    share_cores()


def _test_pairs(options):
    """The pairs to measure with, and their gold alignments or None, before anything is loaded."""
    from kseq.corpora.corpus import describe_features, open_pairs, reopen_corpus
    from kseq.runs.directory import read_run

    _, config, record = read_run(options.run_directory)
    alignments = None
    if config.model.source_features or config.model.target_features:
        _start_tensorflow()  # records are read by it
    if options.test:
        pairs = open_pairs(options.test, options.swap)
    elif options.swap:
        raise ValueError("--swap is for the files of --test; the run's own are read as in training")
    else:
        origin = record.corpus
        if origin is None:
            raise ValueError("the run does not know the files of its corpus; name some with --test")
        corpus = reopen_corpus(origin)
        pairs = corpus.test
        if config.text.reads_words and corpus.has_alignments("test"):
            alignments = corpus.alignments("test")
    trained = config.model.source_features, config.model.target_features
    if pairs.features != trained:
        expected, received = map(describe_features, (trained, pairs.features))
        raise ValueError(
            f"{pairs}: expected {expected}, as the run was trained with; received {received}"
        )
    return pairs, alignments


def _all_lines(pairs):
    """A pair for every line of the files, so that the lines of the output belong to them."""
    return pairs.with_blank() if pairs.features == (0, 0) else pairs


def _warn_of_blank(pairs):
    if pairs.blank:
        show_warning(f"{pairs}: {pairs.blank:,} pairs with an empty side were left out")


@contextlib.contextmanager
def _sources(file, translator):
    """The lines of the input, or the arrays that they name."""
    with _input_lines(file) as lines:
        yield lines if translator.codecs.source.is_text else _arrays(lines)


def _arrays(lines):
    from kseq.corpora.arrays import read_values

    for number, line in enumerate(lines, start=1):
        try:
            if not line.strip():
                raise ValueError("expected the name of a .npy file; received an empty line")
            yield read_values(line.strip())
        except (ValueError, OSError) as error:
            raise ValueError(f"line {number} of the input: {error}") from error


@contextlib.contextmanager
def _input_lines(file):
    from kseq.corpora.lines import WaitingLines, decode_lines, read_lines

    if file is not None:
        with contextlib.closing(read_lines(file)) as lines:
            yield (line for _, line in lines)
        return
    if sys.stdin is None:
        raise ValueError("standard input is closed; name a FILE")
    if sys.stdin.isatty():
        print("one sentence a line, Ctrl-D to end", file=sys.stderr)
    # A file of its own: at its end Python would wait for whoever still reads the one it has.
    with open(sys.stdin.fileno(), "rb", closefd=False) as file:
        lines = (line for _, line in decode_lines(file, "standard input"))
        yield WaitingLines(lines)
