"""Equations as MathML, which browsers show without a script or a font of the site."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.math import get_node_equation_number


def setup(app):
    """Registers the extension."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}


def _visit_inline(translator, node):
    translator.body.append(tex2mathml(node.astext()))
    raise SkipNode


def _visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="equation"))
    if node.get("number"):
        translator.body.append(f"<span>({get_node_equation_number(translator, node)})</span>")
    translator.body.append(tex2mathml(node.astext(), as_block=True) + "</div>\n")
    raise SkipNode
