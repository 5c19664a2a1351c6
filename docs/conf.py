"""The site, as Sphinx builds it: `make docs`, in English and, with the tag `chinese`, in Chinese.

The sources are the Markdown files of the repository, so the root of the repository is the source
folder. Nothing is fetched, neither by the build nor by a page.
"""

import pathlib
import sys

import kseq
from kseq.console import import_tensorflow_quietly

sys.path.insert(0, str(pathlib.Path(__file__).parent / "extensions"))
import_tensorflow_quietly(finds_devices=False)  # Reading docstrings imports it.

_is_chinese = tags.has("chinese")  # noqa: F821, a name that Sphinx defines
_root = pathlib.Path(__file__).parents[1]
_chinese_pages = [
    path.relative_to(_root).as_posix()
    for path in (*_root.glob("*.zh.md"), *_root.glob("docs/**/*.zh.md"))
]

project = "kseq"
copyright = "the authors of kseq, Apache-2.0"
version = release = kseq.__version__
language = "zh_CN" if _is_chinese else "en"

extensions = [
    *("myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"),
    *("languages", "navigation", "reference", "docstrings", "mathml", "chinese_search"),
]

root_doc = "README.zh" if _is_chinese else "README"
include_patterns = ["*.md", "docs/**.md"]
# Of a page in two languages, each site has the one in its own.
_english_twins = [name.replace(".zh.", ".") for name in _chinese_pages]
exclude_patterns = _english_twins if _is_chinese else _chinese_pages
navigation_index = "docs/README.zh" if _is_chinese else "docs/README"

myst_heading_anchors = 4  # as code hosts make them
myst_fence_as_directive = ["math"]

autodoc_default_options = {
    "members": True,
    "inherited-members": True,
}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # Docstrings describe the arguments.
napoleon_use_rtype = False
default_role = "code"  # `name` in a docstring is code, as in Markdown
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "kseq"
html_static_path = ["theme"]
html_css_files = ["kseq.css"]
html_copy_source = False
html_show_sphinx = False
templates_path = ["theme"]
html_sidebars = {
    "**": [
        *("sidebar/brand.html", "sidebar/search.html", "language.html"),
        *("sidebar/scroll-start.html", "sidebar/navigation.html", "sidebar/scroll-end.html"),
    ]
}
