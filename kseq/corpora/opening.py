"""Opening pairs: files of text or of real values, or objects in RAM."""

from kseq.corpora.dialogues import Dialogues
from kseq.corpora.in_memory import PairsInMemory, are_names
from kseq.corpora.lines import FaultyLineError
from kseq.corpora.pair_files import PairFiles
from kseq.corpora.pairs import Pairs
from kseq.corpora.texts import Texts, open_texts
from kseq.corpora.value_arrays import ArrayPairs, hold_arrays
from kseq.corpora.value_sides import SAMPLES
from kseq.corpora.values import ValuePairs, holds_records, is_value_file
from kseq.errors import SettingError

_MOST_TURNS = 1000  # in a source
# Options for reading pairs that texts and conversations cannot have.
_OF_PAIRS = ("swap", "columns", "features", "covariates", "allow_outside")


def open_pairs(
    files,
    swap=False,
    columns=None,
    skip_faulty=False,
    allow_outside=False,
    *,
    features=None,
    covariates=None,
    language_model=False,
    context=None,
):
    """Opens pairs: files, one file of real values, or an object in RAM.

    Args:
        files: Names that `PairFiles` accepts, or an object that `PairsInMemory` or `ArrayPairs`
            accepts; a tuple for several arguments.
        swap: Whether the second column, or the second of two files, is the source.
        columns: The columns of source and target, as for `load_corpus`.
        skip_faulty: Whether faulty lines are left out.
        allow_outside: Whether a TSV may name `.npy` and `.wav` files outside its folder.
        features, covariates: The columns of both, as for `load_corpus`.
        language_model: Whether they are texts instead of pairs.
        context: If they are conversations, the largest number of turns in a source.

    Returns:
        `Pairs` or `ValuePairs`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: No pair can be read.
        TypeError: The object is not pairs of strings.
    """
    given = {"swap": swap, "columns": columns, "features": features, "covariates": covariates}
    _check_kind({**given, "allow_outside": allow_outside}, language_model, context)
    kind = {"covariates": covariates, "language_model": language_model, "context": context}
    files = open_source(files, columns, features, **kind)
    if isinstance(files, ArrayPairs):
        if swap:
            raise SettingError("{swap} is for text; pass arrays in their order")
        return files.opened(skip_faulty)
    paths = () if files.are_aligned else files.paths
    value_file = next((path for path in paths if is_value_file(path, files.columns)), None)
    if value_file is None and covariates is not None:
        _refuse_covariates(files)
    if covariates is not None and holds_records(value_file):
        raise SettingError("{covariates} are a column of an index; {0} has none", value_file)
    if value_file is None:
        return Pairs.open(files, swap, skip_faulty)
    if features is not None:
        raise SettingError("{features} is for text; {0} holds real values", value_file)
    if len(files.paths) > 1:
        raise ValueError(
            f"{value_file}: expected a single file of real values; received {files}; join them"
        )
    if swap:
        raise SettingError("{swap} is for text; for an index of arrays, use {columns} 2 1")
    return ValuePairs.open(
        value_file, columns=files.columns, skip_faulty=skip_faulty, allow_outside=allow_outside
    )


def _refuse_covariates(files):
    """Raises an error for files of text: the first pair may be faulty, such as without a column."""
    _, _, pair = next(files.scan(), (None, None, None))
    if isinstance(pair, FaultyLineError):
        raise pair
    raise SettingError("{covariates} are for real-valued targets; {0} holds text", files)


def _check_kind(given, language_model, context):
    """Checks that options fit each other: those for pairs are not for texts and conversations.

    Args:
        given: The options for pairs, by name.
        language_model, context: As for `open_pairs`.
    """
    if context is not None and (type(context) is not int or not 1 <= context <= _MOST_TURNS):
        raise SettingError(
            "{context} must be a number of turns from 1 to {0:,}; received {1!r}",
            *(_MOST_TURNS, context),
        )
    if language_model and context is not None:
        raise SettingError("{context} is for conversations; {language_model} is for texts")
    if language_model or context is not None:
        kind = "language_model" if language_model else "context"
        refuse_for(kind, {name: given[name] for name in _OF_PAIRS})


def refuse_for(kind, given):
    """Raises an error if options for pairs are given with texts or conversations.

    Args:
        kind: The option that says what the data are, `"language_model"` or `"context"`.
        given: The options for pairs, by name.
    """
    for name, value in given.items():
        if value not in (None, False):
            raise SettingError(
                "{name} is for pairs; leave it out with {kind}", name=name, kind=kind
            )


def open_source(
    data, columns=None, features=None, *, covariates=None, language_model=False, context=None
):
    """Returns `PairFiles`, `PairsInMemory`, `ArrayPairs`, `Texts` or `Dialogues` for an argument.

    A tuple holds several arguments; but a tuple of tuples is an argument, a tuple of pairs.
    """
    if isinstance(data, (PairFiles, PairsInMemory, ArrayPairs, Texts, Dialogues)):
        return data
    if language_model:
        return open_texts(data)
    if context is not None:
        return Dialogues(data, context)
    if features is not None and covariates is not None:
        raise SettingError("{features} is for text, {covariates} for real values: use one of them")
    is_several = isinstance(data, tuple) and not all(isinstance(item, tuple) for item in data)
    arguments = data if is_several else (data,)
    if are_names(arguments):
        if covariates is not None:
            return PairFiles(data, columns, covariates, "covariates")
        return PairFiles(data, columns, features)
    if hold_arrays(arguments):
        if columns is not None or features is not None:
            raise SettingError(
                "{name} is for text; pass arrays as load_corpus(sources, targets)",
                name="features" if columns is None else "columns",
            )
        return ArrayPairs(*arguments)
    if covariates is not None:
        raise SettingError("{covariates} are for real-valued targets; received text")
    if len(arguments) > 3:
        raise TypeError(
            "expected pairs, or sources and targets, and perhaps features; received "
            f"{len(arguments)} objects"
        )
    return PairsInMemory(*arguments, columns=columns, features=features)


def require_features(pairs):
    """Raises a SettingError if pairs have no features."""
    if not pairs.has_features:
        raise SettingError(
            "{features}: no features in {0}; name their column (features=2, --features 2), or a "
            "third file with features on its lines",
            pairs,
        )


def require_same_features(pairs, has_features, where):
    """Raises a ValueError if only some pairs have features.

    Args:
        pairs: The pairs.
        has_features: Whether they should have features.
        where: Where others have them, or have none, for the message.
    """
    if has_features:
        require_features(pairs)
    elif pairs.has_features:
        raise SettingError("{features}: {0} has none; leave those of {1} out", where, pairs)


def describe_features(features):
    """Describes source and target in words.

    Args:
        features: Values per step of source and target; 0 for text, `SAMPLES` for recordings.
    """
    return " and ".join(
        f"{width} values per step" if isinstance(width, int) and width else width or "text"
        for width in features
    )


def frame_widths(features, text):
    """Returns the features of pairs with the width of frames in place of recordings.

    Args:
        features: As in `describe_features`.
        text: `TextConfig` of a run; if its model does not read recordings, these remain.
    """
    return tuple(
        text.mel_bands if width == SAMPLES and text.sample_rate else width for width in features
    )


def require_same_covariates(pairs, covariates, where):
    """Raises a ValueError if pairs have more or fewer covariates than others.

    Args:
        pairs: The pairs.
        covariates: The number that they should have.
        where: What has as many, for the message.
    """
    if pairs.covariates != covariates:
        advice = "leave them out" if not covariates else "name their column, or pass them"
        raise SettingError(
            "{covariates}: expected {0}, as in {1}; received {2} in {3}; " + advice,
            *(covariates, where, pairs.covariates, pairs),
        )
