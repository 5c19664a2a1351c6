"""`train`: from a corpus to a run directory, with Keras' own `fit`."""

import dataclasses
from typing import Any

import keras

import kseq
from kseq.config import Config, ModelConfig
from kseq.console import show
from kseq.corpora.corpus import Corpus, embedded_corpora, load_corpus
from kseq.corpora.gold_alignments import require_words
from kseq.errors import SettingError
from kseq.inspection.swapped_sides import look_swapped
from kseq.kernels.devices import describe_devices, device_line
from kseq.kernels.forks import claim_tensorflow
from kseq.kernels.precision import fastest_precision
from kseq.models.factory import build_seq2seq, use_dtype_policy
from kseq.path_names import PathName
from kseq.pipeline.encoded import prepare
from kseq.pipeline.known_codecs import COLUMNS
from kseq.runs import directory as run_directory
from kseq.runs.differences import find_differences
from kseq.runs.known_corpora import remember_corpus
from kseq.runs.provenance import current_command, utc_now
from kseq.runs.record import RunRecord
from kseq.runs.weights import load_weights
from kseq.training.completion import complete_config
from kseq.training.examples import choose_examples, describe_failure
from kseq.training.fitting import Fitting, check_callbacks
from kseq.training.optimizers import describe_optimizer
from kseq.training.pretrained import load_embeddings
from kseq.training.starting import Beginning, Start
from kseq.training.unknown_tokens import describe_unknown
from kseq.training.workers import Workers
from kseq.translation.translator import Translator


def train(
    corpus: Any,
    config: Config | ModelConfig | None = None,
    *,
    out: PathName,
    start: PathName | None = None,
    overwrite: bool = False,
    resume: bool = False,
    callbacks: Any = (),
    optimizer: keras.optimizers.Optimizer | None = None,
    strategy: Any = None,
    verbose: bool = True,
    cache: PathName | None = None,
) -> Translator:
    """Trains a model with teacher forcing and writes it to a run directory.

    The run keeps the weights with the best validation figure, by default the lowest cross-entropy
    per token (real values: error per step), even if training is interrupted.

    Args:
        corpus: `Corpus` from `load_corpus`, or any other single argument of `load_corpus`, such as
            a list of pairs or the name of a file.
        config: `Config`; or `ModelConfig`, with the text and training settings that come with
            the corpus (with `start`, those of `kseq.fine_tuning_config`); or None, for all of them.
        out: Run directory to create.
        start: Run directory whose weights, codecs and settings the training starts from.
        overwrite: Whether an existing run may be replaced, which happens after the first epoch.
        resume: Whether to go on with a training of the same data and settings that was stopped, to
            the same final weights (on the same machine). If it has ended, its run is loaded.
        callbacks: Your own callbacks of Keras. Their `model` is a `Teacher`; its `model` is the one
            that is trained. They receive the figures of validation with those of the epoch.
        optimizer: Your own optimizer of Keras, which is copied. It replaces the settings of the
            optimizer, of the learning rate and of its gradients.
        strategy: `tf.distribute.MirroredStrategy` for several devices of this machine, or
            `tf.distribute.MultiWorkerMirroredStrategy` for several processes, of which only the
            first one, the chief, uses `out`. The batches and the dropout are the same as on one.
        verbose: Whether to show progress.
        cache: Folder for the ids of a corpus of 32 MB or more, which is tokenised only once; by
            default `$KSEQ_CACHE`, or `kseq` in `XDG_CACHE_HOME` or `~/.cache`; `"off"` for none.

    Returns:
        A `Translator` with the best weights; None in a process that is not the chief.

    Raises:
        FileExistsError: `out` is not a run, must not be overwritten, or is being written.
        ValueError: The corpus cannot be used, or its files changed while they were read.
        OSError: Its files can no longer be read, or the run cannot be written.
        TypeError: `corpus`, `config`, `start`, `optimizer`, `strategy` or a callback is wrong.
        TrainingFailed: The loss was not a finite number, or there was too little memory.
        WorkersEnded: Another process has ended.
    """
    workers = Workers(strategy)
    options = {"callbacks": check_callbacks(callbacks), "optimizer": optimizer, "workers": workers}
    options["verbose"] = verbose and workers.is_chief
    with workers.together():
        checked = _check_arguments(start, corpus, config, out, optimizer)
        if not workers.is_chief:
            return _assist(*checked, out, cache, **options)
        with run_directory.NewRun(out, overwrite, resume) as run:
            return _train_in(run, *checked, cache, overwrite, **options)


def _check_arguments(start, corpus, config, out, optimizer):
    """Returns the `Start` or None, the `Corpus` and the `Config` of a training."""
    describe_optimizer(optimizer)  # Checks its type.
    corpus = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    start = None if start is None else Start.load(start, out)
    config = complete_config(corpus, config, start)
    _check_alignments(corpus, config)
    claim_tensorflow()
    keras.utils.set_random_seed(config.training.seed)
    return start, corpus, config


def _assist(start, corpus, config, out, cache, **options):
    """Trains together with the chief, which alone writes.

    The arguments are those of `train`; the options are those of `Fitting`.
    """
    workers = options["workers"]
    config = _agree_on_settings(config, workers)
    if workers.share():
        beginning = Beginning.of_stopped(run_directory.find_stopped(out), out)
    else:
        beginning = Beginning.of(start, config.training)
    prepared = prepare(corpus, config, cache, known=beginning.known)
    workers.require_same(_describe_data(prepared, beginning, options["optimizer"]))
    has_ended = workers.share()
    if not has_ended:
        model = _build_model(config, prepared.codecs, beginning, workers, lambda *_: None)
        Fitting(model, config, corpus, prepared, None, **options).run()


def _train_in(run, start, corpus, config, cache, overwrite, **options):
    """Trains a model in an open `NewRun`, or loads it if its training has ended.

    The other arguments are those of `train`; the options are those of `Fitting`.
    """
    workers = options["workers"]
    report = show if options["verbose"] else lambda *_: None
    report(device_line(workers.strategy))
    config = _agree_on_settings(_choose_precision(config, run, report), workers)
    is_stopped = _has_recorded_start(run, start, config, overwrite)
    if workers.share(is_stopped):
        beginning = Beginning.of_stopped(run.folder, run.destination)
    else:
        beginning = Beginning.of(start, config.training)
    for line in beginning.describe_start(config.training, options["optimizer"]):
        report(line)
    prepared = _prepare(corpus, config, beginning, cache, report)
    data = _describe_data(prepared, beginning, options["optimizer"])
    workers.require_same(data)
    data |= {
        "corpus": remember_corpus(corpus),
        "length_ratio": prepared.surveys[0].length_ratio,
    }
    if run.existed:
        _check_existing(run, config, data, overwrite)
    if workers.share(run.has_ended):
        out = run.destination
        report(f"the training of {out} has ended; --overwrite repeats it (overwrite=True)")
        return Translator.load(out)
    valid = prepared.codecs.frame(corpus.valid)
    examples = choose_examples(valid) if options["verbose"] else []
    translator, best_epoch = _train(corpus, config, prepared, beginning, data, run, **options)
    report(f"best epoch: {best_epoch:g}")
    if examples and (failure := describe_failure(translator, examples)):
        report(f"WARNING: for a few short validation pairs, {failure}")
    return translator


def _train(corpus, config, prepared, beginning, data, run, **options):
    """Trains a model, and writes everything to the run; the options are those of `Fitting`.

    Returns:
        A `Translator`, and the number of the best epoch.
    """
    report = show if options["verbose"] else lambda *_: None
    workers = options["workers"]
    model = _build_model(config, prepared.codecs, beginning, workers, report)
    devices = describe_devices(workers.strategy)
    if run.has_state:
        run.go_on(devices)
    else:
        record = RunRecord(
            **data,
            kseq=kseq.__version__,
            parameters=model.count_params(),
            is_finished=False,
            command=current_command(),
            seed=config.training.seed,
            device=devices,
            began=utc_now(),
        )
        run_directory.write_description(run.folder, config, prepared.codecs, record)
    best_epoch = Fitting(model, config, corpus, prepared, run, **options).run()
    record = run.finish()
    # In float32, as in a loaded run, whatever the precision of training.
    with use_dtype_policy("float32"):
        model = build_seq2seq(config.model, **prepared.codecs.sizes)
    load_weights(model, run.folder / run_directory.WEIGHTS)
    return Translator.of_run(model, prepared.codecs, config, record), best_epoch


def _check_alignments(corpus, config):
    """Checks that alignments given by the user are used, and fit the pairs and the tokens."""
    if corpus.name in embedded_corpora():
        return
    if corpus.has_alignments("test"):
        require_words(config)
        corpus.require_alignments("test")
    if corpus.has_alignments("train") and not config.training.guided_alignment:
        raise SettingError(
            "{train_alignments} has no effect without {guided_alignment}, such as "
            "{guided_alignment}=0.1"
        )


def _has_recorded_start(run, start, config, overwrite):
    """Whether a training goes on whose start, which is not given now, is in its run."""
    if start is None and run.existed and not overwrite:
        recorded = RunRecord.load(run.folder / run_directory.RECORD)
        if recorded.start is not None:
            data = {"start": recorded.start, "optimizer": recorded.optimizer}
            _check_existing(run, config, data, overwrite)
            return True
    return False


def _check_existing(run, config, data, overwrite):
    """Starts over instead of going on with an existing run, if that is asked for.

    Raises:
        FileExistsError: It has other settings or other data, and must not be replaced.
    """
    differences = find_differences(run.folder, config, data)
    if overwrite and (differences or run.has_ended):
        run.start_over()
    elif differences:
        raise FileExistsError(
            f"{run.destination} holds a run with other settings or data "
            f"({'; '.join(differences)}); choose another destination, or replace it with "
            "--overwrite (overwrite=True)"
        )


def _agree_on_settings(config, workers):
    """Returns the config with the precision that the chief has chosen.

    Raises:
        ValueError: Other settings differ from those of the chief, or are not for several workers.
    """
    if workers.are_several and config.training.subword_sampling:
        raise SettingError(
            "{subword_sampling} has no seed, so that several workers would make different batches: "
            "set it to 0, or train in a single process, perhaps with --devices all"
        )
    precision = workers.share(config.training.precision)
    if config.training.precision == "auto":
        config = config.with_settings([f"precision={precision}"])
    sections = config.to_dict().values()
    workers.require_same({name: value for fields in sections for name, value in fields.items()})
    return config


def _choose_precision(config, run, report):
    """Returns the config with a precision in place of `"auto"`.

    It is that of the run if the run existed, or else the faster one.
    """
    if config.training.precision != "auto":
        return config
    if run.existed:
        recorded = run_directory.load_config(run.folder)
        return config.with_settings([f"precision={recorded.training.precision}"])
    precision, half, ratio = fastest_precision(config.model.units)
    report(f"precision: {precision} (products in {half.name} are {ratio:.1f} times as fast here)")
    return config.with_settings([f"precision={precision}"])


def _prepare(corpus, config, beginning, cache, report):
    """Surveys and encodes the corpus, and reports its contents."""
    train, valid = corpus.train, corpus.valid
    is_text = train.features == (0, 0)
    is_text &= train.has_sources
    if is_text and not train.has_files_of(valid) and look_swapped(train, valid):
        report(
            f"WARNING: the sides of {valid} look swapped compared with those of {train}; if they "
            "are, exchange its columns, or its two files"
        )
    prepared = prepare(corpus, config, cache, report, beginning.known)
    counts = [survey.describe(train.noun) for survey in prepared.surveys]
    report("training on {}, validating on {}".format(*counts))
    sides = zip(COLUMNS, (codec.side for codec in prepared.codecs.columns))
    report("; ".join(f"{name}: {side}" for name, side in sides))
    for line in beginning.describe_codecs(prepared):
        report(line)
    if beginning.known is None and prepared.codecs.are_text:
        count = prepared.surveys[1].kept
        if unknown := describe_unknown(prepared.codecs, config.text, valid, count):
            report(f"WARNING: {unknown}")
    return prepared


def _build_model(config, codecs, beginning, workers, report):
    with workers.scope(), use_dtype_policy(config.training.precision):
        model = build_seq2seq(config.model, **codecs.sizes)
    load_embeddings(model, codecs, config.training, report)
    beginning.apply(model, config.training)
    report(f"model: {model.count_params():,} parameters")
    return model


def _describe_data(prepared, beginning, optimizer):
    """Returns the fields of a `RunRecord` that are the same for all workers of a training."""
    train_survey, valid_survey = prepared.surveys
    return {
        "train": dataclasses.asdict(train_survey),
        "valid": dataclasses.asdict(valid_survey),
        "fingerprint": prepared.fingerprint(),
        "start": beginning.description,
        "optimizer": describe_optimizer(optimizer),
    }
