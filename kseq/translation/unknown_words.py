"""Unknown output words, replaced by source words or their translations."""

import functools
import os

import tensorflow as tf

from kseq.corpora.tables import read_pairs
from kseq.special_tokens import UNK
from kseq.text.display import to_str


class Dictionary(tf.Module):
    """Translations of single words, looked up inside a graph.

    Args:
        entries: Mapping from source word to its translation; may be empty.
        codec: `TextCodec` of the source.
    """

    def __init__(self, entries, codec):
        super().__init__()
        self._codec = codec
        # A table cannot be empty, and the empty string is not a word.
        words, translations = ["", *entries], ["", *entries.values()]
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(words, tf.string), tf.constant(translations, tf.string)
            ),
            default_value="",
        )

    def translate(self, words):
        """Returns the translations of words of any shape; words without one are unchanged."""
        translations = self._table.lookup(self._codec.display(words))
        return tf.where(translations == "", words, translations)


def load_dictionary(path, codec):
    """Reads a dictionary: on each line a source word, a tab and its translation.

    The first translation of a word is used; blank lines are skipped. An entry that is more than
    one word to the run's tokenizer is never looked up.

    Args:
        path: Path of a TSV file.
        codec: `TextCodec` of the source, which may convert words to lower case.

    Returns:
        A `Dictionary`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not a pair of a word and its translation.
    """
    status = os.stat(path) if os.path.isfile(path) else None
    return _load(path, codec, status and (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=4)
def _load(path, codec, _):
    entries = {}
    for number, pair in read_pairs(path, expected="a word, tab, its translation"):
        word, translation = map(str.strip, pair)
        if bool(word) != bool(translation):
            raise ValueError(
                f"{path}, line {number}: expected a word, a tab and its translation; one is empty"
            )
        if word:
            entries.setdefault(word, translation)
    words = to_str(codec.normalize(list(entries))) if entries else []
    return Dictionary(dict(reversed(list(zip(words, entries.values())))), codec)


def replace_unknown(ids, tokens, attention, source_tokens, dictionary):
    """Replaces unknown output words by the source words that they attended to most.

    Jean et al. 2015, "On Using Very Large Target Vocabulary for Neural Machine Translation"
    (arXiv 1412.2007).

    Args:
        ids: Ids of the outputs, `[B, N, T]`.
        tokens: Their tokens, `[B, N, T]`.
        attention: Their attention weights, `[B, N, T, S]`.
        source_tokens: Source tokens without END, padded with empty ones, `[B, S-1]`.
        dictionary: `Dictionary` in which the source words are looked up.

    Returns:
        Tokens `[B, N, T]`.
    """
    is_word = (source_tokens != "")[:, None, None]
    weights = tf.where(is_word, attention[..., : tf.shape(source_tokens)[1]], -1.0)
    # Sources without words have no outputs, but the gather needs a column.
    weights = tf.pad(weights, [[0, 0], [0, 0], [0, 0], [0, 1]], constant_values=-1.0)
    words = tf.pad(source_tokens, [[0, 0], [0, 1]])
    words = tf.gather(words, tf.argmax(weights, axis=3), batch_dims=1)
    return tf.where(ids == UNK, dictionary.translate(words), tokens)
