"""Formulas as MathML, which browsers draw themselves: without a script and without the network.

MathJax takes 1.2 MB a page, which is more than the text of any page.
"""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert


def formula(display):
    def visit(translator, node):
        translator.body.append(convert(node.astext(), display=display))
        raise SkipNode

    return visit, None


def setup(app):
    app.add_html_math_renderer("mathml", formula("inline"), formula("block"))
    return {"parallel_read_safe": True}
