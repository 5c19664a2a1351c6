"""What each `kseq` subcommand does with its options; each calls one public function."""

import contextlib
import json
import pathlib
import sys

from kseq.console import import_tensorflow_quietly, show_warning


def train(options):
    """Trains a model: `kseq.train`."""
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
    from kseq import training
    from kseq.run_directory import is_run

    try:
        training.train(corpus, config, out=options.out, overwrite=options.overwrite)
    except KeyboardInterrupt:
        kept = f"{options.out} holds the last whole run" if is_run(options.out) else "nothing kept"
        raise KeyboardInterrupt(f"stopped; {kept}") from None
    print(f"the run is in {options.out}; next: kseq evaluate {options.out}")


def translate(options):
    """Translates lines, or predicts real values: `Translator.stream`, `Translator.predict`."""
    _require_positive(options)
    translator = _translator(options)
    _check_steps(translator, options)
    if translator.predicts_values:
        _predict(translator, options)
        return
    with _sources(options.file, translator) as (sources, read_ahead):
        results = translator.stream(sources, options.beam, options.n_best, read_ahead=read_ahead)
        for result in results:
            hypotheses = result if isinstance(result, list) else [result]
            print(_translation_line(hypotheses, options), flush=options.file is None)


def _predict(translator, options):
    from kseq.survey import chunks

    _refuse_search(translator, options)
    with _sources(options.file, translator) as (sources, read_ahead):
        for chunk in chunks(sources, read_ahead):
            for prediction in translator.predict(chunk, options.steps):
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


def evaluate(options):
    """Measures a run: `Translator.evaluate`."""
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
        show_warning(f"{pairs}: {pairs.blank:,} pairs with an empty side were left out")
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        shown = f"{value:.3f}" if isinstance(value, float) else value
        print(f"{name.replace('_', ' '):22}{shown}")


def heatmap(options):
    """Draws one attention: `save_heatmap`."""
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


def export(options):
    """Writes a SavedModel: `Translator.export`."""
    _require_positive(options)
    translator = _translator(options)
    _refuse_search(translator, options)
    print(f"exported to {translator.export(options.folder, options.beam)}")


def models(options):
    """Lists the mechanisms: `kseq.catalogue.table`."""
    from kseq.catalogue import table

    print(table())


def _require_positive(options):
    if not 1 <= options.beam <= 1000:
        raise ValueError(f"--beam must be from 1 to 1000; received {options.beam}")
    n_best = getattr(options, "n_best", None)
    if n_best is not None and not 1 <= n_best <= options.beam:
        raise ValueError(f"--n-best must be from 1 to --beam ({options.beam}); received {n_best}")


def _check_steps(translator, options):
    if translator.predicts_values and options.steps is None:
        raise ValueError("the targets are real-valued: say with --steps how many to predict")
    if not translator.predicts_values and options.steps is not None:
        raise ValueError("--steps is for real-valued targets; this model writes text")


def _refuse_search(translator, options):
    if translator.predicts_values and (options.beam != 1 or getattr(options, "n_best", None)):
        raise ValueError("--beam and --n-best are for text; real values are not searched for")


def _translator(options):
    from kseq.run_directory import require_run

    require_run(options.run_directory)
    import_tensorflow_quietly()
    from kseq.translator import Translator

    return Translator.load(options.run_directory)


@contextlib.contextmanager
def _sources(file, translator):
    """The lines of the input, or the arrays that they name, and how many to read at once."""
    read_ahead = translator.read_ahead
    if file is None and sys.stdin is None:
        raise ValueError("standard input is closed; name a FILE")
    if file is None and sys.stdin.isatty():
        print("one sentence a line, Ctrl-D to end", file=sys.stderr)
        read_ahead = 1
    with _input_lines(file) as lines:
        yield (lines if translator.codecs.source.is_text else _arrays(lines)), read_ahead


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
