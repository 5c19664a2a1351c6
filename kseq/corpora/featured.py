"""Sources with features: text and its tags, its language, its speaker."""


class FeaturedText(str):
    """A text with features, such as a lemma with the tags of an inflected form.

    It is read as text wherever text is read. Two are equal if their features are equal, too: the
    same word with other features is another source.

    Args:
        text: The text.
        features: Its features, a string.

    Attributes:
        features: The argument.
    """

    def __new__(cls, text, features):
        """Makes the string."""
        featured = super().__new__(cls, text)
        featured.features = str(features)
        return featured

    def __getnewargs__(self):
        """Returns the arguments from which pickle and copy make another one."""
        return str(self), self.features

    def __eq__(self, other):
        """Returns whether text and features are equal."""
        return isinstance(other, FeaturedText) and self._key() == other._key()

    def __ne__(self, other):
        """Returns whether text or features differ."""
        return not self == other

    def __hash__(self):
        """Returns a hash of text and features."""
        return hash(self._key())

    def _key(self):
        return str(self), self.features

    def strip(self, characters=None):
        """Returns the text and its features without spaces at either end."""
        return FeaturedText(super().strip(characters), self.features.strip(characters))

    def change(self, function):
        """Returns a text that a function makes of this one, with the same features."""
        return FeaturedText(function(str(self)), self.features)


def make_pair(source, target, features=None):
    """Returns a pair of source and target; with features, the source is a `FeaturedText`."""
    return (source if features is None else FeaturedText(source, features)), target


def swap_sides(pair):
    """Returns target and source; features remain those of what is read."""
    source, target = pair
    if isinstance(source, FeaturedText):
        return FeaturedText(target, source.features), str(source)
    return target, source


def columns_of(pair):
    """Returns a pair as its columns, strings: source, target and, if there are any, features."""
    source, target = pair
    return (source, target, *([source.features] if isinstance(source, FeaturedText) else []))


def columns_of_all(pairs):
    """Returns the columns of pairs, a list of tuples: sources, targets, and perhaps features.

    Args:
        pairs: A list of pairs, perhaps with links as a third component, which are left out.
    """
    return list(zip(*(columns_of(pair[:2]) for pair in pairs)))


def is_complete(pair):
    """Returns whether no column of a pair is empty, or has nothing but spaces."""
    return all(column.strip() for column in columns_of(pair))
