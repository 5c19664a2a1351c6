"""Search in Chinese: Chinese text is split into pairs of neighbouring characters.

Sphinx itself splits it with a dictionary, which is a further package, and only when the index is
built, not in a query.
"""

import re

from sphinx.search.zh import SearchChinese

_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
_OTHER = re.compile(r"[^\W\u4e00-\u9fff]+")

_SPLIT_QUERY = r"""
var splitQuery = (query) => {
  const chinese = (query.match(/[\u4e00-\u9fff]+/g) || []).flatMap((run) =>
    run.length < 2 ? [run] : Array.from(run.slice(1), (character, i) => run[i] + character));
  return chinese.concat(query.match(/(?:(?![\u4e00-\u9fff])[\p{Letter}\p{Number}_])+/gu) || []);
};
"""


class SearchPairsOfCharacters(SearchChinese):
    """Splits text as `splitQuery` does in a browser."""

    # Sphinx names the stemmer of the page after the language, but Chinese has that of English.
    language_name = "English"
    js_splitter_code = _SPLIT_QUERY

    def split(self, input):
        """Returns the terms of a text: pairs of Chinese characters, and other words."""
        others = _OTHER.findall(input)
        self.latin_terms.update(others)
        pairs = (
            run[i : i + 2] for run in _CHINESE.findall(input) for i in range(max(1, len(run) - 1))
        )
        return [*pairs, *others]


def setup(app):
    """Registers the extension."""
    app.add_search_language(SearchPairsOfCharacters)
    return {"parallel_read_safe": True}
