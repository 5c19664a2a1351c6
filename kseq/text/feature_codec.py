"""The codec of features: tags, a language or a speaker, to ids."""

from kseq.sides.feature_side import FeatureSide
from kseq.text.codec import TextCodec
from kseq.text.display import to_str
from kseq.text.tokenizers import FeatureTokenizer


class FeatureCodec(TextCodec):
    """The codec of the features of a source; capitals are kept.

    Args:
        description: The vocabulary: features in the order of their ids, special tokens first.
        separator: What stands between two features.
        normalization: The Unicode form of the features: see `kseq.text.codec.normalize`.
    """

    def __init__(self, description, separator=";", normalization="nfc"):
        super().__init__(description, "space", normalization=normalization)
        self._separator = separator
        self._tokenizer = FeatureTokenizer(separator)
        self.side = FeatureSide(len(self.vocabulary))
        self._known = frozenset(self.vocabulary)

    @property
    def reading(self):
        """How features are split, as in `TextCodec`."""
        return self._separator, self._normalization

    def unknown(self, texts):
        """Returns the different features in strings `[N]` that have no id, a list."""
        features = to_str(self.tokenize([text.encode("utf-8", "replace") for text in texts]))
        distinct = dict.fromkeys(feature for row in features for feature in row)
        return [feature for feature in distinct if feature not in self._known]
