"""How many characters of the targets also occur in their sources, and how many by chance."""

import collections


class CopiedCharacters:
    """Counts characters, chunk by chunk. Spaces do not count."""

    def __init__(self):
        self._copied = self._sources = 0
        self._in_sources = collections.Counter()  # number of sources that contain a character
        self._in_targets = collections.Counter()

    def add(self, sources, targets):
        """Counts pairs.

        Args:
            sources: List of N strings.
            targets: List of N strings.
        """
        self._sources += len(sources)
        for source, target in zip(sources, targets):
            characters = set(source) - {" "}
            self._in_sources.update(characters)
            self._copied += sum(map(characters.__contains__, target))
        self._in_targets.update("".join(targets))
        del self._in_targets[" "]

    def share(self):
        """Returns the share of the target characters that also occur in their own source."""
        return self._copied / self._in_targets.total()

    def chance(self):
        """Returns the expected share if each target had a random source."""
        expected = sum(n * self._in_sources[each] for each, n in self._in_targets.items())
        return expected / (self._sources * self._in_targets.total())
