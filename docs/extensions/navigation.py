"""The navigation of the site, which is the index of the documentation: `docs/README.md`.

The index lists every page in tables below headings. The navigation has a caption for each heading,
and an entry for each page, so that no page has to be listed twice.
"""

import pathlib
import posixpath
import re

_HEADING = re.compile(r"(#{2,3}) (.+)")
_ROW = re.compile(r"\| \[([^\]]+)\]\(([^()\s#]+)\.md\) \|")
_NAMED_BY_FILE = re.compile(r"\[[\w/.]+\.md\](?=\([\w/.]+\.md(?:#[\w-]+)?\))")
_START = (
    '<!doctype html><meta charset="utf-8"><title>kseq</title>'
    '<meta http-equiv="refresh" content="0; url={0}"><a href="{0}">kseq</a>'
)


def setup(app):
    """Registers the extension."""
    app.add_config_value("navigation_index", "docs/README", "env")
    app.connect("source-read", _name_pages_by_titles)
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _write_start_page)
    return {"parallel_read_safe": True}


def parts_of(index):
    """Reads the parts of the navigation.

    Args:
        index: Path of a Markdown file.

    Returns:
        A dict: for each caption, a list of titles and pages, relative to the folder of the index.
    """
    parts, headings = {}, ["", ""]
    for line in index.read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.fullmatch(line):
            headings[len(heading[1]) - 2 :] = [heading[2], ""][: 4 - len(heading[1])]
        elif row := _ROW.match(line):
            caption = ": ".join(filter(None, headings))
            parts.setdefault(caption, []).append(row.groups())
    return parts


def _name_pages_by_titles(app, page, source):
    """Gives links such as `[text.md](text.md)` the titles of their pages."""
    source[0] = _NAMED_BY_FILE.sub("[]", source[0])


def _add_navigation(app, page, source):
    """Adds the navigation to the start page, where it is not shown."""
    if page != app.config.root_doc:
        return
    index = app.config.navigation_index
    app.env.note_dependency(f"{index}.md")
    source[0] += f"\n\n```{{toctree}}\n:hidden:\n\n{index}\n```\n"
    for caption, entries in parts_of(pathlib.Path(app.srcdir, f"{index}.md")).items():
        lines = [
            f"{title} <{posixpath.normpath(posixpath.join(posixpath.dirname(index), page))}>"
            for title, page in entries
        ]
        lines = [":hidden:", f":caption: {caption}", "", *lines]
        source[0] += "\n```{toctree}\n" + "\n".join(lines) + "\n```\n"


def _write_start_page(app, exception):
    """Writes `index.html`, which leads to the start page, as that is named like its source."""
    if exception is None and app.builder.format == "html":
        target = app.builder.get_relative_uri("index", app.config.root_doc)
        pathlib.Path(app.outdir, "index.html").write_text(_START.format(target), encoding="utf-8")
