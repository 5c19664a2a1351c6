"""Pages in two languages: `page.zh.md`, next to `page.md`, is its Chinese twin.

Of such pages, each site has the one in its own language. In the Chinese site, a link to the other
one becomes a link to the twin. Twins have the same headings in the same order, so that a link to
the third heading of a page leads to the third heading of its twin.
"""

import pathlib
import posixpath
import re

_LINK = re.compile(r"\]\(([\w./-]+)\.md(?:#([^()\s]+))?\)")
_START_PAGE = re.compile(r"\[([^\]]+)\]\(README(?:\.zh)?\.md\)")
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_HREF = re.compile(r"\]\([^()]*\)")


def setup(app):
    """Registers the extension."""
    app.connect("source-read", _link_start_page)
    app.connect("source-read", _link_twins)
    app.connect("html-page-context", _add_language_switch)
    return {"parallel_read_safe": True}


def to_twins(text, folder):
    """Makes links to pages that have a Chinese twin links to the twins.

    Args:
        text: Text of a Markdown file.
        folder: Folder of the file, a path.

    Returns:
        The text with these links.
    """

    def replace(match):
        page, anchor = match.groups()
        twin = folder / f"{page}.zh.md"
        if not twin.is_file():
            return match[0]
        anchors = dict(zip(_anchors(folder / f"{page}.md"), _anchors(twin), strict=True))
        return f"]({page}.zh.md{'#' + anchors.get(anchor, anchor) if anchor else ''})"

    return _LINK.sub(replace, text)


def _anchors(path):
    """The anchors of the headings of a page, as code hosts make them."""
    titles = _HEADING.findall(_CODE.sub("", path.read_text(encoding="utf-8")))
    titles = [_HREF.sub("", title).lower() for title in titles]
    return [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]


def _is_chinese(app):
    return app.config.language == "zh_CN"


def _link_start_page(app, page, source):
    """On the start page, makes the link to the other language one to the other site."""
    if page == app.config.root_doc:
        folder = "../" if _is_chinese(app) else "zh/"
        source[0] = _START_PAGE.sub(rf'<a href="{folder}index.html">\1</a>', source[0])


def _link_twins(app, page, source):
    if _is_chinese(app):
        source[0] = to_twins(source[0], pathlib.Path(app.srcdir, page).parent)


def _add_language_switch(app, page, template, context, doctree):
    """Tells the theme where this page is in the other language."""
    if _is_chinese(app):
        folder, other = "..", page.removesuffix(".zh")
    else:
        folder = "zh"
        other = f"{page}.zh" if pathlib.Path(app.srcdir, f"{page}.zh.md").is_file() else page
    context["page_in_other_language"] = posixpath.join(folder, f"{other}.html")
