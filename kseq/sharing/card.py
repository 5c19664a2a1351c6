"""Model cards: what a run is, for people and for hubs, as Markdown with a header in YAML."""

import json
import re

import kseq
from kseq.catalogue import ENTRIES
from kseq.runs.contents import CARD
from kseq.runs.history import find_best, find_measure, read_history
from kseq.runs.reading import read_run

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # BCP 47
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")  # an identifier of a hub, or of SPDX
_UNKNOWN = "The author has not said."


def read_or_make_card(folder, name, **options):
    """Returns the model card of a run: its `README.md`, or else a new one.

    Args:
        folder: Run directory.
        name: Name of the model.
        **options: Arguments of `make_card`.

    Raises:
        ValueError: An option is given, but the run has a card of its own; or this is not a text.
    """
    path = folder / CARD
    if not path.is_file():
        return make_card(folder, name, **options)
    given = [option for option, value in options.items() if value]
    if given:
        raise ValueError(f"{path} is the model card of the run: change {given[0]} there")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text in UTF-8; {error.reason}") from error


def make_card(run, name, *, licence=None, languages=(), data=None, limits=None):
    """Makes the model card of a run from its settings, its record and its history.

    Args:
        run: Run directory.
        name: Name of the model.
        licence: Identifier of the licence of the model, such as `"cc-by-4.0"`.
        languages: Codes of the languages of source and target, such as `["de", "en"]`.
        data: What the model was trained on, and under which licence; Markdown.
        limits: What the model must not be used for, or cannot do; Markdown.

    Returns:
        The card, a string.

    Raises:
        ValueError: The licence is not an identifier, or a language not a code.
    """
    folder, config, record = read_run(run)
    for kind, pattern, values in (
        ("the identifier of a licence, such as cc-by-4.0", _LICENCE, [licence] if licence else []),
        ("the code of a language, such as de", _LANGUAGE, languages),
    ):
        for value in values:
            if not pattern.fullmatch(value):
                raise ValueError(f"expected {kind}; received {value!r}")
    paragraphs = {
        "Use": _use(name, config),
        "Model": _model(config, record),
        "Data": "\n\n".join([data or _UNKNOWN, _counts(config, record)]),
        "Figures": _figures(folder, config),
        "Limits": _limits(config, limits),
        "Licence": licence or _UNKNOWN,
        "How to cite": _citation(name, config, record),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in paragraphs.items())
    header = _header(config, licence, languages)
    return f"---\n{header}---\n\n# {name}\n\nA model of kseq {record.kseq}.\n\n{body}\n"


def _header(config, licence, languages):
    # JSON strings are YAML, too.
    fields = {
        "library_name": "kseq",
        "pipeline_tag": _task(config),
        "license": licence,
        "language": list(languages) or None,
        "tags": ["kseq", "keras", "sequence-to-sequence", *_mechanisms(config)],
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items() if value)


def _task(config):
    """The task of a model, as hubs name it; None for real values."""
    if config.model.source_features or config.model.target_features:
        return None
    return "text-generation" if config.model.is_language_model else "translation"


def _mechanisms(config):
    """Names of the parts of a model that the catalogue has."""
    model = config.model
    if model.architecture == "transformer":
        return ["transformer"]
    if model.is_language_model:
        return ["language-model", *([model.cell] if isinstance(model.cell, str) else [])]
    return [part for part in (model.cell, model.attention) if isinstance(part, str)]


def _use(name, config):
    sources = '["A sentence."]' if not config.model.source_features else "[array]"
    if config.text.sample_rate:
        sources = '["recording.wav"]'
    call, options = f"translate({sources}, beam_size=5)", "FILE --beam 5"
    if config.model.target_features:
        call = f"predict({sources}, steps=50)"
    if config.model.target_covariates:
        call = f"predict({sources}, covariates=[known])"
    if config.model.is_language_model:
        call = 'sample(["", "The beginning of a text"], temperature=0.8)'
        options = "FILE --samples 1 --temperature 0.8"
    return f"""```python
import kseq

translator = kseq.Translator.load("{name}")  # the folder, or hf://user/name
translator.{call}
```

On the command line: `kseq translate {name} {options}`."""


def _model(config, record):
    model = config.model
    parts = ", ".join(_mechanisms(config))
    text = (
        f"{record.parameters:,} parameters ({parts}; {model.units} units, embeddings of "
        f"{model.embedding_dim}, {model.encoder_layers} encoder and {model.decoder_layers} decoder "
        "layers). `config.json` has all settings."
    )
    papers = dict.fromkeys(
        f"{entry.paper} (arXiv {entry.number})"
        for entry in ENTRIES
        if entry.number and entry.setting in (f"cell={model.cell}", f"attention={model.attention}")
    )
    return text + (f" Papers: {'; '.join(papers)}." if papers else "")


def _counts(config, record):
    noun = "texts" if config.model.is_language_model else "pairs"
    rows = [
        f"- {split}: {survey['kept']:,} {noun}, {survey['tokens']:,} tokens"
        for split, survey in (("training", record.train), ("validation", record.valid))
        if survey and {"kept", "tokens"} <= survey.keys()
    ]
    return "\n".join(rows) or f"The numbers of {noun} are not recorded."


def _figures(folder, config):
    rows = read_history(folder)
    measure = find_measure(rows, config.training)
    best = measure and find_best(rows, measure)
    if not best:
        return "None are recorded."
    numbers = "\n".join(
        f"| {name.removeprefix('val_')} | {value:g} |"
        for name, value in best.items()
        if name.startswith("val_")
    )
    epoch = f"{best['epoch']:g}"
    return (
        f"On the validation pairs, by teacher forcing unless it is named otherwise, after {epoch} "
        f"epochs (the best):\n\n| figure | value |\n|---|---|\n{numbers}\n\nFigures on your own "
        "pairs: `kseq evaluate`."
    )


def _limits(config, limits):
    longest = config.training.maximum_length
    known = (
        f"Trained on sequences of at most {longest} tokens; longer ones may come out badly. An "
        "output can be fluent and wrong, and repeats what is wrong in the training data: have "
        "outputs that matter checked by a person."
    )
    return f"{limits}\n\n{known}" if limits else known


def _citation(name, config, record):
    year = (record.ended or record.began or "")[:4]
    return f"{name}{f' ({year})' if year else ''}, a model trained with kseq {kseq.__version__}."
