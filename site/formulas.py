"""Formulas as MathML, which browsers draw themselves: without a script and without the network.

MathJax takes 1.2 MB a page, which is more than the text of any page.
"""

import re

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

# As an identifier, log would stand close to its argument: log p.
FUNCTION = re.compile(r"<mi>(exp|ln|log)</mi>")
OPERATOR = r'<mo form="prefix" lspace="0.17em" rspace="0.17em">\1</mo>'


def renderer(display):
    def visit(translator, node):
        formula = convert(node.astext(), display=display)
        formula = FUNCTION.sub(OPERATOR, formula)
        # where it is wider than the page it is scrolled, and the arrow keys must reach it
        translator.body.append(formula.replace('display="block"', 'display="block" tabindex="0"'))
        raise SkipNode

    return visit, None


def setup(app):
    app.add_html_math_renderer("mathml", renderer("inline"), renderer("block"))
    return {"parallel_read_safe": True}
