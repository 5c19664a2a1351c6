"""Opening pairs: files of text or of real values, or objects in RAM."""

from kseq.corpora.dialogues import Dialogues
from kseq.corpora.in_memory import PairsInMemory, are_names
from kseq.corpora.pair_files import PairFiles
from kseq.corpora.pairs import Pairs
from kseq.corpora.texts import Texts, open_texts
from kseq.corpora.values import ValuePairs, is_value_file
from kseq.errors import SettingError

_MOST_TURNS = 1000  # in a source
# Options for reading pairs that texts and conversations cannot have.
_OF_PAIRS = ("swap", "columns", "features", "allow_outside")


def open_pairs(
    files,
    swap=False,
    columns=None,
    skip_faulty=False,
    allow_outside=False,
    features=None,
    *,
    language_model=False,
    context=None,
):
    """Opens pairs: files, one file of real values, or an object in RAM.

    Args:
        files: Names that `kseq.corpora.pair_files.PairFiles` accepts, or an object that
            `kseq.corpora.in_memory.PairsInMemory` accepts; a tuple for several arguments.
        swap: Whether the second column, or the second of two files, is the source.
        columns: The columns of source and target, as for `load_corpus`.
        skip_faulty: Whether faulty lines are left out.
        allow_outside: Whether a TSV may name `.npy` files outside its folder.
        features: The column of features, as for `load_corpus`.
        language_model: Whether they are texts instead of pairs.
        context: If they are conversations instead of pairs, the largest number of turns in a
            source.

    Returns:
        `Pairs` or `ValuePairs`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: No pair can be read.
        TypeError: The object is not pairs of strings.
    """
    given = {"swap": swap, "columns": columns, "features": features, "allow_outside": allow_outside}
    _check_kind(given, language_model, context)
    files = open_source(files, columns, features, language_model, context)
    paths = () if files.are_aligned else files.paths
    value_file = next((path for path in paths if is_value_file(path, files.columns)), None)
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
        for name in _OF_PAIRS:
            if given[name] not in (None, False):
                raise SettingError(
                    "{name} is for pairs; leave it out with {kind}", name=name, kind=kind
                )


def open_source(data, columns=None, features=None, language_model=False, context=None):
    """Returns `PairFiles`, `PairsInMemory`, `Texts` or `Dialogues` for an argument.

    A tuple holds several arguments; but a tuple of tuples is an argument, a tuple of pairs.
    """
    if isinstance(data, (PairFiles, PairsInMemory, Texts, Dialogues)):
        return data
    if language_model:
        return open_texts(data)
    if context is not None:
        return Dialogues(data, context)
    is_several = isinstance(data, tuple) and not all(isinstance(item, tuple) for item in data)
    arguments = data if is_several else (data,)
    if are_names(arguments):
        return PairFiles(data, columns, features)
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
        features: Values per step of source and target; 0 for text.
    """
    return " and ".join(f"{width} values per step" if width else "text" for width in features)
