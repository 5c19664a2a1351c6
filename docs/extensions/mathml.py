"""Equations as MathML, which browsers show without a script or a font of the site."""

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.logging import getLogger

_LOGGER = getLogger(__name__)


def setup(app):
    """Registers the extension."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}


def _visit_inline(translator, node):
    translator.body.append(_to_mathml(node))
    raise SkipNode


def _visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="equation"))
    translator.body.append(_to_mathml(node, as_block=True) + "</div>\n")
    raise SkipNode


def _to_mathml(node, **options):
    """Converts an equation; one that cannot be converted is a warning, and stays as it is."""
    try:
        return tex2mathml(node.astext(), **options)
    except MathError as error:
        _LOGGER.warning("%s in the equation %s", error, node.astext(), location=node)
        return node.astext()
