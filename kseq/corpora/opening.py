"""Opening pairs: files of text or of real values, or objects in RAM."""

from kseq.corpora.in_memory import PairsInMemory, are_names
from kseq.corpora.pair_files import PairFiles
from kseq.corpora.pairs import Pairs
from kseq.corpora.values import ValuePairs, is_value_file
from kseq.errors import SettingError


def open_pairs(
    files, swap=False, columns=None, skip_faulty=False, allow_outside=False, features=None
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

    Returns:
        `Pairs` or `ValuePairs`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: No pair can be read.
        TypeError: The object is not pairs of strings.
    """
    files = open_source(files, columns, features)
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


def open_source(data, columns, features=None):
    """Returns `PairFiles` or `PairsInMemory` for an argument, or a tuple of several.

    A tuple of tuples is an argument: a tuple of pairs.
    """
    if isinstance(data, (PairFiles, PairsInMemory)):
        return data
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
